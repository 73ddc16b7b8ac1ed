/* pkcs11.h - one private key that lies in a PKCS#11 module (an HSM, a card,
 * SoftHSM), named by a URI (RFC 7512); the one door to p11-kit/pkcs11.h, of which
 * only the header is needed.
 *
 *	pkcs11:token=KEP;object=seal?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/kep/pin
 *
 * Understood: token, manufacturer, model, serial, object, id, type (private), and
 * module-path, pin-source, pin-value.  Without module-path it is p11-kit-proxy.so,
 * which knows all modules that are registered with p11-kit.  OpenSSL's engines and
 * providers have no part in it: those of the day know no Ed25519, or are not there. */
#ifndef KEP_PKCS11_H
#define KEP_PKCS11_H

#include "libkep/buf.h"

struct pkcs11;

enum pkcs11_kind { PKCS11_RSA, PKCS11_EC, PKCS11_ED25519 };

bool pkcs11_is_uri(const char *where);
/* Read the URI and the file of the PIN, as whoever may read it; no module is touched.
 * NULL: *error says how to mend it.  The PIN stands in no error. */
struct pkcs11 *pkcs11_parse(const char *uri, struct buf *error);
/* Load the module, log in, find the key: exactly one.  false: *error. */
bool pkcs11_open(struct pkcs11 *k, struct buf *error);
void pkcs11_free(struct pkcs11 *k);

/* Of an open one. */
enum pkcs11_kind pkcs11_kind(const struct pkcs11 *k);
/* Append what the module makes of it: of a DigestInfo (RSA, PKCS#1 v1.5), of a digest
 * (EC: r and s, the same octets each), of the content itself (Ed25519).  A token
 * that has lost the session is opened once more.  false: it could not. */
bool pkcs11_sign(struct pkcs11 *k, struct span in, struct buf *out);
/* Append the point of the public key that belongs to an EC or Ed25519 key, as the
 * token has it.  false: there is none. */
bool pkcs11_point(struct pkcs11 *k, struct buf *out);

#endif
