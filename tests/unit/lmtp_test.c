/* LMTP sessions as conversations, and the dots of DATA both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/mem.h"
#include "policyd/command.h"
#include "policyd/dots.h"
#include "policyd/lmtp.h"

/* ---- dots ---- */

static void stuffed(struct buf *out, struct span content, size_t chunk)
{
	struct dots d = { 0 };

	for (size_t at = 0; at < content.n; at += chunk)
		dots_stuff(&d, span_of(content.p + at, content.n - at < chunk ? content.n - at : chunk), out);
	dots_end(&d, out);
}

/* true: the end was seen, with *left octets behind it. */
static bool unstuffed(struct buf *out, struct span wire, size_t chunk, size_t *left, bool *bare_lf)
{
	struct dots d = { 0 };

	for (size_t at = 0; at < wire.n; at += chunk) {
		size_t n = wire.n - at < chunk ? wire.n - at : chunk;
		char *copy = memcpy(mem_new(n), wire.p + at, n);
		struct span in = span_of(copy, n), piece;
		enum dots_step step;

		while ((step = dots_next(&d, &in, &piece)) == DOTS_PIECE)
			buf_add(out, piece);
		*bare_lf = d.bare_lf;
		*left = in.n + (wire.n - at - n);
		free(copy);
		if (step == DOTS_END)
			return true;
	}
	return false;
}

static void test_dots(void **state)
{
	static const struct { struct span content, wire; } rows[] = {
		{ SPAN("a\r\n"), SPAN("a\r\n.\r\n") },
		{ SPAN(".\r\n"), SPAN("..\r\n.\r\n") },
		{ SPAN("a\r\n.\r\n..b\r\n"), SPAN("a\r\n..\r\n...b\r\n.\r\n") },
		{ SPAN("a.b\r\n"), SPAN("a.b\r\n.\r\n") },
		{ SPAN("a\r.\r\n"), SPAN("a\r.\r\n.\r\n") },
		{ SPAN("\r\n\r\n"), SPAN("\r\n\r\n.\r\n") },
		{ SPAN("a\r\r\n"), SPAN("a\r\r\n.\r\n") },
		{ SPAN(".\r.\r\n"), SPAN("..\r.\r\n.\r\n") },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t chunk = 1; chunk <= rows[i].wire.n; chunk++) {
			struct buf wire = BUF_INIT, content = BUF_INIT;
			bool bare_lf;
			size_t left;

			stuffed(&wire, rows[i].content, chunk);
			assert_true(span_eq(buf_span(&wire), rows[i].wire));
			assert_true(unstuffed(&content, buf_span(&wire), chunk, &left, &bare_lf));
			assert_true(span_eq(buf_span(&content), rows[i].content));
			assert_int_equal(left, 0);
			assert_false(bare_lf);
			buf_release(&wire);
			buf_release(&content);
		}
}

static void test_dots_wild(void **state)
{
	static const struct { struct span wire, content; bool end, bare_lf; size_t left; } rows[] = {
		{ SPAN(".\r\nRSET\r\n"), SPAN(""), true, false, 6 },
		{ SPAN("a\n.\nb\r\n.\r\n"), SPAN("a\n.\nb\r\n"), true, true, 0 },
		{ SPAN("a\n.\r\nb\r\n.\r\n"), SPAN("a\n.\r\nb\r\n"), true, true, 0 },
		{ SPAN("a\r\n.\nb\r\n.\r\n"), SPAN("a\r\n\nb\r\n"), true, true, 0 },
		{ SPAN("a\r\n.\rb\r\n.\r\n"), SPAN("a\r\n\rb\r\n"), true, false, 0 },
		{ SPAN("a\r\n.\r\r\n.\r\n"), SPAN("a\r\n\r\r\n"), true, false, 0 },
		{ SPAN("a\r\n.b\r\n.\r\n"), SPAN("a\r\nb\r\n"), true, false, 0 },
		{ SPAN("a\r\n."), SPAN("a\r\n"), false, false, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t chunk = 1; chunk <= rows[i].wire.n; chunk++) {
			struct buf content = BUF_INIT;
			bool bare_lf = false;
			size_t left = 0;

			assert_int_equal(unstuffed(&content, rows[i].wire, chunk, &left, &bare_lf), rows[i].end);
			assert_true(span_eq(buf_span(&content), rows[i].content));
			assert_int_equal(bare_lf, rows[i].bare_lf);
			assert_int_equal(left, rows[i].left);
			buf_release(&content);
		}
}

static void test_dots_end_adds_a_line_end(void **state)
{
	struct buf wire = BUF_INIT;

	stuffed(&wire, SPAN("a"), 1);
	assert_string_equal(buf_str(&wire), "a\r\n.\r\n");
	buf_release(&wire);
}

/* ---- arguments ---- */

static void test_path(void **state)
{
	static const struct { struct span in; bool good; const char *path; } rows[] = {
		{ SPAN("FROM:<a@b>"), true, "a@b" }, { SPAN("from:<>"), true, "" }, { SPAN("FROM: <a@b> SIZE=1"), true, "a@b" },
		{ SPAN("FROM:<\"a>b\"@c>"), true, "\"a>b\"@c" },
		{ SPAN("FROM:a@b"), false, "" }, { SPAN("FROM:<a@b"), false, "" }, { SPAN("FROM:<a@b>x"), false, "" },
		{ SPAN("FROM:<"), false, "" }, { SPAN("FROM:"), false, "" }, { SPAN("FRO"), false, "" }, { SPAN("FROM:<\"a>"), false, "" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span line = rows[i].in, path;

		assert_int_equal(command_path(&line, "FROM:", &path), rows[i].good);
		if (rows[i].good)
			assert_true(span_is(path, rows[i].path));
	}
}

/* ---- sessions ---- */

struct heard {
	struct lmtp *session;
	struct buf   message;
	size_t       begun, whole, over;
	bool         answer_at_once;
};

static void on_begin(void *arg)
{
	struct heard *h = arg;

	h->begun++;
	buf_clear(&h->message);
}

static void on_octets(void *arg, struct span octets)
{
	buf_add(&((struct heard *)arg)->message, octets);
}

static void on_whole(void *arg)
{
	struct heard *h = arg;

	h->whole++;
	for (size_t i = 0, n = lmtp_envelope(h->session)->n; h->answer_at_once && i < n; i++)
		lmtp_answer(h->session, i, 250, SPAN("2.0.0 done"));
}

static void on_over(void *arg)
{
	((struct heard *)arg)->over++;
}

static const struct lmtp_hooks hooks = { on_begin, on_octets, on_whole, on_over };

static void open_session(struct heard *h, size_t limit)
{
	*h = (struct heard){ .answer_at_once = true };
	h->session = lmtp_new("mx.test", limit, &hooks, h);
	buf_clear(lmtp_out(h->session));
}

static void close_session(struct heard *h)
{
	lmtp_free(h->session);
	buf_release(&h->message);
}

/* Push as the edge does: what is not used is given again with more behind it. */
static void push(struct heard *h, struct span in, size_t chunk)
{
	struct buf held = BUF_INIT;

	for (size_t at = 0; at < in.n; at += chunk) {
		buf_add(&held, span_of(in.p + at, in.n - at < chunk ? in.n - at : chunk));
		char *copy = memcpy(mem_new(held.n ? held.n : 1), held.p, held.n);
		buf_drop(&held, lmtp_push(h->session, span_of(copy, held.n)));
		free(copy);
	}
	buf_release(&held);
}

static void expect(const char *in, const char *out)
{
	for (size_t chunk = 1; chunk < 100; chunk += 7) {
		struct heard h;

		open_session(&h, 1000);
		push(&h, span_str(in), chunk);
		assert_string_equal(buf_str(lmtp_out(h.session)), out);
		assert_int_equal(h.begun, h.over);
		close_session(&h);
	}
}

#define HELLO   "LHLO mx1.kep.test\r\n"
#define HELLO_R "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN\r\n"
#define MAIL_R  "250 2.1.0 sender ok\r\n"
#define RCPT_R  "250 2.1.5 recipient ok\r\n"
#define DATA_R  "354 end with <CR><LF>.<CR><LF>\r\n"

static void test_as_postfix_speaks(void **state)
{
	expect(HELLO
	       "MAIL FROM:<sender@kep1.test> SIZE=364 ENVID=client+2Benv RET=HDRS BODY=8BITMIME SMTPUTF8\r\n"
	       "RCPT TO:<ali@kep1.test> ORCPT=rfc822;Ali+2BX@Kep1.test NOTIFY=SUCCESS,FAILURE,DELAY\r\n"
	       "RCPT TO:<veli@kep1.test>\r\n"
	       "DATA\r\n"
	       "Subject: x\r\n\r\n..dot\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n\r\n.\r\nQUIT\r\n",
	       HELLO_R MAIL_R RCPT_R RCPT_R DATA_R "250 2.0.0 done\r\n250 2.0.0 done\r\n" MAIL_R RCPT_R DATA_R "250 2.0.0 done\r\n221 2.0.0 bye\r\n");
}

static void test_order(void **state)
{
	expect("MAIL FROM:<a@b.test>\r\n", "503 5.5.1 say LHLO first\r\n");
	expect("EHLO x\r\n", "500 5.5.1 this is LMTP: say LHLO\r\n");
	expect(HELLO "RCPT TO:<a@b.test>\r\nDATA\r\n", HELLO_R "503 5.5.1 say MAIL first\r\n503 5.5.1 no recipient\r\n");
	expect(HELLO "MAIL FROM:<>\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRSET\r\nDATA\r\n",
	       HELLO_R MAIL_R "503 5.5.1 MAIL was given already\r\n" RCPT_R "250 2.0.0 ok\r\n503 5.5.1 no recipient\r\n");
	expect("NOOP\r\nVRFY x\r\nHELP\r\nNOOP\nnoop x\r\nquit\r\nNOOP\r\n",
	       "250 2.0.0 ok\r\n252 2.0.0 send some mail and see\r\n500 5.5.2 unknown command\r\n"
	       "500 5.5.2 a command ends with <CR><LF>\r\n250 2.0.0 ok\r\n221 2.0.0 bye\r\n");
}

static void test_arguments(void **state)
{
	expect(HELLO "MAIL FROM:<a@b.test> SIZE=1001\r\nMAIL FROM:<a@b.test> SIZE=99999999999999999999999\r\nMAIL FROM:<a@b.test> SIZE=x\r\n",
	       HELLO_R "552 5.3.4 the message is larger than allowed\r\n552 5.3.4 the message is larger than allowed\r\n552 5.3.4 the message is larger than allowed\r\n");
	expect(HELLO "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nMAIL FROM:<a@b.test> X=1\r\nMAIL FROM:<a@b.test> SI ZE=1\r\nMAIL FROM:<a@b.test> =\r\n",
	       HELLO_R "501 5.5.4 unknown BODY\r\n555 5.5.4 unknown parameter of MAIL\r\n555 5.5.4 unknown parameter of MAIL\r\n501 5.5.4 malformed parameter\r\n");
	expect(HELLO "MAIL FROM:a@b.test\r\nMAIL FROM:<a>\r\n",
	       HELLO_R "501 5.5.4 write MAIL FROM:<address>\r\n553 5.1.7 the sender's address is not one we can read\r\n");
	expect(HELLO "MAIL FROM:<>\r\nRCPT TO:<>\r\nRCPT TO:<a b@c>\r\nRCPT TO:<a@b.test> ORCPT=x ORCPT=y\r\nRCPT TO:<a@b.test> FOO\r\n",
	       HELLO_R MAIL_R "550 5.1.3 the address is not one we can read\r\n550 5.1.3 the address is not one we can read\r\n"
	       "501 5.5.4 ORCPT and NOTIFY stand once, with a value\r\n555 5.5.4 unknown parameter of RCPT\r\n");
}

static void test_envelope(void **state)
{
	struct heard h;
	const struct lmtp_envelope *e;

	open_session(&h, 1000);
	h.answer_at_once = false;
	push(&h, SPAN(HELLO "MAIL FROM:<Ali@B.test> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<Veli@C.test> ORCPT=rfc822;V@C.test NOTIFY=NEVER\r\n"
	              "DATA\r\n.x\r\n..\r\n.\r\nQUIT\r\n"), 10);
	e = lmtp_envelope(h.session);
	assert_true(lmtp_waiting(h.session));
	assert_string_equal(e->sender, "Ali@B.test");
	assert_string_equal(e->sender_address.text, "ali@b.test");
	assert_true(e->eightbit && e->utf8);
	assert_int_equal(e->n, 1);
	assert_string_equal(e->recipients[0].path, "Veli@C.test");
	assert_string_equal(e->recipients[0].address.text, "veli@c.test");
	assert_string_equal(e->recipients[0].orcpt, "rfc822;V@C.test");
	assert_string_equal(e->recipients[0].notify, "NEVER");
	assert_string_equal(buf_str(&h.message), "x\r\n.\r\n");
	close_session(&h);
}

static void test_answers_in_order(void **state)
{
	struct heard h;

	open_session(&h, 1000);
	h.answer_at_once = false;
	push(&h, SPAN(HELLO "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<c@b.test>\r\nDATA\r\n.\r\n"), 1000);
	buf_clear(lmtp_out(h.session));
	lmtp_answer(h.session, 2, 250, SPAN("2.0.0 c"));
	assert_int_equal(lmtp_out(h.session)->n, 0);
	lmtp_answer(h.session, 0, 550, SPAN("5.1.1 a\r\nb"));
	assert_string_equal(buf_str(lmtp_out(h.session)), "550 5.1.1 a  b\r\n");
	assert_int_equal(lmtp_push(h.session, SPAN("NOOP\r\n")), 0);
	assert_int_equal(h.over, 0);
	lmtp_answer(h.session, 1, 451, SPAN("4.3.0 b"));
	assert_string_equal(buf_str(lmtp_out(h.session)), "550 5.1.1 a  b\r\n451 4.3.0 b\r\n250 2.0.0 c\r\n");
	assert_int_equal(h.over, 1);
	assert_false(lmtp_waiting(h.session));
	assert_int_equal(lmtp_push(h.session, SPAN("NOOP\r\n")), 6);
	close_session(&h);
}

static void test_refused_messages(void **state)
{
	struct buf big = BUF_INIT;

	buf_adds(&big, HELLO "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n");
	for (int i = 0; i < 100; i++)
		buf_adds(&big, "0123456789\r\n");
	buf_adds(&big, ".\r\nNOOP\r\n");
	expect(buf_str(&big), HELLO_R MAIL_R RCPT_R RCPT_R DATA_R
	       "552 5.3.4 the message is larger than allowed\r\n552 5.3.4 the message is larger than allowed\r\n250 2.0.0 ok\r\n");
	expect(HELLO "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\nx\n.\nMAIL FROM:<>\r\n.\r\nNOOP\r\n",
	       HELLO_R MAIL_R RCPT_R DATA_R "550 5.6.0 the message holds an LF without CR\r\n250 2.0.0 ok\r\n");
	buf_release(&big);
}

static void test_long_line(void **state)
{
	struct buf in = BUF_INIT;

	for (int i = 0; i < 5000; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "\r\nNOOP\r\n");
	expect(buf_str(&in), "500 5.5.2 line too long\r\n250 2.0.0 ok\r\n");
	buf_release(&in);
}

static void test_many(void **state)
{
	struct buf in = BUF_INIT;
	struct heard h;

	buf_adds(&in, HELLO "MAIL FROM:<>\r\n");
	for (int i = 0; i < 3600; i++)
		buf_addf(&in, "RCPT TO:<r%d@b.test>\r\n", i);
	open_session(&h, 1000);
	h.answer_at_once = false;
	push(&h, buf_span(&in), 4000);
	assert_non_null(strstr(buf_str(lmtp_out(h.session)), "452 4.5.3"));
	push(&h, SPAN("DATA\r\n.\r\n"), 100);
	assert_int_equal(lmtp_envelope(h.session)->n, LMTP_RECIPIENTS_MAX);
	close_session(&h);

	open_session(&h, 1000);
	for (int i = 0; i < 200; i++)
		push(&h, SPAN("FOO\r\n"), 5);
	assert_true(lmtp_done(h.session));
	assert_non_null(strstr(buf_str(lmtp_out(h.session)), "421 4.7.0"));
	close_session(&h);
	buf_release(&in);
}

/* Pieces of conversations in any order, octets changed: no crash, no lost or
 * doubled answer, and the verdict does not depend on the chunks. */
static uint32_t dice(uint32_t *seed, uint32_t sides)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % sides;
}

static void throw_conversation(struct buf *out, uint32_t *seed)
{
	static const char *const pieces[] = {
		HELLO, "MAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<c@d.test> ORCPT=rfc822;x+2B@y.test\r\n",
		"RCPT TO:<\"q\"@d.test>\r\n", "DATA\r\n", "From: x\r\n\r\n..y\r\n", ".\r\n", "\r\n.\r\n", ".\n", "RSET\r\n", "NOOP\r\n", "\r", "<>", "x",
	};
	uint32_t n = 1 + dice(seed, 20);

	for (uint32_t i = 0; i < n; i++)
		buf_adds(out, pieces[dice(seed, COUNT_OF(pieces))]);
	for (uint32_t i = dice(seed, 4); i > 0 && out->n; i--)
		out->p[dice(seed, (uint32_t)out->n)] = (char)dice(seed, 256);
}

static void test_random(void **state)
{
	for (uint32_t round = 1; round <= 3000; round++) {
		struct buf in = BUF_INIT, one = BUF_INIT;
		uint32_t seed = round;
		struct heard h;

		throw_conversation(&in, &seed);
		for (size_t chunk = 1; chunk <= in.n; chunk = 3 * chunk + dice(&seed, 5)) {
			open_session(&h, 20);
			push(&h, buf_span(&in), chunk);
			assert_true(h.begun == h.over || h.begun == h.over + 1);
			assert_true(h.whole <= h.over);
			if (chunk == 1)
				buf_add(&one, buf_span(lmtp_out(h.session)));
			else
				assert_true(span_eq(buf_span(&one), buf_span(lmtp_out(h.session))));
			close_session(&h);
		}
		buf_release(&in);
		buf_release(&one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dots), cmocka_unit_test(test_dots_wild), cmocka_unit_test(test_dots_end_adds_a_line_end),
		cmocka_unit_test(test_path), cmocka_unit_test(test_as_postfix_speaks), cmocka_unit_test(test_order),
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_envelope), cmocka_unit_test(test_answers_in_order),
		cmocka_unit_test(test_refused_messages), cmocka_unit_test(test_long_line), cmocka_unit_test(test_many),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("lmtp", tests, NULL, NULL);
}
