/* NIST PKITS: every row of its table as a message through the gate, at the time and
 * with the policy options named there.  Two valid rows are refused, by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/clock.h"
#include "libkep/gate.h"
#include "tests/unit/pki.h"

#define ROWS 247
#define AT   ((usec)1780272000 * 1000000)        /* 2026-06-01, as the README of the data says */

/* Valid, and refused all the same. */
static const struct { const char *row; enum reason why; const char *because; } deviations[] = {
	{ "4.1.5",  REASON_SIGNER_CERTIFICATE,  "DSA parameters inherited from the CA's key: OpenSSL cannot, and DSA is no algorithm of ours" },
	{ "4.6.4",  REASON_SIGNER_UNTRUSTED,    "basicConstraints of a CA not critical: RFC 5280 4.2.1.9 says it must be, and X509_STRICT insists" },
};

/* What a row with this X509_V_ERR of OpenSSL's own tests may be called here; some
 * are seen earlier by the strict flags. */
static bool fits(long error, enum reason why)
{
	switch (error) {
	case 3: case 8: case 11: case 12: case 35: case 36: case 44: case 54:
		return why == REASON_REVOCATION_UNKNOWN || why == REASON_SIGNER_UNTRUSTED;
	case 9: case 10:
		return why == REASON_SIGNER_EXPIRED;
	case 23:
		return why == REASON_SIGNER_REVOKED;
	case 34:
		return why == REASON_SIGNER_CERTIFICATE;
	case 25: case 43: case 47: case 48:
		return why == REASON_SIGNER_CONSTRAINED || why == REASON_SIGNER_UNTRUSTED;
	case 7: case 20: case 24: case 42:
		return why == REASON_SIGNER_UNTRUSTED || why == REASON_SIGNER_EXPIRED || why == REASON_SIGNER_CONSTRAINED;
	default:
		return false;
	}
}

static char *folder, *anchors;
static size_t valid, invalid, accepted, refused, pinned, per_reason[REASON_COUNT];

static void set(struct conf *conf, const char *key, const char *value)
{
	struct buf error = BUF_INIT;
	char *assignment = mem_printf("%s=%s", key, value);

	if (!conf_set(conf, assignment, &error))
		fail_msg("%s", buf_str(&error));
	free(assignment);
	buf_release(&error);
}

static void set_options(struct conf *conf, struct span options)
{
	struct buf policies = BUF_INIT;

	while (options.n) {
		struct span word = span_cut(&options, ' ');

		if (span_is(word, "-policy")) {
			word = span_cut(&options, ' ');
			buf_addc(&policies, ' ');
			buf_add(&policies, span_is(word, "anyPolicy") ? SPAN("2.5.29.32.0") : word);
		} else if (span_is(word, "-explicit_policy")) {
			set(conf, "require_policy", "yes");
		} else if (span_is(word, "-inhibit_map")) {
			set(conf, "inhibit_policy_mapping", "yes");
		} else if (span_is(word, "-inhibit_any")) {
			set(conf, "inhibit_any_policy", "yes");
		} else if (word.n) {
			fail_msg("unknown option %.*s", (int)word.n, word.p);
		}
	}
	set(conf, "chain_policies", buf_str(&policies));
	buf_release(&policies);
}

/* What the mail lacks to be one of ours, in front of it, and CRLF line ends; none of
 * it is signed. */
static void read_mail(struct span name, struct buf *out)
{
	char *file = mem_printf("%s/smime/%.*s", folder, (int)name.n, name.p);
	struct buf raw = BUF_INIT;

	if (!read_file(file, &raw))
		fail_msg("%s cannot be read", file);
	buf_adds(out, "Date: Mon, 1 Jun 2026 00:00:00 +0000\r\nMessage-ID: <pkits@example.test>\r\n");
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\n' && (i == 0 || raw.p[i - 1] != '\r'))
			buf_addc(out, '\r');
		buf_addc(out, raw.p[i]);
	}
	buf_release(&raw);
	free(file);
}

static enum reason judge(const struct conf *conf, struct span mail)
{
	struct buf error = BUF_INIT;
	struct trust *trust = trust_configure(conf, &error);
	struct gate *g = gate_new(conf);
	struct verdict v;
	enum reason why;

	if (!trust)
		fail_msg("%s", buf_str(&error));
	gate_push(g, mail);
	gate_finish(g, trust, AT, &v);
	why = v.why;
	verdict_release(&v);
	gate_free(g);
	trust_free(trust);
	buf_release(&error);
	return why;
}

static void count(struct span row, long error, enum reason why)
{
	char *name = mem_span(row);

	*(error ? &invalid : &valid) += 1;
	*(why == REASON_ACCEPTED ? &accepted : &refused) += 1;
	per_reason[why]++;
	if (error && why == REASON_ACCEPTED)
		fail_msg("%s is invalid (%ld) and was accepted", name, error);
	if (error && !fits(error, why))
		fail_msg("%s is invalid (%ld) and was refused with %s", name, error, reason_words(why)->wire);
	for (size_t i = 0; i < COUNT_OF(deviations); i++)
		if (strcmp(name, deviations[i].row) == 0) {
			assert_int_equal(why, deviations[i].why);
			print_message("deviation %s: %s\n", name, deviations[i].because);
			pinned++;
			error = -1;
		}
	if (!error && why != REASON_ACCEPTED)
		fail_msg("%s is valid and was refused with %s", name, reason_words(why)->wire);
	free(name);
}

static void try_row(struct span line)
{
	struct span row = span_cut(&line, '\t'), mail = span_cut(&line, '\t'), options = span_cut(&line, '\t');
	char *error = mem_span(span_cut(&line, '\t'));
	struct buf octets = BUF_INIT;
	struct conf conf;
	char *crls = mem_printf("%s/crls", folder);

	conf_init(&conf);
	set(&conf, "signature_profile", "pkix");
	set(&conf, "revocation", "required");
	set(&conf, "trust_anchors", anchors);
	set(&conf, "trust_crls", crls);
	set_options(&conf, options);
	read_mail(mail, &octets);
	count(row, atol(error), judge(&conf, buf_span(&octets)));
	conf_release(&conf);
	buf_release(&octets);
	free(crls);
	free(error);
}

static void test_table(void **state)
{
	char *file = mem_printf("%s/EXPECTED.tsv", folder);
	struct buf table = BUF_INIT;
	struct span rest;

	assert_true(read_file(file, &table));
	rest = buf_span(&table);
	while (rest.n) {
		struct span line = span_cut(&rest, '\n');

		if (line.n && line.p[0] != '#')
			try_row(line);
	}
	buf_release(&table);
	free(file);
	print_message("%zu rows: %zu valid, %zu invalid; %zu accepted, %zu refused; %zu deviations, 0 invalid accepted\n", valid + invalid, valid,
	    invalid, accepted, refused, pinned);
	for (size_t i = 0; i < REASON_COUNT; i++)
		if (per_reason[i] > 0)
			print_message("%6zu %s\n", per_reason[i], reason_words((enum reason)i)->wire);
	assert_int_equal(valid + invalid, ROWS);
	assert_int_equal(pinned, COUNT_OF(deviations));
	assert_int_equal(accepted + pinned, valid);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table) };
	int failed;

	if (!(folder = shared_path("corpora/pkits"))) {
		fputs("skipped: NIST PKITS (corpora/pkits) is not there; set KEP_SHARED to the folder of published test data\n", stderr);
		return PKI_SKIP;
	}
	anchors = mem_printf("%s/certs/TrustAnchorRootCertificate.crt", folder);
	failed = cmocka_run_group_tests_name("pkits", tests, NULL, NULL);
	free(anchors);
	free(folder);
	return failed;
}
