/* der.h - the certificates of a SignedData (RFC 5652 section 5.1), found without
 * decoding them.
 *
 * Decoding a certificate is the dearest step of verifying a signature, because of
 * its public key, and the same few come again with every message of a sender.  So
 * they are cut out by their octets; those that are known need not be decoded.
 * Pure; knows tags and lengths only, and neither allocates nor recurses by what a
 * stranger chose.
 */
#ifndef KEP_DER_H
#define KEP_DER_H

#include "libkep/buf.h"

/* Cut the certificates out of a ContentInfo with SignedData.
 *   certificates  their octets, borrowed from der; at most limit are written
 *   n             how many there are, which may be more than limit
 *   rest          receives the ContentInfo without its field `certificates`
 * false: it is not of plain definite lengths all the way down to the certificates,
 * or they are not all X.509, or something stands where nothing should: nothing is
 * cut and nothing is judged; a full decoder has to look at all of der. */
bool der_cut_certificates(struct span der, struct span *certificates, size_t limit, size_t *n, struct buf *rest);

#endif
