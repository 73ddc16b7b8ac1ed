#include "libkep/stamp.h"

#include "libkep/cms.h"
#include "libkep/der.h"
#include "libkep/digest.h"

static const struct stamp_words words[] = {
#define STAMP(name, wire, english) { wire, english },
#include "libkep/stamp.def"
#undef STAMP
};
_Static_assert(COUNT_OF(words) == STAMP_VERDICTS, "one row a verdict");

const struct stamp_words *stamp_words(enum stamp_verdict v)
{
	return &words[v];
}

void stamp_kept_release(struct stamp_kept *k)
{
	buf_release(&k->chain);
	buf_release(&k->revocation);
}

/* What cms.c says of any signature, said of a time-stamp. */
static enum stamp_verdict verdict_of(enum reason why)
{
	switch (why) {
	case REASON_ACCEPTED:
		return STAMP_GOOD;
	case REASON_DIGEST_ALGORITHM:
	case REASON_DIGEST_ALGORITHMS:
	case REASON_SIGNATURE_ALGORITHM:
	case REASON_SIGNER_WEAK:
		return STAMP_ALGORITHM;
	case REASON_CONTENT_ALTERED:
		return STAMP_ALTERED;
	case REASON_SIGNER_AMBIGUOUS:
	case REASON_SIGNER_CERTIFICATE:
		return STAMP_SIGNER;
	case REASON_SIGNER_UNTRUSTED:
	case REASON_SIGNER_CONSTRAINED:
		return STAMP_UNTRUSTED;
	case REASON_SIGNER_USAGE:
		return STAMP_USAGE;
	case REASON_SIGNER_EXPIRED:
		return STAMP_EXPIRED;
	case REASON_SIGNER_REVOKED:
		return STAMP_REVOKED;
	case REASON_REVOCATION_UNKNOWN:
		return STAMP_REVOCATION;
	case REASON_SIGNER_REFERENCE:
		return STAMP_REFERENCE;
	case REASON_SIGNATURE_WRONG:
		return STAMP_SIGNATURE;
	default:
		return STAMP_MALFORMED;
	}
}

static bool imprint_is_of(const struct stamp *s, struct span data)
{
	struct digest *d = digest_new(s->digest);
	unsigned char value[SHA512_SIZE];
	size_t n;

	digest_add(d, data);
	n = digest_finish(d, value);
	digest_free(d);
	return n == s->n && memcmp(value, s->imprint, n) == 0;
}

static bool nonce_is(const struct stamp *s, struct span nonce)
{
	while (nonce.n > 1 && nonce.p[0] == 0)
		nonce = span_of(nonce.p + 1, nonce.n - 1);
	return span_eq(nonce, span_of((const char *)s->nonce, s->n_nonce));
}

/* Does what was read say what it shall? */
static enum stamp_verdict compare(const struct stamp *s, const struct stamp_want *want)
{
	if ((want->digest && strcmp(want->digest, s->digest) != 0) ||
	    (want->imprint.p && !span_eq(want->imprint, span_of((const char *)s->imprint, s->n))) ||
	    (want->data.p && !imprint_is_of(s, want->data)))
		return STAMP_IMPRINT;
	if (want->nonce.n && !nonce_is(s, want->nonce))
		return STAMP_NONCE;
	if (want->policy && *want->policy && strcmp(want->policy, s->policy) != 0)
		return STAMP_POLICY;
	if ((want->earliest && s->time < want->earliest) || (want->latest && s->time > want->latest))
		return STAMP_TIME;
	return STAMP_GOOD;
}

enum stamp_verdict stamp_verify(struct span token, const struct stamp_want *want, const struct trust *tsa, struct stamp *out, struct stamp_kept *kept)
{
	struct stamp_kept found = { BUF_INIT, BUF_INIT };
	struct span revocations = SPAN_NONE;
	enum stamp_verdict of_signature = STAMP_MALFORMED, of_content = STAMP_GOOD, verdict;

	*out = (struct stamp){ .digest = NULL };
	if (token.n <= STAMP_TOKEN_SIZE)
		of_signature = verdict_of(cms_verify_stamp(token, want->certificates, tsa, want->at, out, &found.chain, &revocations));
	if (out->digest)
		of_content = compare(out, want);
	/* In the order of stamp.def: a swapped token is told as such, whoever signed it. */
	verdict = of_content == STAMP_GOOD || (of_signature != STAMP_GOOD && of_signature < of_content) ? of_signature : of_content;
	if (verdict == STAMP_GOOD && kept) {
		buf_add(&found.revocation, revocations);
		*kept = found;
		return verdict;
	}
	stamp_kept_release(&found);
	return verdict;
}
