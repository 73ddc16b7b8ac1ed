/* kepctl export: the ledger, or the evidence of a part of it, as plain files (docs/evidence-format.md, section 9). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "kepctl/crate.h"
#include "kepctl/ctl.h"
#include "kepctl/progress.h"
#include "libkep/checkpoint.h"
#include "libkep/der.h"
#include "libkep/mem.h"
#include "libkep/outline.h"
#include "libkep/tiles.h"

#define ENTRY_MAX 65535         /* octets of a leaf in a bundle: its length has two octets */
#define SEALS_MAX 64            /* certificates of seals; a provider changes its own now and then */

struct export {
	const struct ctl   *ctl;
	struct db          *db;
	struct crate       *crate;
	struct progress     progress;
	uint64_t            size;               /* of the checkpoint that is exported */
	struct merkle_hash  root;
	uint64_t            from, to;           /* leaves whose evidence is wanted */
	struct merkle_range range;              /* of the leaf hashes in the tiles */
	struct buf          jsonl, entries;     /* of the bundle we are in */
	uint64_t            next;               /* leaf that comes next */
	bool                whole;              /* the bundle can be written as entries */
	uint64_t            stamped;            /* size of the stamp before, and how many it has */
	unsigned            stamps;
	unsigned char       seals[SEALS_MAX][SHA256_SIZE];
	size_t              n_seals;
	struct buf          error;
	int                 status;
};

static uint64_t big_endian(struct span s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n && i < 8; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

static bool add(struct export *e, const char *path, struct span octets)
{
	if (e->status == EX_OK && !crate_add(e->crate, path, octets, &e->error))
		e->status = ctl_fail(EX_CANTCREAT, "%s", buf_str(&e->error));
	return e->status == EX_OK;
}

/* "FOLDER/SIZE-K.SUFFIX"; without K where it is 0. */
static void add_sized(struct export *e, const char *folder, uint64_t size, unsigned k, const char *suffix, struct span octets)
{
	char which[16] = "", path[96];

	if (k)
		snprintf(which, sizeof which, "-%u", k);
	snprintf(path, sizeof path, "%s/%" PRIu64 "%s%s", folder, size, which, suffix);
	add(e, path, octets);
}

/* Rows of a query, as long as they can be written. */
static void copy(struct export *e, char *sql, db_row *row)
{
	struct buf error = BUF_INIT;

	if (e->status == EX_OK && !db_copy(e->db, sql, row, e, &error))
		e->status = ctl_fail_sql(e->ctl, &error);
	buf_release(&error);
	free(sql);
}

/* -- tiles --------------------------------------------------------------------- */

static void hash_leaves(struct export *e, uint64_t number, struct span hashes)
{
	struct merkle_hash h;

	if (number * MERKLE_TILE != e->range.size)
		return;
	for (size_t i = 0; i < hashes.n; i += MERKLE_SIZE) {
		memcpy(h.o, hashes.p + i, MERKLE_SIZE);
		merkle_range_add(&e->range, &h, NULL, NULL);
	}
}

static bool hear_tile(void *arg, const struct span *v, size_t n)
{
	struct export *e = arg;
	unsigned level = n == 3 ? (unsigned)big_endian(v[0]) : 0, width;
	uint64_t number = n == 3 ? big_endian(v[1]) : 0;
	struct buf path = BUF_INIT;

	width = merkle_width(level, number, e->size);
	if (width && v[2].n >= width * MERKLE_SIZE) {
		struct span hashes = span_of(v[2].p, width * MERKLE_SIZE);

		tiles_path(&path, level, number, width);
		add(e, buf_str(&path), hashes);
		if (level == 0)
			hash_leaves(e, number, hashes);
	}
	buf_release(&path);
	progress_at(&e->progress, e->range.size);
	return e->status == EX_OK;
}

/* What is written down in tiles must be what was signed, or the export would be worth nothing. */
static void write_tiles(struct export *e)
{
	struct merkle_hash root;

	merkle_range_init(&e->range);
	copy(e, mem_str("SELECT level, number, hashes FROM kep.tiles ORDER BY level, number"), hear_tile);
	merkle_range_root(&e->range, &root);
	if (e->status == EX_OK && (e->range.size != e->size || !merkle_eq(&root, &e->root)))
		e->status = ctl_fail(EX_DATAERR, "the tiles of the database do not give the root of its newest checkpoint; 'kepctl fsck' tells where");
}

/* -- evidence ------------------------------------------------------------------ */

/* "evidence/x001/234.jsonl" of "tile/entries/x001/234" or "tile/entries/x001/234.p/5". */
static char *jsonl_path(const char *entries)
{
	const char *number = entries + sizeof "tile/entries/" - 1, *part = strstr(number, ".p/");

	return mem_printf("evidence/%.*s.jsonl", (int)(part ? (size_t)(part - number) : strlen(number)), number);
}

/* The bundle that ends before e->next; nothing where it holds no evidence that is wanted. */
static void end_bundle(struct export *e)
{
	uint64_t number = (e->next - 1) / MERKLE_TILE, first = number * MERKLE_TILE;
	struct buf path = BUF_INIT;
	char *jsonl;

	tiles_entries_path(&path, number, merkle_width(0, number, e->size));
	jsonl = jsonl_path(buf_str(&path));
	add(e, jsonl, buf_span(&e->jsonl));
	if (e->whole && e->from <= first && e->next <= e->to && e->next - first == merkle_width(0, number, e->size))
		add(e, buf_str(&path), buf_span(&e->entries));
	buf_clear(&e->jsonl);
	buf_clear(&e->entries);
	e->whole = true;
	free(jsonl);
	buf_release(&path);
}

/* Leaves that come before that one hold no octets here: not wanted, or removed. */
static void skip_to(struct export *e, uint64_t index)
{
	for (; e->next < index; e->next++) {
		buf_addc(&e->jsonl, '\n');
		e->whole = false;
	}
}

static bool hear_leaf(void *arg, const struct span *v, size_t n)
{
	struct export *e = arg;
	uint64_t index = n == 2 ? big_endian(v[0]) : 0;
	struct span body = n == 2 ? v[1] : SPAN_NONE;

	if (index < e->next)
		return false;
	skip_to(e, index);
	buf_add(&e->jsonl, body);
	buf_addc(&e->jsonl, '\n');
	if (body.p && body.n <= ENTRY_MAX) {
		buf_addc(&e->entries, (char)(body.n >> 8));
		buf_addc(&e->entries, (char)(body.n & 0xff));
		buf_add(&e->entries, body);
	} else {
		e->whole = false;
	}
	e->next++;
	return true;
}

static void write_evidence(struct export *e)
{
	static const char format[] = "SELECT index, body FROM kep.ledger_leaves WHERE index >= %" PRIu64 " AND index < %" PRIu64 " ORDER BY index";
	uint64_t at = e->from;

	e->whole = true;
	progress_begin(&e->progress, "evidences", e->to);
	while (at < e->to && e->status == EX_OK) {
		uint64_t first = at - at % MERKLE_TILE, end = first + MERKLE_TILE < e->to ? first + MERKLE_TILE : e->to;

		e->next = first;
		copy(e, mem_printf(format, at, end), hear_leaf);
		skip_to(e, end);
		end_bundle(e);
		at = end;
		progress_at(&e->progress, at);
	}
	progress_end(&e->progress);
}

/* -- checkpoints, time-stamps, certificates ------------------------------------ */

static void add_pem(struct buf *out, struct span der)
{
	struct buf text = BUF_INIT;

	buf_add_base64(&text, der, 64);
	buf_adds(out, "-----BEGIN CERTIFICATE-----\n");
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '\r')
			buf_addc(out, text.p[i]);
	buf_adds(out, "-----END CERTIFICATE-----\n");
	buf_release(&text);
}

/* A certificate that lies in a seal, once; its name is its fingerprint. */
static void write_certificate(struct export *e, struct span der)
{
	char hex[2 * SHA256_SIZE + 1], *path;
	unsigned char digest[SHA256_SIZE];
	struct buf pem = BUF_INIT;

	digest_sha256(digest, der);
	for (size_t i = 0; i < e->n_seals; i++)
		if (memcmp(e->seals[i], digest, sizeof digest) == 0)
			return;
	if (e->n_seals == SEALS_MAX)
		return;
	memcpy(e->seals[e->n_seals++], digest, sizeof digest);
	hex_encode(hex, digest, sizeof digest);
	add_pem(&pem, der);
	path = mem_printf("certificates/%s.pem", hex);
	add(e, path, buf_span(&pem));
	free(path);
	buf_release(&pem);
}

static bool hear_checkpoint(void *arg, const struct span *v, size_t n)
{
	struct export *e = arg;
	struct buf note = BUF_INIT;
	struct outline seal;
	uint64_t size;

	if (n != 4)
		return false;
	size = big_endian(v[0]);
	buf_add(&note, v[1]);
	buf_add(&note, v[3]);           /* the witnesses' lines */
	add_sized(e, "checkpoints", size, 0, "", buf_span(&note));
	add_sized(e, "checkpoints", size, 0, ".p7s", v[2]);
	if (size == e->size)
		add(e, "checkpoint", buf_span(&note));
	if (outline_read(&seal, v[2]) == REASON_ACCEPTED)
		for (size_t i = 0; i < seal.n_certificates; i++)
			write_certificate(e, seal.certificates[i]);
	buf_release(&note);
	return e->status == EX_OK;
}

static bool hear_stamp(void *arg, const struct span *v, size_t n)
{
	struct export *e = arg;
	struct span chain = n == 4 ? v[2] : SPAN_NONE;
	struct buf pem = BUF_INIT;
	uint64_t size = big_endian(v[0]);
	struct der one;

	if (n != 4)
		return false;
	e->stamps = size == e->stamped ? e->stamps + 1 : 1;
	e->stamped = size;
	add_sized(e, "stamps", size, e->stamps, ".tst", v[1]);
	while (chain.n && der_next(&chain, &one))
		add_pem(&pem, one.whole);
	if (pem.n)
		add_sized(e, "stamps", size, e->stamps, ".chain.pem", buf_span(&pem));
	if (v[3].n)
		add_sized(e, "stamps", size, e->stamps, ".revocation.der", v[3]);
	buf_release(&pem);
	return e->status == EX_OK;
}

static void write_signed(struct export *e)
{
	copy(e, mem_printf("SELECT c.size, c.note, c.cms, (SELECT convert_to(string_agg(rtrim(g.line, E'\n') || E'\n', '' ORDER BY g.name, g.key_hash), 'UTF8')"
	                   " FROM kep.cosignatures AS g WHERE g.size = c.size)"
	                   " FROM kep.checkpoints AS c WHERE c.size <= %" PRIu64 " ORDER BY c.size", e->size), hear_checkpoint);
	copy(e, mem_printf("SELECT s.size, s.token, (SELECT string_agg(x, ''::bytea ORDER BY n) FROM unnest(s.chain) WITH ORDINALITY AS u (x, n)),"
	                   " (SELECT string_agg(x, ''::bytea ORDER BY n) FROM unnest(s.revocation) WITH ORDINALITY AS u (x, n))"
	                   " FROM kep.stamps AS s WHERE s.size <= %" PRIu64 " ORDER BY s.size, s.tsa", e->size), hear_stamp);
}

/* -- what is wanted ------------------------------------------------------------ */

/* The newest checkpoint says how large the ledger is that is exported. */
static void read_head(struct export *e)
{
	const struct pg_rows *rows = ctl_ask(e->ctl, e->db, "SELECT note FROM kep.checkpoints ORDER BY size DESC LIMIT 1", NULL, &e->status);
	struct buf octets = BUF_INIT;
	struct checkpoint head;
	struct note note;

	if (rows && pg_rows_count(rows) == 0)
		e->status = ctl_fail(EX_NOINPUT, "there is no checkpoint yet, and nothing under one to export; kep-policyd makes them");
	else if (rows && pg_bytea(rows, 0, 0, &octets) && note_parse(buf_span(&octets), &note, NULL) && checkpoint_parse(note.text, &head, NULL)) {
		e->size = head.size;
		e->root = head.root;
	} else if (rows) {
		e->status = ctl_fail(EX_DATAERR, "the newest checkpoint of the database cannot be read; 'kepctl fsck' tells more");
	}
	buf_release(&octets);
}

static bool is_number(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0 && s.n < 19;
}

/* An index, or the first leaf that was recorded at that time or later. */
static uint64_t find_place(struct export *e, enum ctl_option option, uint64_t otherwise)
{
	struct span value = ctl_value(e->ctl, option);
	struct pg_params params = { .n = 0 };
	const struct pg_rows *rows;
	uint64_t place;
	usec t;

	if (e->status != EX_OK || !e->ctl->given[option])
		return otherwise;
	if (is_number(value)) {
		place = strtoull(value.p, NULL, 10);
		return place < e->size ? place : e->size;
	}
	if (!clock_parse(value, &t)) {
		e->status = ctl_fail(EX_USAGE, "'%s' is neither an index nor a time such as 2026-11-23T18:45:23Z", value.p);
		return otherwise;
	}
	pg_text(&params, value);
	rows = ctl_ask(e->ctl, e->db, "SELECT coalesce(min(index), -1) FROM kep.ledger_leaves WHERE recorded_at >= $1::timestamptz", &params, &e->status);
	if (!rows || pg_value(rows, 0, 0).p[0] == '-')
		return e->size;
	place = strtoull(pg_value(rows, 0, 0).p, NULL, 10);
	return place < e->size ? place : e->size;
}

static void write_all(struct export *e)
{
	struct buf error = BUF_INIT;

	if ((e->crate = crate_open(e->ctl->words[0], &error))) {
		progress_begin(&e->progress, "leaves", e->size);
		write_tiles(e);
		progress_end(&e->progress);
		write_signed(e);
		write_evidence(e);
		if (e->status == EX_OK && !crate_seal(e->crate, &error))
			e->status = ctl_fail(EX_CANTCREAT, "%s", buf_str(&error));
	} else {
		e->status = ctl_fail(EX_CANTCREAT, "%s", buf_str(&error));
	}
	buf_release(&error);
}

static void tell(const struct export *e)
{
	char leaves[32], evidences[32], files[32], octets[32];

	progress_number(leaves, e->size);
	progress_number(evidences, e->to - e->from);
	progress_number(files, crate_count(e->crate) + 1);
	progress_number(octets, crate_size(e->crate));
	printf("%s: a ledger of %s leaves, %s evidences (index %" PRIu64 " to %" PRIu64 "), %s files, %s octets\n", e->ctl->words[0], leaves, evidences,
	       e->from, e->to ? e->to - 1 : 0, files, octets);
	puts("sha256sum -c MANIFEST.sha256 checks the files; docs/evidence-format.md says what they are");
}

int command_export(const struct ctl *c)
{
	struct export e = { .ctl = c, .status = EX_OK };

	if ((e.db = ctl_connect(c, c->conf->database_auditor, &e.status)))
		read_head(&e);
	e.from = find_place(&e, CTL_FROM, 0);
	e.to = find_place(&e, CTL_TO, e.size);
	if (e.status == EX_OK && e.from >= e.to)
		e.status = ctl_fail(EX_USAGE, "nothing lies between --from and --to: the ledger has %" PRIu64 " leaves under its newest checkpoint", e.size);
	if (e.status == EX_OK)
		write_all(&e);
	if (e.status == EX_OK)
		tell(&e);
	crate_free(e.crate);
	db_close(e.db);
	buf_release(&e.jsonl);
	buf_release(&e.entries);
	buf_release(&e.error);
	return e.status;
}
