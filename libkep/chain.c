#include "libkep/chain.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "libkep/log.h"
#include "libkep/memo.h"

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

static bool is_forgiven(X509_STORE_CTX *ctx, const struct trust_rules *rules, time_t at)
{
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
	time_t grace = at - (time_t)(rules->crl_grace / 1000000);

	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return rules->past || (crl && X509_cmp_time(X509_CRL_get0_nextUpdate(crl), &grace) == 1);
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return rules->past;
	case X509_V_ERR_CERT_REVOKED:
		return rules->past && revoked_later(ctx, at);
	default:
		return false;
	}
}

/* A CRL past its nextUpdate serves until the grace is over; when one looks back, at
 * any time.  The chain of a CRL's own issuer is verified in a context below ours. */
static int forgive(int ok, X509_STORE_CTX *ctx)
{
	X509_STORE_CTX *top = ctx;

	if (ok)
		return ok;
	while (X509_STORE_CTX_get0_parent_ctx(top))
		top = X509_STORE_CTX_get0_parent_ctx(top);
	if (!is_forgiven(ctx, X509_STORE_CTX_get_app_data(top), X509_VERIFY_PARAM_get_time(X509_STORE_CTX_get0_param(top))))
		return 0;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* Time and purpose are set in the context's own parameters: the store is shared
 * by threads and never changed. */
static X509_STORE_CTX *begin(const struct trust *trust, X509 *leaf, STACK_OF(X509) *others, usec at)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || !X509_STORE_CTX_init(ctx, trust_store(trust), leaf, others) ||
	    !X509_STORE_CTX_set_app_data(ctx, (void *)(uintptr_t)trust_rules(trust)))
		log_fatal("OpenSSL cannot start to verify a chain");
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(at / 1000000));
	X509_STORE_CTX_set_verify_cb(ctx, forgive);
	return ctx;
}

static void set_use(X509_STORE_CTX *ctx, const struct trust *trust, enum chain_use use)
{
	static const int purposes[] = { [CHAIN_MAIL] = X509_PURPOSE_SMIME_SIGN, [CHAIN_STAMP] = X509_PURPOSE_TIMESTAMP_SIGN };

	if (use == CHAIN_MAIL && trust_profile(trust)->kind == PROFILE_PKIX)
		return;
	if (!X509_STORE_CTX_set_purpose(ctx, purposes[use]))
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

/* OpenSSL asks for CRLs before it looks at signatures and policies. */
static enum reason verify_without_crls(const struct trust *trust, X509 *leaf, STACK_OF(X509) *others, enum chain_use use, usec at)
{
	X509_STORE_CTX *ctx = begin(trust, leaf, others, at);
	enum reason why;

	set_use(ctx, trust, use);
	X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(ctx), CRL_FLAGS);
	why = verify(ctx);
	X509_STORE_CTX_free(ctx);
	return why;
}

static enum reason build(const struct trust *trust, X509 *leaf, STACK_OF(X509) *others, enum chain_use use, usec at, STACK_OF(X509) **chain)
{
	X509_STORE_CTX *ctx = begin(trust, leaf, others, at);
	enum reason why, otherwise;

	set_use(ctx, trust, use);
	why = verify(ctx);
	*chain = why == REASON_ACCEPTED ? X509_STORE_CTX_get1_chain(ctx) : NULL;
	if (why == REASON_ACCEPTED && !*chain)
		log_fatal("out of memory");
	X509_STORE_CTX_free(ctx);
	if (why != REASON_REVOCATION_UNKNOWN && why != REASON_SIGNER_REVOKED)
		return why;
	otherwise = verify_without_crls(trust, leaf, others, use, at);
	return otherwise == REASON_ACCEPTED ? why : otherwise;
}

enum reason chain_judge(const struct trust *trust, X509 *leaf, STACK_OF(X509) *others, enum chain_use use, usec at, STACK_OF(X509) **chain)
{
	unsigned char key[SHA256_SIZE];
	bool keeps = !trust_rules(trust)->revocation && memo_key(key, use, trust_profile(trust)->kind, leaf, others);
	enum reason why;

	if (keeps && (*chain = memo_recall(trust_memo(trust), key, at)))
		return REASON_ACCEPTED;
	why = build(trust, leaf, others, use, at, chain);
	if (keeps && why == REASON_ACCEPTED)
		memo_keep(trust_memo(trust), key, *chain);
	return why;
}

bool chain_trusted(const struct trust *trust, X509 *ca, usec at)
{
	X509_STORE_CTX *ctx = begin(trust, ca, NULL, at);
	enum reason why;

	X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(ctx), CRL_FLAGS);
	why = verify(ctx);
	X509_STORE_CTX_free(ctx);
	return why == REASON_ACCEPTED;
}
