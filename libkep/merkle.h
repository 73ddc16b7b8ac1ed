/* merkle.h - the Merkle tree of RFC 6962 over SHA-256: hashes, proofs, and how
 * both are made from tiles (C2SP tlog-tiles, height 8).
 *
 * A leaf's hash is SHA-256(0x00 || octets), a node's SHA-256(0x01 || left || right),
 * the root of the empty tree SHA-256 of nothing.  The hash of level k, index i
 * covers the leaves [i*2^k, (i+1)*2^k).  Tile (level l, number n) holds the hashes
 * of level 8*l from index 256*n on, at most 256.  Sizes and indices are below 2^63.
 *
 * All of it is pure and may be used by many threads.
 */
#ifndef KEP_MERKLE_H
#define KEP_MERKLE_H

#include "libkep/buf.h"
#include "libkep/digest.h"

#define MERKLE_SIZE       SHA256_SIZE
#define MERKLE_TILE       256           /* hashes in a full tile */
#define MERKLE_HEIGHT     8             /* levels between tile levels */
#define MERKLE_SIZE_MAX   INT64_MAX     /* leaves of a tree */
#define MERKLE_PROOF_MAX  64            /* hashes of any proof in a tree of that size */
#define MERKLE_LEVEL_MAX  7             /* level of the highest tile such a tree has */

struct merkle_hash {
	unsigned char o[MERKLE_SIZE];
};

/* A proof of inclusion or of consistency: from the leaves upwards. */
struct merkle_proof {
	size_t             n;
	struct merkle_hash path[MERKLE_PROOF_MAX];
};

static inline bool merkle_eq(const struct merkle_hash *a, const struct merkle_hash *b) { return memcmp(a->o, b->o, MERKLE_SIZE) == 0; }
void merkle_empty(struct merkle_hash *out);
void merkle_leaf(struct merkle_hash *out, struct span octets);
/* out may be left or right. */
void merkle_node(struct merkle_hash *out, const struct merkle_hash *left, const struct merkle_hash *right);

/* As text: exactly 44 characters of base64; a decimal number of at most
 * MERKLE_SIZE_MAX without leading zeros. */
bool merkle_parse_hash(struct span text, struct merkle_hash *out);
void merkle_write_hash(struct buf *out, const struct merkle_hash *h);
bool merkle_parse_number(struct span text, uint64_t *out);

/* -- verification (RFC 9162 section 2.1.3.2, 2.1.4.2).  Any number is accepted as
 * an argument; what makes no sense is false.  A proof has exactly the hashes it needs. */

/* The leaf of that index is in the tree of that size and root. */
bool merkle_included(uint64_t index, uint64_t size, const struct merkle_hash *leaf, const struct merkle_proof *proof,
                     const struct merkle_hash *root);
/* The first size1 leaves of the one are those of the other.  Equal sizes: equal roots
 * and no proof.  Nothing is consistent with the empty tree: ask merkle_empty() yourself. */
bool merkle_consistent(uint64_t size1, const struct merkle_hash *root1, uint64_t size2, const struct merkle_hash *root2,
                       const struct merkle_proof *proof);

/* The same of a subtree [start, end): start is a multiple of the smallest power of
 * two that is not below end - start (draft-ietf-plants-merkle-tree-certs). */
bool merkle_subtree_included(uint64_t index, uint64_t start, uint64_t end, const struct merkle_hash *leaf,
                             const struct merkle_proof *proof, const struct merkle_hash *root);
/* [start, end) with that hash is a part of the tree.  An empty subtree (start equal
 * to end) has the hash of the empty tree and no proof. */
bool merkle_subtree_consistent(uint64_t start, uint64_t end, const struct merkle_hash *hash, uint64_t size,
                               const struct merkle_hash *root, const struct merkle_proof *proof);

/* -- from tiles */

/* Where tiles come from.  read() gives at least the first `width` hashes of a tile
 * (width * MERKLE_SIZE octets, more is cut off), borrowed until it is called again;
 * anything shorter means "not to be had".  What is asked for depends on sizes and
 * indices only, never on hashes; after a tile that is not to be had the rest is
 * asked for all the same, so that a source learns of all it lacks (see tiles.h). */
struct merkle_source {
	struct span (*read)(void *arg, unsigned level, uint64_t number, unsigned width);
	void         *arg;
};

/* How many hashes tile (level, number) has in a tree of that size; 0: there is no such tile. */
unsigned merkle_width(unsigned level, uint64_t number, uint64_t size);

/* false: a tile is not to be had, or index or sizes are out of range; then *out is of no use. */
bool merkle_root(const struct merkle_source *from, uint64_t size, struct merkle_hash *out);
bool merkle_prove_inclusion(const struct merkle_source *from, uint64_t index, uint64_t size, struct merkle_proof *out);
/* *proof is that of index - 1 in the tree of that size, and becomes that of index: what
 * both have in common is not made again, so that all leaves in order cost little. */
bool merkle_prove_next(const struct merkle_source *from, uint64_t index, uint64_t size, struct merkle_proof *proof);
/* 0 < size1 <= size2. */
bool merkle_prove_consistency(const struct merkle_source *from, uint64_t size1, uint64_t size2, struct merkle_proof *out);

/* -- a compact range: the root of leaves that stream by, and their tiles */

struct merkle_range {
	uint64_t           size;
	struct merkle_hash peak[64];    /* of level k where bit k of size is set */
};

/* A hash of level 8*level, as soon as its leaves are complete: hash `index` % 256 of
 * tile (level, index / 256).  In order within a level; the leaf (level 0) comes first. */
typedef void merkle_emit(void *arg, unsigned level, uint64_t index, const struct merkle_hash *hash);

void merkle_range_init(struct merkle_range *r);
/* Begin behind the first `size` leaves of a tree.  false: a tile is not to be had. */
bool merkle_range_load(struct merkle_range *r, const struct merkle_source *from, uint64_t size);
/* The next leaf; emit may be NULL. */
void merkle_range_add(struct merkle_range *r, const struct merkle_hash *leaf, merkle_emit *emit, void *arg);
void merkle_range_root(const struct merkle_range *r, struct merkle_hash *out);

#endif
