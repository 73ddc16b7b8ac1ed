#include "policyd/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/attempt.h"
#include "policyd/directory.h"
#include "policyd/request.h"

/* One connection.  Postfix asks one thing at a time. */
struct policy {
	struct daemon  *d;
	struct peer    *peer;           /* NULL: gone; we stay while something is outstanding */
	struct buf      text;           /* the request being answered; r points into it */
	struct request  r;
	struct decision decision;
	bool            busy;
	size_t          outstanding;    /* answers of directory and database to come */
	struct buf      instance;       /* of the transaction the next three belong to */
	uint64_t        transaction;    /* counts them */
	struct buf      queue_id, count;        /* what DATA said and END-OF-MESSAGE has not yet written; empty: nothing */
	usec            data_at;
	size_t          writes;         /* not answered yet */
	bool            failed;         /* one of its writes was not done */
	struct buf      held;           /* action to answer when no write is open; empty: none */
};

/* One write under way. */
struct write {
	struct policy *policy;
	uint64_t       transaction;
};

static void settle(struct policy *p)
{
	if (p->peer || p->outstanding > 0)
		return;
	buf_release(&p->text);
	buf_release(&p->instance);
	buf_release(&p->held);
	buf_release(&p->queue_id);
	buf_release(&p->count);
	free(p);
}

static void answer(struct policy *p, struct span action)
{
	struct buf b = BUF_INIT;

	p->busy = false;
	if (!p->peer)
		return;
	buf_adds(&b, "action=");
	buf_add(&b, action);
	buf_adds(&b, "\n\n");
	peer_write(p->peer, buf_span(&b));
	peer_deadline(p->peer, 0);
	peer_wake(p->peer);
	buf_release(&b);
}

static void answer_held(struct policy *p)
{
	struct buf action = p->held;

	p->held = BUF_INIT;
	answer(p, buf_span(&action));
	buf_release(&action);
}

static void pass(struct policy *p)
{
	answer(p, SPAN("DUNNO"));
}

#define TEXT(s) (int)(s).n, (s).n ? (s).p : ""

/* log: log_info or log_warn. */
static void say(void (*log)(const char *fmt, ...), const struct request *r, const char *what, const char *words)
{
	struct span id = r->queue_id.n ? r->queue_id : SPAN("NOQUEUE");

	log("%.*s: policy %.*s %s from=<%.*s> login=%.*s to=<%.*s> client=%.*s instance=%.*s: %s", TEXT(id), TEXT(r->state), what,
	    TEXT(r->sender), TEXT(r->login), TEXT(r->recipient), TEXT(r->client), TEXT(r->instance), words);
}

static void trouble(struct policy *p, const char *words)
{
	if (!p->peer)
		return;
	say(log_warn, &p->r, "not answered, disconnecting", words);
	peer_close(p->peer);
}

/* ---- writing ---- */

static void written(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct write *w = arg;
	struct policy *p = w->policy;

	p->outstanding--;
	if (a == PG_FAILED)
		log_warn("policy: attempt not recorded: %s: %s", sqlstate, words);
	if (w->transaction == p->transaction) {
		p->writes--;
		p->failed |= a != PG_DONE;
	}
	free(w);
	if (p->writes == 0 && p->held.n && p->failed)
		trouble(p, "the attempt could not be recorded");
	else if (p->writes == 0 && p->held.n)
		answer_held(p);
	settle(p);
}

enum urgency { DURABLE, NOW, LATER };

static void put(struct policy *p, const char *sql, const struct pg_params *params, enum urgency urgency)
{
	struct write *w = mem_new(sizeof *w);

	*w = (struct write){ p, p->transaction };
	p->writes++;
	p->outstanding++;
	if (urgency == LATER)
		pg_ask_later(p->d->pg, sql, params, written, w);
	else
		pg_ask(p->d->pg, sql, params, urgency == DURABLE, written, w);
}

/* What the database takes: UTF-8 without NUL. */
static struct span clean(struct buf *b, struct span s)
{
	if (s.n == 0)
		return SPAN("");
	if (utf8_valid(s))
		return s;
	buf_clear(b);
	for (size_t i = 0; i < s.n; i++)
		buf_addc(b, s.p[i] > 0 && s.p[i] < 0x7f ? s.p[i] : '?');
	return buf_span(b);
}

static void put_attempt(struct policy *p, const struct decision *q)
{
	const struct request *r = &p->r;
	unsigned char fingerprint[SHA256_SIZE];
	struct buf b[6] = { BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT };
	struct attempt a = {
		.host = span_str(conf_hostname(p->d->conf)),
		.instance = clean(&b[0], r->instance),
		.client = clean(&b[1], r->client),
		.tls = clean(&b[2], r->tls),
		.login = clean(&b[3], r->login),
		.sender = addr_empty(&q->sender_addr) ? clean(&b[4], r->sender) : addr_span(&q->sender_addr),
		.recipient = addr_empty(&q->rcpt_addr) ? clean(&b[5], r->recipient) : addr_span(&q->rcpt_addr),
	};
	struct pg_params v = { .n = 0 };
	char form[12];

	attempt_fingerprint(fingerprint, &a);
	snprintf(form, sizeof form, "%d", ATTEMPT_FORM);
	pg_text(&v, a.host);
	pg_text(&v, a.instance);
	pg_text(&v, a.recipient);
	pg_text(&v, a.client);
	pg_text(&v, a.tls);
	pg_text(&v, a.login);
	pg_text(&v, a.sender);
	pg_text(&v, r->queue_id.n ? r->queue_id : SPAN(""));
	pg_text(&v, span_str(form));
	pg_octets(&v, span_of((const char *)fingerprint, sizeof fingerprint));
	pg_text(&v, span_str(reason_words(q->why)->wire));
	put(p, "SELECT kep.attempt($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::int, $10::bytea, $11::text)",
	    &v, q->why == REASON_ACCEPTED ? LATER : DURABLE);
	for (size_t i = 0; i < COUNT_OF(b); i++)
		buf_release(&b[i]);
}

/* After a write of accepted mail.  Nobody waits for it: END-OF-MESSAGE tells if it
 * was not done, and the submission, which asks for it. */
static void pass_unless_failed(struct policy *p)
{
	if (p->failed)
		trouble(p, "the attempt could not be recorded");
	else
		pass(p);
}

/* ---- the states of the protocol ---- */

static void refuse(struct policy *p, const struct decision *q)
{
	const struct reason_words *w = reason_words(q->why);
	char what[64];

	snprintf(what, sizeof what, "refused why=%s", w->wire);
	say(log_info, &p->r, what, w->english);
	buf_addf(&p->held, "%d %s KEP: %s (why=%s)", w->code, w->status, w->english, w->wire);
	if (q->kep)
		put_attempt(p, q);
	else
		answer_held(p);
}

static void rcpt_decided(void *arg)
{
	struct policy *p = arg;
	const struct decision *q = &p->decision;

	p->outstanding--;
	if (!p->peer) {
		settle(p);
	} else if (q->why == REASON_UNAVAILABLE) {
		trouble(p, "the database is needed and not there");
	} else if (q->why == REASON_ACCEPTED && !q->kep) {
		pass(p);
	} else if (p->r.instance.n == 0) {
		trouble(p, "the request has no instance");
	} else if (q->why == REASON_ACCEPTED) {
		put_attempt(p, q);
		pass_unless_failed(p);
	} else {
		refuse(p, q);
	}
}

static void on_rcpt(struct policy *p)
{
	const struct request *r = &p->r;

	p->decision = (struct decision){ .sender = r->sender, .login = r->login, .tls = r->tls, .tls_known = true,
		.rcpt = r->recipient, .with_rcpt = true, .answered = rcpt_decided, .arg = p };
	p->outstanding++;
	directory_decide(p->d->directory, &p->decision);
}

static bool is_number(struct span s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i == s.n && s.n > 0 && s.n < 19;
}

/* Answers all by itself where nothing is to be written. */
static bool must_write(struct policy *p, struct span number)
{
	const struct directory *d = p->d->directory;
	struct addr sender;

	if (!directory_loaded(d))
		trouble(p, "the list of domains was never loaded");
	else if (!decide_is_kep(directory_party(d, p->r.sender, &sender)))
		pass(p);
	else if (p->r.instance.n == 0 || p->r.queue_id.n == 0 || !is_number(number))
		trouble(p, "instance, queue id or number is missing");
	else
		return true;
	return false;
}

static void forget_data(struct policy *p)
{
	buf_clear(&p->queue_id);
	buf_clear(&p->count);
	p->data_at = 0;
}

/* A transaction that was given up behind DATA. */
static void put_data(struct policy *p)
{
	struct pg_params v = { .n = 0 };
	struct buf b[2] = { BUF_INIT, BUF_INIT };

	if (p->queue_id.n == 0)
		return;
	pg_text(&v, span_str(conf_hostname(p->d->conf)));
	pg_text(&v, clean(&b[0], buf_span(&p->instance)));
	pg_text(&v, clean(&b[1], buf_span(&p->queue_id)));
	pg_text(&v, buf_span(&p->count));
	put(p, "SELECT kep.attempt_data($1::text, $2::text, $3::text, $4::int)", &v, LATER);
	forget_data(p);
	buf_release(&b[0]);
	buf_release(&b[1]);
}

/* END-OF-MESSAGE writes the same row: DATA is only remembered. */
static void on_data(struct policy *p)
{
	if (!must_write(p, p->r.recipient_count))
		return;
	forget_data(p);
	buf_add(&p->queue_id, p->r.queue_id);
	buf_add(&p->count, p->r.recipient_count);
	p->data_at = clock_now();
	if (pg_is_up(p->d->pg))
		pass_unless_failed(p);
	else
		trouble(p, "the database is needed and not there");
}

static void put_end(struct policy *p, enum urgency urgency)
{
	struct pg_params v = { .n = 0 };
	struct buf b[2] = { BUF_INIT, BUF_INIT };
	char at[CLOCK_TEXT_SIZE];

	clock_text(at, p->data_at);
	pg_text(&v, span_str(conf_hostname(p->d->conf)));
	pg_text(&v, clean(&b[0], p->r.instance));
	pg_text(&v, clean(&b[1], p->r.queue_id));
	pg_text(&v, p->r.size);
	pg_text(&v, is_number(p->r.recipient_count) ? p->r.recipient_count : SPAN_NONE);
	pg_text(&v, p->data_at ? span_str(at) : SPAN_NONE);
	put(p, "SELECT kep.attempt_end($1::text, $2::text, $3::text, $4::bigint, $5::int, $6::timestamptz)", &v, urgency);
	forget_data(p);
	buf_release(&b[0]);
	buf_release(&b[1]);
}

/* Not durable by itself: what follows is the submission, whose durable commit
 * covers every commit before it.  Here it proves that the store takes writes; where
 * others have just proved that, it goes with the submission, which is asked behind
 * it and answered unavailable or attempt-missing when it cannot be written. */
static void on_end(struct policy *p)
{
	bool proved = pg_is_writing(p->d->pg) && !p->failed;

	if (!must_write(p, p->r.size))
		return;
	if (!proved)
		buf_adds(&p->held, "DUNNO");
	put_end(p, proved ? LATER : NOW);
	if (proved)
		pass_unless_failed(p);
}

static void on_inject_rcpt(struct policy *p)
{
	struct span relay = directory_relay(p->d->directory, p->r.recipient);
	struct buf b = BUF_INIT;

	if (!directory_loaded(p->d->directory)) {
		trouble(p, "the list of domains was never loaded");
		return;
	}
	if (relay.n)
		buf_addf(&b, "FILTER " POLICY_RELAY_TRANSPORT ":%.*s", (int)relay.n, relay.p);
	else
		buf_adds(&b, "DUNNO");
	answer(p, buf_span(&b));
	buf_release(&b);
}

static const struct state {
	const char *context, *name;     /* context NULL: any other */
	void      (*run)(struct policy *p);
} states[] = {
	{ "inject", "RCPT",           on_inject_rcpt },
	{ "inject", NULL,             pass },
	{ NULL,     "RCPT",           on_rcpt },
	{ NULL,     "DATA",           on_data },
	{ NULL,     "END-OF-MESSAGE", on_end },
	{ NULL,     NULL,             pass },
};

static void run(struct policy *p)
{
	const struct state *s = states;

	while ((s->context && !span_is(p->r.context, s->context)) || (s->name && !span_is(p->r.state, s->name)))
		s++;
	if (!span_eq(buf_span(&p->instance), p->r.instance)) {
		put_data(p);
		buf_clear(&p->instance);
		buf_add(&p->instance, p->r.instance);
		p->transaction++;
		p->writes = 0;
		p->failed = false;
	}
	p->busy = true;
	peer_deadline(p->peer, POLICY_SECONDS);
	s->run(p);
}

/* ---- the connection ---- */

static void *policy_open(void *arg, struct peer *peer, uid_t uid)
{
	struct policy *p = mem_new(sizeof *p);

	p->d = arg;
	p->peer = peer;
	return p;
}

static size_t policy_input(void *session, struct span in)
{
	struct policy *p = session;
	const char *why;
	size_t used;

	if (p->busy)
		return 0;
	switch (request_read(in, &p->r, &used, &why)) {
	case REQUEST_MORE:
		return 0;
	case REQUEST_REFUSED:
		log_warn("policy: request not understood, disconnecting: %s", why);
		peer_close(p->peer);
		return 0;
	case REQUEST_WHOLE:
		break;
	}
	buf_clear(&p->text);
	buf_add(&p->text, span_of(in.p, used));
	request_read(buf_span(&p->text), &p->r, &used, &why);   /* again, on our copy */
	run(p);
	return used;
}

static void policy_gone(void *session)
{
	struct policy *p = session;

	p->peer = NULL;
	p->outstanding++;       /* put_data() may be answered at once */
	put_data(p);
	p->outstanding--;
	settle(p);
}

const struct service_hooks policy_hooks = {
	.name = "policy",
	.input_max = REQUEST_SIZE_MAX,
	.peers_max = 2000,
	.open = policy_open,
	.input = policy_input,
	.gone = policy_gone,
};
