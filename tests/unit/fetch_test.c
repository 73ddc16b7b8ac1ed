/* URLs of authorities and witnesses, and the pauses between two tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "policyd/fetch.h"
#include "policyd/pause.h"

static const struct { const char *url; bool valid; const char *name; } urls[] = {
	{ "http://tsa.test/", true, "http://tsa.test/" },
	{ "HTTPS://tsa.test:8443/a?b#c", true, "HTTPS://tsa.test:8443/a?b#c" },
	{ "https://kep:gizli@tsa.test/a@b", true, "https://tsa.test/a@b" },
	{ "https://kep:a@b@tsa.test", true, "https://tsa.test" },
	{ "https://tsa.test/?mail=a@b.test", true, "https://tsa.test/?mail=a@b.test" },
	{ "https://tsa.test?a@b", true, "https://tsa.test?a@b" },
	{ "https://@tsa.test", true, "https://tsa.test" },
	{ "ftp://tsa.test/", false, "ftp://tsa.test/" },
	{ "file:///etc/passwd", false, "file:///etc/passwd" },
	{ "tsa.test", false, "tsa.test" },
	{ "http://tsa.test/\r\nHost: x", false, NULL },
	{ "http://t\xc5\x9f" "a.test/", false, NULL },
	{ "http:/", false, "http:/" },
	{ "", false, "" },
};

static void test_urls(void **state)
{
	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		struct span url = span_str(urls[i].url);
		char *name = fetch_url_name(url);

		if (fetch_url_valid(url) != urls[i].valid)
			fail_msg("%s", urls[i].url);
		if (urls[i].name)
			assert_string_equal(name, urls[i].name);
		free(name);
	}
}

#define SECOND ((usec)1000000)

static void test_backoff(void **state)
{
	const usec most = 900 * SECOND;

	for (unsigned failures = 0; failures < 200; failures++)
		for (int k = 0; k < 50; k++) {
			usec want = failures < 10 ? SECOND << failures : most, pause = pause_backoff(SECOND, most, failures);

			want = want < most ? want : most;
			assert_true(pause >= want / 2 && pause <= want);
		}
	assert_true(pause_backoff(3600 * SECOND, most, 0) <= most);
	assert_int_equal(pause_backoff(0, most, 7), 0);
}

static void test_spread(void **state)
{
	bool below = false, above = false;

	for (int k = 0; k < 1000; k++) {
		usec pause = pause_spread(60 * SECOND);

		assert_true(pause >= 54 * SECOND && pause <= 66 * SECOND);
		below |= pause < 60 * SECOND;
		above |= pause > 60 * SECOND;
	}
	assert_true(below && above);
	assert_int_equal(pause_spread(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls), cmocka_unit_test(test_backoff), cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
