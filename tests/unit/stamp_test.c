/* Time-stamps: what a token says, whether it is genuine, requests and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/der.h"
#include "libkep/digest.h"
#include "libkep/stamp.h"
#include "tests/unit/pki.h"

#define DAY ((usec)86400 * 1000000)
#define NONCE SPAN("\x91ZZZZZZZZZZZZZZ")

static struct trust *tsa;
static struct buf content = BUF_INIT;

static void read_token(const char *name, struct buf *der)
{
	char *file = mem_printf("stamps/%s.tst", name);

	pki_read(file, der);
	free(file);
}

static struct stamp_want everything(void)
{
	static unsigned char imprint[SHA256_SIZE];

	digest_sha256(imprint, buf_span(&content));
	return (struct stamp_want){ .digest = "sha256", .imprint = span_of((const char *)imprint, sizeof imprint), .data = buf_span(&content),
	                            .nonce = NONCE, .policy = "1.2.3.4.1", .earliest = clock_now() - DAY, .latest = clock_now() + DAY };
}

static const struct { const char *name; enum stamp_verdict verdict; } rows[] = {
	{ "good", STAMP_GOOD }, { "accuracy", STAMP_GOOD }, { "fraction", STAMP_GOOD }, { "long-serial", STAMP_GOOD }, { "ocsp", STAMP_GOOD },
	{ "below", STAMP_GOOD }, { "below-alone", STAMP_UNTRUSTED }, { "nobody", STAMP_SIGNER },
	{ "sha384", STAMP_IMPRINT }, { "sha512", STAMP_IMPRINT }, { "other-imprint", STAMP_IMPRINT },
	{ "no-nonce", STAMP_NONCE }, { "other-nonce", STAMP_NONCE }, { "other-policy", STAMP_POLICY }, { "day-late", STAMP_TIME },
	{ "mail", STAMP_USAGE }, { "not-critical", STAMP_USAGE }, { "stranger", STAMP_UNTRUSTED },
	{ "no-reference", STAMP_REFERENCE }, { "other-reference", STAMP_REFERENCE }, { "altered", STAMP_ALTERED }, { "signature", STAMP_SIGNATURE },
	{ "short-imprint", STAMP_MALFORMED }, { "sha1", STAMP_MALFORMED }, { "version", STAMP_MALFORMED }, { "negative", STAMP_MALFORMED },
	{ "huge-serial", STAMP_MALFORMED }, { "trailing", STAMP_MALFORMED }, { "data", STAMP_MALFORMED }, { "behind", STAMP_MALFORMED },
	{ "junk", STAMP_MALFORMED },
};

static void assert_verdict(const char *name, const struct stamp_want *want, enum stamp_verdict verdict)
{
	struct stamp_kept kept = { BUF_INIT, BUF_INIT };
	struct buf der = BUF_INIT;
	enum stamp_verdict got;
	struct stamp s;

	read_token(name, &der);
	got = stamp_verify(buf_span(&der), want, tsa, &s, &kept);
	if (got != verdict)
		fail_msg("%s: %s, not %s", name, stamp_words(got)->wire, stamp_words(verdict)->wire);
	assert_int_equal(kept.chain.n > 0, got == STAMP_GOOD);
	stamp_kept_release(&kept);
	buf_release(&der);
}

static void test_verdicts(void **state)
{
	struct stamp_want want = everything();

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_verdict(rows[i].name, &want, rows[i].verdict);
}

/* What is not asked is not compared. */
static void test_want(void **state)
{
	struct stamp_want want = { .digest = NULL };
	struct buf candidates = BUF_INIT;

	assert_verdict("sha512", &want, STAMP_GOOD);
	assert_verdict("other-nonce", &want, STAMP_GOOD);
	assert_verdict("other-policy", &want, STAMP_GOOD);
	want.data = buf_span(&content);
	assert_verdict("sha384", &want, STAMP_GOOD);
	assert_verdict("other-imprint", &want, STAMP_IMPRINT);
	/* "day" had ended when it stamped. */
	assert_verdict("day-late", &want, STAMP_EXPIRED);
	want.at = clock_now();
	assert_verdict("day-late", &want, STAMP_GOOD);
	want.at = clock_now() + 4000 * DAY;
	assert_verdict("good", &want, STAMP_EXPIRED);
	want.at = 0;
	want.policy = "";
	assert_verdict("good", &want, STAMP_GOOD);
	pki_read("stamps/candidates", &candidates);
	want.certificates = buf_span(&candidates);
	assert_verdict("below-alone", &want, STAMP_GOOD);
	assert_verdict("nobody", &want, STAMP_GOOD);
	want.certificates = SPAN("junk");
	assert_verdict("good", &want, STAMP_MALFORMED);
	buf_release(&candidates);
}

static void test_reading(void **state)
{
	struct stamp_want none = { .digest = NULL };
	struct stamp_kept kept = { BUF_INIT, BUF_INIT };
	struct buf der = BUF_INIT;
	struct span chain;
	struct stamp s;
	struct der e;

	read_token("accuracy", &der);
	assert_int_equal(stamp_verify(buf_span(&der), &none, tsa, &s, NULL), STAMP_GOOD);
	assert_string_equal(s.digest, "sha256");
	assert_string_equal(s.policy, "1.2.3.4.1");
	assert_string_equal(s.serial, "2a");
	assert_int_equal(s.accuracy, 2500010);
	assert_true(span_eq(span_of((const char *)s.nonce, s.n_nonce), NONCE));
	assert_true(s.time > clock_now() - DAY && s.time <= clock_now());
	read_token("long-serial", &der);
	assert_int_equal(stamp_verify(buf_span(&der), &none, tsa, &s, NULL), STAMP_GOOD);
	assert_string_equal(s.serial, "01ffffffffffffffffffffffffffffffffffffff");
	assert_int_equal(s.accuracy, 0);
	read_token("no-nonce", &der);
	assert_int_equal(stamp_verify(buf_span(&der), &none, tsa, &s, NULL), STAMP_GOOD);
	assert_int_equal(s.n_nonce, 0);
	/* Said, but not to be believed. */
	read_token("stranger", &der);
	assert_int_equal(stamp_verify(buf_span(&der), &none, tsa, &s, NULL), STAMP_UNTRUSTED);
	assert_string_equal(s.digest, "sha256");
	/* What is kept: three certificates, or an answer of OCSP as it came. */
	read_token("below", &der);
	assert_int_equal(stamp_verify(buf_span(&der), &none, tsa, &s, &kept), STAMP_GOOD);
	chain = buf_span(&kept.chain);
	assert_true(der_next(&chain, &e) && der_next(&chain, &e) && der_next(&chain, &e) && chain.n == 0);
	assert_int_equal(kept.revocation.n, 0);
	stamp_kept_release(&kept);
	read_token("ocsp", &der);
	assert_int_equal(stamp_verify(buf_span(&der), &none, tsa, &s, &kept), STAMP_GOOD);
	assert_int_equal((unsigned char)kept.revocation.p[0], DER_CONTEXT_1);
	assert_int_equal(der_head_size(kept.revocation.n - 2) + kept.revocation.n - 2, kept.revocation.n);
	stamp_kept_release(&kept);
	buf_release(&der);
}

/* Every octet of a token turned over: good only where it is not signed and says nothing. */
static void test_damage(void **state)
{
	struct stamp_want want = everything();
	struct buf der = BUF_INIT;
	struct stamp s;
	size_t good = 0;

	read_token("good", &der);
	for (size_t i = 0; i < der.n; i++) {
		der.p[i] = (char)~der.p[i];
		good += stamp_verify(buf_span(&der), &want, tsa, &s, NULL) == STAMP_GOOD;
		der.p[i] = (char)~der.p[i];
	}
	assert_true(good <= 16);        /* the names of signature algorithms, which digest and key decide */
	for (size_t n = 0; n < der.n; n++)
		assert_int_equal(stamp_verify(span_of(der.p, n), &want, tsa, &s, NULL), STAMP_MALFORMED);
	buf_release(&der);
}

static void test_words(void **state)
{
	for (enum stamp_verdict v = 0; v < STAMP_VERDICTS; v++)
		assert_true(*stamp_words(v)->wire && *stamp_words(v)->english);
	assert_string_equal(stamp_words(STAMP_GOOD)->wire, "good");
}

/* -- requests and answers ----------------------------------------------------- */

static void write_file(const char *name, struct span octets)
{
	char *file = pki_path(name);
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(octets.p, 1, octets.n, f), octets.n);
	assert_int_equal(fclose(f), 0);
	free(file);
}

/* OpenSSL's time-stamping authority answers. */
static void ask(const struct tsp_question *q, struct buf *answer)
{
	char *command = mem_printf("cd '%s/stamps' && openssl ts -reply -config ts.cnf -queryfile q.tsq -out r.tsr 2>/dev/null", pki_dir);
	struct buf der = BUF_INIT;

	assert_true(tsp_request(q, &der));
	write_file("stamps/q.tsq", buf_span(&der));
	assert_int_equal(system(command), 0);
	pki_read("stamps/r.tsr", answer);
	buf_release(&der);
	free(command);
}

static void test_conversation(void **state)
{
	static const struct { const char *digest; size_t n; const char *policy; } asks[] = {
		{ "sha256", 32, NULL }, { "sha512", 64, "" }, { "sha256", 32, "1.2.3.4.9" },
	};
	struct buf answer = BUF_INIT, why = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(asks) * 8; i++) {
		unsigned char nonce[TSP_NONCE_SIZE], imprint[SHA512_SIZE];
		const char *policy = asks[i % 3].policy;
		struct tsp_question q = { .digest = asks[i % 3].digest, .policy = policy };
		struct digest *d = digest_new(q.digest);
		struct stamp_want want;
		struct span token;
		struct stamp s;

		digest_add(d, buf_span(&content));
		q.imprint = span_of((const char *)imprint, digest_finish(d, imprint));
		digest_free(d);
		tsp_nonce(nonce);
		q.nonce = span_of((const char *)nonce, sizeof nonce);
		ask(&q, &answer);
		if (!tsp_response(buf_span(&answer), &token, &why))
			fail_msg("%s", buf_str(&why));
		want = (struct stamp_want){ .digest = q.digest, .imprint = q.imprint, .nonce = q.nonce, .policy = policy && *policy ? policy : "1.2.3.4.1",
		                            .latest = clock_now() + 1000000 };
		assert_int_equal(stamp_verify(token, &want, tsa, &s, NULL), STAMP_GOOD);
		assert_int_equal(s.accuracy, 1000000);
	}
	buf_release(&answer);
	buf_release(&why);
}

static void test_refusals(void **state)
{
	struct { struct tsp_question q; const char *words; } bad[] = {
		{ { .digest = "sha384", .imprint = SPAN("123456781234567812345678123456781234567812345678") }, "tsa_digest" },
		{ { .digest = "sha256", .imprint = SPAN("12345678123456781234567812345678"), .policy = "1.2.3.99" }, "tsa_policy" },
	};
	struct buf answer = BUF_INIT, why = BUF_INIT;
	struct span token;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		ask(&bad[i].q, &answer);
		assert_false(tsp_response(buf_span(&answer), &token, &why));
		assert_non_null(strstr(buf_str(&why), "rejected"));
		assert_non_null(strstr(buf_str(&why), bad[i].words));
		assert_int_equal(token.n, 0);
	}
	buf_release(&answer);
	buf_release(&why);
}

static void test_answers(void **state)
{
	static const struct { struct span der; const char *words; } bad[] = {
		{ SPAN(""), "no answer of RFC 3161" }, { SPAN("<html>404</html>"), "no answer of RFC 3161" }, { SPAN("\x30\x05\x30\x03\x02\x01\x00"), "no answer of RFC 3161" },
		{ SPAN("\x30\x05\x30\x03\x02\x01\x02"), "rejected" }, { SPAN("\x30\x05\x30\x03\x02\x01\x03"), "to be fetched later" },
		{ SPAN("\x30\x05\x30\x03\x02\x01\x09"), "status 9" }, { SPAN("\x30\x06\x30\x03\x02\x01\x02\x00"), "rejected" },
		{ SPAN("\x30\x0b\x30\x09\x02\x01\x02\x03\x04\x06\x00\x00\x40"), "it cannot tell what was asked for" },
		{ SPAN("\x30\x0d\x30\x0b\x02\x01\x02\x30\x06\x0c\x04" "a\nb\x01"), ": 'a?b?'" },
	};
	struct buf why = BUF_INIT;
	struct span token;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(tsp_response(bad[i].der, &token, &why));
		if (!strstr(buf_str(&why), bad[i].words))
			fail_msg("row %zu: '%s' without '%s'", i, buf_str(&why), bad[i].words);
	}
	assert_true(tsp_response(SPAN("\x30\x07\x30\x03\x02\x01\x01\x30\x00"), &token, &why));
	assert_true(span_eq(token, SPAN("\x30\x00")));
	buf_release(&why);
}

static void test_requests(void **state)
{
	struct tsp_question q = { .digest = "sha256", .imprint = SPAN("12345678123456781234567812345678") };
	struct buf der = BUF_INIT;

	assert_true(tsp_request(&q, &der));
	assert_true(span_eq(buf_span(&der), SPAN("\x30\x37\x02\x01\x01\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"
	    "12345678123456781234567812345678\x01\x01\xff")));
	buf_clear(&der);
	q.policy = "not an oid";
	assert_false(tsp_request(&q, &der));
	q.policy = "1.2.3";
	q.imprint = SPAN("short");
	assert_false(tsp_request(&q, &der));
	q.digest = "md5";
	assert_false(tsp_request(&q, &der));
	assert_int_equal(der.n, 0);
	buf_release(&der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_want), cmocka_unit_test(test_reading), cmocka_unit_test(test_damage),
		cmocka_unit_test(test_words), cmocka_unit_test(test_conversation), cmocka_unit_test(test_refusals), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_requests),
	};
	int failed;

	pki_make(false);
	pki_more("pki_tsp.py");
	tsa = pki_trust("tsa/ca.pem");
	pki_read("stamps/content", &content);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	trust_free(tsa);
	buf_release(&content);
	return failed;
}
