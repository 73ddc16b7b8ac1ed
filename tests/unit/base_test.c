/* The base layer: spans, buffers, times, configuration, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/base.h"
#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/conf.h"
#include "libkep/jdoc.h"
#include "libkep/mem.h"
#include "libkep/outcome.h"
#include "libkep/reason.h"

static void test_utf8(void **state)
{
	static const struct { struct span text; bool good; } rows[] = {
		{ SPAN("ayşe"), true }, { SPAN(""), true }, { SPAN("\xf0\x9f\x93\xa7"), true },
		{ SPAN("\xc0\x80"), false }, { SPAN("\xed\xa0\x80"), false }, { SPAN("\xf5\x80\x80\x80"), false },
		{ SPAN("\xc5"), false }, { SPAN("a\0b"), false }, { SPAN("\x80"), false }, { SPAN("\xe0\x80\x80"), false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(utf8_valid(rows[i].text), rows[i].good);
}

static void test_clock(void **state)
{
	char text[CLOCK_TEXT_SIZE];
	usec t;

	assert_true(clock_parse(SPAN("2026-11-23T18:45:23.101420Z"), &t));
	clock_text(text, t);
	assert_string_equal(text, "2026-11-23T18:45:23.101420Z");
	clock_mail_date(text, t);
	assert_string_equal(text, "Mon, 23 Nov 2026 18:45:23 +0000");
	assert_true(clock_parse(SPAN("2026-11-23 21:45:23.10142+03"), &t));
	clock_text(text, t);
	assert_string_equal(text, "2026-11-23T18:45:23.101420Z");
	assert_false(clock_parse(SPAN("2026-13-23T18:45:23Z"), &t));
	assert_false(clock_parse(SPAN("yesterday"), &t));
}

static void test_uuid(void **state)
{
	char a[37], b[37];

	clock_uuid(a);
	clock_uuid(b);
	assert_true(uuid_valid(span_str(a)));
	assert_string_not_equal(a, b);
	assert_int_equal(a[14], '7');
	assert_false(uuid_valid(SPAN("0190163D-8694-739B-AEA5-966C26F8AD91")));
}

static void test_base64(void **state)
{
	struct buf b = BUF_INIT;

	buf_add_base64(&b, SPAN("any carnal pleas"), 0);
	assert_string_equal(buf_str(&b), "YW55IGNhcm5hbCBwbGVhcw==");
	buf_clear(&b);
	buf_add_base64(&b, SPAN("any carnal pleas"), 8);
	assert_string_equal(buf_str(&b), "YW55IGNh\r\ncm5hbCBw\r\nbGVhcw==\r\n");
	buf_release(&b);
}

static void test_conf(void **state)
{
	static const struct { const char *text, *error; } bad[] = {
		{ "clsed = host\n", "f:1: unknown key 'clsed'; kep.conf(5) lists the keys" },
		{ "\n# x\nuser = a\nuser = b\n", "f:4: given twice: 'user'; keep one of the two lines" },
		{ "void_after = 3y\n", "f:1: unknown unit in '3y'; times take s, m, h or d" },
		{ "mime_depth_limit = many\n", "f:1: not a number: 'many'; write digits, then a unit if any" },
		{ "milter_socket_mode = 0999\n", "f:1: not a number: '0999'; write an octal mode such as 0660" },
		{ "user\n", "f:1: no '=' in 'user'; write key = value" },
	};
	struct buf error = BUF_INIT;
	struct conf c;

	conf_init(&c);
	assert_true(conf_read_text(&c, "f", SPAN("# c\nmessage_size_limit = 25M\nvoid_after=90s\nask_users = a\n  b\n\n"
	    "milter_socket_mode = 0600"), &error));
	assert_int_equal(c.message_size_limit, 25 << 20);
	assert_int_equal(c.void_after, 90 * 1000000LL);
	assert_string_equal(c.ask_users, "a b");
	assert_int_equal(c.milter_socket_mode, 0600);
	assert_string_equal(c.closed, "domains");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(conf_read_text(&c, "f", span_str(bad[i].text), &error));
		assert_string_equal(buf_str(&error), bad[i].error);
	}
	conf_release(&c);
	buf_release(&error);
}

static void test_jdoc(void **state)
{
	struct buf out = BUF_INIT;
	jdoc *d = jdoc_object(), *a = jdoc_array(), *back;

	jdoc_set_int(d, "z", 7);
	jdoc_set_text(d, "a", SPAN("\x1f\n\"\\ş\x7f"));
	jdoc_set_text(d, "none", SPAN_NONE);
	jdoc_push_text(a, SPAN("x"));
	jdoc_set(d, "list", a);
	jdoc_set_text(d, "bad", SPAN("a\xff"));
	jdoc_write(&out, d);
	assert_string_equal(buf_str(&out), "{\"a\":\"\\u001f\\n\\\"\\\\ş\x7f\",\"bad\":\"a\xef\xbf\xbd\",\"list\":[\"x\"],\"z\":7}");
	back = jdoc_parse(buf_span(&out), 1000, NULL);
	assert_non_null(back);
	assert_true(span_is(jdoc_text_at(jdoc_get(back, "list"), 0), "x"));
	assert_null(jdoc_parse(buf_span(&out), 10, NULL));
	assert_null(jdoc_parse(SPAN("{\"a\":1,\"a\":2}"), 100, NULL));
	assert_null(jdoc_parse(SPAN("{} x"), 100, NULL));
	assert_null(jdoc_parse(SPAN("[]"), 100, NULL));
	jdoc_free(back);
	jdoc_free(d);
	buf_release(&out);
}

static void test_lists(void **state)
{
	for (int i = 0; i < REASON_COUNT; i++) {
		const struct reason_words *w = reason_words((enum reason)i);

		assert_int_equal(reason_find(span_str(w->wire)), i);
		assert_int_equal(w->status[0], '0' + w->code / 100);
		assert_null(strchr(w->english, '%'));
		assert_null(strchr(w->turkish, '%'));
		assert_true(utf8_valid(span_str(w->turkish)));
	}
	for (int i = 0; i < OUTCOME_COUNT; i++)
		assert_int_equal(outcome_find(span_str(outcome_words((enum outcome)i)->code)), i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8), cmocka_unit_test(test_clock), cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_base64), cmocka_unit_test(test_conf), cmocka_unit_test(test_jdoc), cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
