/* Messages in unlinked files: octets, fingerprint, top header block. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "libkep/buf.h"
#include "libkep/mem.h"
#include "policyd/spool.h"

static const char *dir(void)
{
	const char *d = getenv("TMPDIR");

	return d && *d ? d : "/tmp";
}

static struct spool *taken(struct span message, size_t chunk, size_t header_limit)
{
	struct spool *s = spool_new(dir(), header_limit);

	for (size_t at = 0; at < message.n; at += chunk) {
		size_t n = message.n - at < chunk ? message.n - at : chunk;
		char *copy = memcpy(mem_new(n), message.p + at, n);

		spool_add(s, span_of(copy, n));
		free(copy);
	}
	return s;
}

static void assert_content(const struct spool *s, struct span message)
{
	char *back = mem_new(message.n + 1);

	assert_int_equal(spool_size(s), message.n);
	assert_int_equal(spool_fd(s) < 0, message.n <= SPOOL_MEMORY);
	if (spool_fd(s) < 0)
		assert_true(span_eq(spool_memory(s), message));
	assert_true(spool_read(s, back, message.n));
	assert_memory_equal(back, message.p, message.n);
	free(back);
}

/* header: canonical fields; the rest of the form is the body. */
static void assert_fingerprint(const struct spool *s, struct span canonical)
{
	unsigned char sha256[SHA256_SIZE];

	digest_sha256(sha256, canonical);
	assert_memory_equal(spool_fingerprint(s)->sha256, sha256, sizeof sha256);
}

static void test_message(void **state)
{
	static const struct { struct span message, canonical; } rows[] = {
		{ SPAN("Received: x\r\n\tby y\r\nFrom: a@b\r\nX-KEP-ID: 1\r\nTo: c@d,\r\n e@f\r\n\r\nbody\r\n\r\nX-KEP-ID: 2\r\n"),
		  SPAN("From: a@b\r\nTo: c@d,\r\n e@f\r\n\r\nbody\r\n\r\nX-KEP-ID: 2\r\n") },
		{ SPAN("From: a@b\r\n\r\n"), SPAN("From: a@b\r\n\r\n") },
		{ SPAN("From: a@b\r\n"), SPAN("From: a@b\r\n\r\n") },
		{ SPAN("\r\nbody\r\n"), SPAN("\r\nbody\r\n") },
		{ SPAN("\r\n\r\nbody\r\n"), SPAN("\r\n\r\nbody\r\n") },
		{ SPAN(""), SPAN("\r\n") },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t chunk = 1; chunk <= rows[i].message.n + 1; chunk++) {
			struct spool *s = taken(rows[i].message, chunk, 1000);

			assert_int_equal(spool_finish(s), SPOOL_GOOD);
			assert_content(s, rows[i].message);
			assert_fingerprint(s, rows[i].canonical);
			spool_free(s);
		}
}

static void test_large(void **state)
{
	struct buf message = BUF_INIT;
	struct spool *s;

	buf_adds(&message, "From: a@b\r\n\r\n");
	for (int i = 0; i < 30000; i++)
		buf_addf(&message, "line %d\r\n", i);
	for (size_t n = message.n, chunk = 7001; chunk > 10; chunk /= 3, n = SPOOL_MEMORY + chunk / 100) {
		s = taken(span_of(message.p, n), chunk, 1000);
		assert_int_equal(spool_finish(s), SPOOL_GOOD);
		assert_content(s, span_of(message.p, n));
		assert_fingerprint(s, span_of(message.p, n));
		spool_free(s);
	}
	buf_release(&message);
}

static void test_fields(void **state)
{
	struct span v, in = SPAN("X-KEP-ID:  one \r\nx-kep-id: two\r\nMessage-ID:\r\n <a@b>\r\nEmpty:\r\n\r\nX-KEP-Evidence: body\r\n");
	struct spool *s = taken(in, 3, 1000);

	assert_int_equal(spool_finish(s), SPOOL_GOOD);
	assert_int_equal(spool_field(s, "X-KEP-ID", &v), 2);
	assert_true(span_is(v, "one"));
	assert_int_equal(spool_field(s, "message-id", &v), 1);
	assert_true(span_is(v, "<a@b>"));
	assert_int_equal(spool_field(s, "Empty", &v), 1);
	assert_int_equal(v.n, 0);
	assert_int_equal(spool_field(s, "X-KEP-Evidence", &v), 0);
	spool_free(s);
	s = taken(SPAN("X-KEP-ID: one\r\nnot a field\r\n\r\n"), 100, 1000);
	assert_int_equal(spool_finish(s), SPOOL_GOOD);
	assert_int_equal(spool_field(s, "X-KEP-ID", &v), 0);
	spool_free(s);
}

static void test_header_limit(void **state)
{
	struct span in = SPAN("X-A: 0123456789\r\nX-B: 0123456789\r\n\r\nbody\r\n");

	for (size_t limit = 0; limit < 60; limit++)
		for (size_t chunk = 1; chunk < 60; chunk += 13) {
			struct spool *s = taken(in, chunk, limit);

			assert_int_equal(spool_finish(s), limit >= 34 ? SPOOL_GOOD : SPOOL_HEADER_SIZE);
			spool_free(s);
		}
}

static void test_no_directory(void **state)
{
	struct spool *s = spool_new("/nonexistent/kep", 1000);

	spool_add(s, SPAN("From: a@b\r\n\r\n"));
	for (size_t n = 0; n <= SPOOL_MEMORY; n += 10)
		spool_add(s, SPAN("01234567\r\n"));
	assert_int_equal(spool_finish(s), SPOOL_NO_ROOM);
	assert_int_equal(spool_error(s), ENOENT);
	spool_free(s);
}

/* A file size limit stands for the full disk. */
static void test_full(void **state)
{
	struct rlimit old, small = { 100000, 100000 };
	struct buf message = BUF_INIT;
	struct spool *s;

	buf_adds(&message, "From: a@b\r\n\r\n");
	while (message.n < 300000)
		buf_adds(&message, "0123456789\r\n");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	s = taken(buf_span(&message), 10000, 1000);
	assert_int_equal(spool_finish(s), SPOOL_NO_ROOM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(spool_error(s), EFBIG);
	spool_free(s);
	buf_release(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message), cmocka_unit_test(test_large), cmocka_unit_test(test_fields),
		cmocka_unit_test(test_header_limit), cmocka_unit_test(test_no_directory), cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
