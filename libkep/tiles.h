/* tiles.h - tiles in memory, a list of those that lack, and their names as files.
 *
 * A source for merkle.h over a store that answers later: ask, fetch what lacks, ask again.
 *
 *	while (!merkle_prove_inclusion(&source, index, size, &proof) && tiles_lacking(t) > 0)
 *		... fetch each tiles_lack(t, i), tiles_add() it ...
 *
 * One such round is enough for a proof; false with nothing lacking is a false
 * index or size.  A tile that the store does not have lacks for ever: stop after
 * a round that added nothing.
 */
#ifndef KEP_TILES_H
#define KEP_TILES_H

#include "libkep/buf.h"
#include "libkep/merkle.h"

struct tiles;

struct tile_id {
	unsigned level;
	uint64_t number;
	unsigned width;         /* how many of its hashes are wanted */
};

struct tiles *tiles_new(void);
void tiles_free(struct tiles *t);               /* NULL is fine */
void tiles_clear(struct tiles *t);

/* A tile with all the hashes the store has of it; copied.  A longer one replaces a
 * shorter one.  false: not 1 to 256 hashes, or its begin is not what was there before. */
bool tiles_add(struct tiles *t, unsigned level, uint64_t number, struct span hashes);
/* One hash of a tile, in order: what merkle_range_add() emits (arg: the tiles). */
void tiles_emit(void *tiles, unsigned level, uint64_t index, const struct merkle_hash *hash);

/* The source; borrowed from t.  What it is asked in vain is noted as lacking. */
struct merkle_source tiles_source(struct tiles *t);
size_t tiles_lacking(const struct tiles *t);
struct tile_id tiles_lack(const struct tiles *t, size_t i);
/* Each tile that is here, in no order; SPAN_NONE at the end.  *at is 0 at the start. */
struct span tiles_next(const struct tiles *t, size_t *at, struct tile_id *id);

/* Append the name of a tile of that width: "tile/0/x001/x234/067" or, below 256
 * hashes, "tile/0/x001/x234/067.p/5". */
void tiles_path(struct buf *out, unsigned level, uint64_t number, unsigned width);
/* The same of a bundle of leaves ("tile/entries/..."): each is two octets of
 * length, the higher one first, and the leaf. */
void tiles_entries_path(struct buf *out, uint64_t number, unsigned width);

#endif
