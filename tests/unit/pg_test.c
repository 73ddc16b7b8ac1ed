/* sql/pg.c against a private PostgreSQL: batches, failures, loss and return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "libkep/mem.h"
#include "sql/pg.h"

static char *server;            /* directory of the private PostgreSQL */
static char *conninfo;

/* ---- a loop of one connection ---- */

struct loop {
	struct pg *pg;
	int        fd;
	bool       readable, writable;
	int64_t    due;         /* 0: no timer */
	int        ups, downs, notes;
	char       words[200], channel[64];
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_watch(void *arg, int fd, bool readable, bool writable)
{
	struct loop *l = arg;

	l->fd = fd;
	l->readable = readable;
	l->writable = writable;
}

static void on_timer(void *arg, unsigned ms)
{
	struct loop *l = arg;

	l->due = now_ms() + ms;
}

static void on_state(void *arg, bool up, const char *words)
{
	struct loop *l = arg;

	*(up ? &l->ups : &l->downs) += 1;
	snprintf(l->words, sizeof(l->words), "%s", words);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
	struct loop *l = arg;

	(void)payload;
	l->notes++;
	snprintf(l->channel, sizeof(l->channel), "%s", channel);
}

static void on_turn(void *arg)
{
	((struct loop *)arg)->writable = true;
}

static const struct pg_hooks hooks = { on_watch, on_timer, on_state, on_notify, on_turn };

static void turn(struct loop *l, int ms)
{
	struct pollfd p = { .fd = l->fd, .events = (short)((l->readable ? POLLIN : 0) | (l->writable ? POLLOUT : 0)) };
	int64_t now;

	if (l->due != 0 && l->due - now_ms() < ms)
		ms = l->due > now_ms() ? (int)(l->due - now_ms()) : 0;
	if (poll(&p, 1, ms) > 0)
		pg_ready(l->pg, p.revents & (POLLIN | POLLHUP | POLLERR), p.revents & POLLOUT);
	now = now_ms();
	if (l->due != 0 && l->due <= now) {
		l->due = 0;
		pg_tick(l->pg);
	}
}

/* Turn the loop until *count is at least n. */
static void turn_until(struct loop *l, const int *count, int n)
{
	int64_t end = now_ms() + 20000;

	while (*count < n && now_ms() < end)
		turn(l, 100);
	assert_true(*count >= n);
}

static void loop_open(struct loop *l, const char *where, const char *channel)
{
	memset(l, 0, sizeof(*l));
	l->fd = -1;
	l->pg = pg_new(where, "pg_test", &hooks, l);
	if (channel != NULL)
		pg_listen(l->pg, channel);
}

static struct loop *loop_up(struct loop *l, const char *channel)
{
	loop_open(l, conninfo, channel);
	turn_until(l, &l->ups, 1);
	return l;
}

/* ---- answers ---- */

struct reply {
	enum pg_answer answer;
	char           value[64];
	bool           null;
	char           sqlstate[6];
	char           words[200];
	int            n;               /* how often it was answered */
	int           *count;           /* and all of them together */
};

static void on_answer(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct reply *r = arg;

	r->answer = a;
	r->n++;
	if (r->count != NULL)
		++*r->count;
	snprintf(r->sqlstate, sizeof(r->sqlstate), "%s", sqlstate);
	snprintf(r->words, sizeof(r->words), "%s", words);
	if (rows != NULL && pg_rows_count(rows) > 0) {
		struct span v = pg_value(rows, 0, 0);

		snprintf(r->value, sizeof(r->value), "%.*s", (int)v.n, v.p);
		r->null = pg_is_null(rows, 0, 0);
	}
	if (a != PG_DONE)
		assert_null(rows);
}

static struct reply *ask_now(struct loop *l, struct reply *r, const char *sql, const struct pg_params *params)
{
	int count = 0;

	memset(r, 0, sizeof(*r));
	r->count = &count;
	pg_ask(l->pg, sql, params, true, on_answer, r);
	turn_until(l, &count, 1);
	r->count = NULL;
	assert_int_equal(r->n, 1);
	return r;
}

/* A statement of the superuser, aside. */
static void run(const char *statements)
{
	struct buf error = BUF_INIT;
	struct db *db = db_open(conninfo, "pg_test", &error);

	assert_non_null(db);
	if (!db_run(db, statements, &error))
		fail_msg("%s", buf_str(&error));
	db_close(db);
	buf_release(&error);
}

/* ---- the server ---- */

static int server_call(const char *what, char *line, int size)
{
	char *command = mem_printf("%s/sql/server %s", KEP_TESTS, what);
	FILE *p = popen(command, "r");
	int status;

	free(command);
	if (p == NULL)
		return -1;
	if (line != NULL && fgets(line, size, p) == NULL)
		*line = '\0';
	status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void server_do(const char *verb)
{
	char *what = mem_printf("%s %s", verb, server);

	assert_int_equal(server_call(what, NULL, 0), 0);
	free(what);
}

/* ---- tests ---- */

static void test_values(void **state)
{
	struct loop l;
	struct reply r;
	struct pg_params p = { .n = 0 };
	struct buf list = BUF_INIT;

	loop_up(&l, NULL);
	pg_text(&p, SPAN("ayşe \" \\ '"));
	pg_text(&p, SPAN_NONE);
	pg_text(&p, SPAN(""));
	pg_octets(&p, SPAN("\0\xff\n"));
	ask_now(&l, &r, "SELECT ($1::text = 'ayşe \" \\ ''') || ' ' || ($2::text IS NULL) || ' ' || ($3::text = '') || ' ' || encode($4::bytea, 'hex')", &p);
	assert_int_equal(r.answer, PG_DONE);
	assert_string_equal(r.value, "true true true 00ff0a");

	p.n = 0;
	memset(p.binary, 0, sizeof(p.binary));
	pg_array_text(&list, (struct span[]){ SPAN("a,b"), SPAN("{\"\\}"), SPAN(""), SPAN("NULL") }, 4);
	pg_text(&p, buf_span(&list));
	ask_now(&l, &r, "SELECT array_to_json($1::text[])::text", &p);
	assert_string_equal(r.value, "[\"a,b\",\"{\\\"\\\\}\",\"\",\"NULL\"]");

	ask_now(&l, &r, "SELECT NULL::text", NULL);
	assert_true(r.null);
	assert_string_equal(r.value, "");

	p.n = 0;
	pg_text(&p, SPAN("a\0b"));
	ask_now(&l, &r, "SELECT $1::text", &p);
	assert_int_equal(r.answer, PG_FAILED);
	assert_string_equal(r.sqlstate, "22021");
	buf_release(&list);
	pg_free(l.pg);
}

/* What is asked while one transaction is under way shares the next one. */
static void test_batching(void **state)
{
	static const char ask[] = "SELECT pg_current_xact_id()::text";
	struct reply first = { .n = 0 }, r[20];
	struct loop l;
	int count = 0;

	memset(r, 0, sizeof(r));
	loop_up(&l, NULL);
	first.count = &count;
	pg_ask(l.pg, "SELECT pg_current_xact_id()::text, pg_sleep(0.2)", NULL, true, on_answer, &first);
	for (int i = 0; i < 3; i++)
		turn(&l, 10);
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		r[i].count = &count;
		pg_ask(l.pg, ask, NULL, true, on_answer, &r[i]);
		turn(&l, 1);
	}
	assert_int_equal(pg_waiting(l.pg), 1 + COUNT_OF(r));
	turn_until(&l, &count, 1 + COUNT_OF(r));
	assert_string_not_equal(first.value, r[0].value);
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		assert_int_equal(r[i].answer, PG_DONE);
		assert_string_equal(r[i].value, r[0].value);
	}
	assert_int_equal(pg_waiting(l.pg), 0);
	pg_free(l.pg);
}

/* What may wait goes before what is asked behind it, in the same transaction, or
 * alone after a while; nor is it lost without an answer. */
static void test_later(void **state)
{
	static const char ask[] = "SELECT pg_current_xact_id()::text";
	int count = 0;
	struct reply r[4] = { { .count = &count }, { .count = &count }, { .count = &count }, { .count = &count } };
	struct loop l;

	loop_up(&l, NULL);
	pg_ask_later(l.pg, ask, NULL, on_answer, &r[0]);
	turn(&l, 20);
	assert_int_equal(pg_waiting(l.pg), 1);
	assert_false(pg_is_writing(l.pg));
	pg_ask(l.pg, ask, NULL, true, on_answer, &r[1]);
	turn_until(&l, &count, 2);
	assert_string_equal(r[0].value, r[1].value);
	assert_true(pg_is_writing(l.pg));
	pg_ask_later(l.pg, ask, NULL, on_answer, &r[2]);
	turn_until(&l, &count, 3);
	assert_string_not_equal(r[2].value, r[1].value);
	pg_ask_later(l.pg, ask, NULL, on_answer, &r[3]);
	pg_free(l.pg);
	assert_int_equal(r[3].answer, PG_LOST);
}

/* A batch has a limit, and what one turn of the loop asks shares it. */
static void test_batch_limit(void **state)
{
	enum { N = 450 };
	struct reply *r = mem_array(N, sizeof(*r));
	struct loop l;
	int count = 0, transactions = 1;

	loop_up(&l, NULL);
	for (int i = 0; i < N; i++) {
		r[i].count = &count;
		pg_ask(l.pg, "SELECT pg_current_xact_id()::text", NULL, true, on_answer, &r[i]);
	}
	turn_until(&l, &count, N);
	for (int i = 1; i < N; i++)
		transactions += strcmp(r[i].value, r[i - 1].value) != 0;
	assert_int_equal(transactions, 3);
	pg_free(l.pg);
	free(r);
}

/* Only the guilty one fails; the others are written, once. */
static void test_guilty(void **state)
{
	static const char ask[] = "INSERT INTO pg_test (k) VALUES (100 / $1::int) ON CONFLICT DO NOTHING RETURNING k::text";
	struct reply r[9];
	struct loop l;
	int count = 0;

	run("DROP TABLE IF EXISTS pg_test; CREATE TABLE pg_test (k int PRIMARY KEY)");
	memset(r, 0, sizeof(r));
	loop_up(&l, NULL);
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		struct pg_params p = { .n = 0 };
		char text[2] = { i == 4 || i == 6 ? '0' : (char)('1' + i), '\0' };

		r[i].count = &count;
		pg_text(&p, span_str(text));
		pg_ask(l.pg, ask, &p, i % 2 == 0, on_answer, &r[i]);
	}
	turn_until(&l, &count, COUNT_OF(r));
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		assert_int_equal(r[i].n, 1);
		assert_int_equal(r[i].answer, i == 4 || i == 6 ? PG_FAILED : PG_DONE);
	}
	assert_string_equal(r[4].sqlstate, "22012");
	assert_string_equal(r[4].words, "division by zero");
	ask_now(&l, &r[0], "SELECT count(*)::text FROM pg_test", NULL);
	assert_string_equal(r[0].value, "7");

	ask_now(&l, &r[0], "SELECT no_such_function()", NULL);
	assert_int_equal(r[0].answer, PG_FAILED);
	assert_string_equal(r[0].sqlstate, "42883");
	ask_now(&l, &r[0], "SELECT 1", NULL);
	assert_int_equal(r[0].answer, PG_DONE);
	pg_free(l.pg);
}

/* The error comes with the COMMIT: no statement is to blame. */
static void test_commit_fails(void **state)
{
	static const char ask[] = "INSERT INTO pg_late (k, n) VALUES ($1::int, $2::int)";
	struct reply r[5];
	struct loop l;
	int count = 0;

	run("DROP TABLE IF EXISTS pg_late; CREATE TABLE pg_late (k int, n int, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED)");
	run("INSERT INTO pg_late VALUES (3, 0)");
	memset(r, 0, sizeof(r));
	loop_up(&l, NULL);
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		struct pg_params p = { .n = 0 };
		char text[2] = { (char)('1' + i), '\0' };

		r[i].count = &count;
		pg_text(&p, span_str(text));
		pg_text(&p, span_str(text));
		pg_ask(l.pg, ask, &p, true, on_answer, &r[i]);
	}
	turn_until(&l, &count, COUNT_OF(r));
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		assert_int_equal(r[i].n, 1);
		assert_int_equal(r[i].answer, i == 2 ? PG_FAILED : PG_DONE);
	}
	assert_string_equal(r[2].sqlstate, "23505");
	pg_free(l.pg);
}

/* Off only when all questions of the batch agree, and only for that batch. */
static void test_durable(void **state)
{
	static const char ask[] = "SELECT current_setting('synchronous_commit')";
	struct reply r[4];
	struct loop l;
	int count = 0;

	memset(r, 0, sizeof(r));
	for (size_t i = 0; i < COUNT_OF(r); i++)
		r[i].count = &count;
	loop_up(&l, NULL);
	pg_ask(l.pg, ask, NULL, false, on_answer, &r[0]);
	pg_ask(l.pg, ask, NULL, false, on_answer, &r[1]);
	turn_until(&l, &count, 2);
	pg_ask(l.pg, ask, NULL, false, on_answer, &r[2]);
	pg_ask(l.pg, ask, NULL, true, on_answer, &r[3]);
	turn_until(&l, &count, 4);
	assert_string_equal(r[0].value, "off");
	assert_string_equal(r[1].value, "off");
	assert_string_equal(r[2].value, "on");
	assert_string_equal(r[3].value, "on");
	pg_free(l.pg);
}

/* A database that sets synchronous_commit = off would make PG_DONE a lie. */
static void test_server_not_durable(void **state)
{
	struct reply r;
	struct loop l;

	(void)state;
	run("ALTER DATABASE postgres SET synchronous_commit = off");
	loop_up(&l, NULL);
	ask_now(&l, &r, "SELECT current_setting('synchronous_commit')", NULL);
	assert_string_equal(r.value, "on");
	run("ALTER DATABASE postgres RESET synchronous_commit");
	pg_free(l.pg);
}

static void test_listen(void **state)
{
	struct loop l;

	(void)state;
	loop_up(&l, "kep_outbox");
	run("NOTIFY kep_outbox; NOTIFY something_else");
	turn_until(&l, &l.notes, 1);
	assert_string_equal(l.channel, "kep_outbox");
	turn(&l, 50);
	assert_int_equal(l.notes, 1);
	pg_free(l.pg);
}

/* A migration gives a function other columns while a daemon is connected. */
static void test_stale_statement(void **state)
{
	static const char ask[] = "SELECT * FROM pg_changes()";
	struct reply r;
	struct loop l;

	(void)state;
	run("CREATE FUNCTION pg_changes() RETURNS TABLE (a int) LANGUAGE sql AS 'SELECT 1'");
	loop_up(&l, NULL);
	ask_now(&l, &r, ask, NULL);
	assert_string_equal(r.value, "1");
	run("DROP FUNCTION pg_changes(); CREATE FUNCTION pg_changes() RETURNS TABLE (a text, b int) LANGUAGE sql AS $$ SELECT 'two', 2 $$");
	ask_now(&l, &r, ask, NULL);
	assert_int_equal(r.answer, PG_DONE);
	assert_string_equal(r.value, "two");
	assert_int_equal(l.downs, 0);
	run("DROP FUNCTION pg_changes()");
	pg_free(l.pg);
}

/* Callbacks ask again, whatever the answer was. */
struct again {
	struct loop *l;
	int          left, count, lost;
};

static void on_again(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct again *g = arg;

	(void)rows;
	(void)sqlstate;
	(void)words;
	g->count++;
	g->lost += a == PG_LOST;
	if (g->left-- > 0)
		pg_ask(g->l->pg, "SELECT 1", NULL, true, on_again, g);
}

static void test_reentrant(void **state)
{
	struct loop l;
	struct again g = { .l = &l, .left = 300 };

	(void)state;
	loop_up(&l, NULL);
	pg_ask(l.pg, "SELECT 1", NULL, true, on_again, &g);
	pg_ask(l.pg, "SELECT 1/0", NULL, true, on_again, &g);
	turn_until(&l, &g.count, 302);
	assert_int_equal(g.lost, 0);
	pg_free(l.pg);
}

/* Everything under way or waiting is lost; what is asked meanwhile is lost at
 * once; then it connects again by itself, and listens again. */
static void test_lost(void **state)
{
	struct reply r[3], after;
	struct again g = { .left = 2 };
	struct loop l;
	int count = 0;

	(void)state;
	memset(r, 0, sizeof(r));
	loop_up(&l, "kep_outbox");
	g.l = &l;
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		r[i].count = &count;
		pg_ask(l.pg, "SELECT pg_sleep(5)", NULL, true, on_answer, &r[i]);
		turn(&l, 1);
	}
	pg_ask(l.pg, "SELECT pg_sleep(5)", NULL, true, on_again, &g);
	server_do("crash");
	turn_until(&l, &count, COUNT_OF(r));
	for (size_t i = 0; i < COUNT_OF(r); i++)
		assert_int_equal(r[i].answer, PG_LOST);
	assert_int_equal(g.count, 3);
	assert_int_equal(g.lost, 3);
	assert_false(pg_is_up(l.pg));
	assert_int_equal(pg_waiting(l.pg), 0);

	memset(&after, 0, sizeof(after));
	pg_ask(l.pg, "SELECT 1", NULL, true, on_answer, &after);
	assert_int_equal(after.n, 1);
	assert_int_equal(after.answer, PG_LOST);
	for (int64_t end = now_ms() + 700; now_ms() < end;)
		turn(&l, 50);
	assert_in_range(l.downs, 1, 3);         /* once a cause, not once an attempt */

	server_do("start");
	turn_until(&l, &l.ups, 2);
	ask_now(&l, &after, "SELECT 42", NULL);
	assert_int_equal(after.answer, PG_DONE);
	assert_string_equal(after.value, "42");
	run("NOTIFY kep_outbox");
	turn_until(&l, &l.notes, 1);
	pg_free(l.pg);
}

/* An idle connection that dies is noticed without a question. */
static void test_terminated(void **state)
{
	struct reply r;
	struct loop l;

	(void)state;
	loop_up(&l, NULL);
	ask_now(&l, &r, "SELECT pg_backend_pid()", NULL);
	run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_test' AND pid <> pg_backend_pid()");
	turn_until(&l, &l.downs, 1);
	turn_until(&l, &l.ups, 2);
	pg_free(l.pg);
}

/* A server that hangs is given up after 10 seconds. */
static void test_hanging(void **state)
{
	struct reply r, pid;
	struct loop l;
	int64_t begin;
	int count = 0;

	(void)state;
	loop_up(&l, NULL);
	ask_now(&l, &pid, "SELECT pg_backend_pid()", NULL);
	if (kill((pid_t)atoi(pid.value), SIGSTOP) != 0) {
		pg_free(l.pg);
		skip();
	}
	begin = now_ms();
	memset(&r, 0, sizeof(r));
	r.count = &count;
	pg_ask(l.pg, "SELECT 1", NULL, true, on_answer, &r);
	turn_until(&l, &count, 1);
	assert_int_equal(r.answer, PG_LOST);
	assert_in_range(now_ms() - begin, 9900, 12000);
	kill((pid_t)atoi(pid.value), SIGCONT);
	turn_until(&l, &l.ups, 2);
	pg_free(l.pg);
}

static void test_nobody_there(void **state)
{
	struct loop l;
	struct buf error = BUF_INIT;

	(void)state;
	loop_open(&l, "host=/nonexistent dbname=kep", NULL);
	for (int64_t end = now_ms() + 600; now_ms() < end;)
		turn(&l, 50);
	assert_int_equal(l.downs, 1);
	assert_int_equal(l.ups, 0);
	assert_non_null(strstr(l.words, "/nonexistent"));
	assert_null(strchr(l.words, '\n'));
	pg_free(l.pg);

	assert_null(db_open("host=/nonexistent dbname=kep", "pg_test", &error));
	assert_non_null(strstr(buf_str(&error), "is PostgreSQL running"));
	assert_null(db_open("no conninfo", "pg_test", &error));
	buf_release(&error);
}

/* There is a limit to what waits, and an end frees all of it. */
static void test_overflow(void **state)
{
	struct loop l;
	struct reply r = { .n = 0 };
	int count = 0;

	(void)state;
	loop_up(&l, NULL);
	r.count = &count;
	for (int i = 0; i < 100000; i++)
		pg_ask(l.pg, "SELECT 1", NULL, true, on_answer, &r);
	assert_int_equal(count, 0);
	pg_ask(l.pg, "SELECT 1", NULL, true, on_answer, &r);
	assert_int_equal(count, 1);
	assert_int_equal(r.answer, PG_LOST);
	pg_free(l.pg);
	assert_int_equal(count, 100001);
}

static void test_db(void **state)
{
	struct buf error = BUF_INIT, octets = BUF_INIT;
	struct db *db = db_open(conninfo, "pg_test", &error);
	struct pg_params p = { .n = 0 };
	const struct pg_rows *rows;

	(void)state;
	assert_non_null(db);
	pg_octets(&p, SPAN("\0\1\xfe"));
	rows = db_ask(db, "SELECT $1::bytea AS octets, NULL AS nothing UNION ALL SELECT '', ''", &p, &error);
	assert_non_null(rows);
	assert_int_equal(pg_rows_count(rows), 2);
	assert_int_equal(pg_rows_width(rows), 2);
	assert_string_equal(pg_rows_name(rows, 0), "octets");
	assert_true(pg_bytea(rows, 0, 0, &octets));
	assert_int_equal(octets.n, 3);
	assert_memory_equal(octets.p, "\0\1\xfe", 3);
	assert_true(pg_is_null(rows, 0, 1));
	assert_false(pg_is_null(rows, 1, 1));
	assert_true(pg_is_null(rows, 2, 0));
	assert_int_equal(pg_value(rows, 9, 9).n, 0);
	assert_false(pg_bytea(rows, 1, 1, &octets));

	assert_null(db_ask(db, "DO $$ BEGIN RAISE 'no such thing' USING ERRCODE = 'KE999', HINT = 'look again'; END $$", NULL, &error));
	assert_string_equal(buf_str(&error), "KE999: no such thing (look again)");
	buf_clear(&error);
	assert_false(db_run(db, "CREATE TABLE pg_half (); SELECT 1/0", &error));
	assert_non_null(strstr(buf_str(&error), "22012: "));
	rows = db_ask(db, "SELECT to_regclass('pg_half')", NULL, &error);
	assert_true(pg_is_null(rows, 0, 0));
	db_close(db);
	db_close(NULL);
	buf_release(&error);
	buf_release(&octets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_batching), cmocka_unit_test(test_later),
		cmocka_unit_test(test_batch_limit),
		cmocka_unit_test(test_guilty),
		cmocka_unit_test(test_commit_fails),
		cmocka_unit_test(test_durable),
		cmocka_unit_test(test_server_not_durable),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_stale_statement),
		cmocka_unit_test(test_reentrant),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_terminated),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_db),
		cmocka_unit_test(test_hanging),
	};
	char line[200];
	int failed;

	switch (server_call("new", line, sizeof(line))) {
	case 0:
		break;
	case 77:
		return 77;
	default:
		return 1;
	}
	line[strcspn(line, "\n")] = '\0';
	server = mem_str(line);
	conninfo = mem_printf("host=%s user=postgres dbname=postgres", server);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	server_do("stop");
	free(server);
	free(conninfo);
	return failed;
}
