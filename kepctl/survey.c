#include "kepctl/survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "kepctl/progress.h"
#include "libkep/columns.h"
#include "libkep/mem.h"

#define STRIDE  65536           /* leaves of one query */
#define RETENTION ((usec)20 * 365 * 86400 * 1000000)    /* leap days are given away */
#define PRUNING_MAX ((size_t)16 << 20)  /* octets of evidence that bodies were removed */
#define EPOCH   ((usec)946684800 * 1000000)     /* PostgreSQL counts from 2000-01-01 */

enum { INDEX, HASH, ID, BODY, RECORDED, KEP_ID, RECIPIENT, OUTCOME, EVENT_TEXT, EVENT, PREVIOUS, SOUND, COLUMNS };

/* Leaves whose bodies were removed after their retention, as evidence says. */
struct pruning {
	uint64_t first, last;
	usec     at;
};

/* One pass; what a row needs beside the survey. */
struct passing {
	struct survey  *survey;
	struct progress progress;
	uint64_t        due;            /* size at which the heads want the root */
	usec            before;         /* evidence was recorded by then */
	struct pruning *prunings;       /* by first leaf */
	size_t          n_prunings, room, pruning;
};

/* -- binary values ------------------------------------------------------------- */

static uint64_t big_endian(struct span s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n && i < 8; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

/* A timestamptz; infinity, too, stays so far from the ends that one may reckon with it. */
static usec time_of(struct span s)
{
	static const usec far = INT64_MAX / 4;
	int64_t t = (int64_t)big_endian(s);

	return (t > far ? far : t < -far ? -far : t) + EPOCH;
}

static bool is_true(struct span s)
{
	return s.n == 1 && s.p[0] == 1;
}

/* -- the tree ------------------------------------------------------------------ */

/* hash: what the leaves give. */
static void check_tile(struct survey *s, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
	const struct merkle_hash *tile = shelf_hash(s->shelf, level, index);
	uint64_t leaf = index << (MERKLE_HEIGHT * level), end = (index + 1) << (MERKLE_HEIGHT * level);
	const char *why = !tile ? "is missing" : "is not that of the leaves below it";

	s->audit->row[AUDIT_TILES].seen++;
	if (tile && merkle_eq(tile, hash))
		return;
	if (level == 0)
		audit_leaf(s->audit, AUDIT_TILES, leaf, "tile %" PRIu64 " of level 0: its hash %" PRIu64 " %s", index / MERKLE_TILE, index % MERKLE_TILE,
		           tile ? "is not that of the leaf" : why);
	else
		audit_fault(s->audit, AUDIT_TILES, audit_near(s->audit, leaf, end), "tile %" PRIu64 " of level %u: its hash %" PRIu64 " %s",
		            index / MERKLE_TILE, level, index % MERKLE_TILE, why);
}

/* Level 0 was seen with the leaf. */
static void hear_hash(void *arg, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
	if (level > 0)
		check_tile(arg, level, index, hash);
}

static void add(struct passing *p, const struct merkle_hash *hash)
{
	struct survey *s = p->survey;

	merkle_range_add(&s->range, hash, hear_hash, s);
	if (s->range.size == p->due) {
		heads_reached(s->heads, &s->range);
		p->due = heads_due(s->heads);
		p->before = heads_before(s->heads);
	}
	if (s->range.size % 4096 == 0)
		progress_at(&p->progress, s->range.size);
}

/* Which of the hashes to go on with, so that what is wrong here does not make all
 * that follows look wrong: the one that two of three agree on. */
static const struct merkle_hash *choose(const struct merkle_hash *made, const struct merkle_hash *row, const struct merkle_hash *tile)
{
	if (made && (merkle_eq(made, row) || (tile && merkle_eq(made, tile))))
		return made;
	if (tile && merkle_eq(tile, row))
		return row;
	return made ? made : row;
}

/* -- a leaf -------------------------------------------------------------------- */

static void check_columns(struct passing *p, uint64_t index, const struct span *v)
{
	struct audit *a = p->survey->audit;
	struct columns c = {
		.id = v[ID], .kep_id = v[KEP_ID], .outcome = v[OUTCOME], .event_time = v[EVENT_TEXT], .previous = v[PREVIOUS],
		.recipient = big_endian(v[RECIPIENT]),
	};
	const char *column = columns_differ(&c, v[BODY]);
	usec recorded = time_of(v[RECORDED]), event = time_of(v[EVENT]);

	a->row[AUDIT_COLUMNS].seen++;
	a->row[AUDIT_TIMES].seen++;
	if (column)
		audit_fault(a, AUDIT_COLUMNS, index, "evidence %.*s: its column %s is not what the evidence says", (int)v[ID].n, v[ID].p, column);
	else if (!is_true(v[SOUND]))
		audit_fault(a, AUDIT_COLUMNS, index, "evidence %.*s: its column digest is not of its body, or retain_until is less than 20 years "
		            "after the event", (int)v[ID].n, v[ID].p);
	if (p->before != INT64_MAX && recorded > p->before + HEADS_SKEW)
		audit_fault(a, AUDIT_TIMES, index, "evidence %.*s: recorded_at is later than the checkpoint above it", (int)v[ID].n, v[ID].p);
	else if (recorded < event - HEADS_SKEW)
		audit_fault(a, AUDIT_TIMES, index, "evidence %.*s: recorded_at is before its event", (int)v[ID].n, v[ID].p);
}

/* A body that is not there: evidence must say that it was removed, and after 20 years. */
static void check_pruned(struct passing *p, uint64_t index, const struct span *v)
{
	struct audit *a = p->survey->audit;
	const struct pruning *one;

	while (p->pruning < p->n_prunings && p->prunings[p->pruning].last < index)
		p->pruning++;
	one = p->pruning < p->n_prunings && p->prunings[p->pruning].first <= index ? &p->prunings[p->pruning] : NULL;
	if (!v[RECORDED].p)
		audit_leaf(a, AUDIT_BODIES, index, "evidence %.*s is gone", (int)v[ID].n, v[ID].p);
	else if (!one)
		audit_leaf(a, AUDIT_BODIES, index, "the octets of evidence %.*s are gone, and no evidence says that they were removed", (int)v[ID].n, v[ID].p);
	else if (one->at < time_of(v[EVENT]) + RETENTION)
		audit_leaf(a, AUDIT_BODIES, index, "the octets of evidence %.*s were removed before their 20 years were over", (int)v[ID].n, v[ID].p);
	else
		p->survey->pruned++;
}

static void check_leaf(struct passing *p, uint64_t index, const struct span *v)
{
	struct survey *s = p->survey;
	const struct merkle_hash *tile = shelf_hash(s->shelf, 0, index);
	struct merkle_hash made, row;
	bool has_body = v[BODY].p;

	memset(&row, 0, sizeof row);
	if (v[HASH].n == MERKLE_SIZE)
		memcpy(row.o, v[HASH].p, MERKLE_SIZE);
	s->audit->row[AUDIT_BODIES].seen++;
	if (has_body) {
		merkle_leaf(&made, v[BODY]);
		if (!merkle_eq(&made, &row))
			audit_leaf(s->audit, AUDIT_BODIES, index, "evidence %.*s: its octets are not those whose hash stands in the ledger", (int)v[ID].n, v[ID].p);
		check_columns(p, index, v);
	} else {
		check_pruned(p, index, v);
	}
	check_tile(s, 0, index, has_body ? &made : &row);
	add(p, choose(has_body ? &made : NULL, &row, tile));
}

/* Leaves that are missing: their hashes stand in the tiles, if anywhere. */
static void fill_gap(struct passing *p, uint64_t until)
{
	static const struct merkle_hash nothing;
	struct survey *s = p->survey;

	audit_leaf(s->audit, AUDIT_PLACES, s->range.size, "%" PRIu64 " leaves are gone", until - s->range.size);
	while (s->range.size < until) {
		const struct merkle_hash *tile = shelf_hash(s->shelf, 0, s->range.size);
		struct merkle_hash hash = tile ? *tile : nothing;

		add(p, &hash);
	}
}

static bool hear_row(void *arg, const struct span *v, size_t n)
{
	struct passing *p = arg;
	uint64_t index = big_endian(v[INDEX]);

	if (n != COLUMNS || index >= p->survey->size)
		return false;
	if (index > p->survey->range.size)
		fill_gap(p, index);
	if (index == p->survey->range.size)
		check_leaf(p, index, v);
	p->survey->audit->row[AUDIT_PLACES].seen++;
	return true;
}

/* -- the pass ------------------------------------------------------------------ */

static bool stream(struct passing *p, uint64_t from, uint64_t to)
{
	static const char format[] =
		"SELECT index, hash, evidence_id::text, body, recorded_at, kep_id::text, recipient_index, outcome,"
		" to_char(event_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), event_time, previous::text,"
		" digest = sha256(body) AND retain_until >= event_time + interval '20 years'"
		" FROM kep.ledger_leaves WHERE index >= %" PRIu64 " AND index < %" PRIu64 " ORDER BY index";
	char *sql = mem_printf(format, from, to);
	struct buf error = BUF_INIT;

	if (!db_copy(p->survey->db, sql, hear_row, p, &error))
		p->survey->status = ctl_fail_sql(p->survey->ctl, &error);
	buf_release(&error);
	free(sql);
	return p->survey->status == EX_OK;
}

static uint64_t number(const struct pg_rows *rows, size_t row, size_t column)
{
	struct span v = pg_value(rows, row, column);

	return v.n ? strtoull(v.p, NULL, 10) : 0;
}

static const struct pg_rows *ask(struct survey *s, const char *sql)
{
	return s->status == EX_OK ? ctl_ask(s->ctl, s->db, sql, NULL, &s->status) : NULL;
}

static void add_pruning(struct passing *p, const jdoc *range, usec at)
{
	int64_t first = jdoc_int(range, "first", -1), last = jdoc_int(range, "last", -1);

	if (first < 0 || last < first)
		return;
	if (p->n_prunings == p->room) {
		p->room = p->room ? 2 * p->room : 64;
		p->prunings = mem_grow(p->prunings, p->room * sizeof *p->prunings);
	}
	p->prunings[p->n_prunings++] = (struct pruning){ (uint64_t)first, (uint64_t)last, at };
}

/* Evidence that cannot be read says nothing; its own leaf tells that it was changed. */
static bool hear_pruning(void *arg, const struct span *v, size_t n)
{
	jdoc *d = n == 1 ? jdoc_parse(v[0], PRUNING_MAX, NULL) : NULL;
	const jdoc *ranges = d ? jdoc_get(d, "leaves") : NULL;
	usec at;

	if (d && clock_parse(jdoc_text(d, "event_time"), &at))
		for (size_t i = 0; i < jdoc_count(ranges); i++)
			add_pruning(arg, jdoc_at(ranges, i), at);
	jdoc_free(d);
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct pruning *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void read_prunings(struct passing *p)
{
	struct buf error = BUF_INIT;

	if (!db_copy(p->survey->db, "SELECT body FROM kep.evidences WHERE outcome = 'P.1' AND body IS NOT NULL", hear_pruning, p, &error))
		p->survey->status = ctl_fail_sql(p->survey->ctl, &error);
	if (p->n_prunings)
		qsort(p->prunings, p->n_prunings, sizeof *p->prunings, by_first);
	buf_release(&error);
}

static usec cpu_now(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (usec)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void stream_all(struct survey *s)
{
	struct passing p = { .survey = s };
	usec cpu = cpu_now(), wall = clock_now();

	read_prunings(&p);
	merkle_range_init(&s->range);
	progress_begin(&p.progress, "leaves", s->size);
	if (heads_due(s->heads) == 0)
		heads_reached(s->heads, &s->range);
	p.due = heads_due(s->heads);
	p.before = heads_before(s->heads);
	for (uint64_t at = 0; at < s->size && stream(&p, at, at + STRIDE < s->size ? at + STRIDE : s->size); at += STRIDE)
		;
	if (s->status == EX_OK && s->range.size < s->size)
		fill_gap(&p, s->size);
	progress_end(&p.progress);
	free(p.prunings);
	s->cpu = cpu_now() - cpu;
	s->wall = clock_now() - wall;
}

/* -- before and after ---------------------------------------------------------- */

static void read_head(struct survey *s)
{
	const struct pg_rows *rows = ask(s, "SELECT size, root FROM kep.ledger");
	struct buf root = BUF_INIT;

	if (rows && pg_rows_count(rows) == 1) {
		s->size = number(rows, 0, 0);
		pg_bytea(rows, 0, 1, &root);
	}
	if (root.n == MERKLE_SIZE)
		memcpy(s->root.o, root.p, MERKLE_SIZE);
	else
		audit_fault(s->audit, AUDIT_HEAD, 0, "the ledger has no head");
	buf_release(&root);
}

static void check_head(struct survey *s)
{
	struct merkle_hash root;

	merkle_range_root(&s->range, &root);
	s->audit->row[AUDIT_HEAD].seen++;
	if (!merkle_eq(&root, &s->root))
		audit_fault(s->audit, AUDIT_HEAD, s->audit->n_leaves ? s->audit->leaves[0] : s->size ? s->size - 1 : 0, "the head of the ledger, of size %" PRIu64 ", has another root", s->size);
}

/* Leaves behind the end, or evidence that stands at two places. */
static void check_places(struct survey *s)
{
	const struct pg_rows *rows = ask(s, "SELECT (SELECT size FROM kep.ledger), coalesce(max(index) + 1, 0), count(*) - count(DISTINCT evidence_id)"
	                                    " FROM kep.ledger_leaves");

	if (!rows)
		return;
	if (number(rows, 0, 1) > number(rows, 0, 0))
		audit_fault(s->audit, AUDIT_PLACES, number(rows, 0, 0), "there are leaves behind the end of the ledger, up to index %" PRIu64, number(rows, 0, 1) - 1);
	if (number(rows, 0, 2) == 0 || !(rows = ask(s, "SELECT max(index), evidence_id FROM kep.ledger_leaves GROUP BY evidence_id HAVING count(*) > 1"
	                                               " ORDER BY 1 LIMIT 1")))
		return;
	audit_fault(s->audit, AUDIT_PLACES, number(rows, 0, 0), "evidence %.*s stands at more than one place",
	            (int)pg_value(rows, 0, 1).n, pg_value(rows, 0, 1).p);
}

/* Each level has as many hashes as the size says. */
static void check_tile_rows(struct survey *s)
{
	const struct pg_rows *rows = ask(s, "SELECT t.level, sum(octet_length(t.hashes)) / 32, max(l.size) FROM kep.tiles AS t, kep.ledger AS l GROUP BY t.level");

	for (size_t i = 0; rows && i < pg_rows_count(rows); i++) {
		unsigned shift = MERKLE_HEIGHT * (unsigned)number(rows, i, 0);
		uint64_t want = shift < 64 ? number(rows, i, 2) >> shift : 0;

		if (number(rows, i, 1) != want)
			audit_fault(s->audit, AUDIT_TILES, want << (shift < 64 ? shift : 0), "the tiles of level %" PRIu64 " hold %" PRIu64 " hashes, where the ledger has %" PRIu64,
			            number(rows, i, 0), number(rows, i, 1), want);
	}
}

/* The rows beside the ledger that people are shown: as pieces of canonical JSON they
 * must stand in the evidence of acceptance.  to_json() escapes as RFC 8785 wants it. */
static void check_messages(struct survey *s)
{
	static const char sql[] =
		"SELECT count(*), count(*) FILTER (WHERE wrong), coalesce(min(index) FILTER (WHERE wrong), 0), min(kep_id::text) FILTER (WHERE wrong)"
		" FROM (SELECT l.index, m.kep_id,"
		" position(convert_to(format('\"message_id\":%s,\"queue_id\":%s,\"sent_at\":\"%s\",\"sha256\":\"%s\",\"sha512\":\"%s\",\"size\":%s}',"
		"  to_json(m.message_id), to_json(m.queue_id), to_char(m.sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
		"  encode(m.sha256, 'hex'), encode(m.sha512, 'hex'), m.size), 'UTF8') IN l.body) = 0"
		" OR position(convert_to('\"recipients\":[' || coalesce((SELECT string_agg(format('{\"address\":%s,\"index\":%s}', to_json(r.recipient), r.recipient_index), ','"
		"  ORDER BY r.recipient_index) FROM kep.recipients AS r WHERE r.kep_id = m.kep_id), '') || ']', 'UTF8') IN l.body) = 0"
		" OR position(convert_to('\"sender\":{\"address\":' || to_json(CASE WHEN m.provider IS NULL THEN m.sender ELSE m.from_address END), 'UTF8') IN l.body) = 0 AS wrong"
		" FROM kep.ledger_leaves AS l JOIN kep.messages AS m ON m.kep_id = l.kep_id"
		" WHERE l.recipient_index = 0 AND l.outcome IN ('A.1', 'B.1') AND l.body IS NOT NULL) AS v";
	const struct pg_rows *rows = ask(s, sql);

	if (!rows)
		return;
	s->audit->row[AUDIT_MESSAGES].seen = number(rows, 0, 0);
	for (uint64_t i = 0; i < number(rows, 0, 1); i++)
		audit_fault(s->audit, AUDIT_MESSAGES, number(rows, 0, 2), "message %.*s: what is recorded of it or of its recipients is not what its evidence says",
		            (int)pg_value(rows, 0, 3).n, pg_value(rows, 0, 3).p);
}

/* What the sequencer would have had to take before the newest checkpoint. */
static void check_waiting(struct survey *s)
{
	static const char format[] =
		"SELECT count(*), count(*) FILTER (WHERE e.recorded_at < '%s'::timestamptz - interval '10 minutes'), min(e.evidence_id::text)"
		" FROM kep.evidences AS e WHERE NOT EXISTS (SELECT FROM kep.ledger_leaves AS l WHERE l.evidence_id = e.evidence_id)";
	char newest[CLOCK_TEXT_SIZE], *sql;
	const struct pg_rows *rows;

	clock_text(newest, heads_newest(s->heads));
	sql = mem_printf(format, newest);
	rows = ask(s, sql);
	if (rows) {
		s->audit->row[AUDIT_WAITING].seen = number(rows, 0, 0);
		for (uint64_t i = 0; i < number(rows, 0, 1); i++)
			audit_fault(s->audit, AUDIT_WAITING, s->size, "evidence %.*s was never taken into the ledger, or its leaf is gone",
			            (int)pg_value(rows, 0, 2).n, pg_value(rows, 0, 2).p);
	}
	free(sql);
}

void survey_run(struct survey *s)
{
	read_head(s);
	if (s->status == EX_OK)
		stream_all(s);
	if (s->status == EX_OK)
		s->status = shelf_status(s->shelf);
	if (s->status != EX_OK)
		return;
	check_head(s);
	heads_end(s->heads, s->size);
	check_places(s);
	check_tile_rows(s);
	check_messages(s);
	check_waiting(s);
	if (s->status == EX_OK)
		s->status = heads_status(s->heads);
}
