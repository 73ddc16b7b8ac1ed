/* crate.h - files written into a new folder, and a manifest of all of them. */
#ifndef KEP_CRATE_H
#define KEP_CRATE_H

#include "libkep/buf.h"

struct crate;
/* Make the folder; one that is there must be empty.  NULL: *error says why. */
struct crate *crate_open(const char *folder, struct buf *error);
/* Write a file, once; folders of its path are made.  false: *error. */
bool crate_add(struct crate *c, const char *path, struct span octets, struct buf *error);
size_t crate_count(const struct crate *c);
uint64_t crate_size(const struct crate *c);     /* octets of all */
/* MANIFEST.sha256, as sha256sum(1) checks it: the folder is complete.  false: *error. */
bool crate_seal(struct crate *c, struct buf *error);
void crate_free(struct crate *c);               /* NULL is fine; files stay */

#endif
