/* cms.h - CMS SignedData (RFC 5652): verifying a stranger's; seal.h makes our own.
 * The one door to openssl/cms.h.  Never PKCS7_*, never SMIME_read_CMS: OpenSSL
 * is asked about the small signature object only, the content is digested while
 * it streams by and compared here.
 */
#ifndef KEP_CMS_H
#define KEP_CMS_H

#include "libkep/base.h"
#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/digest.h"
#include "libkep/reason.h"
#include "libkep/signer.h"
#include "libkep/trust.h"
#include "libkep/tsp.h"

/* Verify a detached signature.
 *   der      the decoded smime.p7s, all of it (trailing octets are refused)
 *   digest   name of the digest that was made of the signed part ("sha256" ...)
 *   value    that digest, of n octets
 *   at       time at which chain and validity are judged
 * REASON_ACCEPTED: *out is filled (release it); any other reason: *out is empty.
 * Checked: all of outline.h, before OpenSSL sees an octet; eContentType id-data; no
 * eContent; signed attributes present, the ones that came to the last octet,
 * contentType and messageDigest with one value; digest algorithm allowed and the
 * one named; one certificate that the SignerInfo names; chain to the anchors at
 * security level 2; usable for mail; the person is whom the profile of trust
 * demands (signer.h); signature; messageDigest equal. */
enum reason cms_verify_detached(struct span der, const char *digest, const unsigned char *value, size_t n,
                                const struct trust *trust, usec at, struct signer *out);

/* Verify an opaque signature (RFC 8551 section 3.5.2); the same checks, with the
 * eContent inside.  The content is appended to *content when that is not NULL. */
enum reason cms_verify_opaque(struct span der, const struct trust *trust, usec at, struct buf *content, struct signer *out);

/* Verify a time-stamp token (RFC 3161 section 2.4.2): a SignedData over a TSTInfo,
 * by a certificate made for that alone, which the token must name.  The same checks
 * as above; the chain is judged at that time, or at genTime when at is 0.
 * certificates: DER, one behind the other, candidates for the chain beside those in
 * the token.  *out is filled once the TSTInfo was read, whatever is wrong behind it;
 * the imprint is the caller's to compare.  With REASON_ACCEPTED *chain (or NULL) gets
 * the certificates from signer to anchor, DER, appended, and *revocations are the
 * token's (borrowed from it).  For stamp.c. */
enum reason cms_verify_stamp(struct span token, struct span certificates, const struct trust *tsa, usec at, struct stamp *out,
                             struct buf *chain, struct span *revocations);

#endif
