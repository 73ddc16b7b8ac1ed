/* shelf.h - the tiles of the database, read in order of their numbers, some at a time. */
#ifndef KEP_SHELF_H
#define KEP_SHELF_H

#include "kepctl/ctl.h"
#include "libkep/merkle.h"

struct shelf;
/* db is borrowed, and asked by nobody else between two calls' rows. */
struct shelf *shelf_new(const struct ctl *c, struct db *db);
void shelf_free(struct shelf *s);
/* The hash of a level, at that index; indices of a level are asked for in order.
 * NULL: the database has no such hash, or cannot be asked (shelf_status). */
const struct merkle_hash *shelf_hash(struct shelf *s, unsigned level, uint64_t index);
/* EX_OK, or the exit status after it was said what went wrong. */
int shelf_status(const struct shelf *s);

#endif
