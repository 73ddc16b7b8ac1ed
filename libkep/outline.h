/* outline.h - a CMS SignedData (RFC 5652 section 5) seen by its octets, before
 * any decoder.
 *
 * What a stranger sent is measured here first: everything that would let two
 * readers see two signatures is refused by its name, and every count is known
 * before anything is allocated.  Pure, and knows nothing of OpenSSL.
 *
 * Encoding: indefinite lengths are read around what was signed, because Thunderbird
 * and others stream their signatures so (BER); never in a certificate's own head,
 * and never in the signed attributes, which are DER to the last octet.
 */
#ifndef KEP_OUTLINE_H
#define KEP_OUTLINE_H

#include "libkep/buf.h"
#include "libkep/reason.h"

#define OUTLINE_CERTIFICATES      20
#define OUTLINE_ATTRIBUTES        20    /* signed; and as many unsigned */
#define OUTLINE_CERTIFICATE_SIZE  (64u << 10)
#define OUTLINE_SIZE              (64u << 20)

struct outline {
	struct span certificates[OUTLINE_CERTIFICATES]; /* whole, borrowed */
	size_t      n_certificates;
	struct span attributes;         /* the signed ones, without the head of their SET; empty: there are none */
	struct span revocations;        /* CRLs and the like, without the head of their SET, not looked at; empty: there are none */
	/* How rest is made. */
	struct span type, version, digests, content, signers;
};

/* REASON_ACCEPTED: *o is filled.  The first of:
 *   signature-der        not well-formed, or not of the shape of a SignedData
 *   encrypted-content, compressed-content, not-signed-data   a ContentInfo of another type
 *   signature-trailing   octets behind what should be the last thing, outside or inside
 *   signature-size       more certificates or attributes than the limits above, or a larger certificate
 *   no-signer, two-signers
 *   signature-version    a version that RFC 5652 section 5.1 or 5.3 does not give to what is there
 *   digest-algorithms    digestAlgorithms is not the one digest of the SignerInfo
 *   signature-algorithm  unknown, or names another digest than the SignerInfo's, or
 *                        parameters that pss.h refuses
 *   signed-attributes-der  they are not DER
 *   signed-attributes    one of them stands twice
 *   countersignature     an unsigned attribute is one: a second signer, whom nobody judges */
enum reason outline_read(struct outline *o, struct span der);

/* The same ContentInfo without certificates and revocation lists, of definite
 * lengths outside, for a decoder that then never sees either. */
void outline_rest(const struct outline *o, struct buf *rest);

#endif
