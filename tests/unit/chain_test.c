/* One trust store, many times: what was found good once is looked up in the CRLs again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "libkep/clock.h"
#include "libkep/gate.h"
#include "tests/unit/pki.h"

#define HOUR    ((usec)3600 * 1000000)
#define ADDRESS "ayse@hs01.kep.test"

static struct buf mail;

/* A program of tests/ in the directory of the PKI. */
static void run(const char *interpreter, const char *program, const char *words)
{
	char *command = mem_printf("cd '%s' && %s '%s/%s' %s", pki_dir, interpreter, KEP_TESTS, program, words);

	if (system(command) != 0)
		fail_msg("%s", command);
	free(command);
}

static void make_crl(const char *folder, const char *ca, int hours, const char *revoked)
{
	char *words = mem_printf("'%s' %s %s/%s.crl %d %s", pki_dir, ca, folder, ca, hours, revoked);

	run("python3", "crl.py", words);
	free(words);
}

static void make_folder(const char *folder)
{
	char *path = pki_path(folder);

	assert_int_equal(mkdir(path, 0755), 0);
	free(path);
}

/* A trust, and the configuration it borrows from. */
struct store {
	struct conf   conf;
	struct trust *trust;
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

static void open_store(struct store *s, const char *folder)
{
	struct buf error = BUF_INIT;

	conf_init(&s->conf);
	set(&s->conf, "trust_anchors", "trust");
	set(&s->conf, "trust_crls", folder);
	s->conf.crl_grace = HOUR;
	if (!(s->trust = trust_configure(&s->conf, &error)))
		fail_msg("%s", buf_str(&error));
	assert_true(trust_rules(s->trust)->revocation);
	buf_release(&error);
}

static void close_store(struct store *s)
{
	trust_free(s->trust);
	conf_release(&s->conf);
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

static void assert_judged(const struct trust *trust, usec at, enum reason wanted)
{
	enum reason why = judge(trust, at);

	if (why != wanted)
		fail_msg("%s, not %s", reason_words(why)->wire, reason_words(wanted)->wire);
}

static void test_time_passes(void **state)
{
	usec now = clock_now();
	struct store s;

	make_folder("crls");
	make_crl("crls", "ca", 48, "");
	make_crl("crls", "mid", 24, "");
	open_store(&s, "crls");
	assert_judged(s.trust, now, REASON_ACCEPTED);
	assert_judged(s.trust, now, REASON_ACCEPTED);
	assert_judged(s.trust, now + 23 * HOUR, REASON_ACCEPTED);
	assert_judged(s.trust, now + 24 * HOUR + HOUR / 2, REASON_ACCEPTED);          /* the grace */
	assert_judged(s.trust, now + 26 * HOUR, REASON_REVOCATION_UNKNOWN);
	assert_judged(s.trust, now, REASON_ACCEPTED);
	assert_judged(s.trust, now - 3 * HOUR, REASON_SIGNER_EXPIRED);                /* before there was a certificate */
	close_store(&s);
}

static void test_another_trust(void **state)
{
	usec now = clock_now();
	struct store before, after, missing;

	make_folder("before");
	make_crl("before", "ca", 48, "");
	make_crl("before", "mid", 24, "");
	make_folder("after");
	make_crl("after", "ca", 48, "");
	make_crl("after", "mid", 24, "signers/" ADDRESS);
	make_folder("missing");
	make_crl("missing", "mid", 24, "");
	open_store(&before, "before");
	open_store(&after, "after");
	open_store(&missing, "missing");
	for (int i = 0; i < 2; i++) {
		assert_judged(before.trust, now, REASON_ACCEPTED);
		assert_judged(after.trust, now, REASON_SIGNER_REVOKED);
		assert_judged(missing.trust, now, REASON_REVOCATION_UNKNOWN);
	}
	close_store(&before);
	close_store(&after);
	close_store(&missing);
}

static void make_mail(void)
{
	char *plain = pki_path("plain"), *words = mem_printf("--sign '%s' %s <plain >mail", pki_dir, ADDRESS);
	FILE *f = fopen(plain, "we");

	if (!f || fputs("From: " ADDRESS "\nTo: ali@hs01.kep.test\nDate: Mon, 23 Nov 2026 12:00:00 +0300\nMessage-ID: <1@hs01.kep.test>\n\nMerhaba\n", f) < 0 ||
	    fclose(f) != 0)
		log_fatal("%s cannot be written", plain);
	run("", "pki", words);
	pki_read("mail", &mail);
	free(plain);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_time_passes), cmocka_unit_test(test_another_trust) };
	int failed;

	pki_make(false);
	make_mail();
	failed = cmocka_run_group_tests_name("chain", tests, NULL, NULL);
	buf_release(&mail);
	return failed;
}
