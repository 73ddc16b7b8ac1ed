/* notekey.h - the private key that signs the ledger's checkpoints: Ed25519 (RFC
 * 8032) in a PEM file (PKCS#8) or a PKCS#11 module (pkcs11.h).  Verifying is note.h's.
 *
 * The key of a ledger is for that ledger alone: the seal's key signs other things.
 */
#ifndef KEP_NOTEKEY_H
#define KEP_NOTEKEY_H

#include "libkep/note.h"

struct notekey;

/* NULL: *error names the file and how to mend it (no Ed25519 key, passphrase,
 * readable by group or others). */
struct notekey *notekey_load(const char *file, struct buf *error);
/* Make a key in a new file of mode 0600.  An existing file is left alone: a key
 * that has signed checkpoints cannot be made again.  NULL: *error. */
struct notekey *notekey_make(const char *file, struct buf *error);
void notekey_free(struct notekey *k);
/* Is it in a PKCS#11 module (file is a pkcs11: URI)?  Then it is only there once
 * notekey_ready() has loaded the module and logged in; a token that signs otherwise
 * than its public key says is refused.  For a file there is nothing left to do. */
bool notekey_is_remote(const struct notekey *k);
bool notekey_ready(struct notekey *k, struct buf *error);

void notekey_public(const struct notekey *k, unsigned char out[ED25519_KEY]);
/* Pure Ed25519 over content.  false: the library could not. */
bool notekey_sign(const struct notekey *k, struct span content, unsigned char out[ED25519_SIGNATURE]);

#endif
