/* crown.h - the archive time-stamps of the database, each with its token and the tree
 * over the leaves of its volumes; read once. */
#ifndef KEP_CROWN_H
#define KEP_CROWN_H

#include "kepctl/ctl.h"
#include "libkep/clock.h"
#include "libkep/hashtree.h"

struct crown {
	int64_t          stamp;
	const char      *digest;        /* of the tree */
	usec             time;          /* in the token */
	struct buf       token, root;
	struct buf       chain;         /* certificates, DER, one behind the other */
	struct hashtree *tree;
};

struct crowns;
/* db is borrowed; it is asked here, so rows of an earlier question are gone afterwards. */
struct crowns *crowns_new(const struct ctl *c, struct db *db);
void crowns_free(struct crowns *k);
/* NULL: *status is the exit status; EX_DATAERR: it is damaged, and nothing was said. */
const struct crown *crowns_get(struct crowns *k, int64_t stamp, int *status);

/* Whole numbers of a row; 0 where it is NULL. */
int64_t crown_number(const struct pg_rows *rows, size_t row, size_t column);
/* The name of a digest as a literal; NULL: it is none of ours. */
const char *crown_digest(struct span name);

#endif
