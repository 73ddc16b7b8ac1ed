/* notary.h - keys of tests that sign notes: made from a seed, so that the same
 * octets come out each time. */
#ifndef KEP_TESTS_NOTARY_H
#define KEP_TESTS_NOTARY_H

#include <openssl/evp.h>
#include <stdlib.h>

#include "libkep/note.h"

struct notary {
	unsigned char seed[32];
	struct vkey   vkey;
};

static inline EVP_PKEY *notary_key(const struct notary *n)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, n->seed, sizeof n->seed);

	if (!key)
		abort();
	return key;
}

static inline struct notary notary_seeded(const char *name, enum vkey_type type, const unsigned char seed[32])
{
	unsigned char public[ED25519_KEY];
	size_t size = sizeof public;
	struct notary n;
	EVP_PKEY *key;

	memcpy(n.seed, seed, sizeof n.seed);
	key = notary_key(&n);
	if (EVP_PKEY_get_raw_public_key(key, public, &size) != 1 || !vkey_make(&n.vkey, span_str(name), type, public))
		abort();
	EVP_PKEY_free(key);
	return n;
}

static inline struct notary notary_make(const char *name, enum vkey_type type, unsigned char number)
{
	unsigned char seed[32] = { number };

	return notary_seeded(name, type, seed);
}

static inline void notary_octets(const struct notary *n, struct span octets, unsigned char out[ED25519_SIGNATURE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key = notary_key(n);
	size_t size = ED25519_SIGNATURE;

	if (!ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(ctx, out, &size, (const unsigned char *)octets.p, octets.n) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

/* Append a signature line over text; time counts for cosignatures only. */
static inline void notary_sign(const struct notary *n, struct span text, uint64_t time, struct buf *note)
{
	unsigned char octets[8 + ED25519_SIGNATURE];
	struct buf cosigned = BUF_INIT;

	if (n->vkey.type == VKEY_ED25519) {
		notary_octets(n, text, octets);
		note_sign(note, &n->vkey, span_of((const char *)octets, ED25519_SIGNATURE));
		return;
	}
	for (int i = 0; i < 8; i++)
		octets[i] = (unsigned char)(time >> (56 - 8 * i));
	note_cosigned(&cosigned, time, text);
	notary_octets(n, buf_span(&cosigned), octets + 8);
	note_sign(note, &n->vkey, span_of((const char *)octets, sizeof octets));
	buf_release(&cosigned);
}

#endif
