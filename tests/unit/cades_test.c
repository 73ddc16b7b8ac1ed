/* CAdES: references to the signer's certificate, time-stamps, and the level they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/cms.h"
#include "tests/unit/pki.h"

#define DAY ((usec)86400 * 1000000)

static struct trust *trust;
static struct buf content = BUF_INIT;

static enum reason verify(const char *name, usec at, struct signer *out)
{
	struct digest *d = digest_new("sha256");
	char *file = mem_printf("samples/%s.p7s", name);
	struct buf der = BUF_INIT;
	unsigned char value[SHA512_SIZE];
	enum reason why;

	pki_read(file, &der);
	digest_add(d, buf_span(&content));
	why = cms_verify_detached(buf_span(&der), "sha256", value, digest_finish(d, value), trust, at, out);
	digest_free(d);
	buf_release(&der);
	free(file);
	return why;
}

static void demand(enum profile_kind kind, enum cades cades)
{
	struct profile p;

	profile_init(&p);
	p.kind = kind;
	p.cades = cades;
	p.statements = "2.16.792.1.61.0.1.5070.1.1";
	trust_demand(trust, &p);
}

static const struct {
	const char *name;
	enum reason smime, nes;
	enum cades level;
	int days;               /* from now, when it is judged */
} rows[] = {
	{ "ess-none",              REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_NONE, 0 },
	{ "ess-v2",                REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "ess-v2-sha384",         REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "ess-v2-sha512",         REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "ess-v2-chain",          REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "ess-both",              REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "ess-v2-no-time",        REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_NONE, 0 },
	{ "ess-v2-sha1",           REASON_ACCEPTED,         REASON_SIGNER_REFERENCE_WEAK, CADES_NONE, 0 },
	{ "ess-v1",                REASON_ACCEPTED,         REASON_SIGNER_REFERENCE_WEAK, CADES_NONE, 0 },
	{ "stamp-v1-signer",       REASON_ACCEPTED,         REASON_SIGNER_REFERENCE_WEAK, CADES_NONE, 0 },
	{ "ess-v1-wrong",          REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-v2-wrong",          REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-both-v1-wrong",     REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-both-v2-wrong",     REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-v2-serial-wrong",   REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-v2-order",          REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-v2-other",          REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-v2-empty",          REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "ess-v2-values",         REASON_SIGNATURE_WRONG,  REASON_SIGNATURE_WRONG,       CADES_NONE, 0 },
	{ "ess-v2-no-value",       REASON_SIGNATURE_WRONG,  REASON_SIGNATURE_WRONG,       CADES_NONE, 0 },
	{ "ess-v2-octets",         REASON_SIGNER_REFERENCE, REASON_SIGNER_REFERENCE,      CADES_NONE, 0 },
	{ "stamp",                 REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_T,    0 },
	{ "stamp-sha512",          REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_T,    0 },
	{ "stamp-chain",           REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_T,    0 },
	{ "stamp-v1",              REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_T,    0 },
	{ "stamp-second",          REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_T,    0 },
	{ "stamp-day",             REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_T,    3 },    /* good when it stamped */
	{ "stamp-day-late",        REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    3 },    /* stamped when it had ended */
	{ "stamp-early",           REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-future",          REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-future",          REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_T,    1 },
	{ "stamp-wrong-imprint",   REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-sha1",            REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-stranger",        REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-mail",            REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-not-critical",    REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-no-reference",    REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-other-reference", REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-version",         REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-broken",          REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-junk",            REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
	{ "stamp-data",            REASON_ACCEPTED,         REASON_ACCEPTED,              CADES_B,    0 },
};

static void assert_row(size_t i, enum reason want)
{
	usec at = clock_now() + rows[i].days * DAY;
	struct signer s;
	enum reason got = verify(rows[i].name, at, &s);

	if (got != want)
		fail_msg("%s: %s, not %s", rows[i].name, reason_words(got)->wire, reason_words(want)->wire);
	if (want == REASON_ACCEPTED && s.cades != rows[i].level)
		fail_msg("%s: level %s, not %s", rows[i].name, cades_name(s.cades), cades_name(rows[i].level));
	assert_int_equal(s.stamp_time != 0, want == REASON_ACCEPTED && rows[i].level == CADES_T);
	signer_release(&s);
}

static void test_levels(void **state)
{
	demand(PROFILE_SMIME, CADES_NONE);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(i, rows[i].smime);
}

static void test_nes(void **state)
{
	demand(PROFILE_NES, CADES_NONE);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(i, rows[i].nes);
}

/* What is below the level is refused; whoever sent a time-stamp hears of it. */
static void test_demand(void **state)
{
	for (enum cades least = CADES_B; least <= CADES_T; least++) {
		demand(PROFILE_SMIME, least);
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			bool stamped = strncmp(rows[i].name, "stamp", 5) == 0 && rows[i].level != CADES_NONE;
			enum reason want = rows[i].smime;

			if (want == REASON_ACCEPTED && rows[i].level < least)
				want = stamped ? REASON_TIME_STAMP : REASON_CADES_MISSING;
			assert_row(i, want);
		}
	}
}

static void test_times(void **state)
{
	usec now = clock_now();
	struct signer s;

	demand(PROFILE_SMIME, CADES_NONE);
	assert_int_equal(verify("stamp", now, &s), REASON_ACCEPTED);
	assert_true(s.signing_time > now - DAY && s.signing_time <= now);
	assert_true(s.stamp_time > now - DAY && s.stamp_time <= now);
	signer_release(&s);
}

/* Every octet of a time-stamp turned over: never a level T that was not stamped,
 * and no sanitizer speaks. */
static void test_damage(void **state)
{
	struct buf der = BUF_INIT;
	struct digest *d = digest_new("sha256");
	unsigned char value[SHA512_SIZE];
	struct signer s;
	size_t n, stamped = 0;

	demand(PROFILE_SMIME, CADES_NONE);
	pki_read("samples/stamp.p7s", &der);
	digest_add(d, buf_span(&content));
	n = digest_finish(d, value);
	for (size_t i = der.n - 1; i > der.n / 2; i--) {
		der.p[i] = (char)~der.p[i];
		if (cms_verify_detached(buf_span(&der), "sha256", value, n, trust, clock_now(), &s) == REASON_ACCEPTED) {
			stamped += s.cades == CADES_T;
			signer_release(&s);
		}
		der.p[i] = (char)~der.p[i];
	}
	assert_true(stamped <= 16);     /* the names of the two signature algorithms, which digest and key decide */
	digest_free(d);
	buf_release(&der);
}

/* Without anchors for them time-stamps are not looked at. */
static void test_no_anchors(void **state)
{
	struct signer s;

	demand(PROFILE_SMIME, CADES_NONE);
	trust_take_stamps(trust, NULL);
	assert_int_equal(verify("stamp", clock_now(), &s), REASON_ACCEPTED);
	assert_int_equal(s.cades, CADES_B);
	signer_release(&s);
	demand(PROFILE_SMIME, CADES_T);
	assert_int_equal(verify("stamp", clock_now(), &s), REASON_TIME_STAMP);
	trust_take_stamps(trust, pki_trust("tsa/ca.pem"));
}

static void test_conf(void **state)
{
	static const struct { const char *assignment, *word; } bad[] = {
		{ "require_cades=yes", "no, b or t" }, { "require_cades=T", "no, b or t" }, { "tsa_anchors=/nonexistent", "tsa_anchors: /nonexistent" },
	};
	char *anchors = pki_path("trust"), *setting = mem_printf("trust_anchors=%s", anchors), *tsa = pki_path("tsa/ca.pem");
	char *both = mem_printf("tsa_anchors=%s", tsa);
	struct buf error = BUF_INIT;
	struct trust *t;
	struct conf conf;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		conf_init(&conf);
		assert_true(conf_set(&conf, setting, &error) && conf_set(&conf, bad[i].assignment, &error));
		assert_null(trust_configure(&conf, &error));
		assert_non_null(strstr(buf_str(&error), bad[i].word));
		conf_release(&conf);
	}
	conf_init(&conf);
	assert_true(conf_set(&conf, setting, &error) && conf_set(&conf, both, &error) && conf_set(&conf, "require_cades=t", &error));
	t = trust_configure(&conf, &error);
	assert_non_null(t);
	assert_int_equal(trust_count(t), 1);
	assert_non_null(trust_stamps(t));
	assert_int_equal(trust_profile(t)->cades, CADES_T);
	trust_free(t);
	conf_release(&conf);
	buf_release(&error);
	free(both);
	free(tsa);
	free(setting);
	free(anchors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_nes),
		cmocka_unit_test(test_demand),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_no_anchors),
		cmocka_unit_test(test_conf),
	};
	int failed;

	pki_make(true);
	pki_more("pki_cades.py");
	trust = pki_trust("trust");
	trust_take_stamps(trust, pki_trust("tsa/ca.pem"));
	pki_read("samples/content", &content);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	trust_free(trust);
	buf_release(&content);
	return failed;
}
