/* What a From shows beside its address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/display.h"
#include "libkep/header.h"
#include "tests/unit/exact.h"

static const struct { bool honest; const char *value; } rows[] = {
	{ true,  " a@b.tr" },
	{ true,  " A@b.TR" },
	{ true,  " Ay\xc5\x9f" "e <a@b.tr>" },
	{ true,  " \"a@b.tr\" <A@B.tr>" },
	{ true,  " <a@b.tr> (a@b.tr)" },
	{ true,  " =?UTF-8?Q?Ay=C5=9Fe_Y=5F?= <a@b.tr>" },
	{ true,  " =?iso-8859-9?b?QXn+ZQ==?=\r\n\t=?utf-8*tr?B?QQ==?= <a@b.tr>" },
	{ true,  " =?windows-1254?q?Ay=FEe?= <a@b.tr>" },
	{ true,  " =?utf-8?q?a=40b.tr?= <a@b.tr>" },
	{ true,  " \"1                2\" <a@b.tr>" },
	{ false, " \"1                 2\" <a@b.tr>" },           /* an address pushed out of sight */
	{ false, " \"x@b.tr\" <a@b.tr>" },
	{ false, " \"a@b.tr.evil\" <a@b.tr>" },
	{ false, " (x@y.tr) a@b.tr" },
	{ false, " a@b.tr (x@y.tr)" },
	{ false, " \"x @ b.tr\" <a@b.tr>" },
	{ false, " \"x\\@b.tr\" <a@b.tr>" },
	{ false, " \"x@\" <a@b.tr>" },
	{ false, " =?utf-8?q?x=40b.tr?= <a@b.tr>" },
	{ false, " =?utf-8?q?x?= =?utf-8?q?=40b.tr?= <a@b.tr>" },
	{ false, " =?utf-8?b?eEBiLnRy?= <a@b.tr>" },
	{ false, " \"=?utf-8?b?eEBiLnRy?=\" <a@b.tr>" },           /* some programs decode inside quotes */
	{ false, " =?utf-7?q?x+AEA-b.tr?= <a@b.tr>" },
	{ false, " =?utf-16?b?AHgAQA==?= <a@b.tr>" },
	{ false, " =?iso-8859-x@y.tr?q?x?= <a@b.tr>" },             /* where it is not decoded it shows an address */
	{ false, " =?utf-8?x?x?= <a@b.tr>" },
	{ false, " =?utf-8?q?x=4?= <a@b.tr>" },
	{ false, " =?utf-8?b?x?= <a@b.tr>" },
	{ false, " =?utf-8?q?x <a@b.tr>" },
	{ false, " =?utf-8?q?x=00?= <a@b.tr>" },
	{ false, " =?utf-8?q?x=0D=0Ay?= <a@b.tr>" },
	{ false, " =?utf-8?q?x=EF=BC=A0b.tr?= <a@b.tr>" },         /* full-width @ */
	{ false, " x\xef\xb9\xab" "b.tr <a@b.tr>" },
	{ false, " \xe2\x80\xae" "rt.b <a@b.tr>" },                /* right to left */
	{ false, " x\xe2\x80\x8b" "y <a@b.tr>" },                  /* zero width */
	{ false, " \xef\xbb\xbf" "x <a@b.tr>" },
	{ false, " \xe2\x81\xa6" "x <a@b.tr>" },
};

static void test_display(void **state)
{
	struct addr a;

	assert_true(addr_parse(&a, SPAN("a@b.tr")));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = exact(span_str(rows[i].value));

		if (display_honest(copy, &a) != rows[i].honest)
			fail_msg("row %zu:%s", i, rows[i].value);
		exact_free(copy);
	}
}

/* No prefix of a field reads beyond itself. */
static void test_prefixes(void **state)
{
	struct addr a;

	assert_true(addr_parse(&a, SPAN("a@b.tr")));
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t n = 0; n < strlen(rows[i].value); n++) {
			struct span copy = exact(span_of(rows[i].value, n));

			display_honest(copy, &a);
			exact_free(copy);
		}
}

static void test_exceed(void **state)
{
	assert_true(header_mailboxes_exceed(SPAN(" a@b, c@d"), 1));
	assert_true(header_mailboxes_exceed(SPAN(" a@b, c@d, x"), 1));
	assert_true(header_mailboxes_exceed(SPAN(" a@b"), 0));
	assert_false(header_mailboxes_exceed(SPAN(" a@b, c@d"), 2));
	assert_false(header_mailboxes_exceed(SPAN(" a@b, x, c@d"), 1));
	assert_false(header_mailboxes_exceed(SPAN(" x"), 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_display), cmocka_unit_test(test_prefixes), cmocka_unit_test(test_exceed),
	};

	return cmocka_run_group_tests_name("display", tests, NULL, NULL);
}
