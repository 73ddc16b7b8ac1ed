/* seal.h - the provider's seal (RFC 5652, ETSI EN 319 122-1): detached CMS signatures
 * over receipts and checkpoints.  For the signer child alone. */
#ifndef KEP_SEAL_H
#define KEP_SEAL_H

#include "libkep/buf.h"
#include "libkep/clock.h"

/* Certificate, chain, private key. */
struct seal;
/* NULL: *error names the file and how to mend it (also: key readable by group or
 * others, key does not fit the certificate). */
struct seal *seal_load(const char *certificate, const char *key, struct buf *error);
void seal_free(struct seal *s);
/* Is the key in a PKCS#11 module (key is a pkcs11: URI)?  It is only there, and compared
 * with the certificate, once seal_ready() has loaded the module and logged in.
 * For a file there is nothing left to do.  false: *error. */
bool seal_is_remote(const struct seal *s);
bool seal_ready(struct seal *s, const char *key, struct buf *error);
/* A detached CAdES-B signature (SHA-256; contentType, messageDigest, signing-time,
 * ESS signing-certificate-v2 of RFC 5035) over content; DER appended to *der. */
bool seal_sign(const struct seal *s, struct span content, usec at, struct buf *der);

#endif
