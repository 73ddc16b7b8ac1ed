#include "libkep/chain.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <time.h>

#include "libkep/log.h"
#include "libkep/memo.h"
#include "libkep/ocsp.h"
#include "libkep/proven.h"

#define CRL_FLAGS (X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)

static enum reason reason_of(int error)
{
	switch (error) {
	case X509_V_OK:
		return REASON_ACCEPTED;
	case X509_V_ERR_OUT_OF_MEM:
		log_fatal("out of memory");
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
	case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
		return REASON_SIGNER_EXPIRED;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
	case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
		return REASON_SIGNER_WEAK;
	case X509_V_ERR_INVALID_PURPOSE:
		return REASON_SIGNER_USAGE;
	case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
	case X509_V_ERR_INVALID_EXTENSION:
		return REASON_SIGNER_CERTIFICATE;
	case X509_V_ERR_NO_EXPLICIT_POLICY:
	case X509_V_ERR_INVALID_POLICY_EXTENSION:
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
	case X509_V_ERR_SUBTREE_MINMAX:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
	case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		return REASON_SIGNER_CONSTRAINED;
	case X509_V_ERR_CERT_REVOKED:
		return REASON_SIGNER_REVOKED;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return REASON_REVOCATION_UNKNOWN;
	default:
		return REASON_SIGNER_UNTRUSTED;
	}
}

/* One question while it is being judged; the context's own data. */
struct question {
	const struct trust *trust;
	enum chain_use      use;
	usec                at;         /* the time of the CRLs */
	usec                stamped;    /* CHAIN_STAMP: the time of the stamp, 0 while the chain itself is judged */
	bool                responder;  /* the leaf is one: no OCSP response speaks of it */
	bool                asked;
	enum ocsp_word      word;       /* what the OCSP responses say of the leaf, once asked */
};

/* The chain of a CRL's own issuer is verified in a context below ours. */
static X509_STORE_CTX *top_of(X509_STORE_CTX *ctx)
{
	while (X509_STORE_CTX_get0_parent_ctx(ctx))
		ctx = X509_STORE_CTX_get0_parent_ctx(ctx);
	return ctx;
}

static enum ocsp_word ask(struct question *q, STACK_OF(X509) *chain)
{
	if (!q->asked && trust_rules(q->trust)->revocation && q->use == CHAIN_MAIL && !q->responder)
		q->word = ocsp_ask(trust_ocsp(q->trust), q->trust, chain, q->at);
	q->asked = true;
	return q->word;
}

/* Is this the signer's own certificate, and does OCSP vouch for it? */
static bool is_vouched_for(X509_STORE_CTX *ctx, struct question *q)
{
	return !X509_STORE_CTX_get0_parent_ctx(ctx) && X509_STORE_CTX_get_error_depth(ctx) == 0 &&
	    ask(q, X509_STORE_CTX_get0_chain(ctx)) == OCSP_GOOD;
}

/* A CRL past its nextUpdate serves until the grace is over; when one looks back, at
 * any time. */
static bool is_in_grace(X509_STORE_CTX *ctx, const struct question *q)
{
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
	time_t at = (time_t)(q->at / 1000000) - (time_t)(trust_rules(q->trust)->crl_grace / 1000000);

	return crl && X509_cmp_time(X509_CRL_get0_nextUpdate(crl), &at) == 1;
}

/* RFC 3161 section 4: stamps made before their authority was revoked stay good when
 * the CRL says why, and the key was not lost. */
static bool was_good(X509_STORE_CTX *ctx, const struct question *q)
{
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
	time_t stamped = (time_t)(q->stamped / 1000000);
	ASN1_ENUMERATED *reason;
	X509_REVOKED *entry;
	long number;

	if (!q->stamped || !crl || X509_CRL_get0_by_cert(crl, &entry, X509_STORE_CTX_get_current_cert(ctx)) != 1)
		return false;
	reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
	number = reason ? ASN1_ENUMERATED_get(reason) : -1;
	ASN1_ENUMERATED_free(reason);
	return (number == CRL_REASON_UNSPECIFIED || (number >= CRL_REASON_AFFILIATION_CHANGED && number <= CRL_REASON_CESSATION_OF_OPERATION)) &&
	    X509_cmp_time(X509_REVOKED_get0_revocationDate(entry), &stamped) == 1;
}

/* Did the certificate at hand become revoked only after that time?  OpenSSL does
 * not say by which list it knows: all of the issuer's are asked. */
static bool revoked_later(X509_STORE_CTX *ctx, time_t at)
{
	X509 *x = X509_STORE_CTX_get_current_cert(ctx);
	STACK_OF(X509_CRL) *lists = X509_STORE_CTX_get1_crls(ctx, X509_get_issuer_name(x));
	bool any = false, later = true;

	for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
		X509_REVOKED *entry = NULL;

		if (X509_CRL_get0_by_cert(sk_X509_CRL_value(lists, i), &entry, x) != 1 || !entry)
			continue;
		any = true;
		later = later && X509_cmp_time(X509_REVOKED_get0_revocationDate(entry), &at) == 1;
	}
	sk_X509_CRL_pop_free(lists, X509_CRL_free);
	return any && later;
}

static bool is_forgiven(X509_STORE_CTX *ctx, struct question *q)
{
	bool past = trust_rules(q->trust)->past;

	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return past || is_in_grace(ctx, q) || is_vouched_for(ctx, q);
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return past;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return past || q->stamped || is_vouched_for(ctx, q);
	case X509_V_ERR_CERT_REVOKED:
		return past ? revoked_later(ctx, (time_t)(q->at / 1000000)) : was_good(ctx, q);
	case X509_V_ERR_CERT_HAS_EXPIRED:       /* it was judged as of the stamp's time */
		return q->stamped != 0;
	default:
		return false;
	}
}

static int forgive(int ok, X509_STORE_CTX *ctx)
{
	if (ok || !is_forgiven(ctx, X509_STORE_CTX_get_app_data(top_of(ctx))))
		return ok;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* -- CRLs that were proved ----------------------------------------------------- */

static X509_STORE_CTX_check_crl_fn by_openssl;

/* The certificate above the one whose CRL is at hand; the anchor stands above itself. */
static X509 *above(X509_STORE_CTX *ctx)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx), last = sk_X509_num(chain) - 1;

	return sk_X509_value(chain, depth < last ? depth + 1 : last);
}

/* In the place of OpenSSL's own: who issued the CRL, whether it is current, and is
 * well signed. */
static int check_crl(X509_STORE_CTX *ctx, X509_CRL *crl)
{
	const struct question *q = X509_STORE_CTX_get_app_data(top_of(ctx));
	X509 *x = X509_STORE_CTX_get_current_cert(ctx), *ca = above(ctx);
	bool plain = ca && x && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(x)) == 0;
	int good;

	if (plain && proven_knows(trust_proven(q->trust), crl, ca, q->at))
		return 1;
	good = by_openssl(ctx, crl);
	if (good && plain && X509_STORE_CTX_get_error(ctx) == X509_V_OK)
		proven_keep(trust_proven(q->trust), crl, ca);
	return good;
}

static void find_openssl(void)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!store || !ctx || X509_STORE_CTX_init(ctx, store, NULL, NULL) != 1 || !(by_openssl = X509_STORE_CTX_get_check_crl(ctx)))
		log_fatal("OpenSSL cannot start to verify a chain");
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
}

void chain_prepare(X509_STORE *store)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (pthread_once(&once, find_openssl) != 0)
		log_fatal("pthread_once failed");
	X509_STORE_set_check_crl(store, check_crl);
}

/* -- verifying ------------------------------------------------------------------ */

/* Time and purpose are set in the context's own parameters: the store is shared
 * by threads and never changed. */
static X509_STORE_CTX *begin(struct question *q, X509 *leaf, STACK_OF(X509) *others, usec at)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || !X509_STORE_CTX_init(ctx, trust_store(q->trust), leaf, others) || !X509_STORE_CTX_set_app_data(ctx, q))
		log_fatal("OpenSSL cannot start to verify a chain");
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(at / 1000000));
	X509_STORE_CTX_set_verify_cb(ctx, forgive);
	return ctx;
}

static void set_use(X509_STORE_CTX *ctx, const struct question *q)
{
	static const int purposes[] = { [CHAIN_MAIL] = X509_PURPOSE_SMIME_SIGN, [CHAIN_STAMP] = X509_PURPOSE_TIMESTAMP_SIGN };

	if (q->use == CHAIN_MAIL && trust_profile(q->trust)->kind == PROFILE_PKIX)
		return;
	if (!X509_STORE_CTX_set_purpose(ctx, purposes[q->use]))
		log_fatal("OpenSSL cannot start to verify a chain");
}

static enum reason verify(X509_STORE_CTX *ctx)
{
	bool verified = X509_verify_cert(ctx) == 1;
	enum reason why = reason_of(X509_STORE_CTX_get_error(ctx));

	ERR_clear_error();
	/* A refusal that names no error must not look like a yes, nor the reverse. */
	if (!verified && why == REASON_ACCEPTED)
		return REASON_SIGNER_UNTRUSTED;
	return verified ? REASON_ACCEPTED : why;
}

/* Is this a key whose exponent FIPS 186-5 allows (odd, above 2^16), or no RSA?  OpenSSL
 * takes any: with 1 everybody can sign. */
static bool has_sound_exponent(const X509 *x)
{
	const EVP_PKEY *key = X509_get0_pubkey(x);
	int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
	BIGNUM *e = NULL;
	bool sound;

	if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_RSA_PSS)
		return true;
	sound = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) && BN_num_bits(e) > 16;
	BN_free(e);
	return sound;
}

/* The anchor's key is the operator's own choice. */
static bool has_sound_exponents(STACK_OF(X509) *chain)
{
	for (int i = 0; i < sk_X509_num(chain) - 1; i++)
		if (!has_sound_exponent(sk_X509_value(chain, i)))
			return false;
	return true;
}

/* Verify and free the context. */
static enum reason finish(X509_STORE_CTX *ctx, STACK_OF(X509) **chain)
{
	const struct question *q = X509_STORE_CTX_get_app_data(ctx);
	enum reason why = verify(ctx);

	if (why == REASON_ACCEPTED && trust_profile(q->trust)->kind != PROFILE_PKIX && !has_sound_exponents(X509_STORE_CTX_get0_chain(ctx)))
		why = REASON_SIGNER_WEAK;

	*chain = why == REASON_ACCEPTED ? X509_STORE_CTX_get1_chain(ctx) : NULL;
	if (why == REASON_ACCEPTED && !*chain)
		log_fatal("out of memory");
	X509_STORE_CTX_free(ctx);
	return why;
}

static enum reason verify_with_crls(struct question *q, X509 *leaf, STACK_OF(X509) *others, usec at, STACK_OF(X509) **chain)
{
	X509_STORE_CTX *ctx = begin(q, leaf, others, at);

	set_use(ctx, q);
	return finish(ctx, chain);
}

/* OpenSSL asks for CRLs before it looks at signatures and policies. */
static enum reason verify_without_crls(struct question *q, X509 *leaf, STACK_OF(X509) *others, usec at, STACK_OF(X509) **chain)
{
	X509_STORE_CTX *ctx = begin(q, leaf, others, at);

	set_use(ctx, q);
	X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(ctx), CRL_FLAGS);
	return finish(ctx, chain);
}

static void drop(STACK_OF(X509) **chain)
{
	sk_X509_pop_free(*chain, X509_free);
	*chain = NULL;
}

static enum reason build_looked_up(struct question *q, X509 *leaf, STACK_OF(X509) *others, STACK_OF(X509) **chain)
{
	enum reason why = verify_with_crls(q, leaf, others, q->at, chain), otherwise;
	STACK_OF(X509) *bare;

	if (why == REASON_ACCEPTED && ask(q, *chain) == OCSP_REVOKED) {
		drop(chain);
		return REASON_SIGNER_REVOKED;
	}
	if (why != REASON_REVOCATION_UNKNOWN && why != REASON_SIGNER_REVOKED)
		return why;
	otherwise = verify_without_crls(q, leaf, others, q->at, &bare);
	if (otherwise == REASON_ACCEPTED && ask(q, bare) == OCSP_REVOKED)
		why = REASON_SIGNER_REVOKED;
	drop(&bare);
	return otherwise == REASON_ACCEPTED ? why : otherwise;
}

/* Is one of a stamp's chain revoked by now? */
static enum reason look_up_stamp(struct question *q, X509 *leaf, STACK_OF(X509) *others, usec at)
{
	STACK_OF(X509) *chain;
	enum reason why;

	q->stamped = at;
	why = verify_with_crls(q, leaf, others, q->at, &chain);
	drop(&chain);
	return why;
}

static enum reason build(struct question *q, X509 *leaf, STACK_OF(X509) *others, usec at, STACK_OF(X509) **chain)
{
	if (q->use == CHAIN_STAMP && !trust_rules(q->trust)->past)
		return verify_without_crls(q, leaf, others, at, chain);
	return build_looked_up(q, leaf, others, chain);
}

enum reason chain_judge(const struct trust *trust, X509 *leaf, STACK_OF(X509) *others, enum chain_use use, usec at, usec now, STACK_OF(X509) **chain)
{
	bool past = trust_rules(trust)->past;
	struct question q = { .trust = trust, .use = use, .at = past ? at : now };
	enum reason why = REASON_ACCEPTED;
	unsigned char key[SHA256_SIZE];
	bool keeps = !past && memo_key(key, use, trust_profile(trust)->kind, leaf, others);

	if (!keeps || !(*chain = memo_recall(trust_memo(trust), key, at)))
		why = build(&q, leaf, others, at, chain);
	if (keeps && why == REASON_ACCEPTED)
		memo_keep(trust_memo(trust), key, *chain, others, at);
	if (why == REASON_ACCEPTED && use == CHAIN_STAMP && trust_rules(trust)->revocation && !past)
		why = look_up_stamp(&q, leaf, others, at);
	if (why != REASON_ACCEPTED)
		drop(chain);
	return why;
}

bool chain_trusted(const struct trust *trust, X509 *ca, usec at)
{
	struct question q = { .trust = trust, .at = at };
	X509_STORE_CTX *ctx = begin(&q, ca, NULL, at);
	STACK_OF(X509) *chain;
	bool trusted;

	X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(ctx), CRL_FLAGS);
	trusted = finish(ctx, &chain) == REASON_ACCEPTED;
	drop(&chain);
	return trusted;
}

/* -- responders ------------------------------------------------------------------ */

static bool is_made_for_ocsp(X509 *x)
{
	uint32_t flags = X509_get_extension_flags(x);

	return flags & EXFLAG_XKUSAGE && X509_get_extended_key_usage(x) & XKU_OCSP_SIGN &&
	    (!(flags & EXFLAG_KUSAGE) || X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION));
}

bool chain_responder(const struct trust *trust, X509 *responder, STACK_OF(X509) *chain, usec at)
{
	struct question q = { .trust = trust, .at = at, .responder = true };
	X509_STORE_CTX *ctx;
	STACK_OF(X509) *own;
	bool good;

	if (!is_made_for_ocsp(responder))
		return false;
	ctx = begin(&q, responder, chain, at);
	if (X509_get_ext_by_NID(responder, NID_id_pkix_OCSP_noCheck, -1) >= 0)
		X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(ctx), CRL_FLAGS);
	good = finish(ctx, &own) == REASON_ACCEPTED && sk_X509_num(own) > 1 && X509_cmp(sk_X509_value(own, 1), sk_X509_value(chain, 1)) == 0;
	drop(&own);
	return good;
}
