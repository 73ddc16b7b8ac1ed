/* memo.h - chains that were found good, so that the same signer need not be led up
 * to the same anchor again and again: two public-key operations and more.
 *
 * A chain is kept under the digest of all that decided it but for the time, and
 * serves for the span of time in which nothing begins or ends to count that the
 * answer hangs on: every certificate that was offered, and every moment named with
 * memo_divide(), such as those of the CRLs.  Within it the same question has the
 * same answer.  Only what is good is kept, so a stranger without a good signature
 * writes nothing here; the size is fixed.  Thread-safe but for memo_divide(). */
#ifndef KEP_MEMO_H
#define KEP_MEMO_H

#include "libkep/clock.h"
#include "libkep/digest.h"

struct memo;
struct asn1_string_st;
struct x509_st;
struct stack_st_X509;

struct memo *memo_new(void);
void memo_free(struct memo *m);
/* At this time (NULL: none), and `later` than it, another answer may come: no chain
 * serves across it.  Before m is shared. */
void memo_divide(struct memo *m, const struct asn1_string_st *time, usec later);
/* The key of a question: numbers that decide, the leaf, the others in their order
 * (NULL: none).  false: OpenSSL could not tell; there is no key. */
bool memo_key(unsigned char key[SHA256_SIZE], unsigned use, unsigned kind, struct x509_st *leaf, struct stack_st_X509 *others);
/* The chain found good under this key, if that is so at that time (the caller frees
 * it); NULL: build it. */
struct stack_st_X509 *memo_recall(struct memo *m, const unsigned char key[SHA256_SIZE], usec at);
/* A chain found good at that time, with the help of others.  It drives out the one
 * that was in its place. */
void memo_keep(struct memo *m, const unsigned char key[SHA256_SIZE], struct stack_st_X509 *chain, struct stack_st_X509 *others, usec at);

#endif
