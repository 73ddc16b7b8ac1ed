#include "kepctl/volume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "libkep/checkpoint.h"
#include "libkep/custody.h"
#include "libkep/der.h"
#include "libkep/logproof.h"
#include "libkep/mem.h"

#define PAGE 1000       /* bodies asked for at once */

const char *const volume_files[VOLUME_PARTS] = { "evidence.json", "evidence.tlog-proof", "checkpoint.p7s", "timestamp.tst" };

/* -- asking ------------------------------------------------------------------- */

static const struct pg_rows *ask(struct volume *v, const char *sql, int64_t a, int64_t b, bool two, int *status)
{
	struct pg_params params = { .n = 0 };
	char texts[2][24];

	snprintf(texts[0], sizeof texts[0], "%" PRId64, a);
	snprintf(texts[1], sizeof texts[1], "%" PRId64, b);
	pg_text(&params, span_str(texts[0]));
	if (two)
		pg_text(&params, span_str(texts[1]));
	return ctl_ask(v->ctl, v->db, sql, &params, status);
}

static bool damaged(struct volume *v, int *status, const char *what)
{
	buf_clear(&v->why);
	buf_adds(&v->why, what);
	*status = EX_DATAERR;
	return false;
}

void volume_complain(const struct volume *v)
{
	if (v->why.n)
		ctl_fail(0, "volume %" PRId64 " of the archive: %s; run 'kepctl fsck'", v->number, buf_str(&v->why));
}

static bool read_checkpoint(struct volume *v, int *status)
{
	struct note note;
	struct checkpoint head;

	if (!note_parse(buf_span(&v->note), &note, NULL) || !checkpoint_parse(note.text, &head, NULL) || head.size != (uint64_t)v->checkpoint)
		return damaged(v, status, "its checkpoint cannot be read");
	v->root = head.root;
	return true;
}

bool volume_read(struct volume *v, const struct ctl *c, struct db *db, int64_t number, int *status)
{
	const struct pg_rows *rows;

	*v = (struct volume){ .ctl = c, .db = db, .number = number };
	rows = ask(v, "SELECT v.first, v.size, v.checkpoint, k.note, k.cms, t.token FROM kep.archive_volumes AS v JOIN kep.checkpoints AS k ON k.size = v.checkpoint "
	              "JOIN kep.stamps AS t ON t.size = v.checkpoint AND t.tsa = v.tsa WHERE v.volume = $1::bigint", number, 0, false, status);
	if (!rows)
		return false;
	if (pg_rows_count(rows) != 1)
		return damaged(v, status, "it, its checkpoint or its time-stamp is not there");
	v->first = crown_number(rows, 0, 0);
	v->size = (size_t)crown_number(rows, 0, 1);
	v->checkpoint = crown_number(rows, 0, 2);
	pg_bytea(rows, 0, 3, &v->note);
	pg_bytea(rows, 0, 4, &v->cms);
	pg_bytea(rows, 0, 5, &v->stamp);
	v->tiles = tiles_new();
	v->archive = archive_new(v->size, VOLUME_PARTS);
	return read_checkpoint(v, status);
}

void volume_release(struct volume *v)
{
	buf_release(&v->note);
	buf_release(&v->cms);
	buf_release(&v->stamp);
	buf_release(&v->certificates);
	buf_release(&v->why);
	if (v->tiles)
		tiles_free(v->tiles);
	archive_free(v->archive);
}

/* -- proofs ------------------------------------------------------------------- */

static void array_of(struct buf *levels, struct buf *numbers, const struct tiles *t)
{
	buf_addc(levels, '{');
	buf_addc(numbers, '{');
	for (size_t i = 0; i < tiles_lacking(t); i++) {
		struct tile_id id = tiles_lack(t, i);

		buf_addf(levels, "%s%u", i ? "," : "", id.level);
		buf_addf(numbers, "%s%" PRIu64, i ? "," : "", id.number);
	}
	buf_addc(levels, '}');
	buf_addc(numbers, '}');
}

static bool fetch_tiles(struct volume *v, int *status)
{
	struct buf levels = BUF_INIT, numbers = BUF_INIT, hashes = BUF_INIT;
	struct pg_params params = { .n = 0 };
	const struct pg_rows *rows;

	array_of(&levels, &numbers, v->tiles);
	pg_text(&params, buf_span(&levels));
	pg_text(&params, buf_span(&numbers));
	rows = ctl_ask(v->ctl, v->db, "SELECT t.level, t.number, t.hashes FROM unnest($1::int[], $2::bigint[]) AS w (level, number) "
	                              "JOIN kep.tiles AS t ON t.level = w.level AND t.number = w.number", &params, status);
	for (size_t i = 0; rows && i < pg_rows_count(rows); i++) {
		buf_clear(&hashes);
		pg_bytea(rows, i, 2, &hashes);
		tiles_add(v->tiles, (unsigned)crown_number(rows, i, 0), (uint64_t)crown_number(rows, i, 1), buf_span(&hashes));
	}
	buf_release(&levels);
	buf_release(&numbers);
	buf_release(&hashes);
	return rows != NULL;
}

/* Leaves are asked for in order, twice each at most. */
static bool try_proof(struct volume *v, uint64_t index)
{
	struct merkle_source source = tiles_source(v->tiles);
	uint64_t size = (uint64_t)v->checkpoint;
	bool good = true;

	if (v->proved && v->proved == index)
		good = merkle_prove_next(&source, index, size, &v->proof);
	else if (v->proved != index + 1)
		good = merkle_prove_inclusion(&source, index, size, &v->proof);
	v->proved = good ? index + 1 : 0;
	return good;
}

static bool prove(struct volume *v, size_t leaf, struct merkle_proof *proof, int *status)
{
	uint64_t index = (uint64_t)v->first + leaf;

	if (!try_proof(v, index) && (!fetch_tiles(v, status) || !try_proof(v, index)))
		return *status == EX_OK ? damaged(v, status, "tiles of the ledger are missing") : false;
	*proof = v->proof;
	return true;
}

bool volume_proof(struct volume *v, size_t leaf, struct buf *out, int *status)
{
	struct merkle_proof proof;

	if (!prove(v, leaf, &proof, status))
		return false;
	logproof_write(out, (uint64_t)v->first + leaf, &proof, buf_span(&v->note));
	return true;
}

/* -- bodies ------------------------------------------------------------------- */

/* A body is archived only where it is what the signed checkpoint stands over. */
static bool body_fits(struct volume *v, size_t leaf, struct span body, int *status)
{
	struct merkle_proof proof;
	struct merkle_hash hash;

	if (!prove(v, leaf, &proof, status))
		return false;
	merkle_leaf(&hash, body);
	return merkle_included((uint64_t)v->first + leaf, (uint64_t)v->checkpoint, &hash, &proof, &v->root) ||
	    damaged(v, status, "the body of an evidence is not the one in the ledger");
}

/* Of a removed body only its hash in the chain before is left; it keeps its place. */
static bool add_body(struct volume *v, size_t leaf, const char *digest, const struct buf *body, struct span before, size_t before_size, struct buf *out, int *status)
{
	unsigned char hash[SHA512_SIZE];
	struct span octets = buf_span(body);

	if (!body->n && before.n < (leaf + 1) * before_size)
		return damaged(v, status, "the body of an evidence was removed before it was archived");
	if (!body->n && !before_size)
		return damaged(v, status, "the body of an evidence is missing");
	if (!body->n)
		octets = span_of(before.p + leaf * before_size, before_size);
	else if (!body_fits(v, leaf, octets, status))
		return false;
	buf_add(out, span_of((const char *)hash, custody_hash(digest, octets, hash)));
	return true;
}

static const struct pg_rows *ask_bodies(struct volume *v, size_t from, size_t to, int *status)
{
	const struct pg_rows *rows = ask(v, "SELECT body FROM kep.ledger_leaves WHERE index >= $1::bigint AND index < $2::bigint ORDER BY index",
	                                 v->first + (int64_t)from, v->first + (int64_t)to, true, status);

	if (rows && pg_rows_count(rows) != to - from) {
		damaged(v, status, "leaves of the ledger are missing");
		return NULL;
	}
	return rows;
}

/* The rows are gone as soon as tiles are asked for, so bodies are taken out first. */
static bool take_bodies(struct volume *v, size_t from, size_t to, struct buf *bodies, int *status)
{
	const struct pg_rows *rows = ask_bodies(v, from, to, status);

	for (size_t i = 0; rows && i < to - from; i++) {
		buf_clear(&bodies[i]);
		pg_bytea(rows, i, 0, &bodies[i]);
	}
	return rows != NULL;
}

bool volume_bodies(struct volume *v, const char *digest, struct span before, size_t before_size, struct buf *out, int *status)
{
	struct buf *bodies = mem_array(PAGE, sizeof *bodies);
	bool good = true;

	for (size_t from = 0; good && from < v->size; from += PAGE) {
		size_t to = from + PAGE < v->size ? from + PAGE : v->size;

		good = take_bodies(v, from, to, bodies, status);
		for (size_t i = from; good && i < to; i++)
			good = add_body(v, i, digest, &bodies[i - from], before, before_size, out, status);
	}
	for (size_t i = 0; i < PAGE; i++)
		buf_release(&bodies[i]);
	free(bodies);
	return good;
}

/* A removed body is compared with nothing. */
static bool same(const struct buf *body, const char *digest, const char *hash, size_t size)
{
	unsigned char again[SHA512_SIZE];

	if (!body->n)
		return true;
	custody_hash(digest, buf_span(body), again);
	return memcmp(again, hash, size) == 0;
}

bool volume_compare(struct volume *v, const char *digest, struct span hashes, size_t *bad, int *status)
{
	struct buf *bodies = mem_array(PAGE, sizeof *bodies);
	size_t size = hashtree_size(digest);
	bool good = hashes.n == v->size * size || damaged(v, status, "the hashes of its bodies are too few or too many");

	for (size_t from = 0; good && from < v->size; from += PAGE) {
		size_t to = from + PAGE < v->size ? from + PAGE : v->size;

		good = take_bodies(v, from, to, bodies, status);
		for (size_t i = from; good && i < to; i++) {
			*bad = i;
			good = same(&bodies[i - from], digest, hashes.p + i * size, size) || damaged(v, status, "the hash of a body is not that of the body");
		}
	}
	for (size_t i = 0; i < PAGE; i++)
		buf_release(&bodies[i]);
	free(bodies);
	return good;
}

bool volume_evidence(struct volume *v, size_t leaf, struct buf *out, int *status)
{
	return take_bodies(v, leaf, leaf + 1, out, status) && (!out->n || body_fits(v, leaf, buf_span(out), status));
}

/* -- chains ------------------------------------------------------------------- */

bool volume_begin(struct volume *v, const char *digest, struct span hashes, int *status)
{
	size_t size = hashtree_size(digest);
	unsigned char group[VOLUME_PARTS * SHA512_SIZE];
	struct buf proof = BUF_INIT;
	bool good = hashes.n == v->size * size || damaged(v, status, "the hashes of its bodies are too few or too many");

	if (good)
		archive_begin(v->archive, digest);
	custody_hash(digest, buf_span(&v->cms), group + VOLUME_SEAL * size);
	custody_hash(digest, buf_span(&v->stamp), group + VOLUME_STAMP * size);
	for (size_t i = 0; good && i < v->size; i++) {
		buf_clear(&proof);
		good = volume_proof(v, i, &proof, status);
		memcpy(group + VOLUME_EVIDENCE * size, hashes.p + i * size, size);
		custody_hash(digest, buf_span(&proof), group + VOLUME_PROOF * size);
		if (good)
			archive_group(v->archive, group);
	}
	buf_release(&proof);
	v->chains += good;
	return good;
}

const char *volume_hashes(struct volume *v, size_t chain, struct buf *out, int *status)
{
	const struct pg_rows *rows = ask(v, "SELECT digest, hashes FROM kep.archive_hash_lists WHERE volume = $1::bigint AND chain = $2::int",
	                                 v->number, (int64_t)chain, true, status);
	const char *digest = rows ? crown_digest(pg_value(rows, 0, 0)) : NULL;

	if (rows && (!digest || !pg_bytea(rows, 0, 1, out))) {
		damaged(v, status, "the hashes of its bodies are missing");
		return NULL;
	}
	return digest;
}

static bool begin_stored(struct volume *v, int64_t chain, int *status)
{
	struct buf hashes = BUF_INIT;
	const char *digest = volume_hashes(v, (size_t)chain, &hashes, status);
	bool good = digest && volume_begin(v, digest, buf_span(&hashes), status);

	buf_release(&hashes);
	return good;
}

static bool has_certificate(const struct volume *v, struct span der)
{
	struct span rest = buf_span(&v->certificates);
	struct der e;

	while (rest.n && der_next(&rest, &e))
		if (span_eq(e.whole, der))
			return true;
	return false;
}

static void keep_certificates(struct volume *v, struct span chain)
{
	struct der e;

	while (chain.n && der_next(&chain, &e))
		if (!has_certificate(v, e.whole))
			buf_add(&v->certificates, e.whole);
}

/* One archive time-stamp of the volume; its leaf must be what stands in the tree. */
static bool add_stamp(struct volume *v, const struct crown *w, size_t position, bool first, int *status)
{
	unsigned char leaf[SHA512_SIZE], root[SHA512_SIZE];
	struct buf path = BUF_INIT;
	size_t n;

	if (strcmp(w->digest, archive_digest(v->archive)) != 0 || position >= hashtree_count(w->tree))
		return damaged(v, status, "an archive time-stamp stands in a chain of another digest");
	n = first ? archive_root(v->archive, leaf) : archive_last(v->archive, leaf);
	if (!hashtree_has(w->tree, position, leaf))
		return damaged(v, status, "an archive time-stamp is about other data");
	hashtree_root(w->tree, root);
	if (!span_eq(buf_span(&w->root), span_of((const char *)root, n)))
		return damaged(v, status, "the tree of an archive time-stamp has another root");
	hashtree_path(w->tree, position, &path);
	archive_stamp(v->archive, buf_span(&path), buf_span(&w->token));
	keep_certificates(v, buf_span(&w->chain));
	buf_release(&path);
	return true;
}

struct place {
	int64_t chain, number, stamp, position;
};

static struct place *read_places(struct volume *v, size_t *n, int *status)
{
	const struct pg_rows *rows = ask(v, "SELECT chain, number, stamp, position FROM kep.archive_members WHERE volume = $1::bigint ORDER BY chain, number",
	                                 v->number, 0, false, status);
	struct place *all;

	if (!rows)
		return NULL;
	*n = pg_rows_count(rows);
	all = mem_array(*n + 1, sizeof *all);
	for (size_t i = 0; i < *n; i++)
		all[i] = (struct place){ crown_number(rows, i, 0), crown_number(rows, i, 1), crown_number(rows, i, 2), crown_number(rows, i, 3) };
	return all;
}

bool volume_chains(struct volume *v, struct crowns *crowns, int *status)
{
	size_t n = 0;
	struct place *all = read_places(v, &n, status);
	bool good = all != NULL;

	for (size_t i = 0; good && i < n; i++) {
		const struct place *p = &all[i];
		const struct crown *w = crowns_get(crowns, p->stamp, status);
		bool first = p->number == 0;
		int64_t number = i > 0 ? all[i - 1].number : -1;

		if (!w && *status == EX_DATAERR)
			damaged(v, status, "an archive time-stamp is damaged or missing");
		if (w && (p->chain != (int64_t)v->chains - (first ? 0 : 1) || (!first && p->number != number + 1)))
			good = damaged(v, status, "a chain of archive time-stamps has a gap");
		good = good && w && (!first || begin_stored(v, p->chain, status)) && add_stamp(v, w, (size_t)p->position, first, status);
	}
	free(all);
	return good;
}
