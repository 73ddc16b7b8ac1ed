/* CMS signatures: good ones, each kind of bad one by its name, published test data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#include "libkep/cms.h"
#include "libkep/der.h"
#include "libkep/outline.h"
#include "libkep/seal.h"
#include "tests/unit/pki.h"

static struct trust *trust;
static struct buf content = BUF_INIT;

/* A copy without anything behind it, so that an overread is seen. */
static struct span tight(struct span s)
{
	char *p = malloc(s.n ? s.n : 1);

	memcpy(p, s.p ? s.p : "", s.n);
	return span_of(p, s.n);
}

static enum reason detached(struct span der, struct span part, const char *name, const struct trust *by, usec at, struct signer *out)
{
	struct digest *d = digest_new(name);
	struct span copy = tight(der);
	unsigned char value[SHA512_SIZE];
	enum reason why;
	size_t n;

	digest_add(d, part);
	n = digest_finish(d, value);
	digest_free(d);
	why = cms_verify_detached(copy, name, value, n, by, at, out);
	free((void *)(uintptr_t)copy.p);
	return why;
}

static void sample(const char *name, struct buf *der)
{
	char *file = mem_printf("samples/%s.p7s", name);

	pki_read(file, der);
	free(file);
}

static void assert_reason(const char *name, enum reason got, enum reason want)
{
	if (got != want)
		fail_msg("%s: %s, not %s", name, reason_words(got)->wire, reason_words(want)->wire);
}

static const struct {
	const char *name, *digest;
	enum reason why;
} detached_rows[] = {
	{ "ec",                    "sha256", REASON_ACCEPTED },
	{ "rsa",                   "sha256", REASON_ACCEPTED },
	{ "pss",                   "sha256", REASON_ACCEPTED },
	{ "pss-salt-32",           "sha256", REASON_ACCEPTED },
	{ "pss-salt-64",           "sha256", REASON_ACCEPTED },
	{ "pss-sha512",            "sha512", REASON_ACCEPTED },
	{ "exponent-65539",        "sha256", REASON_ACCEPTED },
	{ "keyid",                 "sha256", REASON_ACCEPTED },
	{ "cades",                 "sha256", REASON_ACCEPTED },
	{ "sha384",                "sha384", REASON_ACCEPTED },
	{ "sha512",                "sha512", REASON_ACCEPTED },
	{ "ber",                   "sha256", REASON_ACCEPTED },
	{ "set-version-3",         "sha256", REASON_ACCEPTED },
	{ "attribute-unknown",     "sha256", REASON_ACCEPTED },
	{ "certificate-twice",     "sha256", REASON_ACCEPTED },
	{ "crl-junk",              "sha256", REASON_ACCEPTED },  /* nobody looks at a stranger's revocation list */
	{ "digests-15000",         "sha256", REASON_DIGEST_ALGORITHMS },
	{ "digests-none",          "sha256", REASON_DIGEST_ALGORITHMS },
	{ "digests-two",           "sha256", REASON_DIGEST_ALGORITHMS },
	{ "digests-other",         "sha256", REASON_DIGEST_ALGORITHMS },
	{ "algorithm-sha1",        "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "algorithm-unknown",     "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-salt-31",           "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-salt-20",           "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-salt-0",            "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-mask-sha1",         "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-mask-sha512",       "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-hash",              "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-trailer",           "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-default",           "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-twice",             "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "pss-none",              "sha256", REASON_SIGNATURE_ALGORITHM },
	{ "exponent-1",            "sha256", REASON_SIGNER_WEAK },       /* OpenSSL accepts it: anybody can sign */
	{ "exponent-even",         "sha256", REASON_SIGNER_WEAK },
	{ "exponent-3",            "sha256", REASON_SIGNER_WEAK },
	{ "exponent-3-above",      "sha256", REASON_SIGNER_WEAK },
	{ "length-long",           "sha256", REASON_SIGNATURE_DER },
	{ "tag-long",              "sha256", REASON_SIGNATURE_DER },
	{ "deep",                  "sha256", REASON_SIGNATURE_DER },
	{ "certificate-other",     "sha256", REASON_SIGNATURE_DER },
	{ "trailing-explicit",     "sha256", REASON_SIGNATURE_TRAILING },
	{ "trailing-set",          "sha256", REASON_SIGNATURE_TRAILING },
	{ "trailing-info",         "sha256", REASON_SIGNATURE_TRAILING },
	{ "set-version-0",         "sha256", REASON_SIGNATURE_VERSION },
	{ "set-version-2",         "sha256", REASON_SIGNATURE_VERSION },
	{ "info-version-3",        "sha256", REASON_SIGNATURE_VERSION },
	{ "keyid-version-1",       "sha256", REASON_SIGNATURE_VERSION },
	{ "keyid-set-version-1",   "sha256", REASON_SIGNATURE_VERSION },
	{ "attributes-unsorted",   "sha256", REASON_SIGNED_ATTRIBUTES_DER },
	{ "attributes-length-long", "sha256", REASON_SIGNATURE_DER },
	{ "attributes-indefinite", "sha256", REASON_SIGNED_ATTRIBUTES_DER },
	{ "unsigned-21",           "sha256", REASON_SIGNATURE_SIZE },
	{ "certificate-large",     "sha256", REASON_SIGNATURE_SIZE },
	{ "countersignature",      "sha256", REASON_COUNTERSIGNATURE },
	{ "certificate-ambiguous", "sha256", REASON_SIGNER_AMBIGUOUS },
	{ "auth-enveloped",        "sha256", REASON_ENCRYPTED_CONTENT },
	{ "compressed",            "sha256", REASON_COMPRESSED_CONTENT },
	{ "truncated",             "sha256", REASON_SIGNATURE_DER },
	{ "junk",                  "sha256", REASON_SIGNATURE_DER },
	{ "trailing",              "sha256", REASON_SIGNATURE_TRAILING },
	{ "enveloped",             "sha256", REASON_ENCRYPTED_CONTENT },
	{ "data",                  "sha256", REASON_NOT_SIGNED_DATA },
	{ "no-signer",             "sha256", REASON_NO_SIGNER },
	{ "two-signers",           "sha256", REASON_TWO_SIGNERS },
	{ "econtent-type",         "sha256", REASON_CONTENT_TYPE },
	{ "opaque",                "sha256", REASON_CONTENT_TWICE },
	{ "noattr",                "sha256", REASON_NO_SIGNED_ATTRIBUTES },
	{ "type-missing",          "sha256", REASON_SIGNED_ATTRIBUTES },
	{ "type-twice",            "sha256", REASON_SIGNED_ATTRIBUTES },
	{ "type-two-values",       "sha256", REASON_SIGNED_ATTRIBUTES },
	{ "type-other",            "sha256", REASON_CONTENT_TYPE },
	{ "digest-missing",        "sha256", REASON_SIGNED_ATTRIBUTES },
	{ "digest-twice",          "sha256", REASON_SIGNED_ATTRIBUTES },
	{ "digest-two-values",     "sha256", REASON_SIGNED_ATTRIBUTES },
	{ "attributes-21",         "sha256", REASON_SIGNATURE_SIZE },
	{ "certificates-21",       "sha256", REASON_SIGNATURE_SIZE },
	{ "sha1",                  "sha256", REASON_DIGEST_ALGORITHM },
	{ "sha512",                "sha256", REASON_MICALG },
	{ "no-certificates",       "sha256", REASON_SIGNER_CERTIFICATE },
	{ "critical",              "sha256", REASON_SIGNER_CERTIFICATE },
	{ "chain-missing",         "sha256", REASON_SIGNER_UNTRUSTED },
	{ "unknown-ca",            "sha256", REASON_SIGNER_UNTRUSTED },
	{ "expired",               "sha256", REASON_SIGNER_EXPIRED },
	{ "rsa1024",               "sha256", REASON_SIGNER_WEAK },
	{ "server-auth",           "sha256", REASON_SIGNER_USAGE },
	{ "any-eku",               "sha256", REASON_SIGNER_USAGE },
	{ "encipherment",          "sha256", REASON_SIGNER_USAGE },
	{ "no-usage",              "sha256", REASON_SIGNER_USAGE },
	{ "signature-flipped",     "sha256", REASON_SIGNATURE_WRONG },
	{ "other-content",         "sha256", REASON_CONTENT_ALTERED },
};

static void test_detached(void **state)
{
	struct buf der = BUF_INIT;
	struct signer s;

	for (size_t i = 0; i < COUNT_OF(detached_rows); i++) {
		sample(detached_rows[i].name, &der);
		assert_reason(detached_rows[i].name,
		    detached(buf_span(&der), buf_span(&content), detached_rows[i].digest, trust, clock_now(), &s), detached_rows[i].why);
		assert_int_equal(s.subject != NULL, detached_rows[i].why == REASON_ACCEPTED);
		signer_release(&s);
	}
	buf_release(&der);
}

/* The attack in which the signed attributes themselves are shown as the content. */
static void test_attributes_as_content(void **state)
{
	struct buf der = BUF_INIT, attributes = BUF_INIT;
	struct signer s;

	sample("attributes-as-content", &der);
	pki_read("samples/attributes", &attributes);
	assert_reason("attributes-as-content",
	    detached(buf_span(&der), buf_span(&attributes), "sha256", trust, clock_now(), &s), REASON_NO_SIGNED_ATTRIBUTES);
	buf_release(&attributes);
	buf_release(&der);
}

static void test_opaque(void **state)
{
	static const struct { const char *name; enum reason why; } rows[] = {
		{ "opaque",        REASON_ACCEPTED },
		{ "ec",            REASON_CONTENT_ABSENT },
		{ "opaque-noattr", REASON_NO_SIGNED_ATTRIBUTES },
		{ "receipt-type",  REASON_CONTENT_TYPE },
		{ "enveloped",     REASON_ENCRYPTED_CONTENT },
		{ "junk",          REASON_SIGNATURE_DER },
	};
	struct buf der = BUF_INIT, inner = BUF_INIT;
	struct signer s;
	char *at;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		sample(rows[i].name, &der);
		buf_clear(&inner);
		assert_reason(rows[i].name, cms_verify_opaque(buf_span(&der), trust, clock_now(), &inner, &s), rows[i].why);
		assert_true(span_eq(buf_span(&inner), rows[i].why == REASON_ACCEPTED ? buf_span(&content) : SPAN_NONE));
		signer_release(&s);
	}
	sample("opaque", &der);
	assert_reason("no content wanted", cms_verify_opaque(buf_span(&der), trust, clock_now(), NULL, &s), REASON_ACCEPTED);
	signer_release(&s);
	at = memmem(der.p, der.n, "Merhaba", 7);
	assert_non_null(at);
	*at = 'm';
	assert_reason("altered inside", cms_verify_opaque(buf_span(&der), trust, clock_now(), NULL, &s), REASON_CONTENT_ALTERED);
	buf_release(&inner);
	buf_release(&der);
}

static void test_signer(void **state)
{
	struct buf der = BUF_INIT;
	struct signer s;
	usec now = clock_now();
	unsigned char zero[SHA256_SIZE] = { 0 };

	sample("rsa", &der);
	assert_reason("rsa", detached(buf_span(&der), buf_span(&content), "sha256", trust, now, &s), REASON_ACCEPTED);
	assert_string_equal(s.subject, "CN=Ayşe Yılmaz,serialNumber=10000000146,C=TR");
	assert_string_equal(s.issuer, "CN=KEP Test NES Yayıncısı,C=TR");
	assert_string_equal(s.identity, "10000000146");
	assert_string_equal(s.digest, "sha256");
	assert_memory_not_equal(s.certificate, zero, sizeof zero);
	assert_true(strlen(s.serial) >= 38);
	assert_true(s.signing_time > now - 60000000 && s.signing_time <= now + 1000000);
	signer_release(&s);
	assert_null(s.subject);
	buf_release(&der);
}

/* Validity is judged at the time that is given, in both directions. */
static void test_time(void **state)
{
	const usec year = (usec)365 * 86400 * 1000000;
	struct buf der = BUF_INIT;
	struct signer s;

	sample("ec", &der);
	assert_reason("later", detached(buf_span(&der), buf_span(&content), "sha256", trust, clock_now() + 20 * year, &s), REASON_SIGNER_EXPIRED);
	assert_reason("earlier", detached(buf_span(&der), buf_span(&content), "sha256", trust, clock_now() - year, &s), REASON_SIGNER_EXPIRED);
	assert_reason("now", detached(buf_span(&der), buf_span(&content), "sha256", trust, clock_now(), &s), REASON_ACCEPTED);
	signer_release(&s);
	buf_release(&der);
}

/* What is remembered of a good chain answers only the same question. */
static void test_memory(void **state)
{
	static const struct { const char *name; int years; enum reason want; } rows[] = {
		{ "ec", 0, REASON_ACCEPTED }, { "ec", 0, REASON_ACCEPTED }, { "ec", 20, REASON_SIGNER_EXPIRED },
		{ "ec", -2, REASON_SIGNER_EXPIRED }, { "ec", 0, REASON_ACCEPTED }, { "chain-missing", 0, REASON_SIGNER_UNTRUSTED },
		{ "certificate-twice", 0, REASON_ACCEPTED }, { "ec", 0, REASON_ACCEPTED }, { "rsa", 0, REASON_ACCEPTED },
		{ "signature-flipped", 0, REASON_SIGNATURE_WRONG }, { "other-content", 0, REASON_CONTENT_ALTERED },
	};
	struct trust *other = pki_trust("other-ca.pem"), *own = pki_trust("trust");
	struct buf der = BUF_INIT;
	struct signer s;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		usec at = clock_now() + rows[i].years * (usec)365 * 86400 * 1000000;

		sample(rows[i].name, &der);
		assert_reason(rows[i].name, detached(buf_span(&der), buf_span(&content), "sha256", own, at, &s), rows[i].want);
		signer_release(&s);
		assert_int_not_equal(detached(buf_span(&der), buf_span(&content), "sha256", other, at, &s), REASON_ACCEPTED);
	}
	buf_release(&der);
	trust_free(own);
	trust_free(other);
}

struct worker {
	struct span der;
	usec        at;
	enum reason want;
	size_t      wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct signer s;

	for (int i = 0; i < 100; i++) {
		w->wrong += detached(w->der, buf_span(&content), "sha256", trust, w->at, &s) != w->want;
		signer_release(&s);
	}
	return NULL;
}

/* Threads share the trust; the time of one is not the time of another. */
static void test_threads(void **state)
{
	const usec year = (usec)365 * 86400 * 1000000;
	struct worker w[4];
	pthread_t thread[COUNT_OF(w)];
	struct buf der = BUF_INIT;

	sample("ec", &der);
	for (size_t i = 0; i < COUNT_OF(w); i++) {
		w[i] = (struct worker){ buf_span(&der), clock_now() + (i % 2 ? 20 * year : 0), i % 2 ? REASON_SIGNER_EXPIRED : REASON_ACCEPTED, 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
	}
	for (size_t i = 0; i < COUNT_OF(w); i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(w[i].wrong, 0);
	}
	buf_release(&der);
}

/* An intermediate CA is no anchor, and helps where the signature lacks it. */
static void test_trust(void **state)
{
	static const struct { const char *name, *word; } bad[] = {
		{ "mid.pem", "no self-signed CA" }, { "missing", "No such file" }, { "signers", "not of a CA" },
		{ "ca.key", "holds no certificate" }, { "samples/junk.p7s", "neither PEM nor one DER" },
		{ "samples", "no self-signed CA" },
	};
	struct buf error = BUF_INIT, der = BUF_INIT, pem = BUF_INIT;
	struct trust *both, *other;
	struct signer s;
	char *path;
	FILE *f;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		path = pki_path(bad[i].name);
		assert_null(trust_load(path, &error));
		assert_non_null(strstr(buf_str(&error), bad[i].word));
		assert_non_null(strstr(buf_str(&error), path));
		free(path);
	}
	pki_read("ca.pem", &pem);
	pki_read("mid.pem", &der);
	buf_add(&pem, buf_span(&der));
	path = pki_path("both.pem");
	f = fopen(path, "we");
	fwrite(pem.p, 1, pem.n, f);
	fclose(f);
	free(path);
	both = pki_trust("both.pem");
	other = pki_trust("other-ca.pem");
	assert_int_equal(trust_count(both), 1);
	sample("chain-missing", &der);
	assert_reason("both", detached(buf_span(&der), buf_span(&content), "sha256", both, clock_now(), &s), REASON_ACCEPTED);
	signer_release(&s);
	assert_reason("other", detached(buf_span(&der), buf_span(&content), "sha256", other, clock_now(), &s), REASON_SIGNER_UNTRUSTED);
	trust_free(both);
	trust_free(other);
	trust_free(NULL);
	buf_release(&error);
	buf_release(&der);
	buf_release(&pem);
}

/* Every prefix, and every octet turned over: refused, and no sanitizer speaks. */
static void test_damage(void **state)
{
	struct buf der = BUF_INIT;
	struct signer s;

	sample("ec", &der);
	for (size_t n = 0; n < der.n; n++)
		assert_int_not_equal(detached(span_of(der.p, n), buf_span(&content), "sha256", trust, clock_now(), &s), REASON_ACCEPTED);
	for (size_t i = 0; i < der.n; i++) {
		der.p[i] = (char)~der.p[i];
		if (detached(buf_span(&der), buf_span(&content), "sha256", trust, clock_now(), &s) == REASON_ACCEPTED)
			signer_release(&s);     /* digestAlgorithms and versions are not signed */
		der.p[i] = (char)~der.p[i];
	}
	buf_release(&der);
}

/* What the outline leaves is read by itself, and all of it but certificates and
 * revocation lists is there, octet by octet. */
static void test_outline(void **state)
{
	static const struct { const char *name; size_t n; } rows[] = {
		{ "ec", 2 }, { "chain-missing", 1 }, { "no-certificates", 1 }, { "ber", 2 }, { "crl-junk", 2 }, { "certificate-twice", 4 },
	};
	struct buf der = BUF_INIT, rest = BUF_INIT;
	struct outline o, again;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		sample(rows[i].name, &der);
		buf_clear(&rest);
		assert_reason(rows[i].name, outline_read(&o, buf_span(&der)), REASON_ACCEPTED);
		assert_int_equal(o.n_certificates, rows[i].n);
		for (size_t k = 0; k < o.n_certificates; k++)
			assert_true(o.certificates[k].p > der.p && o.certificates[k].p + o.certificates[k].n < der.p + der.n && o.certificates[k].p[0] == 0x30);
		outline_rest(&o, &rest);
		assert_reason("the rest", outline_read(&again, buf_span(&rest)), REASON_ACCEPTED);
		assert_int_equal(again.n_certificates, 0);
		assert_true(span_eq(again.signers, o.signers) && span_eq(again.digests, o.digests) && span_eq(again.content, o.content));
		assert_true(span_eq(again.attributes, o.attributes) && span_eq(again.version, o.version));
		assert_null(memmem(rest.p, rest.n, "no revocation list", 18));
	}
	buf_release(&der);
	buf_release(&rest);
}

static void test_der(void **state)
{
	static const struct { bool valid; struct span octets; } rows[] = {
		{ true,  SPAN("") },
		{ true,  SPAN("\x05\x00") },
		{ true,  SPAN("\x30\x03\x02\x01\x00") },
		{ true,  SPAN("\x01\x01\xff\x01\x01\x00") },
		{ true,  SPAN("\x31\x06\x02\x01\x01\x02\x01\x02") },
		{ true,  SPAN("\x31\x06\x02\x01\x01\x02\x01\x01") },
		{ true,  SPAN("\x03\x02\x07\x80\x03\x01\x00") },
		{ true,  SPAN("\x06\x03\x2a\x81\x00") },
		{ true,  SPAN("\x02\x02\x00\x80\x02\x02\xff\x7f") },
		{ false, SPAN("\x05") },
		{ false, SPAN("\x05\x01\x00") },                            /* NULL of something */
		{ false, SPAN("\x25\x00") },                                /* NULL, constructed */
		{ false, SPAN("\x10\x00") },                                /* SEQUENCE, primitive */
		{ false, SPAN("\x24\x03\x04\x01\x61") },                    /* OCTET STRING in pieces */
		{ false, SPAN("\x01\x01\x01") },                            /* TRUE that is not ff */
		{ false, SPAN("\x02\x00") },
		{ false, SPAN("\x02\x02\x00\x7f") },
		{ false, SPAN("\x02\x02\xff\x80") },
		{ false, SPAN("\x03\x00") },
		{ false, SPAN("\x03\x02\x08\x00") },
		{ false, SPAN("\x03\x02\x07\x81") },                        /* unused bits that are not 0 */
		{ false, SPAN("\x03\x01\x01") },
		{ false, SPAN("\x06\x00") },
		{ false, SPAN("\x06\x02\x2a\x80") },
		{ false, SPAN("\x06\x03\x2a\x80\x01") },
		{ false, SPAN("\x31\x06\x02\x01\x02\x02\x01\x01") },        /* a SET out of order */
		{ false, SPAN("\x30\x80\x00\x00") },                        /* indefinite */
		{ false, SPAN("\x04\x81\x01\x61") },                        /* 81 01 for 01 */
		{ false, SPAN("\x30\x02\x04\x01") },
		{ false, SPAN("\x1f\x21\x00") },                            /* a tag of two octets */
	};
	struct span in = SPAN("\x30\x80\x24\x80\x04\x01\x61\x00\x00\x00\x00\x05\x00");
	struct der e;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = tight(rows[i].octets);

		if (der_valid(copy, 2) != rows[i].valid)
			fail_msg("row %zu", i);
		free((void *)(uintptr_t)copy.p);
	}
	assert_true(der_valid(SPAN("\x30\x04\x30\x02\x30\x00"), 3));
	assert_false(der_valid(SPAN("\x30\x04\x30\x02\x30\x00"), 2));
	assert_true(ber_next(&in, &e));
	assert_true(in.n == 2 && e.whole.n == 11 && e.inside.n == 7);
	for (size_t n = 0; n < e.whole.n; n++) {
		struct span copy = tight(span_of(e.whole.p, n)), rest = copy;
		struct der cut;

		assert_false(ber_next(&rest, &cut));
		free((void *)(uintptr_t)copy.p);
	}
	assert_false(ber_next(&(struct span){ "\x04\x80\x00\x00", 4 }, &e));       /* primitive and without end */
}

static struct seal *load_seal(const char *certificate, const char *key, struct buf *error)
{
	char *c = pki_path(certificate), *k = pki_path(key);
	struct seal *s = seal_load(c, k, error);

	free(c);
	free(k);
	return s;
}

static void test_seal(void **state)
{
	const usec at = clock_now() / 1000000 * 1000000;
	struct buf error = BUF_INIT, der = BUF_INIT;
	struct seal *seal = load_seal("seal.pem", "seal.key", &error);
	struct signer s;

	assert_non_null(seal);
	assert_true(seal_sign(seal, buf_span(&content), at, &der));
	assert_reason("seal", detached(buf_span(&der), buf_span(&content), "sha256", trust, at, &s), REASON_ACCEPTED);
	assert_string_equal(s.subject, "CN=KEP seal,O=KEPHS,C=TR");
	assert_null(s.identity);
	assert_true(s.signing_time == at);
	/* id-aa-signingCertificateV2, RFC 5035 section 3 */
	assert_non_null(memmem(der.p, der.n, "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f", 13));
	signer_release(&s);
	/* The time is the signer's claim: recorded, and refused for nothing. */
	for (int years = -10; years <= 10; years += 20) {
		usec claim = at + years * 365 * (usec)86400 * 1000000;

		buf_clear(&der);
		assert_true(seal_sign(seal, buf_span(&content), claim, &der));
		assert_reason("claim", detached(buf_span(&der), buf_span(&content), "sha256", trust, at, &s), REASON_ACCEPTED);
		assert_true(s.signing_time == claim);
		signer_release(&s);
	}
	seal_free(seal);
	seal_free(NULL);
	buf_release(&error);
	buf_release(&der);
}

static void test_seal_errors(void **state)
{
	static const struct { const char *certificate, *key, *word; } rows[] = {
		{ "missing.pem", "seal.key", "No such file" }, { "seal.pem", "missing.key", "No such file" },
		{ "seal.key", "seal.key", "no PEM certificate" }, { "seal.pem", "ca.pem", "chmod 600" },
		{ "seal.pem", "ca.key", "is not the key" },
	};
	struct buf error = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_null(load_seal(rows[i].certificate, rows[i].key, &error));
		assert_non_null(strstr(buf_str(&error), rows[i].word));
	}
	buf_release(&error);
}

/* Published objects: none of them may crash us, none may be accepted. */
static void try_all(const char *folder, usec at)
{
	char *path = shared_path(folder);
	struct buf der = BUF_INIT;
	struct dirent *e;
	size_t tried = 0;
	struct signer s;
	DIR *d;

	if (!path) {
		print_message("skipped: %s is not there (set KEP_SHARED)\n", folder);
		skip();
	}
	d = opendir(path);
	while ((e = readdir(d))) {
		char *file = mem_printf("%s/%s", path, e->d_name);
		struct stat st;

		if (stat(file, &st) == 0 && S_ISREG(st.st_mode) && read_file(file, &der)) {
			assert_int_not_equal(detached(buf_span(&der), buf_span(&content), "sha256", trust, at, &s), REASON_ACCEPTED);
			assert_int_not_equal(cms_verify_opaque(buf_span(&der), trust, at, NULL, &s), REASON_ACCEPTED);
			tried++;
		}
		free(file);
	}
	closedir(d);
	print_message("%s: %zu objects refused\n", folder, tried);
	buf_release(&der);
	free(path);
}

static void test_published_cms(void **state)
{
	try_all("corpora/openssl-cms/80-test_cms_data", (usec)1780272000 * 1000000);
}

static void test_published_seeds(void **state)
{
	try_all("corpora/openssl-fuzz-seeds/cms", (usec)1780272000 * 1000000);
}

static void test_published_rfc4134(void **state)
{
	static const struct { const char *file; enum reason detached, opaque; } rows[] = {
		{ "3.1.bin",  REASON_NOT_SIGNED_DATA,       REASON_NOT_SIGNED_DATA },
		{ "4.1.bin",  REASON_CONTENT_TWICE,         REASON_NO_SIGNED_ATTRIBUTES },
		{ "4.2.bin",  REASON_CONTENT_TWICE,         REASON_NO_SIGNED_ATTRIBUTES },
		{ "4.3.bin",  REASON_NO_SIGNED_ATTRIBUTES,  REASON_CONTENT_ABSENT },
		{ "4.4.bin",  REASON_COUNTERSIGNATURE,      REASON_COUNTERSIGNATURE },
		{ "4.5.bin",  REASON_CONTENT_TWICE,         REASON_NO_SIGNED_ATTRIBUTES },
		{ "4.6.bin",  REASON_TWO_SIGNERS,           REASON_TWO_SIGNERS },
		{ "4.7.bin",  REASON_CONTENT_TWICE,         REASON_NO_SIGNED_ATTRIBUTES },
		{ "4.10.bin", REASON_CONTENT_TWICE,         REASON_DIGEST_ALGORITHM },
		{ "4.11.bin", REASON_NO_SIGNER,             REASON_NO_SIGNER },
		{ "5.1.bin",  REASON_ENCRYPTED_CONTENT,     REASON_ENCRYPTED_CONTENT },
		{ "6.0.bin",  REASON_NOT_SIGNED_DATA,       REASON_NOT_SIGNED_DATA },
		{ "7.2.bin",  REASON_ENCRYPTED_CONTENT,     REASON_ENCRYPTED_CONTENT },
	};
	const usec at = (usec)1104537600 * 1000000;
	char *path = shared_path("corpora/rfc4134");
	struct buf der = BUF_INIT;
	struct signer s;

	free(path);
	try_all("corpora/rfc4134", at);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *name = mem_printf("corpora/rfc4134/%s", rows[i].file), *file = shared_path(name);

		assert_true(read_file(file, &der));
		assert_reason(name, detached(buf_span(&der), buf_span(&content), "sha256", trust, at, &s), rows[i].detached);
		assert_reason(name, cms_verify_opaque(buf_span(&der), trust, at, NULL, &s), rows[i].opaque);
		free(file);
		free(name);
	}
	buf_release(&der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_attributes_as_content),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_signer),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_outline),
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_seal_errors),
		cmocka_unit_test(test_published_cms),
		cmocka_unit_test(test_published_seeds),
		cmocka_unit_test(test_published_rfc4134),
	};
	int failed;

	pki_make(true);
	pki_more("pki_rsa.py");
	trust = pki_trust("trust");
	pki_read("samples/content", &content);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	trust_free(trust);
	buf_release(&content);
	return failed;
}
