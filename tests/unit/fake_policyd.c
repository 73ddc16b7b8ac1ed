#include "tests/unit/fake_policyd.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "libkep/mem.h"
#include "policyd/directory.h"
#include "policyd/service.h"

struct fake fake;

/* ---- sql/pg.c ---- */

struct pg { int nothing; };
struct pg_rows {
	size_t n, width;
	const char *const *names;
	const char *const (*values)[4];
};

struct asked {
	TAILQ_ENTRY(asked) link;
	char        *line, *first;      /* first: the first value */
	pg_answered *answered;
	void        *arg;
};
static TAILQ_HEAD(, asked) queue = TAILQ_HEAD_INITIALIZER(queue);
static struct pg the_pg;

size_t pg_rows_count(const struct pg_rows *r) { return r->n; }
size_t pg_rows_width(const struct pg_rows *r) { return r->width; }
const char *pg_rows_name(const struct pg_rows *r, size_t c) { return r->names[c]; }
bool pg_is_null(const struct pg_rows *r, size_t row, size_t c) { return row >= r->n || c >= r->width || !r->values[row][c]; }
struct span pg_value(const struct pg_rows *r, size_t row, size_t c) { return pg_is_null(r, row, c) ? SPAN("") : span_str(r->values[row][c]); }
bool pg_is_up(const struct pg *pg) { return fake.up; }
size_t pg_waiting(const struct pg *pg) { return fake.waiting; }

void pg_array_text(struct buf *out, const struct span *v, size_t n)
{
	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? "," : "");
		buf_add(out, v[i]);
	}
	buf_addc(out, '}');
}

static void ask(const char *sql, const struct pg_params *params, const char *mark, pg_answered *answered, void *arg)
{
	struct asked *a = mem_new(sizeof *a);
	const char *name = strstr(sql, "kep.") + 4;
	struct buf b = BUF_INIT;

	buf_add(&b, span_of(name, (size_t)(strchr(name, '(') - name)));
	buf_adds(&b, mark);
	buf_addc(&b, '(');
	for (size_t i = 0; i < params->n; i++) {
		buf_adds(&b, i ? "|" : "");
		if (params->binary[i])
			buf_addf(&b, "[%zu]", params->v[i].n);
		else
			buf_add(&b, params->v[i]);
	}
	buf_addc(&b, ')');
	buf_addf(&fake.asked, "%s\n", buf_str(&b));
	a->line = buf_take(&b);
	a->first = params->n && !params->binary[0] ? mem_span(params->v[0]) : mem_str("");
	a->answered = answered;
	a->arg = arg;
	if (fake.up) {
		TAILQ_INSERT_TAIL(&queue, a, link);
		fake.waiting++;
		return;
	}
	answered(arg, PG_LOST, NULL, "08003", "not connected");
	free(a->line);
	free(a->first);
	free(a);
}

void pg_ask(struct pg *pg, const char *sql, const struct pg_params *params, bool durable, pg_answered *answered, void *arg)
{
	ask(sql, params, durable ? "!" : "", answered, arg);
}

void pg_ask_later(struct pg *pg, const char *sql, const struct pg_params *params, pg_answered *answered, void *arg)
{
	ask(sql, params, "~", answered, arg);
}

bool pg_is_writing(const struct pg *pg)
{
	return fake.writing;
}

static const char *const domain_names[] = { "domain", "provider", "tls", "relay" };
static const char *const domain_rows[][4] = {
	{ "hs03.kep.test", "HS03", "{}", NULL },
	{ "HS01.kep.test", NULL, "{}", NULL },
	{ "hs02.kep.test", "HS02", "{AA:BB,\"CC:DD\"}", "[192.0.2.2]:26" },
};
static const char *const account_names[] = { "address", "state", "login" };
static const char *const account_rows[][4] = {
	{ "ali@hs01.kep.test", "active", "ali@hs01.kep.test" },
	{ "veli@hs01.kep.test", "active", "veli" },
	{ "askida@hs01.kep.test", "suspended", "askida" },
	{ "kapali@hs01.kep.test", "closed", "kapali" },
};
static const char *const submit_names[] = { "why", "kep_id" };
static const char *const submit_rows[][4] = {
	{ "accepted", "0190163d-8694-739b-aea5-966c26f8ad91" },
	{ "attempt-missing", NULL },
};

static struct pg_rows rows_for(const struct asked *a)
{
	struct pg_rows none = { 0 }, r = { 1, 3, account_names, account_rows };

	if (strncmp(a->line, "domains", 7) == 0)
		return (struct pg_rows){ COUNT_OF(domain_rows), 4, domain_names, domain_rows };
	if (strncmp(a->line, "submit", 6) == 0)
		return (struct pg_rows){ 1, 2, submit_names, submit_rows + (strstr(a->line, "MISSING") != NULL) };
	if (strncmp(a->line, "account(", 8) != 0)
		return none;
	for (size_t i = 0; i < COUNT_OF(account_rows); i++, r.values++)
		if (strcmp(account_rows[i][0], a->first) == 0)
			return r;
	return none;
}

static void answer_one(enum pg_answer how)
{
	struct asked *a = TAILQ_FIRST(&queue);
	struct pg_rows rows = rows_for(a);
	bool failed = fake.fail && strstr(a->line, fake.fail);

	TAILQ_REMOVE(&queue, a, link);
	fake.waiting--;
	if (how == PG_DONE && failed)
		a->answered(a->arg, PG_FAILED, NULL, "XX000", "the test wants it so");
	else
		a->answered(a->arg, how, how == PG_DONE ? &rows : NULL, "", "");
	free(a->line);
	free(a->first);
	free(a);
}

void fake_answer(void)
{
	while (!TAILQ_EMPTY(&queue))
		answer_one(PG_DONE);
}

void fake_answer_some(size_t n)
{
	while (n-- > 0 && !TAILQ_EMPTY(&queue))
		answer_one(PG_DONE);
}

void fake_lose(void)
{
	fake.up = false;
	while (!TAILQ_EMPTY(&queue))
		answer_one(PG_LOST);
}

/* ---- policyd/service.c ---- */

void peer_write(struct peer *p, struct span octets) { buf_add(&fake.written, octets); }
void peer_close(struct peer *p) { fake.closed = true; }
void peer_finish(struct peer *p) { fake.finished = true; }
void peer_wake(struct peer *p) { }
void peer_deadline(struct peer *p, unsigned seconds) { fake.deadline = seconds; }

/* ---- the daemon ---- */

void fake_forget(void)
{
	buf_clear(&fake.asked);
	buf_clear(&fake.written);
	fake.closed = fake.finished = false;
}

struct daemon *fake_start(bool up)
{
	struct daemon *d = mem_new(sizeof *d);
	struct conf *conf = mem_new(sizeof *conf);
	struct buf error = BUF_INIT;

	fake = (struct fake){ .up = up };
	conf_init(conf);
	if (!conf_set(conf, "track_domain=evt.hs01.kep.test", &error) || !conf_set(conf, "hostname=mx1.hs01.kep.test", &error))
		abort();
	d->conf = conf;
	d->pg = &the_pg;
	d->directory = directory_new(conf, d->pg);
	d->schema = up ? 1 : 0;
	directory_renew(d->directory);
	fake_answer();
	fake_forget();
	return d;
}

void fake_end(struct daemon *d)
{
	fake_lose();
	directory_free(d->directory);
	conf_release((struct conf *)(uintptr_t)d->conf);
	free((void *)(uintptr_t)d->conf);
	free(d);
	buf_release(&fake.asked);
	buf_release(&fake.written);
}
