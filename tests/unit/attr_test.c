/* "name=value" lines of the policy protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/attr.h"
#include "tests/unit/exact.h"

static void test_lines(void **state)
{
	static const struct { struct span in; int answer; const char *name, *value; size_t left; } rows[] = {
		{ SPAN("request=smtpd_access_policy\nx"), 1, "request", "smtpd_access_policy", 1 },
		{ SPAN("sender=\n"),           1, "sender", "", 0 },
		{ SPAN("ccert_subject=a=b\n"), 1, "ccert_subject", "a=b", 0 },
		{ SPAN("\nrequest=x\n"),       0, NULL, NULL, 10 },
		{ SPAN(""),                    2, NULL, NULL, 0 },
		{ SPAN("request=smtpd"),       2, NULL, NULL, 13 },
		{ SPAN("request\n"),          -1, NULL, NULL, 0 },
		{ SPAN("=value\n"),           -1, NULL, NULL, 0 },
		{ SPAN("a=b\0c\n"),           -1, NULL, NULL, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = exact(rows[i].in), in = copy, name, value;

		assert_int_equal(attr_next(&in, &name, &value), rows[i].answer);
		if (rows[i].answer == 1) {
			assert_true(span_is(name, rows[i].name));
			assert_true(span_is(value, rows[i].value));
		}
		if (rows[i].answer >= 0)
			assert_int_equal(in.n, rows[i].left);
		exact_free(copy);
	}
}

static void test_request(void **state)
{
	struct span in = SPAN("request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=\n\nrequest=next\n"), name, value;
	size_t n = 0;

	while (attr_next(&in, &name, &value) == 1)
		n++;
	assert_int_equal(n, 3);
	assert_int_equal(attr_next(&in, &name, &value), 1);
	assert_true(span_is(value, "next"));
	assert_int_equal(attr_next(&in, &name, &value), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines), cmocka_unit_test(test_request) };

	return cmocka_run_group_tests_name("attr", tests, NULL, NULL);
}
