/* OCSP responses made by openssl ocsp, in the folder of a trust: what they do to a verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/stat.h>

#include "libkep/clock.h"
#include "libkep/gate.h"
#include "tests/unit/pki.h"

#define HOUR    ((usec)3600 * 1000000)
#define ADDRESS "ayse@hs01.kep.test"

static struct buf mail;

static void run(const char *fmt, ...) PRINTF(1, 2);

/* A shell command in the directory of the PKI. */
static void run(const char *fmt, ...)
{
	char command[2048];
	va_list args;
	int n = snprintf(command, sizeof command, "cd '%s' && export PYTHONDONTWRITEBYTECODE=1 && ", pki_dir);

	va_start(args, fmt);
	vsnprintf(command + n, sizeof command - (size_t)n, fmt, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* A trust, and the configuration it borrows from. */
struct store {
	struct conf   conf;
	struct trust *trust;
	struct buf    error;
};

static void set(struct conf *conf, const char *key, const char *name)
{
	char *path = pki_path(name), *assignment = mem_printf("%s=%s", key, path);
	struct buf error = BUF_INIT;

	if (!conf_set(conf, assignment, &error))
		fail_msg("%s", buf_str(&error));
	free(path);
	free(assignment);
	buf_release(&error);
}

/* CRLs and responses: blank-separated names of files in crls/ and ocsp/. */
static void open_store(struct store *s, const char *crls, const char *responses)
{
	run("rm -rf now && mkdir now && for i in %s; do cp crls/$i.crl now; done; for i in %s; do cp ocsp/$i.ors now; done", crls, responses);
	*s = (struct store){ .error = BUF_INIT };
	conf_init(&s->conf);
	set(&s->conf, "trust_anchors", "trust");
	set(&s->conf, "trust_crls", "now");
	s->conf.crl_grace = HOUR;
	s->trust = trust_configure(&s->conf, &s->error);
}

static void close_store(struct store *s)
{
	trust_free(s->trust);
	conf_release(&s->conf);
	buf_release(&s->error);
}

static enum reason judge(const struct trust *trust, usec at)
{
	struct conf conf;
	struct gate *g;
	struct verdict v;
	enum reason why;

	conf_init(&conf);
	g = gate_new(&conf);
	gate_push(g, buf_span(&mail));
	gate_finish(g, trust, at, &v);
	why = v.why;
	verdict_release(&v);
	gate_free(g);
	conf_release(&conf);
	return why;
}

struct row {
	const char *crls, *responses;
	int         minutes;            /* from now */
	enum reason wanted;
};

/* ca.crl speaks of the CA in the middle, the mid-*.crl of the signer.  Lists named "-stale" end after an hour, the others
 * after two days, responses after a day; all have an hour's grace. */
static const struct row rows[] = {
	/* Responses alone. */
	{ "ca", "",                     0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "good",                 0, REASON_ACCEPTED },
	{ "ca", "by-issuer",            0, REASON_ACCEPTED },
	{ "ca", "sha256",               0, REASON_ACCEPTED },
	{ "ca", "revoked",              0, REASON_SIGNER_REVOKED },
	{ "ca", "unknown",              0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "other-serial",         0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "other-issuer",         0, REASON_REVOCATION_UNKNOWN },
	/* Whose word counts. */
	{ "ca", "by-root",              0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "by-stranger",          0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "by-no-usage",          0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "by-mail",              0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "by-encipherment",      0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "altered",              0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "weak-digest",          0, REASON_REVOCATION_UNKNOWN },
	{ "ca", "by-day",               0, REASON_ACCEPTED },
	{ "ca", "by-day",       24 * 60 + 30, REASON_REVOCATION_UNKNOWN },      /* the responder's certificate is over */
	{ "ca", "by-checked",           0, REASON_REVOCATION_UNKNOWN },         /* it may be revoked: a CRL must tell */
	{ "ca mid-stale", "by-checked", 0, REASON_ACCEPTED },
	{ "ca mid-responder", "revoked by-checked", 0, REASON_SIGNER_REVOKED },
	/* Time. */
	{ "ca", "good",         24 * 60 + 30, REASON_ACCEPTED },                /* the grace */
	{ "ca", "good",         25 * 60 + 1,  REASON_REVOCATION_UNKNOWN },
	{ "ca", "revoked",      25 * 60 + 1,  REASON_SIGNER_REVOKED },          /* it was, once */
	{ "ca", "no-next",      30,           REASON_ACCEPTED },
	{ "ca", "no-next",      61,           REASON_REVOCATION_UNKNOWN },
	{ "ca", "good later",           0, REASON_SIGNER_REVOKED },
	{ "ca", "good revoked unknown later", 0, REASON_SIGNER_REVOKED },
	/* Beside a CRL. */
	{ "ca mid", "",                 0, REASON_ACCEPTED },
	{ "ca mid", "unknown altered by-stranger", 0, REASON_ACCEPTED },
	{ "ca mid", "revoked",          0, REASON_SIGNER_REVOKED },
	{ "ca mid-revoked", "good",     0, REASON_SIGNER_REVOKED },
	{ "ca mid-stale", "",     3 * 60, REASON_REVOCATION_UNKNOWN },
	{ "ca mid-stale", "good", 3 * 60, REASON_ACCEPTED },
	{ "ca mid-revoked-stale", "good", 3 * 60, REASON_SIGNER_REVOKED },
	{ "ca mid-forged", "",          0, REASON_REVOCATION_UNKNOWN },
	{ "ca mid-forged", "good",      0, REASON_ACCEPTED },                   /* no list of that CA's key: as if there was none */
	{ "ca mid mid-later", "", 1 * 60, REASON_ACCEPTED },
	{ "ca mid mid-later", "", 3 * 60, REASON_SIGNER_REVOKED },              /* a list that begins to count in two hours */
	{ "ca mid-later", "good", 1 * 60, REASON_REVOCATION_UNKNOWN },          /* a list that is ahead of the clock is neither missing nor stale */
	{ "ca mid-later", "good", 3 * 60, REASON_SIGNER_REVOKED },
	/* CAs are looked up in CRLs alone. */
	{ "", "good",                   0, REASON_REVOCATION_UNKNOWN },
	{ "mid", "good",                0, REASON_REVOCATION_UNKNOWN },
	{ "ca-revoked", "good",         0, REASON_SIGNER_REVOKED },
};

static void test_verdicts(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		struct store s;
		usec now = clock_now();

		open_store(&s, r->crls, r->responses);
		if (!s.trust)
			fail_msg("%s", buf_str(&s.error));
		for (int k = 0; k < 4; k++) {           /* now and then: what is remembered of one changes nothing of the other */
			bool then = k & 1;
			enum reason why = judge(s.trust, then ? now + r->minutes * HOUR / 60 : now);

			if (then && why != r->wanted)
				fail_msg("CRLs \"%s\", responses \"%s\", after %d minutes (turn %d): %s, not %s", r->crls, r->responses, r->minutes, k,
				    reason_words(why)->wire, reason_words(r->wanted)->wire);
		}
		close_store(&s);
	}
}

static void *judge_often(void *arg)
{
	const struct trust *trust = arg;
	usec now = clock_now();

	for (int i = 0; i < 40; i++) {
		/* Good by the list, then by the response, then by neither. */
		enum reason first = judge(trust, now), later = judge(trust, now + 3 * HOUR), last = judge(trust, now + 30 * HOUR);

		if (first != REASON_ACCEPTED || later != REASON_ACCEPTED || last != REASON_REVOCATION_UNKNOWN)
			return arg;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	void *failed = NULL, *one;
	struct store s;

	open_store(&s, "ca mid-stale", "good other-serial");
	assert_non_null(s.trust);
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, judge_often, s.trust), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		pthread_join(threads[i], &one);
		failed = one ? one : failed;
	}
	assert_null(failed);
	close_store(&s);
}

static void test_files_that_cannot_be_read(void **state)
{
	static const struct { const char *name, *words; } bad[] = {
		{ "truncated", "is not an OCSP response" }, { "trailing", "is not an OCSP response" }, { "empty", "is not an OCSP response" },
		{ "huge", "larger than 65536 octets" }, { "try-later", "the responder does not answer: trylater" },
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct store s;

		open_store(&s, "ca", bad[i].name);
		assert_null(s.trust);
		if (!strstr(buf_str(&s.error), bad[i].words) || strncmp(buf_str(&s.error), "trust_ocsp: /", 13) != 0)
			fail_msg("%s: %s", bad[i].name, buf_str(&s.error));
		close_store(&s);
	}
}

/* Every cut of a good response is refused as a file. */
static void test_cuts(void **state)
{
	struct buf good = BUF_INIT;
	char *path = pki_path("cut.ors");
	struct conf conf;

	pki_read("ocsp/good.ors", &good);
	conf_init(&conf);
	set(&conf, "trust_anchors", "trust");
	set(&conf, "trust_crls", "crls/ca.crl");
	set(&conf, "trust_ocsp", "cut.ors");
	for (size_t n = 0; n < good.n; n++) {
		struct buf error = BUF_INIT;
		FILE *f = fopen(path, "we");

		assert_true(f && fwrite(good.p, 1, n, f) == n && fclose(f) == 0);
		assert_null(trust_configure(&conf, &error));
		buf_release(&error);
	}
	conf_release(&conf);
	buf_release(&good);
	free(path);
}

static void test_description(void **state)
{
	struct buf words = BUF_INIT;
	struct store s;

	open_store(&s, "ca", "good revoked");
	assert_int_equal(trust_responses(s.trust), 2);
	trust_describe(s.trust, &s.conf, &words);
	assert_non_null(strstr(buf_str(&words), ", 2 OCSP responses"));
	buf_release(&words);
	close_store(&s);
}

static void make(void)
{
	static const char *const lists[] = {
		"ca ca 48", "mid mid 48", "mid mid-revoked 48 signers/" ADDRESS, "mid mid-stale 1", "mid mid-revoked-stale 1 signers/" ADDRESS,
		"mid mid-responder 48 responder/checked", "mid mid-later 48 signers/" ADDRESS " last=2", "ca ca-revoked 48 mid",
	};

	pki_make(false);
	pki_more("ocsp.py");
	run("mkdir crls");
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		run("set -- %s; ca=$1 out=$2 hours=$3; shift 3; python3 '%s/crl.py' . $ca crls/$out.crl $hours $*", lists[i], KEP_TESTS);
	run("python3 -c \"import sys; sys.path.insert(0, '%s'); from sandboxlib.pki import maker; "
	    "maker.certificate('.', 'forger', [('C', 'TR'), ('CN', 'KEP Test NES Yayıncısı')], maker.CA)\"", KEP_TESTS);
	run("python3 '%s/crl.py' . forger crls/mid-forged.crl 48", KEP_TESTS);
	run("printf 'From: " ADDRESS "\\nTo: ali@hs01.kep.test\\nDate: Mon, 23 Nov 2026 12:00:00 +0300\\nMessage-ID: <1@hs01.kep.test>\\n\\nMerhaba\\n' >plain; "
	    "'%s/pki' --sign . " ADDRESS " <plain >mail", KEP_TESTS);
	pki_read("mail", &mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_threads), cmocka_unit_test(test_files_that_cannot_be_read), cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_description),
	};
	int failed;

	make();
	failed = cmocka_run_group_tests_name("ocsp", tests, NULL, NULL);
	buf_release(&mail);
	return failed;
}
