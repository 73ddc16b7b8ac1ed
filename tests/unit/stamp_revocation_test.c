/* Time-stamps of authorities that were revoked, by the CRLs in the folder of a trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/clock.h"
#include "libkep/cms.h"
#include "tests/unit/pki.h"

#define HOUR ((usec)3600 * 1000000)

static struct buf content;

/* The stamps are of now; the CRLs of the mail's own CAs are good for ten days. */
static const struct {
	const char *sample, *crl;       /* of the stamps' CA: what crl.py is told behind HOURS; NULL: there is none */
	int         good, hours;        /* hours the CRL is good for; when the mail is judged, in hours from now */
	enum reason wanted;             /* where a stamp is demanded */
} rows[] = {
	{ "stamp",     NULL,                                         0,  0, REASON_ACCEPTED },
	{ "stamp",     "",                                          24,  0, REASON_ACCEPTED },
	{ "stamp",     "last=0.01",                                 24,  1, REASON_ACCEPTED },    /* made after the stamp */
	{ "stamp",     "tsa/day",                                   24,  0, REASON_ACCEPTED },
	{ "stamp",     "tsa/good",                                  24,  0, REASON_TIME_STAMP },
	{ "stamp",     "tsa/good when=1",                           24,  2, REASON_TIME_STAMP },    /* nobody says why: the key may be lost */
	{ "stamp",     "tsa/good when=1 reason=keyCompromise",      24,  2, REASON_TIME_STAMP },
	{ "stamp",     "tsa/good when=1 reason=CACompromise",       24,  2, REASON_TIME_STAMP },
	{ "stamp",     "tsa/good when=1 reason=certificateHold",    24,  2, REASON_TIME_STAMP },
	{ "stamp",     "tsa/good when=1 reason=superseded",         24,  2, REASON_ACCEPTED },
	{ "stamp",     "tsa/good when=1 reason=cessationOfOperation", 24, 2, REASON_ACCEPTED },
	{ "stamp",     "tsa/good when=1 reason=affiliationChanged", 24,  2, REASON_ACCEPTED },
	{ "stamp",     "tsa/good when=-1 reason=superseded",        24,  2, REASON_TIME_STAMP },    /* before it stamped */
	{ "stamp",     "",                                           1,  1, REASON_ACCEPTED },    /* the grace */
	{ "stamp",     "",                                           1,  3, REASON_REVOCATION_UNKNOWN },
	{ "stamp-day", "",                                         240, 72, REASON_ACCEPTED },    /* the authority's certificate has ended */
	{ "stamp-day", "tsa/day",                                  240, 72, REASON_TIME_STAMP },
};

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

static void set(struct conf *conf, const char *key, const char *value)
{
	char *assignment = mem_printf("%s=%s", key, value);
	struct buf error = BUF_INIT;

	if (!conf_set(conf, assignment, &error))
		fail_msg("%s", buf_str(&error));
	free(assignment);
	buf_release(&error);
}

static void set_path(struct conf *conf, const char *key, const char *name)
{
	char *path = pki_path(name);

	set(conf, key, path);
	free(path);
}

static enum reason verify(const char *name, const struct conf *conf, usec at, enum cades *level)
{
	struct buf der = BUF_INIT, error = BUF_INIT;
	char *file = mem_printf("samples/%s.p7s", name);
	struct trust *trust = trust_configure(conf, &error);
	unsigned char value[SHA256_SIZE];
	struct signer s;
	enum reason why;

	if (!trust)
		fail_msg("%s", buf_str(&error));
	pki_read(file, &der);
	digest_sha256(value, buf_span(&content));
	why = cms_verify_detached(buf_span(&der), "sha256", value, sizeof value, trust, at, &s);
	*level = s.cades;
	signer_release(&s);
	trust_free(trust);
	buf_release(&der);
	buf_release(&error);
	free(file);
	return why;
}

static void test_revoked(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		usec at = clock_now() + rows[i].hours * HOUR;
		enum reason why, wanted = rows[i].wanted;
		struct conf conf;
		enum cades level;

		run("rm -f crls/tsa.crl");
		if (rows[i].crl)
			run("python3 '%s/crl.py' . tsa/ca crls/tsa.crl %d %s", KEP_TESTS, rows[i].good, rows[i].crl);
		conf_init(&conf);
		set_path(&conf, "trust_anchors", "trust");
		set_path(&conf, "tsa_anchors", "tsa/ca.pem");
		set_path(&conf, "trust_crls", "crls");
		set(&conf, "require_cades", "t");
		why = verify(rows[i].sample, &conf, at, &level);
		if (why != wanted)
			fail_msg("%s, CRL \"%s\" after %d hours: %s, not %s", rows[i].sample, rows[i].crl ? rows[i].crl : "none", rows[i].hours,
			    reason_words(why)->wire, reason_words(wanted)->wire);
		set(&conf, "require_cades", "no");
		assert_int_equal(verify(rows[i].sample, &conf, at, &level), REASON_ACCEPTED);
		assert_int_equal(level, wanted == REASON_ACCEPTED ? CADES_T : CADES_B);
		conf_release(&conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_revoked) };
	int failed;

	pki_make(true);
	pki_more("pki_cades.py");
	pki_read("samples/content", &content);
	run("mkdir crls && python3 '%s/crl.py' . ca crls/ca.crl 240 && python3 '%s/crl.py' . mid crls/mid.crl 240", KEP_TESTS, KEP_TESTS);
	failed = cmocka_run_group_tests_name("stamp", tests, NULL, NULL);
	buf_release(&content);
	return failed;
}
