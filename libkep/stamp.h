/* stamp.h - is this time-stamp token (RFC 3161, RFC 5816) genuine?
 *
 * A token is verified as CMS, never by OpenSSL's TS functions, which cannot read
 * the tokens of some qualified authorities: one signer, TSTInfo inside, signed
 * attributes, the signer's certificate named by signing-certificate or
 * signing-certificate-v2, its chain to an anchor good for time-stamping at
 * genTime, the signature; then what the TSTInfo says is compared.
 * No network, no clock. */
#ifndef KEP_STAMP_H
#define KEP_STAMP_H

#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/trust.h"
#include "libkep/tsp.h"

#define STAMP_TOKEN_SIZE (1u << 20)     /* larger ones are malformed */

enum stamp_verdict {
#define STAMP(name, wire, english) STAMP_##name,
#include "libkep/stamp.def"
#undef STAMP
	STAMP_VERDICTS
};

struct stamp_words {
	const char *wire;       /* "stamp-imprint" */
	const char *english;
};
/* Never NULL; v must be below STAMP_VERDICTS. */
const struct stamp_words *stamp_words(enum stamp_verdict v);

/* What a token shall say; what is left 0 is not compared. */
struct stamp_want {
	const char *digest;             /* of the imprint: "sha256" | "sha384" | "sha512" */
	struct span imprint;
	struct span data;               /* octets whose digest, by the token's own algorithm, is the imprint */
	struct span nonce;
	const char *policy;             /* dotted; "" is any, too */
	usec        earliest, latest;   /* of genTime */
	usec        at;                 /* when the chain is judged; 0: at genTime */
	struct span certificates;       /* DER, one behind the other: candidates for the way to the anchor, beside those in the token */
};

/* What is worth keeping for whoever verifies it again in twenty years; each DER,
 * one element behind the other (der_next() cuts them). */
struct stamp_kept {
	struct buf chain;               /* certificates, from the signer to the anchor */
	struct buf revocation;          /* what the token brought along: CertificateList (RFC 5280), or [1] other (RFC 5652 section 10.2.1) */
};
void stamp_kept_release(struct stamp_kept *k);

/* Judge a token against the anchors in tsa (trust_load(), or trust_stamps() of a
 * configured trust).  Revocation is looked at when tsa has CRLs (trust_rules).
 * *out is what the TSTInfo says whenever there is one (its digest is NULL
 * otherwise), but is to be believed only with STAMP_GOOD.
 * kept may be NULL; it is filled with STAMP_GOOD only (release it). */
enum stamp_verdict stamp_verify(struct span token, const struct stamp_want *want, const struct trust *tsa, struct stamp *out, struct stamp_kept *kept);

#endif
