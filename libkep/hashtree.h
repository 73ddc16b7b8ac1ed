/* hashtree.h - the hash trees of RFC 4998 section 4.2: every node is the digest of
 * its children, sorted as octets and put one behind the other.
 *
 * Ours are binary; where a level has an odd node, that node is its own father, so no
 * list of one hash is ever made.  The digest is one of digest.h.  Pure.
 */
#ifndef KEP_HASHTREE_H
#define KEP_HASHTREE_H

#include "libkep/buf.h"
#include "libkep/digest.h"

/* 0: no digest of that name. */
size_t hashtree_size(const char *digest);

/* The digest of hashes of `size` octets each, sorted; *list (whole hashes) is sorted
 * in place.  out has room for SHA512_SIZE. */
void hashtree_join(const char *digest, size_t size, struct buf *list, unsigned char *out);

struct hashtree;
struct hashtree *hashtree_new(const char *digest);
void hashtree_free(struct hashtree *t);
/* The next leaf, of hashtree_size() octets; not after the first question below. */
void hashtree_add(struct hashtree *t, const unsigned char *leaf);
size_t hashtree_count(const struct hashtree *t);
/* The root; of one leaf, that leaf.  There must be one.  Its size. */
size_t hashtree_root(struct hashtree *t, unsigned char *out);
/* Is this the leaf at that place? */
bool hashtree_has(const struct hashtree *t, size_t leaf, const unsigned char *hash);
/* Append what a leaf lacks on its way to the root: one hash a level, from below;
 * levels where it stands alone are left out. */
void hashtree_path(struct hashtree *t, size_t leaf, struct buf *siblings);

#endif
