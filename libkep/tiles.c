#include "libkep/tiles.h"

#include <inttypes.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

struct tile {
	struct tile_id      id;         /* width: hashes here */
	struct merkle_hash *hashes;     /* room for a full tile; NULL: a free slot */
};

/* Open addressing: `room` slots, a power of two, never more than half of them full. */
struct tiles {
	struct tile    *slots;
	size_t          room, n;
	struct tile_id *lacks;
	size_t          n_lacks;
};

struct tiles *tiles_new(void)
{
	struct tiles *t = mem_new(sizeof *t);

	t->room = 16;
	t->slots = mem_array(t->room, sizeof *t->slots);
	return t;
}

void tiles_clear(struct tiles *t)
{
	for (size_t i = 0; i < t->room; i++)
		free(t->slots[i].hashes);
	free(t->slots);
	free(t->lacks);
	*t = (struct tiles){ .slots = mem_array(16, sizeof *t->slots), .room = 16 };
}

void tiles_free(struct tiles *t)
{
	if (!t)
		return;
	tiles_clear(t);
	free(t->slots);
	free(t);
}

/* The slot of a tile, or the free one where it belongs. */
static struct tile *slot_of(const struct tiles *t, unsigned level, uint64_t number)
{
	size_t i = (size_t)((number * 8 + level) * 0x9e3779b97f4a7c15u >> 20);

	for (;; i++) {
		struct tile *slot = &t->slots[i & (t->room - 1)];

		if (!slot->hashes || (slot->id.level == level && slot->id.number == number))
			return slot;
	}
}

static void grow(struct tiles *t)
{
	struct tiles old = *t;

	t->room *= 2;
	t->slots = mem_array(t->room, sizeof *t->slots);
	for (size_t i = 0; i < old.room; i++)
		if (old.slots[i].hashes)
			*slot_of(t, old.slots[i].id.level, old.slots[i].id.number) = old.slots[i];
	free(old.slots);
}

static struct tile *slot_for(struct tiles *t, unsigned level, uint64_t number)
{
	struct tile *slot;

	if (2 * (t->n + 1) > t->room)
		grow(t);
	slot = slot_of(t, level, number);
	if (!slot->hashes) {
		*slot = (struct tile){ { level, number, 0 }, mem_array(MERKLE_TILE, sizeof *slot->hashes) };
		t->n++;
	}
	return slot;
}

/* What lacked is here, as far as it is wide enough. */
static void strike(struct tiles *t, const struct tile *slot)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_lacks; i++) {
		const struct tile_id *lack = &t->lacks[i];

		if (lack->level != slot->id.level || lack->number != slot->id.number || lack->width > slot->id.width)
			t->lacks[kept++] = *lack;
	}
	t->n_lacks = kept;
}

bool tiles_add(struct tiles *t, unsigned level, uint64_t number, struct span hashes)
{
	unsigned width = (unsigned)(hashes.n / MERKLE_SIZE);
	struct tile *slot;
	size_t known;

	if (hashes.n == 0 || hashes.n % MERKLE_SIZE || hashes.n > MERKLE_TILE * MERKLE_SIZE || level > MERKLE_LEVEL_MAX)
		return false;
	slot = slot_for(t, level, number);
	known = (width < slot->id.width ? width : slot->id.width) * (size_t)MERKLE_SIZE;
	if (memcmp(slot->hashes, hashes.p, known) != 0)
		return false;
	if (width > slot->id.width) {
		memcpy(slot->hashes, hashes.p, hashes.n);
		slot->id.width = width;
		strike(t, slot);
	}
	return true;
}

void tiles_emit(void *tiles, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
	struct tiles *t = tiles;
	struct tile *slot = slot_for(t, level, index / MERKLE_TILE);

	if (slot->id.width != index % MERKLE_TILE)
		log_panic("tiles_emit: hash %" PRIu64 " of level %u does not come behind the last one", index, level);
	slot->hashes[slot->id.width++] = *hash;
}

static void note_lack(struct tiles *t, struct tile_id id)
{
	for (size_t i = 0; i < t->n_lacks; i++)
		if (t->lacks[i].level == id.level && t->lacks[i].number == id.number) {
			t->lacks[i].width = id.width > t->lacks[i].width ? id.width : t->lacks[i].width;
			return;
		}
	t->lacks = mem_grow(t->lacks, (t->n_lacks + 1) * sizeof *t->lacks);
	t->lacks[t->n_lacks++] = id;
}

static struct span read_tile(void *arg, unsigned level, uint64_t number, unsigned width)
{
	struct tiles *t = arg;
	struct tile *slot = slot_of(t, level, number);

	if (slot->hashes && slot->id.width >= width)
		return span_of((const char *)slot->hashes, slot->id.width * (size_t)MERKLE_SIZE);
	note_lack(t, (struct tile_id){ level, number, width });
	return SPAN_NONE;
}

struct merkle_source tiles_source(struct tiles *t)
{
	return (struct merkle_source){ read_tile, t };
}

size_t tiles_lacking(const struct tiles *t)
{
	return t->n_lacks;
}

struct tile_id tiles_lack(const struct tiles *t, size_t i)
{
	return t->lacks[i];
}

struct span tiles_next(const struct tiles *t, size_t *at, struct tile_id *id)
{
	for (; *at < t->room; (*at)++) {
		const struct tile *slot = &t->slots[*at];

		if (slot->hashes) {
			*id = slot->id;
			(*at)++;
			return span_of((const char *)slot->hashes, slot->id.width * (size_t)MERKLE_SIZE);
		}
	}
	return SPAN_NONE;
}

static void add_number(struct buf *out, uint64_t number, unsigned width)
{
	uint64_t unit = 1;

	while (number / unit >= 1000)
		unit *= 1000;
	for (; unit > 1; unit /= 1000)
		buf_addf(out, "/x%03" PRIu64, number / unit % 1000);
	buf_addf(out, "/%03" PRIu64, number % 1000);
	if (width < MERKLE_TILE)
		buf_addf(out, ".p/%u", width);
}

void tiles_path(struct buf *out, unsigned level, uint64_t number, unsigned width)
{
	buf_addf(out, "tile/%u", level);
	add_number(out, number, width);
}

void tiles_entries_path(struct buf *out, uint64_t number, unsigned width)
{
	buf_adds(out, "tile/entries");
	add_number(out, number, width);
}
