#include "kepctl/crown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "libkep/mem.h"

struct crowns {
	const struct ctl *ctl;
	struct db        *db;
	struct crown    **v;
	size_t            n;
};

struct crowns *crowns_new(const struct ctl *c, struct db *db)
{
	struct crowns *k = mem_new(sizeof *k);

	k->ctl = c;
	k->db = db;
	return k;
}

static void crown_free(struct crown *w)
{
	hashtree_free(w->tree);
	buf_release(&w->token);
	buf_release(&w->root);
	buf_release(&w->chain);
	free(w);
}

void crowns_free(struct crowns *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		crown_free(k->v[i]);
	free(k->v);
	free(k);
}

int64_t crown_number(const struct pg_rows *rows, size_t row, size_t column)
{
	struct span s = pg_value(rows, row, column);
	char text[24];

	snprintf(text, sizeof text, "%.*s", (int)s.n, s.p);
	return strtoll(text, NULL, 10);
}

const char *crown_digest(struct span name)
{
	static const char *const known[] = { "sha256", "sha384", "sha512" };

	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_is(name, known[i]))
			return known[i];
	return NULL;
}

/* -- reading one -------------------------------------------------------------- */

static const struct pg_rows *ask(struct crowns *k, const char *sql, int64_t stamp, int *status)
{
	struct pg_params params = { .n = 0 };
	char number[24];

	snprintf(number, sizeof number, "%" PRId64, stamp);
	pg_text(&params, span_str(number));
	return ctl_ask(k->ctl, k->db, sql, &params, status);
}

static bool read_stamp(struct crowns *k, struct crown *w, int *status)
{
	const struct pg_rows *rows = ask(k,
		"SELECT digest, kep.time_text(gen_time), token, root, (SELECT string_agg(u.x, '' ORDER BY u.no) FROM unnest(chain) WITH ORDINALITY AS u (x, no)) "
		"FROM kep.archive_stamps WHERE stamp = $1::bigint", w->stamp, status);

	if (!rows)
		return false;
	if (pg_rows_count(rows) != 1 || !(w->digest = crown_digest(pg_value(rows, 0, 0))) || !clock_parse(pg_value(rows, 0, 1), &w->time)) {
		*status = EX_DATAERR;
		return false;
	}
	pg_bytea(rows, 0, 2, &w->token);
	pg_bytea(rows, 0, 3, &w->root);
	pg_bytea(rows, 0, 4, &w->chain);
	return true;
}

static bool read_tree(struct crowns *k, struct crown *w, int *status)
{
	const struct pg_rows *rows = ask(k, "SELECT leaf FROM kep.archive_members WHERE stamp = $1::bigint ORDER BY position", w->stamp, status);
	struct buf leaf = BUF_INIT;
	bool good = rows != NULL;

	w->tree = hashtree_new(w->digest);
	for (size_t i = 0; good && i < pg_rows_count(rows); i++) {
		buf_clear(&leaf);
		good = pg_bytea(rows, i, 0, &leaf) && leaf.n == hashtree_size(w->digest);
		if (good)
			hashtree_add(w->tree, (const unsigned char *)leaf.p);
	}
	buf_release(&leaf);
	if (rows && (!good || !hashtree_count(w->tree))) {
		*status = EX_DATAERR;
		return false;
	}
	return good;
}

const struct crown *crowns_get(struct crowns *k, int64_t stamp, int *status)
{
	struct crown *w;

	for (size_t i = 0; i < k->n; i++)
		if (k->v[i]->stamp == stamp)
			return k->v[i];
	w = mem_new(sizeof *w);
	w->stamp = stamp;
	if (!read_stamp(k, w, status) || !read_tree(k, w, status)) {
		crown_free(w);
		return NULL;
	}
	k->v = mem_grow(k->v, (k->n + 1) * sizeof *k->v);
	return k->v[k->n++] = w;
}
