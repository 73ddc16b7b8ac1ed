#include "kepctl/shelf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "libkep/mem.h"

#define PAGE 64         /* tiles read at once */

/* Tiles of one level, side by side, each in a place of its own. */
struct page {
	bool              filled;
	uint64_t          first;                /* number of the first tile */
	unsigned          width[PAGE];          /* hashes of each; 0: there is no such tile */
	struct merkle_hash hashes[PAGE * MERKLE_TILE];
};

struct shelf {
	const struct ctl *ctl;
	struct db        *db;
	int               status;
	struct page      *pages[MERKLE_LEVEL_MAX + 1];
};

struct shelf *shelf_new(const struct ctl *c, struct db *db)
{
	struct shelf *s = mem_new(sizeof *s);

	s->ctl = c;
	s->db = db;
	return s;
}

void shelf_free(struct shelf *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i <= MERKLE_LEVEL_MAX; i++)
		free(s->pages[i]);
	free(s);
}

int shelf_status(const struct shelf *s)
{
	return s->status;
}

static bool place(void *arg, const struct span *v, size_t n)
{
	struct page *p = arg;
	uint64_t number = 0;

	for (size_t i = 0; i < v[0].n; i++)
		number = number << 8 | (unsigned char)v[0].p[i];
	if (n == 2 && number >= p->first && number - p->first < PAGE && v[1].n <= MERKLE_TILE * MERKLE_SIZE) {
		p->width[number - p->first] = (unsigned)(v[1].n / MERKLE_SIZE);
		if (v[1].n)
			memcpy(&p->hashes[(number - p->first) * MERKLE_TILE], v[1].p, v[1].n / MERKLE_SIZE * MERKLE_SIZE);
	}
	return true;
}

static void fill(struct shelf *s, struct page *p, unsigned level, uint64_t number)
{
	char *sql = mem_printf("SELECT number, hashes FROM kep.tiles WHERE level = %u AND number >= %" PRIu64 " AND number < %" PRIu64,
	    level, number, number + PAGE);
	struct buf error = BUF_INIT;

	memset(p->width, 0, sizeof p->width);
	p->first = number;
	p->filled = true;
	if (!db_copy(s->db, sql, place, p, &error))
		s->status = ctl_fail_sql(s->ctl, &error);
	buf_release(&error);
	free(sql);
}

const struct merkle_hash *shelf_hash(struct shelf *s, unsigned level, uint64_t index)
{
	uint64_t number = index / MERKLE_TILE;
	struct page *p;
	size_t at;

	if (level > MERKLE_LEVEL_MAX || s->status != EX_OK)
		return NULL;
	if (!s->pages[level])
		s->pages[level] = mem_new(sizeof *s->pages[level]);
	p = s->pages[level];
	if (!p->filled || number < p->first || number - p->first >= PAGE)
		fill(s, p, level, number);
	at = (size_t)(number - p->first);
	return index % MERKLE_TILE < p->width[at] ? &p->hashes[at * MERKLE_TILE + index % MERKLE_TILE] : NULL;
}
