#include "policyd/outbox.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/logproof.h"
#include "libkep/mem.h"
#include "libkep/receipt.h"
#include "policyd/lacking.h"
#include "policyd/ledger.h"
#include "policyd/published.h"
#include "policyd/signer.h"
#include "policyd/smtp.h"

#define JOBS_MAX    64                          /* receipts under way */
#define INJECT_MAX  6                           /* of the eight that kepinject serves; the hop has the others */
#define IDLE        ((usec)10 * 1000000)
#define RETRY_MAX   ((usec)3600 * 1000000)
#define POLL_SECONDS 5
#define ROUNDS_MAX  16                          /* tiles are kept for so many fetches */

/* One receipt, from its lease to its mark. */
struct job {
	struct outbox   *outbox;
	struct job      *next;
	char            *id;            /* of the evidence */
	char            *recipient;
	struct buf       body;          /* the evidence */
	uint64_t         index;         /* its leaf */
	struct buf       note, cms;     /* the checkpoint that covers it */
	struct buf       stamp;         /* empty: none yet */
	struct buf       proof;
	bool             proving;       /* no proof yet */
	bool             asked;         /* the tiles that lacked for it are asked for */
	struct buf       content;       /* what the seal covers */
	struct buf       mail;
	unsigned         attempts;
	char            *sender;
	struct smtp_mail smtp;
	struct event    *again;         /* marking it sent is tried again */
	usec             leased;        /* until then nobody else takes it */
};

struct outbox {
	struct daemon *d;
	struct smtp   *inject;
	struct event  *poll;
	struct job    *jobs;
	size_t         n;
	struct tiles  *tiles;           /* of proofs; fetched once for all that are made together */
	unsigned       rounds;          /* fetched so often since tiles were forgotten */
	bool           fetching;
	struct published seen;          /* the checkpoint that was looked at last */
	bool           released;        /* no lease of this host is left that no job knows of; else nothing is taken */
	bool           asking;          /* a take is under way */
	size_t         wanted;          /* so many rows */
	bool           more;            /* there may be more than was taken */
	bool           stopped;
};

static void take(struct outbox *o);
static void prove_all(struct outbox *o);
static void store(struct job *j);
static void send_mail(struct job *j);
static void mark_sent(struct job *j);
static void give_back(struct job *j, const char *why);

/* ---- jobs ---- */

static struct job *job_new(struct outbox *o, const struct pg_rows *rows, size_t row)
{
	struct job *j = mem_new(sizeof *j);

	j->outbox = o;
	j->next = o->jobs;
	o->jobs = j;
	o->n++;
	j->id = mem_span(pg_value(rows, row, 0));
	j->recipient = mem_span(pg_value(rows, row, 1));
	pg_bytea(rows, row, 2, &j->body);
	pg_bytea(rows, row, 3, &j->mail);
	j->attempts = (unsigned)strtoul(pg_value(rows, row, 4).p, NULL, 10);
	j->index = strtoull(pg_value(rows, row, 5).p, NULL, 10);
	pg_bytea(rows, row, 6, &j->note);
	pg_bytea(rows, row, 7, &j->cms);
	pg_bytea(rows, row, 8, &j->stamp);
	j->proving = j->mail.n == 0;
	j->sender = mem_printf("receipt+%s@%s", j->id, o->d->conf->track_domain);
	j->leased = clock_now() + o->d->conf->outbox_lease;
	return j;
}

static void job_free(struct job *j)
{
	struct job **at = &j->outbox->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	j->outbox->n--;
	smtp_mail_release(&j->smtp);
	if (j->again)
		event_free(j->again);
	buf_release(&j->body);
	buf_release(&j->note);
	buf_release(&j->cms);
	buf_release(&j->stamp);
	buf_release(&j->proof);
	buf_release(&j->content);
	buf_release(&j->mail);
	free(j->id);
	free(j->recipient);
	free(j->sender);
	free(j);
}

static void job_end(struct job *j)
{
	struct outbox *o = j->outbox;

	job_free(j);
	if ((o->more || !o->released) && o->n <= JOBS_MAX / 2)
		take(o);
}

/* ---- take ---- */

static void on_taken(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct outbox *o = arg;
	size_t n = a == PG_DONE ? pg_rows_count(rows) : 0;

	o->asking = false;
	o->released &= a != PG_LOST;
	if (a == PG_FAILED)
		log_warn("outbox: kep.outbox_take: %s", words);
	o->more |= n == o->wanted;
	for (size_t i = 0; i < n; i++) {
		struct job *j = job_new(o, rows, i);

		if (j->mail.n)
			send_mail(j);
	}
	prove_all(o);
	if (o->more && a == PG_DONE && o->n <= JOBS_MAX / 2)
		take(o);
}

static void on_released(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct outbox *o = arg;

	o->asking = false;
	o->released = a == PG_DONE;
	if (o->released)
		take(o);
	else if (a == PG_FAILED)
		log_warn("outbox: kep.outbox_release: %s", words);
}

/* Leases of a process that died, or of a take whose answer was lost, end now. */
static void release(struct outbox *o)
{
	struct pg_params v = { .n = 0 };

	o->asking = true;
	pg_text(&v, span_str(conf_hostname(o->d->conf)));
	pg_ask(o->d->pg, "SELECT kep.outbox_release($1::text)", &v, true, on_released, o);
}

static void take(struct outbox *o)
{
	struct pg_params v = { .n = 0 };
	char n[24], lease[40], patience[40];

	if (o->asking || o->stopped || o->n >= JOBS_MAX || !o->d->schema)
		return;
	if (!o->released) {
		if (o->n == 0)
			release(o);
		return;
	}
	o->wanted = JOBS_MAX - o->n;
	snprintf(n, sizeof n, "%zu", o->wanted);
	snprintf(lease, sizeof lease, "%lld microseconds", (long long)o->d->conf->outbox_lease);
	pg_text(&v, span_str(conf_hostname(o->d->conf)));
	pg_text(&v, span_str(n));
	pg_text(&v, span_str(lease));
	snprintf(patience, sizeof patience, "%lld microseconds", (long long)(*o->d->conf->tsa_urls ? o->d->conf->stamp_wait : 0));
	pg_text(&v, span_str(patience));
	o->asking = true;
	o->more = false;
	pg_ask(o->d->pg, "SELECT evidence_id::text, recipient, body, mail, attempts, index, note, cms, token "
	       "FROM kep.outbox_take($1::text, $2::int, $3::interval, $4::interval)",
	       &v, true, on_taken, o);
}

void outbox_kick(struct outbox *o)
{
	o->more = true;
	take(o);
}

/* ---- compose and seal ---- */

static struct receipt receipt_of(const struct job *j)
{
	const struct conf *conf = j->outbox->d->conf;
	struct span domain = span_str(conf->receipt_from);

	span_cut(&domain, '@');
	return (struct receipt){ .evidence = buf_span(&j->body), .from = span_str(conf->receipt_from), .to = span_str(j->recipient),
	                         .provider = span_str(conf->provider_name), .domain = domain, .time_zone = conf->time_zone,
	                         .ledger = buf_span(&ledger_origin(j->outbox->d->ledger)->name), .index = j->index,
	                         .proof = buf_span(&j->proof), .checkpoint = buf_span(&j->cms), .stamp = buf_span(&j->stamp) };
}

static void on_sealed(void *arg, struct span der)
{
	struct job *j = arg;
	struct receipt r = receipt_of(j);

	if (!der.n)
		give_back(j, "the seal could not sign");
	else if (!receipt_mail(&j->mail, &r, buf_span(&j->content), der))
		give_back(j, "the receipt cannot be composed");
	else
		store(j);
}

static void compose(struct job *j)
{
	struct receipt r = receipt_of(j);

	if (receipt_content(&j->content, &r))
		signer_ask(j->outbox->d->signer, SIGNER_SEAL, buf_span(&j->content), on_sealed, j);
	else
		give_back(j, "the evidence cannot be read");
}

/* ---- prove: that the evidence is in the ledger ---- */

enum proved { PROVED, PROOF_LACKING, NOT_PROVED };

/* The head that a note states; the note of the last job is looked at once. */
static bool head_of(struct outbox *o, const struct job *j, struct buf *why)
{
	const struct origin *origin = ledger_origin(o->d->ledger);

	return (o->seen.known && span_eq(buf_span(&o->seen.note), buf_span(&j->note))) ||
	    published_read(&o->seen, buf_span(&j->note), buf_span(&origin->name), origin->keys, origin->n, why);
}

/* A proof that does not lead from this body to that root is never sent. */
static enum proved prove(struct job *j, struct buf *why)
{
	struct outbox *o = j->outbox;
	struct merkle_source source = tiles_source(o->tiles);
	struct merkle_proof path;
	struct merkle_hash leaf;

	if (!head_of(o, j, why))
		return NOT_PROVED;
	if (!merkle_prove_inclusion(&source, j->index, o->seen.head.size, &path)) {
		buf_adds(why, "tiles of the ledger are missing");
		return tiles_lacking(o->tiles) ? PROOF_LACKING : NOT_PROVED;
	}
	merkle_leaf(&leaf, buf_span(&j->body));
	if (!merkle_included(j->index, o->seen.head.size, &leaf, &path, &o->seen.head.root)) {
		buf_addf(why, "the evidence is not the one that was entered in the ledger at %" PRIu64, j->index);
		return NOT_PROVED;
	}
	logproof_write(&j->proof, j->index, &path, buf_span(&j->note));
	return PROVED;
}

static void on_alarmed(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	if (a == PG_FAILED)
		log_warn("outbox: the alarm could not be recorded: %s", words);
}

static void raise_alarm(const struct job *j, const char *why)
{
	struct pg_params v = { .n = 0 };
	char *details = mem_printf("evidence=%s index=%" PRIu64 ": %s", j->id, j->index, why);

	log_warn("outbox: alarm why=ledger-proof %s; run kepctl fsck", details);
	pg_text(&v, span_str(conf_hostname(j->outbox->d->conf)));
	pg_text(&v, span_str(details));
	pg_ask(j->outbox->d->pg, "SELECT kep.hop_alarm(NULL::uuid, $1::text, 'ledger-proof', $2::text)", &v, true, on_alarmed, NULL);
	free(details);
}

static void prove_one(struct job *j)
{
	struct buf why = BUF_INIT;
	enum proved p = prove(j, &why);

	if (p == PROVED) {
		j->proving = false;
		compose(j);
	} else if (p == NOT_PROVED) {
		raise_alarm(j, buf_str(&why));
	}
	if (p == NOT_PROVED || (p == PROOF_LACKING && j->asked)) {
		j->proving = false;
		give_back(j, buf_str(&why));
	}
	buf_release(&why);
}

/* Jobs may go while we look at them. */
static void prove_jobs(struct outbox *o)
{
	for (struct job *j = o->jobs, *next; j; j = next) {
		next = j->next;
		if (j->proving)
			prove_one(j);
	}
}

static void on_lacking(void *arg, enum lacking_answer a)
{
	struct outbox *o = arg;

	o->fetching = false;
	if (a != LACKING_CAME || ++o->rounds % ROUNDS_MAX == 0)
		tiles_clear(o->tiles);
	for (struct job *j = o->jobs, *next; a != LACKING_CAME && j; j = next) {
		next = j->next;
		if (j->proving && j->asked) {
			j->proving = false;
			give_back(j, a == LACKING_GONE ? "tiles of the ledger are missing" : "the database was lost");
		}
	}
	prove_all(o);
}

/* What can be proved is; what lacks for the others is asked for in one question. */
static void prove_all(struct outbox *o)
{
	if (o->fetching)
		return;
	prove_jobs(o);
	if (tiles_lacking(o->tiles) == 0)
		return;
	for (struct job *j = o->jobs; j; j = j->next)
		j->asked |= j->proving;
	o->fetching = true;
	lacking_ask(o->d->pg, o->tiles, o->seen.head.size, on_lacking, o);
}

/* ---- store: from here on the octets are fixed ---- */

static void add_key(struct pg_params *v, const struct job *j)
{
	pg_text(v, span_str(j->id));
	pg_text(v, span_str(j->recipient));
}

static void on_stored(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct job *j = arg;

	if (a == PG_DONE)
		send_mail(j);
	else
		give_back(j, words);
}

static void store(struct job *j)
{
	struct pg_params v = { .n = 0 };

	add_key(&v, j);
	pg_octets(&v, buf_span(&j->mail));
	pg_ask(j->outbox->d->pg, "SELECT kep.outbox_store($1::uuid, $2::text, $3::bytea)", &v, true, on_stored, j);
}

/* ---- send ---- */

static void on_sent(struct smtp_mail *m, void *arg)
{
	struct job *j = arg;
	const struct smtp_recipient *r = &m->recipients[0];

	if (r->fate == SMTP_REPLIED && reply_class(&r->reply) == 2)
		mark_sent(j);
	else
		give_back(j, buf_str(&r->reply.text));
}

static void send_mail(struct job *j)
{
	j->smtp = (struct smtp_mail){ .sender = span_str(j->sender), .params = SPAN("RET=HDRS"), .eightbit = true, .fd = -1,
	                              .content = buf_span(&j->mail), .n = 1, .done = on_sent, .arg = j };
	for (const char *c = j->recipient; *c; c++)
		j->smtp.utf8 |= (unsigned char)*c >= 0x80;
	j->smtp.recipients = mem_array(1, sizeof *j->smtp.recipients);
	j->smtp.recipients[0].path = span_str(j->recipient);
	j->smtp.recipients[0].params = SPAN("NOTIFY=FAILURE");
	smtp_send(j->outbox->inject, &j->smtp);
}

/* ---- mark ---- */

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	mark_sent(arg);
}

/* It is sent; while the lease lasts it is worth a try to say so once more. */
static void mark_again(struct job *j)
{
	static const struct timeval second = { .tv_sec = 1 };

	if (j->outbox->stopped || clock_now() + 2 * 1000000 > j->leased) {
		log_warn("outbox: evidence=%s to=<%s> was sent but not marked; it is sent once more, with the same Message-ID", j->id, j->recipient);
		job_end(j);
		return;
	}
	if (!j->again)
		j->again = evtimer_new(j->outbox->d->base, on_again, j);
	event_add(j->again, &second);
}

static void on_marked(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct job *j = arg;
	struct span id = reply_queue_id(&j->smtp.recipients[0].reply);

	if (a != PG_DONE) {
		mark_again(j);
		return;
	}
	log_info("%.*s: receipt sent to=<%s> evidence=%s", (int)id.n, id.n ? id.p : "", j->recipient, j->id);
	job_end(j);
}

static void mark_sent(struct job *j)
{
	struct pg_params v = { .n = 0 };
	struct span id = reply_queue_id(&j->smtp.recipients[0].reply);

	add_key(&v, j);
	pg_text(&v, id.n ? id : SPAN("?"));
	pg_ask(j->outbox->d->pg, "SELECT kep.outbox_sent($1::uuid, $2::text, $3::text)", &v, true, on_marked, j);
}

/* ---- give back ---- */

static void on_given_back(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct job *j = arg;

	if (a == PG_LOST)
		j->outbox->released = false;
	job_end(j);
}

static usec pause_after(const struct job *j)
{
	usec pause = j->outbox->d->conf->outbox_retry;

	for (unsigned i = 1; i < j->attempts && pause < RETRY_MAX; i++)
		pause *= 2;
	return pause < RETRY_MAX ? pause : RETRY_MAX;
}

static void give_back(struct job *j, const char *why)
{
	struct pg_params v = { .n = 0 };
	char pause[40];

	log_warn("outbox: receipt deferred to=<%s> evidence=%s attempt=%u: %s", j->recipient, j->id, j->attempts, why);
	snprintf(pause, sizeof pause, "%lld microseconds", (long long)pause_after(j));
	add_key(&v, j);
	pg_text(&v, span_str(why));
	pg_text(&v, span_str(pause));
	pg_ask(j->outbox->d->pg, "SELECT kep.outbox_failed($1::uuid, $2::text, $3::text, $4::interval)", &v, true, on_given_back, j);
}

/* ---- life ---- */

static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	outbox_kick(arg);
}

struct outbox *outbox_new(struct daemon *d)
{
	static const struct timeval often = { .tv_sec = POLL_SECONDS };
	struct outbox *o = mem_new(sizeof *o);
	struct buf error = BUF_INIT;
	struct smtp_options options = { .key = "inject_socket", .where = d->conf->inject_socket, .hello = conf_hostname(d->conf),
	                                .connections = INJECT_MAX, .timeout = d->conf->mail_timeout, .idle = IDLE };

	o->d = d;
	o->inject = smtp_new(d->base, &options, &error);
	if (!o->inject)
		log_fatal("%s", buf_str(&error));
	o->tiles = tiles_new();
	o->poll = event_new(d->base, -1, EV_PERSIST, on_poll, o);
	event_add(o->poll, &often);
	return o;
}

void outbox_stop(struct outbox *o)
{
	o->stopped = true;
}

size_t outbox_busy(const struct outbox *o)
{
	return o->n;
}

void outbox_free(struct outbox *o)
{
	if (!o)
		return;
	smtp_free(o->inject);
	while (o->jobs)
		job_free(o->jobs);
	event_free(o->poll);
	tiles_free(o->tiles);
	published_release(&o->seen);
	free(o);
}
