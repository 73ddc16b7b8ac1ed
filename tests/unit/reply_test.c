/* Replies of SMTP and LMTP servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/mem.h"
#include "policyd/reply.h"

/* The octets in memory of exactly their size, so that an overread is seen. */
static struct span exact(struct span s)
{
	char *p = mem_new(s.n ? s.n : 1);

	p = s.n ? memcpy(mem_grow(p, s.n), s.p, s.n) : p;
	return span_of(p, s.n);
}

static enum reply_step push_all(struct reply *r, struct span in, size_t *left)
{
	struct span copy = exact(in), rest = copy;
	enum reply_step step = reply_push(r, &rest);

	*left = rest.n;
	free((char *)(uintptr_t)copy.p);
	return step;
}

static void test_rows(void **state)
{
	static const struct { struct span in; enum reply_step step; int code; const char *text; size_t left; } rows[] = {
		{ SPAN("250 2.0.0 Ok\r\n"), REPLY_DONE, 250, "2.0.0 Ok", 0 },
		{ SPAN("250 2.0.0 Ok\r\n550 no\r\n"), REPLY_DONE, 250, "2.0.0 Ok", 8 },
		{ SPAN("250-mx\r\n250-PIPELINING\r\n250 DSN\r\n"), REPLY_DONE, 250, "mx\nPIPELINING\nDSN", 0 },
		{ SPAN("250\r\n"), REPLY_DONE, 250, "", 0 },
		{ SPAN("250 \r\n"), REPLY_DONE, 250, "", 0 },
		{ SPAN("250-\r\n250 x\n"), REPLY_DONE, 250, "\nx", 0 },
		{ SPAN("354 a\x01" "b\x7f\r\n"), REPLY_DONE, 354, "a?b?", 0 },
		{ SPAN(""), REPLY_MORE, 0, "", 0 },
		{ SPAN("250 half"), REPLY_MORE, 0, "", 8 },
		{ SPAN("250-mx\r\n25"), REPLY_MORE, 250, "mx", 2 },
		{ SPAN("250-mx\r\n251 x\r\n"), REPLY_BAD, 250, "mx", 0 },
		{ SPAN("2500 x\r\n"), REPLY_BAD, 0, "", 0 },
		{ SPAN("25\r\n"), REPLY_BAD, 0, "", 0 },
		{ SPAN("150 x\r\n"), REPLY_BAD, 0, "", 0 },
		{ SPAN("650 x\r\n"), REPLY_BAD, 0, "", 0 },
		{ SPAN("\r\n"), REPLY_BAD, 0, "", 0 },
		{ SPAN("HTTP/1.1 400\r\n"), REPLY_BAD, 0, "", 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct reply r = REPLY_INIT;
		size_t left;

		assert_int_equal(push_all(&r, rows[i].in, &left), rows[i].step);
		if (rows[i].step != REPLY_BAD) {
			assert_int_equal(r.code, rows[i].code);
			assert_string_equal(buf_str(&r.text), rows[i].text);
			assert_int_equal(left, rows[i].left);
		}
		reply_release(&r);
	}
}

static void test_limits(void **state)
{
	struct buf line = BUF_INIT, many = BUF_INIT;
	struct reply r = REPLY_INIT;
	size_t left;

	buf_adds(&line, "250 ");
	while (line.n < REPLY_LINE_MAX)
		buf_addc(&line, 'x');
	buf_adds(&line, "\r\n");
	assert_int_equal(push_all(&r, buf_span(&line), &left), REPLY_DONE);
	reply_clear(&r);
	line.n = 0;
	while (line.n < REPLY_LINE_MAX + 2)
		buf_addc(&line, '2');
	assert_int_equal(push_all(&r, buf_span(&line), &left), REPLY_BAD);
	reply_clear(&r);
	for (int i = 0; i < REPLY_LINES_MAX; i++)
		buf_adds(&many, "250-x\r\n");
	assert_int_equal(push_all(&r, buf_span(&many), &left), REPLY_MORE);
	assert_int_equal(push_all(&r, SPAN("250 x\r\n"), &left), REPLY_BAD);
	reply_release(&r);
	buf_release(&line);
	buf_release(&many);
}

static struct reply read_one(const char *text)
{
	struct reply r = REPLY_INIT;
	struct span in = span_str(text);

	assert_int_equal(reply_push(&r, &in), REPLY_DONE);
	return r;
}

static void test_status(void **state)
{
	static const struct { const char *in, *status; } rows[] = {
		{ "552 5.2.2 <full@kep1.test> Quota exceeded\r\n", "5.2.2" }, { "250 2.0.0\r\n", "2.0.0" },
		{ "550 5.7.100 no\r\n", "5.7.100" }, { "250-2.1.0\r\n250 x\r\n", "2.1.0" },
		{ "550 no\r\n", "" }, { "550 4.2.2 liar\r\n", "" }, { "550 5.7 no\r\n", "" }, { "550 5.7.1000 no\r\n", "" },
		{ "550 5.7.1x no\r\n", "" }, { "550 5..1 no\r\n", "" }, { "550\r\n", "" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct reply r = read_one(rows[i].in);
		char status[REPLY_STATUS_SIZE];

		assert_int_equal(reply_status(&r, status), rows[i].status[0] != '\0');
		assert_string_equal(status, rows[i].status);
		reply_release(&r);
	}
}

static void test_queue_id(void **state)
{
	static const struct { const char *in, *id; } rows[] = {
		{ "250 2.0.0 Ok: queued as 4jYFM4733Pz1cnb5\r\n", "4jYFM4733Pz1cnb5" }, { "250 queued as A b\r\n", "A" },
		{ "250 Ok\r\n", "" }, { "250 queued as \r\n", "" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct reply r = read_one(rows[i].in);

		assert_true(span_is(reply_queue_id(&r), rows[i].id));
		reply_release(&r);
	}
}

static void test_write(void **state)
{
	struct reply r = read_one("550-5.7.1 one\r\n550 two\r\n");
	struct buf b = BUF_INIT;

	reply_write(&b, &r);
	assert_string_equal(buf_str(&b), "550 5.7.1 one two");
	buf_release(&b);
	reply_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_limits), cmocka_unit_test(test_status),
		cmocka_unit_test(test_queue_id), cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
