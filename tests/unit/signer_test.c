/* Who signed: numbers, mailboxes, and what a profile demands of a certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/cms.h"
#include "tests/unit/pki.h"

#define NUMBER  "10000000146"
#define MAILBOX "ali@hs01.kep.test"

static struct trust *trust;
static struct buf content = BUF_INIT;

static enum reason verify(const char *name, struct signer *out)
{
	struct digest *d = digest_new("sha256");
	char *file = mem_printf("samples/%s.p7s", name);
	struct buf der = BUF_INIT;
	unsigned char value[SHA512_SIZE];
	enum reason why;

	pki_read(file, &der);
	digest_add(d, buf_span(&content));
	why = cms_verify_detached(buf_span(&der), "sha256", value, digest_finish(d, value), trust, clock_now(), out);
	digest_free(d);
	buf_release(&der);
	free(file);
	return why;
}

static const struct {
	const char *name;
	enum reason smime, nes;
	const char *identity, *mailboxes;       /* of an accepted one; mailboxes with a blank before each */
} rows[] = {
	{ "nes",                     REASON_ACCEPTED, REASON_ACCEPTED,             NUMBER, " " MAILBOX },
	{ "nes-tr",                  REASON_ACCEPTED, REASON_ACCEPTED,             NUMBER, " " MAILBOX },
	{ "nes-law-2",               REASON_ACCEPTED, REASON_ACCEPTED,             NUMBER, " " MAILBOX },
	{ "nes-policy",              REASON_ACCEPTED, REASON_ACCEPTED,             NUMBER, " " MAILBOX },
	{ "nes-repudiation-only",    REASON_ACCEPTED, REASON_ACCEPTED,             NUMBER, " " MAILBOX },
	{ "nes-statements-odd",      REASON_ACCEPTED, REASON_ACCEPTED,             NUMBER, " " MAILBOX },
	{ "nes-no-repudiation",      REASON_ACCEPTED, REASON_SIGNER_USAGE,         NUMBER, " " MAILBOX },
	{ "nes-no-statements",       REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NUMBER, " " MAILBOX },
	{ "nes-compliance-only",     REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NUMBER, " " MAILBOX },
	{ "nes-law-only",            REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NUMBER, " " MAILBOX },
	{ "nes-foreign-law",         REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NUMBER, " " MAILBOX },
	{ "nes-statements-trailing", REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NUMBER, " " MAILBOX },
	{ "nes-statements-51",       REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NUMBER, " " MAILBOX },
	{ "nes-no-number",           REASON_ACCEPTED, REASON_SIGNER_NO_IDENTITY,   NULL,   " " MAILBOX },
	{ "nes-bad-number",          REASON_ACCEPTED, REASON_SIGNER_NO_IDENTITY,   NULL,   " " MAILBOX },
	{ "nes-short-number",        REASON_ACCEPTED, REASON_SIGNER_NO_IDENTITY,   NULL,   " " MAILBOX },
	{ "nes-passport",            REASON_ACCEPTED, REASON_SIGNER_NO_IDENTITY,   NULL,   " " MAILBOX },
	{ "nes-spaced",              REASON_ACCEPTED, REASON_SIGNER_NO_IDENTITY,   NULL,   " " MAILBOX },
	{ "mail-two",                REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NULL,   " Ali@hs01.kep.test ali.kaya@hs02.kep.test" },
	{ "mail-none",               REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NULL,   "" },
	{ "mail-dns",                REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NULL,   "" },
	{ "mail-subject",            REASON_ACCEPTED, REASON_SIGNER_NOT_QUALIFIED, NULL,   "" },
	{ "mail-nul",                REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-nul-end",            REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-second-nul",         REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-8bit",               REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-space",              REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-newline",            REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-brackets",           REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-list",               REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-empty",              REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-domain",             REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-quoted",             REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-21",                 REASON_SIGNER_ADDRESS, REASON_SIGNER_ADDRESS, NULL, NULL },
	{ "mail-san-broken",         REASON_SIGNER_UNTRUSTED, REASON_SIGNER_UNTRUSTED, NULL, NULL },
};

static void assert_reason(const char *name, enum reason got, enum reason want)
{
	if (got != want)
		fail_msg("%s: %s, not %s", name, reason_words(got)->wire, reason_words(want)->wire);
}

static void assert_signer(const struct signer *s, const char *identity, const char *mailboxes)
{
	struct buf all = BUF_INIT;

	for (size_t i = 0; i < s->n_mailboxes; i++)
		buf_addf(&all, " %s", s->mailboxes[i]);
	assert_string_equal(buf_str(&all), mailboxes);
	buf_release(&all);
	assert_string_equal(s->identity ? s->identity : "-", identity ? identity : "-");
}

static void demand(const char *assignment, const char *second)
{
	static struct conf conf;        /* what a profile borrows from */
	struct buf error = BUF_INIT;
	struct profile p;

	conf_release(&conf);
	conf_init(&conf);
	assert_true(conf_set(&conf, assignment, &error));
	assert_true(conf_set(&conf, second, &error));
	assert_true(profile_read(&p, &conf, &error));
	trust_demand(trust, &p);
	buf_release(&error);
}

static void check_rows(bool nes)
{
	struct signer s;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum reason want = nes ? rows[i].nes : rows[i].smime;

		assert_reason(rows[i].name, verify(rows[i].name, &s), want);
		if (want == REASON_ACCEPTED)
			assert_signer(&s, rows[i].identity, rows[i].mailboxes);
		else
			assert_null(s.subject);
		signer_release(&s);
	}
}

static void test_smime(void **state)
{
	demand("signature_profile=smime", "qualified_policies=");
	check_rows(false);
}

static void test_nes(void **state)
{
	demand("signature_profile=nes", "qualified_policies=");
	check_rows(true);
}

/* The lists of the law are the operator's. */
static void test_lists(void **state)
{
	struct signer s;

	demand("signature_profile=nes", "qualified_policies= 1.2.3.9  2.16.792.1.61.0.1.5070.1.1");
	assert_reason("policy", verify("nes-policy", &s), REASON_ACCEPTED);
	signer_release(&s);
	assert_reason("no policy", verify("nes", &s), REASON_SIGNER_POLICY);
	demand("signature_profile=nes", "qualified_policies=1.2.3");
	assert_reason("another policy", verify("nes-policy", &s), REASON_SIGNER_POLICY);
	demand("signature_profile=nes", "qualified_statements=1.2.3");
	assert_reason("another law", verify("nes", &s), REASON_SIGNER_NOT_QUALIFIED);
	demand("signature_profile=nes", "qualified_statements=2.16.792.1.61.0.1.5070.1.3");
	assert_reason("that law", verify("nes-foreign-law", &s), REASON_ACCEPTED);
	signer_release(&s);
	demand("signature_profile=nes", "qualified_statements=");
	assert_reason("no law", verify("nes", &s), REASON_SIGNER_NOT_QUALIFIED);
}

/* For conformance tests: what the certificate is for is not asked. */
static void test_pkix(void **state)
{
	struct signer s;

	demand("signature_profile=smime", "qualified_policies=");
	assert_reason("smime", verify("no-usage", &s), REASON_SIGNER_USAGE);
	demand("signature_profile=pkix", "qualified_policies=");
	assert_reason("pkix", verify("no-usage", &s), REASON_ACCEPTED);
	signer_release(&s);
	assert_reason("pkix", verify("unknown-ca", &s), REASON_SIGNER_UNTRUSTED);
}

static void test_twenty_mailboxes(void **state)
{
	struct signer s;

	demand("signature_profile=smime", "qualified_policies=");
	assert_reason("20", verify("mail-20", &s), REASON_ACCEPTED);
	assert_int_equal(s.n_mailboxes, 20);
	assert_string_equal(s.mailboxes[19], "a19@hs01.kep.test");
	signer_release(&s);
}

static void test_numbers(void **state)
{
	static const struct { const char *text; bool valid; } numbers[] = {
		{ "10000000146", true }, { "12345678950", true }, { "10000000145", false }, { "10000000156", false }, { "00000000000", false },
		{ "1000000014", false }, { "100000001460", false }, { "1000000014x", false }, { "", false },
	};

	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		assert_int_equal(signer_identity_valid(span_str(numbers[i].text)), numbers[i].valid);
}

static void test_conf(void **state)
{
	static const struct { const char *assignment, *word; } bad[] = {
		{ "signature_profile=qes", "smime, nes or pkix" }, { "signature_profile=", "smime, nes or pkix" },
		{ "qualified_policies=1.2.", "qualified_policies" }, { "qualified_policies=x", "object identifiers" },
		{ "qualified_statements=1..2", "object identifiers" }, { "qualified_statements=1", "object identifiers" },
	};
	struct buf error = BUF_INIT;
	struct profile p;
	struct conf conf;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		conf_init(&conf);
		assert_true(conf_set(&conf, bad[i].assignment, &error));
		assert_false(profile_read(&p, &conf, &error));
		assert_non_null(strstr(buf_str(&error), bad[i].word));
		assert_null(trust_configure(&conf, &error));
		assert_non_null(strstr(buf_str(&error), bad[i].word));
		conf_release(&conf);
	}
	conf_init(&conf);
	assert_true(conf_set(&conf, "trust_anchors=/nonexistent", &error));
	assert_null(trust_configure(&conf, &error));
	assert_non_null(strstr(buf_str(&error), "trust_anchors: /nonexistent"));
	conf_release(&conf);
	buf_release(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smime),
		cmocka_unit_test(test_nes),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_pkix),
		cmocka_unit_test(test_twenty_mailboxes),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_conf),
	};
	int failed;

	pki_make(true);
	pki_more("pki_signer.py");
	trust = pki_trust("trust");
	pki_read("samples/content", &content);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	trust_free(trust);
	buf_release(&content);
	return failed;
}
