/* Published mails of strangers through splitter and gate: nothing breaks, every
 * cut of the octets gives the same verdict, and none is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>

#include "libkep/clock.h"
#include "libkep/gate.h"
#include "libkep/mime.h"
#include "tests/unit/exact.h"
#include "tests/unit/pki.h"

#define SMALL 1500      /* octets: every split point is tried */

static struct trust *trust;
static struct gate *gate;
static struct mime *mime;
static size_t mails, per_reason[REASON_COUNT];

static struct span piece(struct span octets, size_t at, size_t n)
{
	return exact(span_of(octets.p + at, octets.n - at < n ? octets.n - at : n));
}

static enum reason split(struct span mail, size_t n)
{
	mime_restart(mime);
	for (size_t at = 0; at < mail.n; at += n) {
		struct span copy = piece(mail, at, n);

		mime_push(mime, copy);
		exact_free(copy);
	}
	return mime_finish(mime);
}

static void judge(struct span mail, size_t n, struct verdict *v)
{
	gate_restart(gate);
	for (size_t at = 0; at < mail.n; at += n) {
		struct span copy = piece(mail, at, n);

		gate_push(gate, copy);
		exact_free(copy);
	}
	gate_finish(gate, trust, clock_now(), v);
}

/* In two pieces, cut everywhere. */
static void try_splits(const char *file, struct span mail, const struct verdict *first)
{
	for (size_t at = 1; at < mail.n; at++) {
		struct span front = piece(mail, 0, at), rest = piece(mail, at, mail.n);
		struct verdict v;

		gate_restart(gate);
		gate_push(gate, front);
		gate_push(gate, rest);
		gate_finish(gate, trust, clock_now(), &v);
		if (v.why != first->why || memcmp(&v.fingerprint, &first->fingerprint, sizeof v.fingerprint) != 0)
			fail_msg("%s split at %zu: %s, then %s", file, at, reason_words(first->why)->wire, reason_words(v.why)->wire);
		exact_free(front);
		exact_free(rest);
		verdict_release(&v);
	}
}

static void try_mail(const char *file, struct span mail)
{
	static const size_t sizes[] = { 65536, 7, 1 };
	struct verdict first, v;

	judge(mail, sizes[0], &first);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		judge(mail, sizes[i], &v);
		if (v.why != first.why || v.why == REASON_ACCEPTED || split(mail, sizes[i]) != split(mail, sizes[0]))
			fail_msg("%s in pieces of %zu: %s, then %s", file, sizes[i], reason_words(first.why)->wire, reason_words(v.why)->wire);
		assert_memory_equal(&v.fingerprint, &first.fingerprint, sizeof(v.fingerprint));
		assert_int_equal(v.size, mail.n);
		assert_int_equal(v.to.n, first.to.n);
		assert_true(addr_eq(&v.from, &first.from));
		verdict_release(&v);
	}
	if (mail.n <= SMALL)
		try_splits(file, mail, &first);
	mails++;
	per_reason[first.why]++;
	verdict_release(&first);
}

/* LF into CRLF, as a mail comes over SMTP. */
static void to_crlf(struct buf *out, struct span mail)
{
	buf_clear(out);
	for (size_t i = 0; i < mail.n; i++) {
		if (mail.p[i] == '\n' && (i == 0 || mail.p[i - 1] != '\r'))
			buf_addc(out, '\r');
		buf_addc(out, mail.p[i]);
	}
}

static int try_file(const char *file, const struct stat *st, int kind, struct FTW *ftw)
{
	struct buf mail = BUF_INIT, crlf = BUF_INIT;

	if (kind == FTW_F && st->st_size < 200000) {
		assert_true(read_file(file, &mail));
		try_mail(file, buf_span(&mail));
		to_crlf(&crlf, buf_span(&mail));
		try_mail(file, buf_span(&crlf));
	}
	buf_release(&mail);
	buf_release(&crlf);
	return 0;
}

static void test_corpora(void **state)
{
	static const char *const folders[] = { "corpora/rspamd-messages", "corpora/python-email", "corpora/postfix-mime",
		"corpora/mta-samples/dsn", "corpora/openssl-cms/smime-eml", "corpora/pkits/smime", "corpora/rfc4134" };

	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		char *path = shared_path(folders[i]);

		if (path)
			assert_int_equal(nftw(path, try_file, 8, 0), 0);
		else
			print_message("%s is not there: set KEP_SHARED to the folder of published test data\n", folders[i]);
		free(path);
	}
	if (mails == 0)
		skip();
	for (size_t i = 0; i < REASON_COUNT; i++)
		if (per_reason[i] > 0)
			print_message("%6zu %s\n", per_reason[i], reason_words((enum reason)i)->wire);
}

int main(void)
{
	static const struct mime_hooks none = { .leaf = NULL };
	static const struct mime_limits limits = { .header_size = 65536, .header_count = 500, .depth = 10, .parts = 100 };
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_corpora) };
	struct conf conf;
	int failed;

	pki_make(false);
	trust = pki_trust("trust");
	conf_init(&conf);
	gate = gate_new(&conf);
	mime = mime_new(&limits, &none, NULL);
	failed = cmocka_run_group_tests_name("corpus", tests, NULL, NULL);
	gate_free(gate);
	mime_free(mime);
	conf_release(&conf);
	trust_free(trust);
	return failed;
}
