/* The splitter: every reason, every hook, every way to cut the octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/buf.h"
#include "libkep/mime.h"
#include "tests/unit/exact.h"

static const struct mime_limits limits = { .header_size = 300, .header_count = 5, .depth = 3, .parts = 6 };

/* What the hooks heard, in a form that does not depend on chunks. */
struct heard {
	struct buf events;      /* fields and headers */
	struct buf child[4];
	struct buf leaves;      /* of all leaves, each behind its place */
	struct mime_place last;
};

static void hear_field(void *arg, const struct mime_place *p, struct span name, struct span value)
{
	struct heard *h = arg;

	buf_addf(&h->events, "%zu.%zu.%zu ", p->depth, p->index, p->top);
	buf_add(&h->events, name);
	buf_addc(&h->events, '=');
	buf_add(&h->events, value);
	buf_addc(&h->events, '\n');
}

static void hear_header(void *arg, const struct mime_place *p, const struct media *m, const char *encoding)
{
	struct heard *h = arg;

	buf_addf(&h->events, "%zu.%zu.%zu is %s %s\n", p->depth, p->index, p->top, m->type, encoding);
	buf_addf(&h->leaves, "[%zu.%zu.%zu]", p->depth, p->index, p->top);
	h->last = *p;
}

static void hear_child(void *arg, size_t top, struct span octets)
{
	struct heard *h = arg;

	assert_in_range(top, 1, 3);
	buf_add(&h->child[top], octets);
}

static void hear_leaf(void *arg, const struct mime_place *p, struct span octets)
{
	struct heard *h = arg;

	assert_memory_equal(p, &h->last, sizeof(*p));
	buf_add(&h->leaves, octets);
}

static const struct mime_hooks hooks = { hear_field, hear_header, hear_child, hear_leaf };

static void heard_release(struct heard *h)
{
	buf_release(&h->events);
	buf_release(&h->leaves);
	for (size_t i = 0; i < COUNT_OF(h->child); i++)
		buf_release(&h->child[i]);
}

static void heard_clear(struct heard *h)
{
	buf_clear(&h->events);
	buf_clear(&h->leaves);
	for (size_t i = 0; i < COUNT_OF(h->child); i++)
		buf_clear(&h->child[i]);
}

static void push(struct mime *m, struct span octets)
{
	struct span copy = exact(octets);

	mime_push(m, copy);
	exact_free(copy);
}

static enum reason split_at(struct mime *m, struct heard *h, struct span message, size_t at)
{
	heard_clear(h);
	mime_restart(m);
	push(m, span_of(message.p, at));
	push(m, span_of(message.p + at, message.n - at));
	return mime_finish(m);
}

static enum reason split_every(struct mime *m, struct heard *h, struct span message, size_t n)
{
	heard_clear(h);
	mime_restart(m);
	for (size_t i = 0; i < message.n; i += n)
		push(m, span_of(message.p + i, message.n - i < n ? message.n - i : n));
	return mime_finish(m);
}

static void assert_same(const struct heard *a, const struct heard *b)
{
	assert_string_equal(buf_str(&a->events), buf_str(&b->events));
	assert_string_equal(buf_str(&a->leaves), buf_str(&b->leaves));
	for (size_t i = 0; i < COUNT_OF(a->child); i++)
		assert_string_equal(buf_str(&a->child[i]), buf_str(&b->child[i]));
}

/* Judge a message in every cut; *h holds what the hooks heard of it as a whole. */
static enum reason judge(struct span message, struct heard *h)
{
	struct heard other = { .events = BUF_INIT };
	struct mime *whole = mime_new(&limits, &hooks, h), *cut = mime_new(&limits, &hooks, &other);
	enum reason why = split_at(whole, h, message, 0);

	for (size_t i = 1; i < message.n; i++) {
		assert_int_equal(split_at(cut, &other, message, i), why);
		if (why == REASON_ACCEPTED)
			assert_same(h, &other);
		assert_int_equal(mime_children(cut), mime_children(whole));
	}
	for (size_t n = 1; n < 8; n++) {
		assert_int_equal(split_every(cut, &other, message, n), why);
		if (why == REASON_ACCEPTED)
			assert_same(h, &other);
	}
	mime_free(whole);
	mime_free(cut);
	heard_release(&other);
	return why;
}

#define MIXED(b)  "Content-Type: multipart/mixed; boundary=" b "\r\n\r\n"
#define PLAIN     "Content-Type: text/plain\r\n\r\n"

static void test_reasons(void **state)
{
	static const struct { enum reason why; struct span message; } rows[] = {
		{ REASON_ACCEPTED,      SPAN("") },
		{ REASON_ACCEPTED,      SPAN("A: b\r\n") },
		{ REASON_ACCEPTED,      SPAN("A: b") },
		{ REASON_ACCEPTED,      SPAN("A: b\r\n\r\nbody") },
		{ REASON_ACCEPTED,      SPAN("\r\nbody\r\n") },
		{ REASON_ACCEPTED,      SPAN("A: b\r\n c\r\n\td\r\n\r\nbody\r\n") },
		{ REASON_ACCEPTED,      SPAN("Subject: İhale ş\r\n\r\n\xfe\xff 8-bit body\r\n") },
		{ REASON_ACCEPTED,      SPAN(MIXED("b") "--b\r\n\r\n--b--\r\n") },
		{ REASON_ACCEPTED,      SPAN(MIXED("b") "preamble\r\n--b\r\n" PLAIN "x\r\n--b--") },
		{ REASON_ACCEPTED,      SPAN(MIXED("b") "--b \t\r\n" PLAIN "x\r\n--b-- \r\n\r\n\r\n") },
		{ REASON_ACCEPTED,      SPAN(MIXED("b") "--b\r\n" MIXED("c") "--c\r\n\r\n--c--\r\n\r\n--b\r\n\r\n--c\r\n--b--\r\n") },
		{ REASON_ACCEPTED,      SPAN("Content-Type: message/rfc822\r\n\r\n" MIXED("b") "--b\r\n") },
		{ REASON_ACCEPTED,      SPAN("Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n--b\r\n\r\n--b--\r\n") },

		{ REASON_NUL_OCTET,     SPAN("A: b\0\r\n") },
		{ REASON_NUL_OCTET,     SPAN("A: b\r\n\r\nx\0\r\n") },
		{ REASON_NUL_OCTET,     SPAN("A: b\r\n\r\nx\0") },
		{ REASON_NUL_OCTET,     SPAN("A: b\r\n\r\nx\0\ry\n") },
		{ REASON_BARE_CR,       SPAN("A: b\r\n\r\nx\ry\r\n") },
		{ REASON_BARE_CR,       SPAN("A: b\r\n\r\nx\r\r\n") },
		{ REASON_BARE_CR,       SPAN("A: b\r\n\r\nx\r") },
		{ REASON_BARE_CR,       SPAN("A: b\r\n\r\nx\ry\0\n") },
		{ REASON_BARE_LF,       SPAN("A: b\r\n\r\nx\ny\r\n") },
		{ REASON_BARE_LF,       SPAN("A: b\n\r\nx\r\n") },
		{ REASON_BARE_LF,       SPAN("A: b\r\n\n") },
		{ REASON_BARE_LF,       SPAN("A: b\r\n\r\nx\ny\r\0\n") },

		{ REASON_HEADER_COUNT,  SPAN("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\n\r\n") },
		{ REASON_HEADER_COUNT,  SPAN(MIXED("b") "--b\r\nA:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\n\r\n--b--\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("A: b\r\nno field\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("From x@y Mon\r\nA: b\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN(" A: b\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("A : b\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN(": b\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("A: b\r\n \r\n c\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("A: b\x01\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("A: b\x7f\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("A\xc5\x9f: b\r\n\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN(MIXED("b") "--b\r\n--b--\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN(MIXED("b") "--b\r\nA: b\r\n--b--\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN(MIXED("\"b:\"") "--b:\r\nA: b\r\n--b: x\r\n\r\n--b:--\r\n") },
		{ REASON_HEADER_8BIT,   SPAN("Subject: \xdehale\r\n\r\n") },
		{ REASON_HEADER_8BIT,   SPAN(MIXED("b") "--b\r\nContent-Disposition: attachment; filename=\"\xfe\"\r\n\r\n--b--\r\n") },
		{ REASON_FIELD_TWICE,   SPAN("Content-Type: text/plain\r\ncontent-type: text/plain\r\n\r\n") },
		{ REASON_FIELD_TWICE,   SPAN(MIXED("b") "--b\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\n--b--\r\n") },
		{ REASON_FIELD_TWICE,   SPAN("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 7bit\r\n\r\n") },
		{ REASON_FIELD_TWICE,   SPAN("Content-Disposition: inline\r\nContent-Disposition: inline\r\n\r\n") },

		{ REASON_MIME_SYNTAX,   SPAN("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n") },
		{ REASON_MIME_SYNTAX,   SPAN("Content-Type: text\r\n\r\n") },
		{ REASON_MIME_SYNTAX,   SPAN("Content-Transfer-Encoding: 7bit, 8bit\r\n\r\n") },
		{ REASON_MIME_ENCODING, SPAN("Content-Transfer-Encoding: base64\r\n" MIXED("b") "--b\r\n\r\n--b--\r\n") },
		{ REASON_MIME_ENCODING, SPAN(MIXED("b") "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n" MIXED("c")) },
		{ REASON_MIME_BOUNDARY, SPAN("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n--b--\r\n") },
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--b\r\n" MIXED("b") "--b\r\n") },            /* equal */
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--b\r\n" MIXED("bc") "--bc\r\n") },          /* the outer is the beginning */
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("bc") "--bc\r\n" MIXED("b") "--b\r\n") },          /* the inner is the beginning */
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--b\r\n\r\n--bla\r\n--b--\r\n") },           /* begins like a boundary line */
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--b\r\n\r\n--b -\r\n--b--\r\n") },
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--b\r\n\r\n--b--x\r\n") },
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--b\r\n\r\n--b---\r\n") },
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--bx\r\n\r\n--b--\r\n") },
		{ REASON_MIME_BOUNDARY, SPAN(MIXED("b") "--b--\r\n") },                               /* no part */
		{ REASON_MIME_UNCLOSED, SPAN(MIXED("b")) },
		{ REASON_MIME_UNCLOSED, SPAN(MIXED("b") "text\r\n") },
		{ REASON_MIME_UNCLOSED, SPAN(MIXED("b") "--b\r\n\r\ntext\r\n") },
		{ REASON_MIME_UNCLOSED, SPAN(MIXED("b") "--b\r\nA: b\r\n") },
		{ REASON_MIME_UNCLOSED, SPAN(MIXED("b") "--b\r\n" MIXED("c") "--c\r\n\r\n--b--\r\n") },
		{ REASON_MIME_UNCLOSED, SPAN(MIXED("b") "--b\r\n" MIXED("c") "--b--\r\n") },
		{ REASON_MIME_UNCLOSED, SPAN(MIXED("b") "--b\r\n" MIXED("c") "--c\r\n\r\n--c--\r\n") },
		{ REASON_MIME_EPILOGUE, SPAN(MIXED("b") "--b\r\n\r\n--b--\r\ntext\r\n") },
		{ REASON_MIME_EPILOGUE, SPAN(MIXED("b") "--b\r\n\r\n--b--\r\n\r\n\r\nx") },
		{ REASON_MIME_EPILOGUE, SPAN(MIXED("b") "--b\r\n\r\n--b--\r\n--b\r\n\r\n--b--\r\n") },
		{ REASON_MIME_EPILOGUE, SPAN(MIXED("b") "--b\r\n" MIXED("c") "--c\r\n\r\n--c--\r\n \r\n--b--\r\n") },
		{ REASON_MIME_DEPTH,    SPAN(MIXED("b") "--b\r\n" MIXED("c") "--c\r\n" MIXED("d") "--d\r\n" MIXED("e") "--e\r\n") },
		{ REASON_MIME_PARTS,    SPAN(MIXED("b") "--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b--\r\n") },

		/* The first one in the order of the octets stands. */
		{ REASON_MIME_EPILOGUE, SPAN(MIXED("b") "--b\r\n\r\n--b--\r\ntext\r\n\0") },
		{ REASON_NUL_OCTET,     SPAN(MIXED("b") "--b\r\n\r\n--b--\r\ntext\0\r\n") },
		{ REASON_HEADER_SYNTAX, SPAN("no field\r\nA: \0\r\n") },
	};
	struct heard h = { .events = BUF_INIT };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum reason why = judge(rows[i].message, &h);

		if (why != rows[i].why)
			print_error("row %zu\n", i);
		assert_string_equal(reason_words(why)->wire, reason_words(rows[i].why)->wire);
	}
	heard_release(&h);
}

/* before, n times c, behind. */
static enum reason judge_long(const char *before, size_t n, const char *behind)
{
	struct heard h = { .events = BUF_INIT };
	struct buf b = BUF_INIT;
	enum reason why;

	buf_adds(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, behind);
	why = judge(buf_span(&b), &h);
	buf_release(&b);
	heard_release(&h);
	return why;
}

static void test_lengths(void **state)
{
	static const struct { enum reason why; const char *before; size_t n; const char *behind; } rows[] = {
		{ REASON_ACCEPTED,    "\r\n", 998, "\r\n" },
		{ REASON_ACCEPTED,    "\r\n", 998, "" },
		{ REASON_LINE_LENGTH, "\r\n", 999, "\r\n" },
		{ REASON_LINE_LENGTH, "\r\n", 999, "" },
		{ REASON_LINE_LENGTH, "\r\n", 1000, "\r\n" },
		{ REASON_LINE_LENGTH, "\r\n", 3000, "\r\n" },
		{ REASON_BARE_CR,     "\r\n", 997, "\rx\r\n" },
		{ REASON_BARE_CR,     "\r\n", 998, "\rx\r\n" },
		{ REASON_LINE_LENGTH, "\r\n", 999, "\rx\r\n" },
		{ REASON_BARE_LF,     "\r\n", 999, "\n" },
		{ REASON_LINE_LENGTH, "\r\n", 1000, "\n" },
		{ REASON_LINE_LENGTH, "A: ", 1200, "\r\n\r\n" },
		{ REASON_ACCEPTED,    "A: ", 293, "\r\n\r\n" },        /* a block of 300 octets */
		{ REASON_HEADER_SIZE, "A: ", 294, "\r\n\r\n" },
		{ REASON_HEADER_SIZE, "A: b\r\n ", 220, "\r\n c\r\n ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\r\n" },
		{ REASON_HEADER_SIZE, MIXED("b") "--b\r\nA: ", 294, "\r\n\r\n--b--\r\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(reason_words(judge_long(rows[i].before, rows[i].n, rows[i].behind))->wire, reason_words(rows[i].why)->wire);
}

static void test_hooks(void **state)
{
	static const char message[] =
	    "From: a@b\r\nContent-Type: multipart/signed;\r\n boundary=\"o\"\r\n\r\npreamble\r\n"
	    "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\ninner preamble\r\n"
	    "--i\r\n\r\none\r\n\r\n"
	    "--i  \r\nContent-Transfer-Encoding: Base64\r\n\r\n\r\ntwo\r\n"
	    "--i--\r\n\r\n"
	    "--o\r\nContent-Type: application/pkcs7-signature\r\n\r\nsig\r\n-- not a boundary\r\n--\r\n"
	    "--o--\r\n\r\n";
	struct heard h = { .events = BUF_INIT };

	assert_int_equal(judge(span_str(message), &h), REASON_ACCEPTED);
	assert_string_equal(buf_str(&h.events),
	    "0.0.0 From= a@b\n0.0.0 Content-Type= multipart/signed;\r\n boundary=\"o\"\n0.0.0 is multipart/signed 7bit\n"
	    "1.1.1 Content-Type= multipart/mixed; boundary=i\n1.1.1 is multipart/mixed 7bit\n"
	    "2.1.1 is text/plain 7bit\n"
	    "2.2.1 Content-Transfer-Encoding= Base64\n2.2.1 is text/plain base64\n"
	    "1.2.2 Content-Type= application/pkcs7-signature\n1.2.2 is application/pkcs7-signature 7bit\n");
	assert_string_equal(buf_str(&h.child[1]),
	    "Content-Type: multipart/mixed; boundary=i\r\n\r\ninner preamble\r\n"
	    "--i\r\n\r\none\r\n\r\n"
	    "--i  \r\nContent-Transfer-Encoding: Base64\r\n\r\n\r\ntwo\r\n"
	    "--i--\r\n");
	assert_string_equal(buf_str(&h.child[2]),
	    "Content-Type: application/pkcs7-signature\r\n\r\nsig\r\n-- not a boundary\r\n--");
	assert_string_equal(buf_str(&h.leaves), "[0.0.0][1.1.1][2.1.1]one\r\n[2.2.1]\r\ntwo[1.2.2]sig\r\n-- not a boundary\r\n--");
	heard_release(&h);
}

/* The CRLF of a part's blank line belongs to the boundary line, too. */
static void test_empty_parts(void **state)
{
	static const struct { const char *message, *child, *leaves; } rows[] = {
		{ MIXED("b") "--b\r\n\r\n--b--\r\n",             "",               "[0.0.0][1.1.1]" },
		{ MIXED("b") "--b\r\nA: b\r\n\r\n--b--\r\n",     "A: b\r\n",       "[0.0.0][1.1.1]" },
		{ MIXED("b") "--b\r\n\r\n\r\n--b--\r\n",         "\r\n",           "[0.0.0][1.1.1]" },
		{ MIXED("b") "--b\r\n\r\nx\r\n--b--\r\n",        "\r\nx",          "[0.0.0][1.1.1]x" },
		{ MIXED("b") "--b\r\n\r\nx\r\n\r\n--b--\r\n",    "\r\nx\r\n",      "[0.0.0][1.1.1]x\r\n" },
		{ "A: b\r\n\r\nx\r\n",                           "",               "[0.0.0]x\r\n" },
		{ "A: b\r\n\r\nx",                               "",               "[0.0.0]x" },
		{ "A: b\r\n\r\n\r\n",                            "",               "[0.0.0]\r\n" },
		{ "A: b\r\n\r\n",                                "",               "[0.0.0]" },
		{ "A: b\r\n",                                    "",               "[0.0.0]" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct heard h = { .events = BUF_INIT };

		assert_int_equal(judge(span_str(rows[i].message), &h), REASON_ACCEPTED);
		assert_string_equal(buf_str(&h.child[1]), rows[i].child);
		assert_string_equal(buf_str(&h.leaves), rows[i].leaves);
		heard_release(&h);
	}
}

/* What one message left behind does not reach the next. */
static void test_restart(void **state)
{
	static const struct mime_hooks none = { NULL, NULL, NULL, NULL };
	struct mime *m = mime_new(&limits, &none, NULL);

	mime_push(m, SPAN(MIXED("b") "--b\r\nA: x\r\n\r\nno end"));
	assert_int_equal(mime_finish(m), REASON_MIME_UNCLOSED);
	assert_int_equal(mime_push(m, SPAN("\r\n--b--\r\n")), REASON_MIME_UNCLOSED);
	mime_restart(m);
	assert_int_equal(mime_children(m), 0);
	assert_int_equal(mime_push(m, SPAN("Content-Type: text/plain\r\n\r\n--b--\r\nx")), REASON_ACCEPTED);
	assert_int_equal(mime_finish(m), REASON_ACCEPTED);
	mime_free(m);
	mime_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons), cmocka_unit_test(test_lengths), cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_empty_parts), cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests_name("mime", tests, NULL, NULL);
}
