#include "libkep/cms.h"

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libkep/chain.h"
#include "libkep/der.h"
#include "libkep/ess.h"
#include "libkep/key.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/outline.h"

#define STAMP_LIMIT 4                         /* time-stamps looked at */
#define STAMP_AHEAD ((usec)300 * 1000000)     /* their clocks against ours */

static void *made(void *p)
{
	if (!p)
		log_fatal("out of memory");
	return p;
}

/* Everything that is known while one signature is judged; all borrowed from cms
 * but for certificates and chain. */
struct judgement {
	int                      type;          /* of the content, as NID */
	CMS_ContentInfo         *cms;
	CMS_SignerInfo          *info;
	struct span              cut[OUTLINE_CERTIFICATES];     /* octets of the certificates */
	size_t                   n_cut;
	struct span              attributes;    /* octets of the signed attributes */
	struct span              revocations;   /* the stranger's, for keeping only */
	STACK_OF(X509)          *certificates;
	STACK_OF(X509)          *chain;         /* from leaf to anchor, once it was found good */
	X509                    *leaf;
	const char              *digest;
	const ASN1_OCTET_STRING *content;       /* NULL: detached */
	const ASN1_OCTET_STRING *message_digest;
};

/* -- structure ---------------------------------------------------------------- */

static enum reason decode(struct judgement *j, struct span der)
{
	const unsigned char *p = (const unsigned char *)der.p, *end = p + der.n;

	if (!(j->cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.n)))
		return REASON_SIGNATURE_DER;
	return p == end ? REASON_ACCEPTED : REASON_SIGNATURE_TRAILING;
}

/* The certificates, decoded, in the order of cut. */
static enum reason collect_certificates(struct judgement *j, const struct trust *trust)
{
	X509 *x;

	j->certificates = made(sk_X509_new_null());
	for (size_t i = 0; i < j->n_cut; i++) {
		if (!(x = trust_certificate(trust, j->cut[i])))
			return REASON_SIGNATURE_DER;
		if (!sk_X509_push(j->certificates, x))
			log_fatal("out of memory");
	}
	return REASON_ACCEPTED;
}

/* OpenSSL decodes what the outline leaves: certificates may be known already, and
 * a stranger's revocation lists are nobody's business. */
static enum reason parse(struct judgement *j, struct span der, const struct trust *trust)
{
	struct buf rest = BUF_INIT;
	struct outline o;
	enum reason why = outline_read(&o, der);

	if (why != REASON_ACCEPTED)
		return why;
	memcpy(j->cut, o.certificates, sizeof j->cut);
	j->n_cut = o.n_certificates;
	j->attributes = o.attributes;
	j->revocations = o.revocations;
	outline_rest(&o, &rest);
	why = decode(j, buf_span(&rest));
	if (why == REASON_ACCEPTED)
		why = collect_certificates(j, trust);
	buf_release(&rest);
	return why;
}

static enum reason check_shape(struct judgement *j, bool detached)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(j->cms);
	ASN1_OCTET_STRING **content = CMS_get0_content(j->cms);

	if (sk_CMS_SignerInfo_num(infos) < 1)
		return REASON_NO_SIGNER;
	if (sk_CMS_SignerInfo_num(infos) > 1)
		return REASON_TWO_SIGNERS;
	j->info = sk_CMS_SignerInfo_value(infos, 0);
	if (OBJ_obj2nid(CMS_get0_eContentType(j->cms)) != j->type)
		return REASON_CONTENT_TYPE;
	j->content = content ? *content : NULL;
	if (detached && j->content)
		return REASON_CONTENT_TWICE;
	return detached || j->content ? REASON_ACCEPTED : REASON_CONTENT_ABSENT;
}

/* The only value of the only attribute of a kind; NULL: not so. */
static const ASN1_TYPE *only_value(const CMS_SignerInfo *info, int nid)
{
	int at = CMS_signed_get_attr_by_NID(info, nid, -1);
	X509_ATTRIBUTE *a = at < 0 ? NULL : CMS_signed_get_attr(info, at);

	if (!a || CMS_signed_get_attr_by_NID(info, nid, at) >= 0 || X509_ATTRIBUTE_count(a) != 1)
		return NULL;
	return X509_ATTRIBUTE_get0_type(a, 0);
}

/* What OpenSSL will digest again are the octets that came, and nothing it read
 * from them in another way. */
static bool attributes_same(const struct judgement *j)
{
	struct span left = j->attributes;
	bool same = true;

	for (int i = 0; same && i < CMS_signed_get_attr_count(j->info); i++) {
		unsigned char *der = NULL;
		int n = i2d_X509_ATTRIBUTE(CMS_signed_get_attr(j->info, i), &der);

		same = n > 0 && (size_t)n <= left.n && memcmp(left.p, der, (size_t)n) == 0;
		if (same)
			left = span_of(left.p + n, left.n - (size_t)n);
		OPENSSL_free(der);
	}
	return same && left.n == 0;
}

/* RFC 5652 sections 5.3, 11.1, 11.2.  Without signed attributes, octets that were
 * signed as attributes could be offered as a content. */
static enum reason check_attributes(struct judgement *j)
{
	const ASN1_TYPE *type, *digest;

	if (CMS_signed_get_attr_count(j->info) <= 0)
		return REASON_NO_SIGNED_ATTRIBUTES;
	if (!attributes_same(j))
		return REASON_SIGNED_ATTRIBUTES_DER;
	type = only_value(j->info, NID_pkcs9_contentType);
	digest = only_value(j->info, NID_pkcs9_messageDigest);
	if (!type || type->type != V_ASN1_OBJECT || !digest || digest->type != V_ASN1_OCTET_STRING)
		return REASON_SIGNED_ATTRIBUTES;
	if (OBJ_obj2nid(type->value.object) != j->type)
		return REASON_CONTENT_TYPE;
	j->message_digest = digest->value.octet_string;
	return REASON_ACCEPTED;
}

static enum reason check_digest_algorithm(struct judgement *j, const char *named, const struct trust *trust)
{
	static const struct { int nid; const char *name; } allowed[] = {
		{ NID_sha256, "sha256" }, { NID_sha384, "sha384" }, { NID_sha512, "sha512" }, { NID_sha1, "sha1" },
	};
	size_t n = COUNT_OF(allowed) - (trust_profile(trust)->kind == PROFILE_PKIX ? 0 : 1);
	const ASN1_OBJECT *oid;
	X509_ALGOR *algorithm;

	CMS_SignerInfo_get0_algs(j->info, NULL, NULL, &algorithm, NULL);
	X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
	for (size_t i = 0; i < n; i++)
		if (OBJ_obj2nid(oid) == allowed[i].nid)
			j->digest = allowed[i].name;
	if (!j->digest)
		return REASON_DIGEST_ALGORITHM;
	return !named || strcmp(named, j->digest) == 0 ? REASON_ACCEPTED : REASON_MICALG;
}

/* -- signer ------------------------------------------------------------------- */

/* Another certificate that the SignerInfo names as well as the leaf?  The same one
 * twice is harmless. */
static bool is_ambiguous(const struct judgement *j)
{
	for (int i = 0; i < sk_X509_num(j->certificates); i++) {
		X509 *x = sk_X509_value(j->certificates, i);

		if (CMS_SignerInfo_cert_cmp(j->info, x) == 0 && X509_cmp(x, j->leaf) != 0)
			return true;
	}
	return false;
}

static enum reason find_leaf(struct judgement *j)
{
	EVP_PKEY *key = NULL;

	if (CMS_set1_signers_certs(j->cms, j->certificates, 0) != 1)
		return REASON_SIGNER_CERTIFICATE;
	CMS_SignerInfo_get0_algs(j->info, &key, &j->leaf, NULL, NULL);
	if (!j->leaf || !key)
		return REASON_SIGNER_CERTIFICATE;
	return is_ambiguous(j) ? REASON_SIGNER_AMBIGUOUS : REASON_ACCEPTED;
}

/* What X509_PURPOSE_SMIME_SIGN lets pass: a certificate that says nothing about
 * its use, or that speaks of mail only in the old Netscape extension. */
static enum reason check_usage(const struct judgement *j, const struct trust *trust)
{
	uint32_t flags = X509_get_extension_flags(j->leaf);
	uint32_t usage = X509_get_key_usage(j->leaf), extended = X509_get_extended_key_usage(j->leaf);

	if (trust_profile(trust)->kind == PROFILE_PKIX)
		return REASON_ACCEPTED;
	if (flags & EXFLAG_XKUSAGE && !(extended & XKU_SMIME))
		return REASON_SIGNER_USAGE;
	if (flags & EXFLAG_KUSAGE && !(usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return REASON_SIGNER_USAGE;
	return flags & (EXFLAG_XKUSAGE | EXFLAG_KUSAGE) ? REASON_ACCEPTED : REASON_SIGNER_USAGE;
}

/* -- the whole ---------------------------------------------------------------- */

/* Trust comes before mathematics: no key that a stranger made up is ever used. */
static enum reason judge(struct judgement *j, struct span der, const char *digest, const struct trust *trust, usec at)
{
	enum reason why;

	if ((why = parse(j, der, trust)) != REASON_ACCEPTED ||
	    (why = check_shape(j, digest != NULL)) != REASON_ACCEPTED ||
	    (why = check_attributes(j)) != REASON_ACCEPTED ||
	    (why = check_digest_algorithm(j, digest, trust)) != REASON_ACCEPTED ||
	    (why = find_leaf(j)) != REASON_ACCEPTED ||
	    (why = chain_judge(trust, j->leaf, j->certificates, CHAIN_MAIL, at, at, &j->chain)) != REASON_ACCEPTED ||
	    (why = check_usage(j, trust)) != REASON_ACCEPTED)
		return why;
	/* The signature of this one SignerInfo over its attributes, and nothing more:
	 * CMS_verify() would also set up a digest for every algorithm a stranger cares
	 * to list (thousands fit), and look at certificates and content as it likes. */
	return CMS_SignerInfo_verify(j->info) == 1 ? REASON_ACCEPTED : REASON_SIGNATURE_WRONG;
}

static struct span octets_of(const ASN1_STRING *s)
{
	return span_of((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static bool is_message_digest(const struct judgement *j, const unsigned char *value, size_t n)
{
	return span_eq(octets_of(j->message_digest), span_of((const char *)value, n)) && n > 0;
}

static usec signing_time(const CMS_SignerInfo *info)
{
	const ASN1_TYPE *v = only_value(info, NID_pkcs9_signingTime);
	struct tm tm;

	if (!v || (v->type != V_ASN1_UTCTIME && v->type != V_ASN1_GENERALIZEDTIME))
		return 0;
	return ASN1_TIME_to_tm(v->value.utctime, &tm) ? (usec)timegm(&tm) * 1000000 : 0;
}

/* Only what led from a good signature to an anchor is worth knowing, so strangers
 * cannot drive out what is known. */
static void remember(const struct judgement *j, const struct trust *trust)
{
	for (size_t i = 0; i < j->n_cut; i++) {
		X509 *x = sk_X509_value(j->certificates, (int)i);

		for (int k = 0; k < sk_X509_num(j->chain); k++)
			if (X509_cmp(sk_X509_value(j->chain, k), x) == 0)       /* a remembered chain has its own copies */
				trust_remember(trust, j->cut[i], x);
	}
}

static void judgement_release(struct judgement *j)
{
	sk_X509_pop_free(j->chain, X509_free);
	sk_X509_pop_free(j->certificates, X509_free);
	CMS_ContentInfo_free(j->cms);
	ERR_clear_error();
}

static bool content_fits(const struct judgement *j, struct span content)
{
	struct digest *d = digest_new(j->digest);
	unsigned char value[SHA512_SIZE];
	size_t n;

	digest_add(d, content);
	n = digest_finish(d, value);
	digest_free(d);
	return is_message_digest(j, value, n);
}

/* -- CAdES -------------------------------------------------------------------- */

/* The octets of an attribute that is a SEQUENCE; empty: there is none.  false: it
 * is there, and not so. */
static bool sequence_of(const CMS_SignerInfo *info, int nid, struct span *out)
{
	const ASN1_TYPE *v = only_value(info, nid);

	*out = SPAN_NONE;
	if (CMS_signed_get_attr_by_NID(info, nid, -1) < 0)
		return true;
	if (!v || v->type != V_ASN1_SEQUENCE)
		return false;
	*out = octets_of(v->value.sequence);
	return true;
}

static bool has_reference(const struct judgement *j)
{
	return CMS_signed_get_attr_by_NID(j->info, NID_id_smime_aa_signingCertificate, -1) >= 0 ||
	    CMS_signed_get_attr_by_NID(j->info, NID_id_smime_aa_signingCertificateV2, -1) >= 0;
}

static enum reason check_reference(const struct judgement *j, bool *strong)
{
	struct span v1, v2;

	*strong = false;
	if (!sequence_of(j->info, NID_id_smime_aa_signingCertificate, &v1) || !sequence_of(j->info, NID_id_smime_aa_signingCertificateV2, &v2))
		return REASON_SIGNER_REFERENCE;
	return ess_check(v1, v2, j->chain, strong);
}

static bool imprint_fits(const struct stamp *s, struct span octets)
{
	struct digest *d = digest_new(s->digest);
	unsigned char value[SHA512_SIZE];
	size_t n;

	digest_add(d, octets);
	n = digest_finish(d, value);
	digest_free(d);
	return n == s->n && memcmp(value, s->imprint, n) == 0;
}

/* The certificates of *more behind those of the token. */
static enum reason add_candidates(struct judgement *j, struct span more, const struct trust *tsa)
{
	struct der e;
	X509 *x;

	for (size_t i = 0; more.n && i < OUTLINE_CERTIFICATES; i++) {
		if (!der_next(&more, &e) || !(x = trust_certificate(tsa, e.whole)))
			return REASON_SIGNATURE_DER;
		if (!sk_X509_push(j->certificates, x))
			log_fatal("out of memory");
	}
	return REASON_ACCEPTED;
}

static enum reason check_stamp_reference(const struct judgement *j)
{
	bool strong;

	return has_reference(j) ? check_reference(j, &strong) : REASON_SIGNER_REFERENCE;
}

/* RFC 3161 section 2.4.2: a SignedData over a TSTInfo, by a certificate made for
 * that alone, which the token must name.  at 0: the chain at genTime; now 0: its CRLs
 * as of the same time. */
static enum reason judge_stamp(struct judgement *j, struct span token, struct span more, const struct trust *tsa, usec at, usec now,
                               struct stamp *s)
{
	enum reason why;

	if ((why = parse(j, token, tsa)) != REASON_ACCEPTED ||
	    (why = check_shape(j, false)) != REASON_ACCEPTED)
		return why;
	if (!tsp_read(octets_of(j->content), s))
		return REASON_CONTENT_TYPE;
	at = at ? at : s->time;
	if ((why = check_attributes(j)) != REASON_ACCEPTED ||
	    (why = check_digest_algorithm(j, NULL, tsa)) != REASON_ACCEPTED ||
	    (why = content_fits(j, octets_of(j->content)) ? REASON_ACCEPTED : REASON_CONTENT_ALTERED) != REASON_ACCEPTED ||
	    (why = add_candidates(j, more, tsa)) != REASON_ACCEPTED ||
	    (why = find_leaf(j)) != REASON_ACCEPTED ||
	    (why = chain_judge(tsa, j->leaf, j->certificates, CHAIN_STAMP, at, now ? now : at, &j->chain)) != REASON_ACCEPTED ||
	    (why = check_stamp_reference(j)) != REASON_ACCEPTED)
		return why;
	return CMS_SignerInfo_verify(j->info) == 1 ? REASON_ACCEPTED : REASON_SIGNATURE_WRONG;
}

static usec stamp_time(const ASN1_TYPE *token, struct span octets, const struct trust *trust, usec at, enum reason *why)
{
	struct judgement j = { .type = NID_id_smime_ct_TSTInfo };
	struct stamp s = { .digest = NULL };
	bool good;

	*why = token->type == V_ASN1_SEQUENCE ?
	    judge_stamp(&j, octets_of(token->value.sequence), SPAN_NONE, trust_stamps(trust), 0, at, &s) : REASON_TIME_STAMP;
	good = *why == REASON_ACCEPTED && imprint_fits(&s, octets);

	judgement_release(&j);
	return good && s.time <= at + STAMP_AHEAD ? s.time : 0;
}

/* The time of the first good time-stamp over the signature; 0: there is none.
 * *why: what is wrong then. */
static usec find_stamp(const struct judgement *j, const struct trust *trust, usec at, enum reason *why)
{
	int i = CMS_unsigned_get_attr_by_NID(j->info, NID_id_smime_aa_timeStampToken, -1);
	X509_ATTRIBUTE *a = i < 0 ? NULL : CMS_unsigned_get_attr(j->info, i);
	enum reason of_chain = REASON_ACCEPTED;
	usec time = 0;

	for (int k = 0; a && trust_stamps(trust) && !time && k < X509_ATTRIBUTE_count(a) && k < STAMP_LIMIT; k++)
		time = stamp_time(X509_ATTRIBUTE_get0_type(a, k), octets_of(CMS_SignerInfo_get0_signature(j->info)), trust, at, &of_chain);
	if (a)
		*why = of_chain == REASON_REVOCATION_UNKNOWN ? of_chain : REASON_TIME_STAMP;
	return time;
}

/* What the signature is of CAdES, and whether that is enough.  SHA-1 references
 * count for nothing, and are refused by the Turkish profile. */
static enum reason read_cades(const struct judgement *j, const struct trust *trust, usec at, struct signer *out)
{
	const struct profile *p = trust_profile(trust);
	bool strong;
	enum reason why = check_reference(j, &strong), below = REASON_CADES_MISSING;

	if (why != REASON_ACCEPTED)
		return why;
	if (p->kind == PROFILE_NES && !strong && has_reference(j))
		return REASON_SIGNER_REFERENCE_WEAK;
	if (strong && out->signing_time) {
		out->stamp_time = find_stamp(j, trust, at, &below);
		out->cades = out->stamp_time ? CADES_T : CADES_B;
	}
	return out->cades >= p->cades ? REASON_ACCEPTED : below;
}

/* The person behind a good signature, who must be what the profile demands. */
static enum reason describe(const struct judgement *j, const struct trust *trust, usec at, struct signer *out)
{
	enum reason why = signer_read(out, j->leaf);

	if (why == REASON_ACCEPTED)
		why = signer_qualifies(out, j->leaf, trust_profile(trust));
	if (why == REASON_ACCEPTED) {
		out->signing_time = signing_time(j->info);
		why = read_cades(j, trust, at, out);
	}
	if (why == REASON_ACCEPTED) {
		out->digest = mem_str(j->digest);
		remember(j, trust);
	} else {
		signer_release(out);
	}
	return why;
}

/* -- the three doors ---------------------------------------------------------- */

enum reason cms_verify_detached(struct span der, const char *digest, const unsigned char *value, size_t n,
                                const struct trust *trust, usec at, struct signer *out)
{
	struct judgement j = { .type = NID_pkcs7_data };
	enum reason why = judge(&j, der, digest, trust, at);

	memset(out, 0, sizeof *out);
	if (why == REASON_ACCEPTED && !is_message_digest(&j, value, n))
		why = REASON_CONTENT_ALTERED;
	if (why == REASON_ACCEPTED)
		why = describe(&j, trust, at, out);
	judgement_release(&j);
	return why;
}

enum reason cms_verify_opaque(struct span der, const struct trust *trust, usec at, struct buf *content, struct signer *out)
{
	struct judgement j = { .type = NID_pkcs7_data };
	enum reason why = judge(&j, der, NULL, trust, at);
	struct span inner = SPAN_NONE;

	memset(out, 0, sizeof *out);
	if (why == REASON_ACCEPTED)
		inner = octets_of(j.content);
	if (why == REASON_ACCEPTED && !content_fits(&j, inner))
		why = REASON_CONTENT_ALTERED;
	if (why == REASON_ACCEPTED)
		why = describe(&j, trust, at, out);
	if (why == REASON_ACCEPTED && content)
		buf_add(content, inner);
	judgement_release(&j);
	return why;
}

static void add_chain(const struct judgement *j, struct buf *out)
{
	for (int i = 0; i < sk_X509_num(j->chain); i++) {
		unsigned char *der = NULL;
		int n = i2d_X509(sk_X509_value(j->chain, i), &der);

		if (n <= 0)
			log_fatal("out of memory");
		buf_add(out, span_of((const char *)der, (size_t)n));
		OPENSSL_free(der);
	}
}

enum reason cms_verify_stamp(struct span token, struct span certificates, const struct trust *tsa, usec at, struct stamp *out,
                             struct buf *chain, struct span *revocations)
{
	struct judgement j = { .type = NID_id_smime_ct_TSTInfo };
	enum reason why;

	*out = (struct stamp){ .digest = NULL };
	why = judge_stamp(&j, token, certificates, tsa, at, 0, out);
	*revocations = why == REASON_ACCEPTED ? j.revocations : SPAN_NONE;
	if (why == REASON_ACCEPTED && chain)
		add_chain(&j, chain);
	judgement_release(&j);
	return why;
}
