/* Which OpenSSL has which repairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/library.h"

static void test_repaired(void **state)
{
	static const struct { bool good; unsigned major, minor, patch; const char *name; } rows[] = {
		{ false, 1, 1, 1,  "1.1.1" },
		{ false, 3, 0, 0,  "3.0.0" },
		{ false, 3, 0, 19, "3.0.19" },
		{ true,  3, 0, 20, "3.0.20" },
		{ true,  3, 0, 22, "3.0.22" },
		{ false, 3, 1, 99, "3.1.99" },
		{ false, 3, 2, 99, "3.2.99" },
		{ false, 3, 3, 6,  "3.3.6" },
		{ true,  3, 3, 7,  "3.3.7" },
		{ false, 3, 4, 4,  "3.4.4" },
		{ true,  3, 4, 5,  "3.4.5" },
		{ false, 3, 5, 5,  "3.5.5" },
		{ true,  3, 5, 6,  "3.5.6" },
		{ false, 3, 6, 1,  "3.6.1" },
		{ true,  3, 6, 2,  "3.6.2" },
		{ true,  3, 7, 0,  "3.7.0" },
		{ true,  4, 0, 0,  "4.0.0" },
	};
	struct buf words = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned long v = LIBRARY_VERSION(rows[i].major, rows[i].minor, rows[i].patch);

		if (library_repaired(v, &words) != rows[i].good || library_suffices(v, "fixed", &words) != rows[i].good)
			fail_msg("%s", rows[i].name);
		assert_int_equal(words.n == 0, rows[i].good);
		if (!rows[i].good)
			assert_non_null(strstr(buf_str(&words), rows[i].name));
	}
	buf_release(&words);
}

static void test_required(void **state)
{
	static const struct { bool good; const char *required; } rows[] = {
		{ true, "" }, { true, "3.0.0" }, { true, "3.0.20" }, { true, "1.1.1" },
		{ false, "3.0.21" }, { false, "3.1.0" }, { false, "15.0.0" },
		{ false, "3" }, { false, "3.0" }, { false, "3.0.20-1" }, { false, "x" }, { false, "3.0.999" }, { false, "16.0.0" },
	};
	struct buf error = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (library_suffices(LIBRARY_VERSION(3, 0, 20), rows[i].required, &error) != rows[i].good)
			fail_msg("%s", rows[i].required);
		assert_int_equal(error.n == 0, rows[i].good);
	}
	library_name(library_version(), &error);
	assert_true(library_version() >= LIBRARY_VERSION(3, 0, 0) && error.n > 0);
	buf_release(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_repaired), cmocka_unit_test(test_required) };

	return cmocka_run_group_tests_name("library", tests, NULL, NULL);
}
