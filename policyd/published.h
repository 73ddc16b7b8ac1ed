/* published.h - a checkpoint that has left the house, and whether a head of the
 * tree keeps what it promised.  Pure. */
#ifndef KEP_PUBLISHED_H
#define KEP_PUBLISHED_H

#include "libkep/checkpoint.h"
#include "libkep/tiles.h"

/* A head of the tree: so many leaves, that root. */
struct head {
	uint64_t           size;
	struct merkle_hash root;
};

static inline bool head_eq(const struct head *a, const struct head *b) { return a->size == b->size && merkle_eq(&a->root, &b->root); }

struct published {
	bool        known;              /* false: nothing was published yet; the head is that of the empty tree */
	struct head head;
	struct buf  note;               /* the signed note, as published */
};

/* Nothing is published. */
void published_clear(struct published *p);
void published_release(struct published *p);
/* Read a signed note: a checkpoint of this origin, signed by one of these keys.
 * false: *why says what it is instead; *p is as it was. */
bool published_read(struct published *p, struct span note, struct span origin, const struct vkey *keys, size_t n, struct buf *why);

enum published_judgement {
	PUBLISHED_KEPT,                 /* the leaves that were published are the first ones of this tree */
	PUBLISHED_LACKING,              /* tiles lack (tiles_lacking()): fetch them and ask again */
	PUBLISHED_BEHIND,               /* the tree has fewer leaves than were published */
	PUBLISHED_FORKED,               /* it has other leaves */
	PUBLISHED_WRONG_ROOT,           /* its tiles do not have the root it is said to have */
};
/* Is a tree with that head consistent with what was published?  With nothing
 * published, the root is made from the tiles and compared. */
enum published_judgement published_judge(const struct published *p, const struct head *now, struct tiles *tiles);

#endif
