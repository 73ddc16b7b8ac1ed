/* audit.h - the findings of kepctl fsck: for each thing looked at (audit.def) how
 * many there were, how many are wrong, and the first of those by its index. */
#ifndef KEP_AUDIT_H
#define KEP_AUDIT_H

#include "libkep/buf.h"
#include "libkep/jdoc.h"

enum audit_check {
#define AUDIT(name, wire, well) AUDIT_##name,
#include "kepctl/audit.def"
#undef AUDIT
	AUDIT_CHECKS
};

struct audit_row {
	uint64_t   seen, bad;
	uint64_t   first;       /* smallest index of a leaf that is wrong; where bad */
	struct buf words;       /* about that one */
	struct buf skipped;     /* why it was not looked at; empty: it was */
	struct buf note;        /* what else is to be said of it */
};
#define AUDIT_LEAVES 1024

struct audit {
	struct audit_row row[AUDIT_CHECKS];
	uint64_t         leaves[AUDIT_LEAVES];  /* the first ones that are wrong themselves, in order */
	size_t           n_leaves;
};

/* It is wrong, from the leaf of that index on.  The words are printf's. */
void audit_fault(struct audit *a, enum audit_check c, uint64_t index, const char *fmt, ...) PRINTF(4, 5);
/* The same of one leaf, which is exactly the one; leaves come in order. */
void audit_leaf(struct audit *a, enum audit_check c, uint64_t index, const char *fmt, ...) PRINTF(4, 5);
/* Something that many leaves add up to is wrong: the first leaf from that one on
 * that is known to be, below the end; or from itself. */
uint64_t audit_near(const struct audit *a, uint64_t from, uint64_t end);
/* It was not looked at. */
void audit_skip(struct audit *a, enum audit_check c, const char *why);
bool audit_well(const struct audit *a);         /* nothing is wrong */
bool audit_whole(const struct audit *a);        /* and all of it was looked at */
/* The smallest index of all that is wrong. */
uint64_t audit_first(const struct audit *a);
/* A line each on standard output, and one more for what is wrong. */
void audit_print(const struct audit *a);
/* "checks": an array of objects; and "first_bad" where something is. */
void audit_json(const struct audit *a, jdoc *d);
void audit_release(struct audit *a);

#endif
