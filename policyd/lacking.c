#include "policyd/lacking.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

struct lacking {
	struct tiles   *tiles;
	struct tile_id *wanted;
	size_t          n;
	lacking_done   *done;
	void           *arg;
};

/* Is what came at least as wide as what was asked for? */
static bool is_wanted(const struct lacking *q, unsigned level, uint64_t number, size_t width)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->wanted[i].level == level && q->wanted[i].number == number)
			return width >= q->wanted[i].width;
	return false;
}

static bool take_row(struct lacking *q, const struct pg_rows *rows, size_t row)
{
	unsigned level = (unsigned)strtoul(pg_value(rows, row, 0).p, NULL, 10);
	uint64_t number = strtoull(pg_value(rows, row, 1).p, NULL, 10);
	struct buf hashes = BUF_INIT;
	bool good = pg_bytea(rows, row, 2, &hashes) && is_wanted(q, level, number, hashes.n / MERKLE_SIZE) &&
	    tiles_add(q->tiles, level, number, buf_span(&hashes));

	buf_release(&hashes);
	return good;
}

static void on_tiles(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct lacking *q = arg;
	enum lacking_answer answer = a == PG_DONE && pg_rows_count(rows) == q->n ? LACKING_CAME : LACKING_GONE;

	if (a == PG_FAILED)
		log_warn("ledger: kep.ledger_tiles: %s", words);
	for (size_t i = 0; a == PG_DONE && i < pg_rows_count(rows); i++)
		if (!take_row(q, rows, i))
			answer = LACKING_GONE;
	q->done(q->arg, a == PG_DONE ? answer : LACKING_FAILED);
	free(q->wanted);
	free(q);
}

static struct lacking *lacking_new(const struct tiles *tiles)
{
	struct lacking *q = mem_new(sizeof *q);

	q->n = tiles_lacking(tiles);
	q->wanted = mem_array(q->n, sizeof *q->wanted);
	for (size_t i = 0; i < q->n; i++)
		q->wanted[i] = tiles_lack(tiles, i);
	return q;
}

void lacking_ask(struct pg *pg, struct tiles *tiles, uint64_t size, lacking_done *done, void *arg)
{
	struct lacking *q = lacking_new(tiles);
	struct buf levels = BUF_INIT, numbers = BUF_INIT;
	struct pg_params v = { .n = 0 };
	char text[24];

	q->tiles = tiles;
	q->done = done;
	q->arg = arg;
	for (size_t i = 0; i < q->n; i++) {
		buf_addf(&levels, "%c%u", i ? ',' : '{', q->wanted[i].level);
		buf_addf(&numbers, "%c%" PRIu64, i ? ',' : '{', q->wanted[i].number);
	}
	buf_addc(&levels, '}');
	buf_addc(&numbers, '}');
	snprintf(text, sizeof text, "%" PRIu64, size);
	pg_text(&v, span_str(text));
	pg_text(&v, buf_span(&levels));
	pg_text(&v, buf_span(&numbers));
	pg_ask(pg, "SELECT level, number, hashes FROM kep.ledger_tiles($1::bigint, $2::int[], $3::bigint[])", &v, true, on_tiles, q);
	buf_release(&levels);
	buf_release(&numbers);
}
