/* key.h - a private key: in a PEM file, or in a PKCS#11 module by its URI
 * (pkcs11.h).  Two steps, because a file may be for root alone, and a module is
 * nothing that shall run as root: key_open() before privileges are given up,
 * key_ready() after. */
#ifndef KEP_KEY_H
#define KEP_KEY_H

#include "libkep/buf.h"

struct evp_pkey_st;
struct key;

/* Read the file; of a URI the words, and the file of its PIN.  NULL: *error names it
 * and how to mend it (also: readable by group or others). */
struct key *key_open(const char *where, struct buf *error);
/* Is it in a module?  Then whoever signs needs files and sockets as long as it lives. */
bool key_is_remote(const struct key *k);
/* Load the module, log in, find the key; nothing for a file.  false: *error. */
bool key_ready(struct key *k, struct buf *error);
void key_free(struct key *k);

/* Does it belong to this public key?  One in a module proves it with a signature. */
bool key_belongs(const struct key *k, struct evp_pkey_st *public);
/* The public key of an Ed25519 key.  false: it is another key, or the module does
 * not tell. */
bool key_ed25519(const struct key *k, unsigned char out[32]);
/* Append the signature over octets: RSA (PKCS#1 v1.5) or ECDSA (DER) with SHA-256, or
 * Ed25519.  false: it could not be made. */
bool key_sign(const struct key *k, struct span octets, struct buf *signature);

#endif
