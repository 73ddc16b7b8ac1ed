#include "libkep/seal.h"

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libkep/der.h"
#include "libkep/digest.h"
#include "libkep/key.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/outline.h"

static void *made(void *p)
{
	if (!p)
		log_fatal("out of memory");
	return p;
}

struct seal {
	X509           *certificate;
	STACK_OF(X509) *chain;
	struct key     *key;
};

void seal_free(struct seal *s)
{
	if (!s)
		return;
	X509_free(s->certificate);
	sk_X509_pop_free(s->chain, X509_free);
	key_free(s->key);
	free(s);
}

static bool complain(struct buf *error, const char *file, const char *what)
{
	ERR_clear_error();
	buf_clear(error);
	buf_addf(error, "%s: %s", file, what);
	return false;
}

static bool load_certificates(struct seal *s, const char *file, struct buf *error)
{
	FILE *f = fopen(file, "re");
	X509 *x;

	if (!f)
		return complain(error, file, strerror(errno));
	s->certificate = PEM_read_X509(f, NULL, NULL, NULL);
	s->chain = made(sk_X509_new_null());
	while (s->certificate && (x = PEM_read_X509(f, NULL, NULL, NULL)))
		if (!sk_X509_push(s->chain, x))
			log_fatal("out of memory");
	fclose(f);
	ERR_clear_error();
	return s->certificate || complain(error, file, "holds no PEM certificate; put the seal certificate first, its chain behind it");
}

/* A key in a module is there only later: seal_ready(). */
static bool key_fits(const struct seal *s, const char *key, struct buf *error)
{
	EVP_PKEY *public = X509_get0_pubkey(s->certificate);
	bool fits = public && key_belongs(s->key, public);

	ERR_clear_error();
	return fits || complain(error, key, "is not the key of the first certificate of the seal; name the two that belong together");
}

struct seal *seal_load(const char *certificate, const char *key, struct buf *error)
{
	struct seal *s = mem_new(sizeof *s);
	bool ok = load_certificates(s, certificate, error) && (s->key = key_open(key, error)) != NULL;

	if (ok && !key_is_remote(s->key))
		ok = key_fits(s, key, error);
	if (ok)
		return s;
	seal_free(s);
	return NULL;
}

bool seal_is_remote(const struct seal *s)
{
	return key_is_remote(s->key);
}

bool seal_ready(struct seal *s, const char *key, struct buf *error)
{
	return key_ready(s->key, error) && (!key_is_remote(s->key) || key_fits(s, key, error));
}

static bool add_signing_time(CMS_SignerInfo *info, usec at)
{
	ASN1_TIME *t = made(ASN1_TIME_set(NULL, (time_t)(at / 1000000)));
	int ok = CMS_signed_add1_attr_by_NID(info, NID_pkcs9_signingTime, t->type, t, -1);

	ASN1_TIME_free(t);
	return ok == 1;
}

static bool add_digest(CMS_SignerInfo *info, struct span content)
{
	unsigned char value[SHA256_SIZE];

	digest_sha256(value, content);
	return CMS_signed_add1_attr_by_NID(info, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING, value, sizeof value) == 1;
}

static bool add_type(CMS_SignerInfo *info)
{
	return CMS_signed_add1_attr_by_NID(info, NID_pkcs9_contentType, V_ASN1_OBJECT, OBJ_nid2obj(NID_pkcs7_data), -1) == 1;
}

static bool set_algorithm(const struct seal *s, CMS_SignerInfo *info)
{
	bool rsa = EVP_PKEY_is_a(X509_get0_pubkey(s->certificate), "RSA");
	X509_ALGOR *algorithm;

	CMS_SignerInfo_get0_algs(info, NULL, NULL, NULL, &algorithm);
	return X509_ALGOR_set0(algorithm, OBJ_nid2obj(rsa ? NID_rsaEncryption : NID_ecdsa_with_SHA256), rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL) == 1;
}

static int compare_spans(const void *a, const void *b)
{
	const struct buf *x = a, *y = b;
	int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* What is signed: the attributes as a SET OF in DER (RFC 5652 section 5.4). */
static void write_attributes(CMS_SignerInfo *info, struct buf *out)
{
	struct buf parts[OUTLINE_ATTRIBUTES] = { BUF_INIT };
	size_t n = 0, size = 0;

	for (int i = 0; i < CMS_signed_get_attr_count(info) && n < OUTLINE_ATTRIBUTES; i++) {
		unsigned char *der = NULL;
		int length = i2d_X509_ATTRIBUTE(CMS_signed_get_attr(info, i), &der);

		if (length <= 0)
			log_fatal("out of memory");
		buf_add(&parts[n], span_of((const char *)der, (size_t)length));
		size += parts[n++].n;
		OPENSSL_free(der);
	}
	qsort(parts, n, sizeof parts[0], compare_spans);
	der_add_head(out, DER_SET, size);
	for (size_t i = 0; i < n; i++) {
		buf_add(out, buf_span(&parts[i]));
		buf_release(&parts[i]);
	}
}

/* By our own hand, so that the key may be one that only signs (key.h). */
static bool sign_attributes(const struct seal *s, CMS_SignerInfo *info)
{
	struct buf attributes = BUF_INIT, signature = BUF_INIT;
	bool ok;

	write_attributes(info, &attributes);
	ok = key_sign(s->key, buf_span(&attributes), &signature) &&
	    ASN1_OCTET_STRING_set(CMS_SignerInfo_get0_signature(info), (const unsigned char *)signature.p, (int)signature.n) == 1;
	buf_release(&attributes);
	buf_release(&signature);
	return ok;
}

/* CMS_CADES adds signing-certificate-v2. */
static CMS_ContentInfo *sign(const struct seal *s, struct span content, usec at)
{
	unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_NOSMIMECAP | CMS_CADES | CMS_PARTIAL;
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, s->chain, NULL, flags);
	CMS_SignerInfo *info = cms ? CMS_add1_signer(cms, s->certificate, X509_get0_pubkey(s->certificate), EVP_sha256(), flags) : NULL;

	if (info && add_signing_time(info, at) && add_digest(info, content) && add_type(info) && set_algorithm(s, info) && sign_attributes(s, info))
		return cms;
	CMS_ContentInfo_free(cms);
	return NULL;
}

bool seal_sign(const struct seal *s, struct span content, usec at, struct buf *der)
{
	CMS_ContentInfo *cms = sign(s, content, at);
	unsigned char *out = NULL;
	int n = cms ? i2d_CMS_ContentInfo(cms, &out) : -1;

	if (n > 0)
		buf_add(der, span_of((const char *)out, (size_t)n));
	OPENSSL_free(out);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return n > 0;
}
