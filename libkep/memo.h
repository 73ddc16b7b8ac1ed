/* memo.h - chains that were found good, so that the same signer need not be led up
 * to the same anchor again and again: two public-key operations and more.
 *
 * A chain is kept under the digest of all that decided it but for the time, and
 * serves while every certificate in it is valid.  Only what is good is kept, so a
 * stranger without a good signature writes nothing here; the size is fixed.  What
 * may change while the trust lives, such as revocation, must be asked each time:
 * chain.c keeps no chain where CRLs are looked at.  Thread-safe. */
#ifndef KEP_MEMO_H
#define KEP_MEMO_H

#include "libkep/clock.h"
#include "libkep/digest.h"

struct memo;
struct x509_st;
struct stack_st_X509;

struct memo *memo_new(void);
void memo_free(struct memo *m);
/* The key of a question: numbers that decide, the leaf, the others in their order
 * (NULL: none).  false: OpenSSL could not tell; there is no key. */
bool memo_key(unsigned char key[SHA256_SIZE], unsigned use, unsigned kind, struct x509_st *leaf, struct stack_st_X509 *others);
/* The chain found good under this key, if all of it is valid at that time (the
 * caller frees it); NULL: build it. */
struct stack_st_X509 *memo_recall(struct memo *m, const unsigned char key[SHA256_SIZE], usec at);
/* It drives out the one that was in its place. */
void memo_keep(struct memo *m, const unsigned char key[SHA256_SIZE], struct stack_st_X509 *chain);

#endif
