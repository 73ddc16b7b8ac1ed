/* evidence - durable evidence, the ledger and receipts, as rates measured in one run.
 *
 *   evidence CONNINFO-SUPERUSER CONNINFO-POLICYD [COUNT]
 *
 * On an empty database with our schema; over one connection each, in turns:
 *   bare       the evidence put into a table of the same columns with a primary key
 *              and nothing else: INSERT, pipelined, up to 200 rows a COMMIT
 *   plain      the same rows as ours - evidence, and the order of its receipt - put
 *              into tables alike (their indexes, their constraints), the same way
 *   ours       kep.hop_accept() and kep.hop_result(), the same way: what they look
 *              up and compare, evidence, the order of a receipt, NOTIFY
 *   sequence   kep.ledger_extend() over what ours wrote
 *   receipt    proof from tiles, text, seal: one thread, no database
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "libkep/logproof.h"
#include "libkep/mem.h"
#include "libkep/receipt.h"
#include "libkep/seal.h"
#include "libkep/tiles.h"
#include "sql/pg.h"
#include "tests/unit/pki.h"
#include "tests/unit/samples.h"

#define ROUNDS 9

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double best_of(double a, double b)
{
	return a > b ? a : b;
}

/* ---- a loop for one pipeline connection ---- */

struct line {
	struct pg    *pg;
	struct pollfd fd;
	double        tick;     /* 0: none */
	bool          write;    /* what was asked in this turn is to be sent */
	size_t        open;
};

static void on_watch(void *arg, int fd, bool readable, bool writable)
{
	struct line *l = arg;

	l->fd = (struct pollfd){ .fd = fd, .events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0)) };
}

static void on_timer(void *arg, unsigned ms)
{
	((struct line *)arg)->tick = now() + ms / 1e3;
}

static void on_state(void *arg, bool up, const char *words)
{
	if (!up)
		log_fatal("the database: %s", words);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
}

static void take_turn(struct line *l)
{
	double left = l->tick ? l->tick - now() : 0.1;

	poll(&l->fd, l->fd.fd >= 0, left > 0 ? (int)(left * 1e3) + 1 : 0);
	if (l->fd.revents)
		pg_ready(l->pg, l->fd.revents & (POLLIN | POLLERR | POLLHUP), l->fd.revents & POLLOUT);
	if (l->tick && now() >= l->tick) {
		l->tick = 0;
		pg_tick(l->pg);
	}
}

static void on_turn(void *arg)
{
	((struct line *)arg)->write = true;
}

static void turn(struct line *l)
{
	if (l->write) {
		l->write = false;
		pg_ready(l->pg, false, true);
	}
	take_turn(l);
}

static void line_open(struct line *l, const char *conninfo)
{
	static const struct pg_hooks hooks = { on_watch, on_timer, on_state, on_notify, on_turn };

	*l = (struct line){ .fd.fd = -1 };
	l->pg = pg_new(conninfo, "bench", &hooks, l);
	while (!pg_is_up(l->pg))
		turn(l);
}

static void answered(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct line *l = arg;

	if (a != PG_DONE)
		log_fatal("%s", words ? words : "lost");
	l->open--;
}

static void ask(struct line *l, const char *sql, const struct pg_params *v)
{
	l->open++;
	pg_ask(l->pg, sql, v, true, answered, l);
	while (l->open > 2000)
		turn(l);
}

static void finish(struct line *l)
{
	while (l->open)
		turn(l);
}

/* ---- the rows ---- */

struct row {
	char       kep_id[37], id[37], at[CLOCK_TEXT_SIZE], retain[CLOCK_TEXT_SIZE];
	const char *outcome;
	struct buf body;
	unsigned char digest[SHA256_SIZE];
};

static void row_make(struct row *r, const char *kep_id, enum outcome outcome)
{
	struct evidence e = sample_evidence(outcome);

	clock_uuid(r->id);
	memcpy(r->kep_id, kep_id, sizeof r->kep_id);
	memcpy(e.id, r->id, sizeof e.id);
	e.kep_id = span_str(r->kep_id);
	e.recipient = outcome == OUTCOME_DELIVERED;
	e.previous = SPAN_NONE;
	clock_text(r->at, e.event_time);
	clock_text(r->retain, e.event_time + (usec)631152000 * 1000000);
	r->outcome = outcome_words(outcome)->code;
	evidence_write(&r->body, &e);
	digest_sha256(r->digest, buf_span(&r->body));
}

/* Two evidences of each message, the accepted ones first. */
static struct row *rows_make(size_t messages)
{
	struct row *rows = mem_array(2 * messages, sizeof *rows);
	char kep_id[37];

	for (size_t i = 0; i < messages; i++) {
		clock_uuid(kep_id);
		row_make(&rows[i], kep_id, OUTCOME_ACCEPTED);
		row_make(&rows[messages + i], kep_id, OUTCOME_DELIVERED);
	}
	return rows;
}

static void rows_free(struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_release(&rows[i].body);
	free(rows);
}

/* ---- the ways to write them ---- */

static void insert(struct line *l, const struct row *r, const char *sql)
{
	struct pg_params v = { .n = 0 };

	pg_text(&v, span_str(r->id));
	pg_text(&v, span_str(r->kep_id));
	pg_text(&v, r->outcome[0] == 'D' ? SPAN("1") : SPAN("0"));
	pg_text(&v, span_str(r->outcome));
	pg_text(&v, span_str(r->at));
	pg_octets(&v, buf_span(&r->body));
	pg_octets(&v, span_of((const char *)r->digest, sizeof r->digest));
	pg_text(&v, span_str(r->retain));
	ask(l, sql, &v);
}

static void bare(struct line *l, const struct row *rows, size_t n)
{
	for (const struct row *r = rows; r < rows + n; r++)
		insert(l, r, "INSERT INTO public.bare (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) VALUES "
		             "($1::uuid, $2::uuid, $3::int, $4::text, $5::timestamptz, $6::bytea, $7::bytea, $8::timestamptz)");
	finish(l);
}

static void plain(struct line *l, const struct row *rows, size_t n)
{
	for (const struct row *r = rows; r < rows + n; r++) {
		struct pg_params v = { .n = 0 };

		insert(l, r, "INSERT INTO public.plain (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) VALUES "
		             "($1::uuid, $2::uuid, $3::int, $4::text, $5::timestamptz, $6::bytea, $7::bytea, $8::timestamptz)");
		pg_text(&v, span_str(r->id));
		ask(l, "INSERT INTO public.plain_outbox (evidence_id, recipient, due_at) VALUES ($1::uuid, 'ayse@hs01.kep.test', 'infinity')", &v);
	}
	finish(l);
}

static void ours(struct line *l, const struct row *rows, size_t n)
{
	for (const struct row *r = rows; r < rows + n; r++) {
		struct pg_params v = { .n = 0 };

		pg_text(&v, span_str(r->kep_id));
		if (r->outcome[0] == 'D') {
			pg_text(&v, SPAN("1"));
			pg_text(&v, span_str(r->outcome));
			pg_text(&v, SPAN("RD01"));
			pg_text(&v, SPAN("250 2.0.0 Saved"));
		}
		pg_text(&v, span_str(r->id));
		if (r->outcome[0] != 'D')
			pg_text(&v, span_str(r->outcome));
		pg_text(&v, span_str(r->at));
		pg_octets(&v, buf_span(&r->body));
		pg_text(&v, SPAN("ayse@hs01.kep.test"));
		if (r->outcome[0] == 'D')
			ask(l, "SELECT evidence_id, inserted FROM kep.hop_result($1::uuid, $2::int, $3::text, $4::text, $5::text, $6::uuid, $7::timestamptz, $8::bytea, $9::text)", &v);
		else
			ask(l, "SELECT evidence_id, inserted FROM kep.hop_accept($1::uuid, $2::uuid, $3::text, $4::timestamptz, $5::bytea, $6::text)", &v);
		if (r + 1 < rows + n && r->outcome[0] != r[1].outcome[0])
			finish(l);              /* accepted before it is delivered */
	}
	finish(l);
}

/* ---- the database ---- */

static struct db *db;

static void run(const char *statements)
{
	struct buf error = BUF_INIT;

	if (!db_run(db, statements, &error))
		log_fatal("%s", buf_str(&error));
}

static void messages_add(struct line *super, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pg_params v = { .n = 0 };

		pg_text(&v, span_str(rows[i].kep_id));
		ask(super, "WITH m AS (INSERT INTO kep.message (kep_id, host, queue_id, sender, login, client, from_address, message_id, size, canonical, sha256, sha512, signer) "
		           "VALUES ($1::uuid, 'mx1', $1::text, 'a', 'a', '', 'a', $1::text, 1, 1, '', '', '{}')) "
		           "INSERT INTO kep.recipient VALUES ($1::uuid, 1, 'b', 'account')", &v);
	}
	finish(super);
}

static double timed(void (*way)(struct line *, const struct row *, size_t), struct line *l, const struct row *rows, size_t n)
{
	double start = now();

	way(l, rows, n);
	return (double)n / (now() - start);
}

static double sequence(size_t *leaves, double *slowest)
{
	const struct pg_params none = { .n = 0 };
	struct buf error = BUF_INIT;
	double start = now();
	bool more = true;

	for (*leaves = 0, *slowest = 0; more; ) {
		double one = now();
		const struct pg_rows *r = db_ask(db, "SELECT added, more FROM kep.ledger_extend('bench', '1 minute', 2000)", &none, &error);

		if (!r)
			log_fatal("%s", buf_str(&error));
		*leaves += strtoul(pg_value(r, 0, 0).p, NULL, 10);
		more = span_is(pg_value(r, 0, 1), "t");
		*slowest = best_of(*slowest, now() - one);
	}
	return (double)*leaves / (now() - start);
}

/* ---- receipts ---- */

struct workshop {
	struct tiles     *tiles;
	struct merkle_range range;
	struct seal      *seal;
	struct buf        note;
};

static void workshop_make(struct workshop *w, const struct row *rows, size_t n)
{
	char *certificate = pki_path("seal.pem"), *key = pki_path("seal.key");
	struct buf error = BUF_INIT;
	struct merkle_hash hash;

	w->tiles = tiles_new();
	merkle_range_init(&w->range);
	for (size_t i = 0; i < n; i++) {
		merkle_leaf(&hash, buf_span(&rows[i].body));
		merkle_range_add(&w->range, &hash, tiles_emit, w->tiles);
	}
	merkle_range_root(&w->range, &hash);
	checkpoint_write(&w->note, SPAN("hs01.kep.test/kep"), n, &hash);
	buf_adds(&w->note, "\n\xe2\x80\x94 hs01.kep.test/kep AAAA\n");
	w->seal = seal_load(certificate, key, &error);
	if (!w->seal)
		log_fatal("%s", buf_str(&error));
	free(certificate);
	free(key);
}

static size_t receipt(struct workshop *w, const struct row *r, uint64_t index, size_t *octets)
{
	struct merkle_source source = tiles_source(w->tiles);
	struct buf proof = BUF_INIT, content = BUF_INIT, der = BUF_INIT, mail = BUF_INIT;
	struct receipt what = { .evidence = buf_span(&r->body), .from = SPAN("kep@hs01.kep.test"), .to = SPAN("ayse@hs01.kep.test"),
	                        .provider = SPAN("KEPHS"), .domain = SPAN("hs01.kep.test"), .time_zone = "Europe/Istanbul",
	                        .ledger = SPAN("hs01.kep.test/kep"), .index = index, .checkpoint = buf_span(&w->note) };
	struct merkle_proof path;

	if (!merkle_prove_inclusion(&source, index, w->range.size, &path))
		log_panic("no proof");
	logproof_write(&proof, index, &path, buf_span(&w->note));
	what.proof = buf_span(&proof);
	if (!receipt_content(&content, &what) || !seal_sign(w->seal, buf_span(&content), clock_now(), &der) ||
	    !receipt_mail(&mail, &what, buf_span(&content), buf_span(&der)))
		log_panic("no receipt");
	*octets += mail.n;
	buf_release(&proof);
	buf_release(&content);
	buf_release(&der);
	buf_release(&mail);
	return 1;
}

static void receipts(const struct row *rows, size_t n)
{
	struct workshop w = { .note = BUF_INIT };
	size_t made = 0, octets = 0;
	double start;

	workshop_make(&w, rows, n);
	start = now();
	while (now() - start < 3)
		made += receipt(&w, &rows[made * 7919 % n], made * 7919 % n, &octets);
	printf("receipts: %.0f a second on one core (proof in a tree of %zu, text, EC seal; %zu octets each)\n",
	    (double)made / (now() - start), n, octets / made);
	tiles_free(w.tiles);
	seal_free(w.seal);
	buf_release(&w.note);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	size_t messages = argc > 3 ? strtoul(argv[3], NULL, 10) : 5000, leaves;
	double rate[3] = { 0, 0, 0 }, ratio[ROUNDS], sequenced, slowest;
	struct line super, policyd;
	struct buf error = BUF_INIT;
	struct row *rows = NULL;

	if (argc < 3) {
		fputs("usage: evidence CONNINFO-SUPERUSER CONNINFO-POLICYD [COUNT]\n", stderr);
		return EX_USAGE;
	}
	pki_make(false);
	db = db_open(argv[1], "bench", &error);
	if (!db)
		log_fatal("%s", buf_str(&error));
	line_open(&super, argv[1]);
	line_open(&policyd, argv[2]);
	run("CREATE TABLE public.bare (LIKE kep.evidence INCLUDING DEFAULTS, PRIMARY KEY (id));"
	    "CREATE TABLE public.plain (LIKE kep.evidence INCLUDING ALL); CREATE TABLE public.plain_outbox (LIKE kep.outbox INCLUDING ALL)");
	for (unsigned round = 0; round < ROUNDS; round++) {
		double r[3];

		rows_free(rows, rows ? 2 * messages : 0);
		rows = rows_make(messages);
		messages_add(&super, rows, messages);
		r[0] = timed(bare, &super, rows, 2 * messages);
		r[1] = timed(plain, &super, rows, 2 * messages);
		r[2] = timed(ours, &policyd, rows, 2 * messages);
		printf("round %u: bare %.0f, plain %.0f, ours %.0f evidences/s\n", round + 1, r[0], r[1], r[2]);
		fflush(stdout);
		for (int i = 0; i < 3; i++)
			rate[i] = best_of(rate[i], r[i]);
		ratio[round] = r[2] / r[1];
	}
	qsort(ratio, ROUNDS, sizeof *ratio, by_size);
	printf("\nevidence, durable, one connection, best of %d rounds of %zu: ours %.0f/s = %.2f of plain INSERT of the same rows (%.0f), %.2f of evidence into a bare table (%.0f); "
	    "median of the rounds %.2f of plain\n", ROUNDS, 2 * messages, rate[2], rate[2] / rate[1], rate[1], rate[2] / rate[0], rate[0], ratio[ROUNDS / 2]);
	sequenced = sequence(&leaves, &slowest);
	printf("sequencing: %.0f leaves/s (%zu leaves, 2000 a transaction, the slowest %.0f ms)\n", sequenced, leaves, slowest * 1e3);
	receipts(rows, 2 * messages);
	pg_free(super.pg);
	pg_free(policyd.pg);
	db_close(db);
	rows_free(rows, 2 * messages);
	buf_release(&error);
	return EX_OK;
}
