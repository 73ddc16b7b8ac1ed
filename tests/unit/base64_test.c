/* Strict base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/base64.h"
#include "tests/unit/exact.h"

static enum base64_answer decode(struct span text, size_t piece, size_t limit, struct buf *out, bool *whole)
{
	struct base64 d = { .n = 0 };
	enum base64_answer answer = BASE64_GOOD;

	buf_clear(out);
	for (size_t i = 0; i < text.n && answer == BASE64_GOOD; i += piece) {
		struct span copy = exact(span_of(text.p + i, text.n - i < piece ? text.n - i : piece));

		answer = base64_push(&d, copy, out, limit);
		exact_free(copy);
	}
	*whole = base64_whole(&d);
	return answer;
}

static void test_texts(void **state)
{
	static const struct { struct span text; enum base64_answer answer; bool whole; const char *out; } rows[] = {
		{ SPAN(""),                 BASE64_GOOD, true,  "" },
		{ SPAN("\r\n"),             BASE64_GOOD, true,  "" },
		{ SPAN("Zm9v"),             BASE64_GOOD, true,  "foo" },
		{ SPAN("Zm9vYg=="),         BASE64_GOOD, true,  "foob" },
		{ SPAN("Zm9v\r\nYmE=\r\n"), BASE64_GOOD, true,  "fooba" },
		{ SPAN("Zm\r\n9v\r\n\r\n"), BASE64_GOOD, true,  "foo" },
		{ SPAN("Zm9vYm"),           BASE64_GOOD, false, "foo" },
		{ SPAN("Zm9vYg="),          BASE64_GOOD, false, "foo" },
		{ SPAN("Zm9vYg==Zm9v"),     BASE64_JUNK, true,  NULL },
		{ SPAN("Zm9vYg==="),        BASE64_JUNK, true,  NULL },
		{ SPAN("Zm9vY=Zg"),         BASE64_JUNK, false, NULL },
		{ SPAN("Zm9vY==="),         BASE64_JUNK, false, NULL },
		{ SPAN("===="),             BASE64_JUNK, true,  NULL },
		{ SPAN("Zm9vYh=="),         BASE64_JUNK, true,  NULL },         /* bits left over */
		{ SPAN("Zm9vYmF="),         BASE64_JUNK, true,  NULL },
		{ SPAN("Zm9 v"),            BASE64_JUNK, false, NULL },
		{ SPAN("Zm9v "),            BASE64_JUNK, true,  NULL },
		{ SPAN("Zm9-"),             BASE64_JUNK, false, NULL },
		{ SPAN("Zm9\0"),            BASE64_JUNK, false, NULL },
		{ SPAN("Zm9\xc4"),          BASE64_JUNK, false, NULL },
	};
	struct buf out = BUF_INIT;
	bool whole;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t piece = 1; piece < 6; piece++) {
			assert_int_equal(decode(rows[i].text, piece, 100, &out, &whole), rows[i].answer);
			assert_int_equal(whole, rows[i].whole);
			if (rows[i].out)
				assert_string_equal(buf_str(&out), rows[i].out);
		}
	buf_release(&out);
}

/* What buf_add_base64() wrote comes back, up to the limit and no further. */
static void test_round(void **state)
{
	struct buf octets = BUF_INIT, text = BUF_INIT, out = BUF_INIT;
	bool whole;

	for (size_t n = 0; n < 3000; n = n * 3 / 2 + 1) {
		buf_clear(&octets);
		buf_clear(&text);
		for (size_t i = 0; i < n; i++)
			buf_addc(&octets, (char)(i * 7));
		buf_add_base64(&text, buf_span(&octets), 76);
		assert_int_equal(decode(buf_span(&text), 4000, n, &out, &whole), BASE64_GOOD);
		assert_true(whole && span_eq(buf_span(&octets), buf_span(&out)));
		if (n)
			assert_int_equal(decode(buf_span(&text), 1000, n - 1, &out, &whole), BASE64_LONG);
	}
	buf_release(&octets);
	buf_release(&text);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_texts), cmocka_unit_test(test_round) };

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
