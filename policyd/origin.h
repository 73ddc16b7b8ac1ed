/* origin.h - name and keys of our ledger, as kep.conf gives them. */
#ifndef KEP_ORIGIN_H
#define KEP_ORIGIN_H

#include "libkep/conf.h"
#include "libkep/note.h"

#define ORIGIN_OLD_KEYS_MAX 15

struct origin {
	struct buf  name;                               /* conf ledger_origin, or what stands for it */
	struct vkey keys[1 + ORIGIN_OLD_KEYS_MAX];      /* the one that signs, then conf ledger_old_keys */
	size_t      n;
};

/* Are name, interval and old keys in order?  false: *error names the key of kep.conf. */
bool origin_fits(const struct conf *conf, struct buf *error);
/* conf must fit. */
void origin_init(struct origin *o, const struct conf *conf, const unsigned char public[ED25519_KEY]);
void origin_release(struct origin *o);

#endif
