/* Addresses: what is one, and which two are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/addr.h"
#include "libkep/buf.h"
#include "tests/unit/exact.h"

static bool parse(struct addr *a, struct span text)
{
	struct span copy = exact(text);
	bool good = addr_parse(a, copy);

	exact_free(copy);
	return good;
}

static void test_syntax(void **state)
{
	static const struct { struct span text; const char *folded; } rows[] = {    /* NULL: refused */
		{ SPAN("ayse@hs01.KEP.TR"),      "ayse@hs01.kep.tr" },
		{ SPAN("<Ayse.Yilmaz@hs01.kep.tr>"), "ayse.yilmaz@hs01.kep.tr" },
		{ SPAN("ISIK@HS01.KEP.TR"),      "isik@hs01.kep.tr" },
		{ SPAN("ayşe@örnek.tr"),         "ayşe@örnek.tr" },
		{ SPAN("İPEK@kep.tr"),           "İpek@kep.tr" },
		{ SPAN("receipt+0-1=2@evt.kep.tr"), "receipt+0-1=2@evt.kep.tr" },
		{ SPAN("a@localhost"),           "a@localhost" },
		{ SPAN("a@1.2.3.4"),             "a@1.2.3.4" },
		{ SPAN(""),                      "" },
		{ SPAN("<>"),                    "" },
		{ SPAN("<"),                     NULL },
		{ SPAN("<a@b"),                  NULL },
		{ SPAN("a@b>"),                  NULL },
		{ SPAN("<<a@b>>"),               NULL },
		{ SPAN("<@b>"),                  NULL },
		{ SPAN("a"),                     NULL },
		{ SPAN("a@"),                    NULL },
		{ SPAN("a@b@c"),                 NULL },
		{ SPAN(".a@b"),                  NULL },
		{ SPAN("a.@b"),                  NULL },
		{ SPAN("a..b@c"),                NULL },
		{ SPAN("\"a b\"@c"),             NULL },
		{ SPAN("a b@c"),                 NULL },
		{ SPAN("a@b c"),                 NULL },
		{ SPAN(" a@b"),                  NULL },
		{ SPAN("a(c)@b"),                NULL },
		{ SPAN("@relay:a@b"),            NULL },
		{ SPAN("a@[127.0.0.1]"),         NULL },
		{ SPAN("a@-b.tr"),               NULL },
		{ SPAN("a@b-.tr"),               NULL },
		{ SPAN("a@b..tr"),               NULL },
		{ SPAN("a@.tr"),                 NULL },
		{ SPAN("a@b.tr."),               NULL },
		{ SPAN("a@b_c.tr"),              NULL },
		{ SPAN("a\0@b"),                 NULL },
		{ SPAN("a@b\0"),                 NULL },
		{ SPAN("a\r\n@b"),               NULL },
		{ SPAN("ay\xfe" "e@kep.tr"),     NULL },     /* ISO 8859-9 */
		{ SPAN("a@b\xc5"),               NULL },
		{ SPAN("a\xc2\x85@b"),           NULL },     /* NEL */
	};
	struct addr a;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(parse(&a, rows[i].text), rows[i].folded != NULL);
		assert_string_equal(a.text, rows[i].folded ? rows[i].folded : "");
		assert_int_equal(a.n, strlen(a.text));
	}
}

/* n times c, then the text. */
static bool parse_long(size_t local, size_t label, size_t labels)
{
	struct buf b = BUF_INIT;
	struct addr a;
	bool good;

	for (size_t i = 0; i < local; i++)
		buf_addc(&b, 'a');
	for (size_t k = 0; k < labels; k++) {
		buf_addc(&b, k ? '.' : '@');
		for (size_t i = 0; i < label; i++)
			buf_addc(&b, 'd');
	}
	good = parse(&a, buf_span(&b));
	buf_release(&b);
	return good;
}

static void test_lengths(void **state)
{
	assert_true(parse_long(64, 1, 1));
	assert_false(parse_long(65, 1, 1));
	assert_true(parse_long(1, 63, 1));
	assert_false(parse_long(1, 64, 1));
	assert_true(parse_long(64, 63, 4));     /* 255 */
	assert_false(parse_long(64, 50, 6));    /* 305 */
	assert_false(parse_long(70000, 60, 1000));
}

static void test_parts(void **state)
{
	struct addr a, b, none;

	assert_true(parse(&a, SPAN("<Ali@HS01.kep.tr>")));
	assert_true(parse(&b, SPAN("ali@hs01.KEP.tr")));
	assert_true(parse(&none, SPAN("<>")));
	assert_true(addr_eq(&a, &b));
	assert_false(addr_eq(&a, &none));
	assert_true(span_is(addr_domain(&a), "hs01.kep.tr"));
	assert_true(addr_empty(&none));
	assert_int_equal(addr_domain(&none).n, 0);
}

static void test_orcpt(void **state)
{
	static const struct { struct span text; const char *folded; } rows[] = {
		{ SPAN("rfc822;Ali+2BX@Kep1.test"), "ali+x@kep1.test" },
		{ SPAN("RFC822;ali@kep1.test"),     "ali@kep1.test" },
		{ SPAN("utf-8;ayşe@kep1.test"),     "ayşe@kep1.test" },
		{ SPAN("utf-8;ay\\x{15F}e@kep1.test"), "ayşe@kep1.test" },
		{ SPAN("utf-8;a\\x{2B}b@kep1.test"), "a+b@kep1.test" },
		{ SPAN("utf-8;\\x{1F4E7}@kep1.test"), "📧@kep1.test" },
		{ SPAN("utf-8;\\x{20AC}@kep1.test"), "€@kep1.test" },
		{ SPAN("rfc822;"),                  NULL },
		{ SPAN("rfc822"),                   NULL },
		{ SPAN(""),                         NULL },
		{ SPAN(";a@b"),                     NULL },
		{ SPAN("x400;a@b"),                 NULL },
		{ SPAN("rfc822;<>"),                NULL },
		{ SPAN("rfc822;a+@b"),              NULL },
		{ SPAN("rfc822;a@b+"),              NULL },
		{ SPAN("rfc822;a@b+2"),             NULL },
		{ SPAN("rfc822;a@b+00"),            NULL },
		{ SPAN("rfc822;a=b@c"),             NULL },
		{ SPAN("rfc822;a b@c"),             NULL },
		{ SPAN("utf-8;a+2Bb@c"),            NULL },
		{ SPAN("utf-8;\\x{D800}@c"),        NULL },
		{ SPAN("utf-8;\\x{110000}@c"),      NULL },
		{ SPAN("utf-8;\\x{0}@c"),           NULL },
		{ SPAN("utf-8;\\x{00}@c"),          NULL },
		{ SPAN("utf-8;\\x{1234567}@c"),     NULL },
		{ SPAN("utf-8;a\\"),                NULL },
		{ SPAN("utf-8;a\\x"),               NULL },
		{ SPAN("utf-8;a\\x{"),              NULL },
		{ SPAN("utf-8;a\\x{}@c"),           NULL },
		{ SPAN("utf-8;a\\x{2B"),            NULL },
		{ SPAN("utf-8;a\\x{2G}@c"),         NULL },
	};
	struct addr a;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = exact(rows[i].text);

		assert_int_equal(addr_parse_orcpt(&a, copy), rows[i].folded != NULL);
		assert_string_equal(a.text, rows[i].folded ? rows[i].folded : "");
		exact_free(copy);
	}
}

static void test_orcpt_long(void **state)
{
	struct buf b = BUF_INIT;
	struct addr a;

	buf_adds(&b, "utf-8;");
	for (int i = 0; i < 5000; i++)
		buf_adds(&b, "\\x{15F}");
	assert_false(addr_parse_orcpt(&a, buf_span(&b)));
	buf_clear(&b);
	buf_adds(&b, "rfc822;");
	for (int i = 0; i < 5000; i++)
		buf_adds(&b, "+41");
	assert_false(addr_parse_orcpt(&a, buf_span(&b)));
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntax), cmocka_unit_test(test_lengths), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_orcpt), cmocka_unit_test(test_orcpt_long),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
