/* cosigner.h - the witnesses we know (conf witness_keys), and what they signed:
 * cosignatures (C2SP tlog-cosignature, Ed25519) over our checkpoints. */
#ifndef KEP_COSIGNER_H
#define KEP_COSIGNER_H

#include "libkep/note.h"
#include "policyd/daemon.h"

#define COSIGNERS_MAX 16

struct cosigners {
	struct vkey keys[COSIGNERS_MAX];
	size_t      n;
};

/* Keys, blank-separated.  false: *error (key witness_keys) says which is wrong. */
bool cosigners_read(struct cosigners *c, const char *text, struct buf *error);

/* Keep (kep.cosignature_add) every good line of a key we know over the text of our
 * checkpoint of that size; others are passed over.  How many were good; 0: *why
 * says what there was instead.  *name (may be NULL) is the first one's name, borrowed
 * from c. */
size_t cosigners_keep(const struct cosigners *c, struct daemon *d, uint64_t size, const struct note *note, const char **name, struct buf *why);

#endif
