/* kepctl renew: the archive (0011_archive.sql).  What the ledger has new becomes
 * volumes; volumes whose time-stamp or hash algorithm will end are renewed in time.
 * Everything that needs the same kind of time-stamp at one run shares one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "kepctl/authority.h"
#include "kepctl/record.h"
#include "kepctl/volume.h"
#include "libkep/custody.h"
#include "libkep/der.h"
#include "libkep/mem.h"

#define LOCK "SELECT pg_try_advisory_lock(hashtext('kepctl renew'))"

enum kind { FIRST, STAMP, TREE, KINDS };
static const struct { const char *name, *words; } kinds[KINDS] = {
	[FIRST] = { "first", "archived" }, [STAMP] = { "stamp", "time-stamp renewed" }, [TREE] = { "tree", "hash tree renewed" },
};

/* A volume as it stands, and what it needs. */
struct item {
	int64_t     number, chain, stamp;
	const char *digest;             /* of its last chain; NULL: there is none */
	usec        time, ends;         /* of its newest archive time-stamp; ends: algorithms looked at, too */
	usec        digest_ends;
	bool        due;
	enum kind   kind;
	const char *next;               /* the digest of what it needs */
	unsigned char leaf[SHA512_SIZE];
};

struct renewal {
	const struct ctl *ctl;
	struct db        *reader, *writer;
	struct trust     *tsa;
	struct sunsets    sunsets;
	struct crowns    *crowns;
	struct item      *items;
	size_t            n;
	usec              now;
	const char       *digest;       /* of new chains */
	size_t            done;
	int               status;
};

/* -- questions ---------------------------------------------------------------- */

static void number_text(char text[24], int64_t n)
{
	snprintf(text, 24, "%" PRId64, n);
}

static const struct pg_rows *order(struct renewal *r, const char *sql, const struct pg_params *params)
{
	return ctl_ask(r->ctl, r->writer, sql, params, &r->status);
}

/* -- new volumes -------------------------------------------------------------- */

/* The leaves behind the last volume, as far as the newest stamped checkpoint covers them. */
static bool next_volume(struct renewal *r, int64_t *first, int64_t *checkpoint, char **tsa)
{
	const struct pg_rows *rows = ctl_ask(r->ctl, r->reader,
		"SELECT coalesce((SELECT max(v.first + v.size) FROM kep.archive_volumes AS v), 0), t.size, t.tsa "
		"FROM kep.stamps AS t ORDER BY t.size DESC, t.gen_time, t.tsa LIMIT 1", NULL, &r->status);

	if (!rows || pg_rows_count(rows) == 0)
		return false;
	*first = crown_number(rows, 0, 0);
	*checkpoint = crown_number(rows, 0, 1);
	if (*first >= *checkpoint)
		return false;
	*tsa = mem_span(pg_value(rows, 0, 2));
	return true;
}

static bool add_volume(struct renewal *r, int64_t first, int64_t size, int64_t checkpoint, const char *tsa)
{
	struct pg_params params = { .n = 0 };
	char texts[3][24];

	number_text(texts[0], first);
	number_text(texts[1], size);
	number_text(texts[2], checkpoint);
	for (int i = 0; i < 3; i++)
		pg_text(&params, span_str(texts[i]));
	pg_text(&params, span_str(tsa));
	return order(r, "SELECT kep.archive_volume_add($1::bigint, $2::int, $3::bigint, $4::text)", &params) != NULL;
}

/* One that was made by a run that broke off counts as well, and goes first. */
static void make_volumes(struct renewal *r)
{
	int64_t first, checkpoint, most = r->ctl->conf->archive_volume > 0 ? (int64_t)r->ctl->conf->archive_volume : 1;
	char *tsa = NULL;

	while (r->status == EX_OK && next_volume(r, &first, &checkpoint, &tsa)) {
		int64_t size = checkpoint - first < most ? checkpoint - first : most;

		if (add_volume(r, first, size, checkpoint, tsa))
			printf("leaves %" PRId64 " to %" PRId64 " are a volume of the archive now\n", first, first + size - 1);
		free(tsa);
	}
}

/* -- what is due -------------------------------------------------------------- */

static usec least(usec a, usec b)
{
	return a < b ? a : b;
}

/* Some time before it ends; of what lasts less than twice the margin, at half of it. */
static bool is_due(const struct renewal *r, usec from, usec ends)
{
	usec margin = least(r->ctl->conf->archive_margin, ends / 2 - from / 2);

	return r->now >= ends - margin;
}

static void look(struct renewal *r, struct item *i, struct span algorithms)
{
	if (!i->digest) {
		*i = (struct item){ .number = i->number, .due = true, .kind = FIRST, .next = r->digest };
		return;
	}
	i->ends = least(i->ends, sunset_first(&r->sunsets, algorithms, NULL));
	i->digest_ends = sunset_of(&r->sunsets, span_str(i->digest));
	if (is_due(r, i->time, i->digest_ends))
		*i = (struct item){ i->number, i->chain, i->stamp, i->digest, i->time, i->ends, i->digest_ends, true, TREE, r->digest, { 0 } };
	else if (is_due(r, i->time, i->ends))
		*i = (struct item){ i->number, i->chain, i->stamp, i->digest, i->time, i->ends, i->digest_ends, true, STAMP, i->digest, { 0 } };
	if (i->due && r->now >= least(i->ends, i->digest_ends))
		ctl_fail(0, "volume %" PRId64 ": what its newest archive time-stamp rests on has ended before this renewal; its records prove nothing from then on", i->number);
}

static void read_items(struct renewal *r)
{
	const struct pg_rows *rows = ctl_ask(r->ctl, r->reader, "SELECT volume, chain, stamp, digest, kep.time_text(gen_time), kep.time_text(ends), algorithms "
	                                     "FROM kep.archive_volumes ORDER BY volume", NULL, &r->status);

	r->n = rows ? pg_rows_count(rows) : 0;
	r->items = mem_array(r->n + 1, sizeof *r->items);
	for (size_t k = 0; k < r->n; k++) {
		struct item *i = &r->items[k];

		*i = (struct item){ .number = crown_number(rows, k, 0), .chain = crown_number(rows, k, 1), .stamp = crown_number(rows, k, 2),
		                    .digest = crown_digest(pg_value(rows, k, 3)) };
		clock_parse(pg_value(rows, k, 4), &i->time);
		clock_parse(pg_value(rows, k, 5), &i->ends);
		look(r, i, pg_value(rows, k, 6));
	}
}

/* -- leaves ------------------------------------------------------------------- */

/* The hashes of a chain of a volume that are in the database; none: *digest is NULL. */
static bool stored_hashes(struct renewal *r, int64_t volume, int64_t chain, const char **digest, struct buf *hashes)
{
	struct pg_params params = { .n = 0 };
	const struct pg_rows *rows;
	char texts[2][24];

	number_text(texts[0], volume);
	number_text(texts[1], chain);
	pg_text(&params, span_str(texts[0]));
	pg_text(&params, span_str(texts[1]));
	rows = ctl_ask(r->ctl, r->reader, "SELECT digest, hashes FROM kep.archive_hash_lists WHERE volume = $1::bigint AND chain = $2::int", &params, &r->status);
	*digest = rows && pg_rows_count(rows) ? crown_digest(pg_value(rows, 0, 0)) : NULL;
	if (*digest)
		pg_bytea(rows, 0, 1, hashes);
	return rows != NULL;
}

static bool store_hashes(struct renewal *r, int64_t volume, int64_t chain, const char *digest, const struct buf *hashes)
{
	struct pg_params params = { .n = 0 };
	char texts[2][24];

	number_text(texts[0], volume);
	number_text(texts[1], chain);
	pg_text(&params, span_str(texts[0]));
	pg_text(&params, span_str(texts[1]));
	pg_text(&params, span_str(digest));
	pg_octets(&params, buf_span(hashes));
	return order(r, "SELECT kep.archive_hashes_add($1::bigint, $2::int, $3::text, $4::bytea)", &params) != NULL;
}

/* Hashes of the bodies for the next chain, made and kept, or kept by a run that broke off. */
static bool ready_hashes(struct renewal *r, struct volume *v, struct item *i, struct buf *hashes)
{
	const char *digest, *before_digest = NULL;
	struct buf before = BUF_INIT;
	int64_t chain = i->kind == TREE ? i->chain + 1 : 0;
	bool good = stored_hashes(r, i->number, chain, &digest, hashes);

	if (good && digest) {
		i->next = digest;
		return true;
	}
	if (good && chain > 0)
		good = stored_hashes(r, i->number, chain - 1, &before_digest, &before);
	good = good && volume_bodies(v, i->next, buf_span(&before), hashtree_size(before_digest), hashes, &r->status) &&
	    store_hashes(r, i->number, chain, i->next, hashes);
	buf_release(&before);
	return good;
}

static void begin_leaf(struct renewal *r, struct item *i)
{
	struct buf hashes = BUF_INIT;
	struct volume v;

	if (volume_read(&v, r->ctl, r->reader, i->number, &r->status) && (i->kind != TREE || volume_chains(&v, r->crowns, &r->status)) &&
	    ready_hashes(r, &v, i, &hashes) && volume_begin(&v, i->next, buf_span(&hashes), &r->status))
		archive_root(v.archive, i->leaf);
	volume_complain(&v);
	volume_release(&v);
	buf_release(&hashes);
}

static void ready_leaf(struct renewal *r, struct item *i)
{
	const struct crown *w;

	if (i->kind != STAMP)
		begin_leaf(r, i);
	else if ((w = crowns_get(r->crowns, i->stamp, &r->status)))
		custody_hash(i->next, buf_span(&w->token), i->leaf);
	else if (r->status == EX_DATAERR)
		ctl_fail(0, "archive time-stamp %" PRId64 " is damaged; run 'kepctl fsck'", i->stamp);
}

/* -- one archive time-stamp ---------------------------------------------------- */

static bool belongs(const struct item *i, enum kind kind, const char *digest)
{
	return i->due && i->kind == kind && strcmp(i->next, digest) == 0;
}

/* DER elements as the literal of a bytea[]. */
static void add_array(struct buf *out, struct span der)
{
	struct der e;

	buf_addc(out, '{');
	for (bool first = true; der.n && der_next(&der, &e); first = false) {
		char *hex = mem_new(2 * e.whole.n + 1);

		hex_encode(hex, e.whole.p, e.whole.n);
		buf_addf(out, "%s\"\\\\x%s\"", first ? "" : ",", hex);
		free(hex);
	}
	buf_addc(out, '}');
}

static void members_of(const struct renewal *r, enum kind kind, const char *digest, struct buf *volumes, struct buf *leaves)
{
	char hex[2 * SHA512_SIZE + 1];
	bool first = true;

	for (size_t k = 0; k < r->n; k++)
		if (belongs(&r->items[k], kind, digest)) {
			hex_encode(hex, r->items[k].leaf, hashtree_size(digest));
			buf_addf(volumes, "%c%" PRId64, first ? '{' : ',', r->items[k].number);
			buf_addf(leaves, "%c\"\\\\x%s\"", first ? '{' : ',', hex);
			first = false;
		}
	buf_addc(volumes, '}');
	buf_addc(leaves, '}');
}

static bool store(struct renewal *r, enum kind kind, const char *digest, struct span root, const struct authority *a)
{
	struct buf chain = BUF_INIT, revocation = BUF_INIT, volumes = BUF_INIT, leaves = BUF_INIT;
	char time[CLOCK_TEXT_SIZE], ends[CLOCK_TEXT_SIZE];
	struct pg_params params = { .n = 0 };
	bool good;

	clock_text(time, a->stamp.time);
	clock_text(ends, a->strength.ends);
	add_array(&chain, buf_span(&a->kept.chain));
	add_array(&revocation, buf_span(&a->kept.revocation));
	members_of(r, kind, digest, &volumes, &leaves);
	pg_text(&params, span_str(kinds[kind].name));
	pg_text(&params, span_str(digest));
	pg_octets(&params, root);
	pg_text(&params, buf_span(&a->name));
	pg_octets(&params, buf_span(&a->token));
	pg_text(&params, span_str(time));
	pg_text(&params, span_str(ends));
	pg_text(&params, buf_span(&a->strength.algorithms));
	pg_text(&params, buf_span(&chain));
	pg_text(&params, buf_span(&revocation));
	pg_text(&params, buf_span(&volumes));
	pg_text(&params, buf_span(&leaves));
	good = order(r, "SELECT kep.archive_stamp_add($1::text, $2::text, $3::bytea, $4::text, $5::bytea, $6::timestamptz, $7::timestamptz, $8::text, "
	                "$9::bytea[], $10::bytea[], $11::bigint[], $12::bytea[])", &params) != NULL;
	buf_release(&chain);
	buf_release(&revocation);
	buf_release(&volumes);
	buf_release(&leaves);
	return good;
}

/* A renewal that ends no later than what it renews renews nothing. */
static bool helps(const struct renewal *r, enum kind kind, const char *digest, usec lasts)
{
	for (size_t k = 0; k < r->n; k++)
		if (belongs(&r->items[k], kind, digest) && (kind != STAMP || lasts > r->items[k].ends))
			return true;
	return false;
}

static void say_done(struct renewal *r, enum kind kind, const char *digest, size_t n, const struct authority *a)
{
	char lasts[CLOCK_TEXT_SIZE];

	clock_text(lasts, a->lasts);
	printf("%s: %zu of %zu volumes, %s, by %s, good until %.10s\n", kinds[kind].words, n, r->n, digest, buf_str(&a->name), lasts);
	if (a->lasts - r->ctl->conf->archive_margin <= r->now)
		ctl_fail(0, "this is soon: name an authority in tsa_urls whose certificate lasts longer");
	r->done++;
}

/* Everything of one kind and digest under one time-stamp. */
static void stamp_all(struct renewal *r, enum kind kind, const char *digest)
{
	struct hashtree *t = hashtree_new(digest);
	unsigned char octets[SHA512_SIZE];
	struct span root = { (const char *)octets, hashtree_size(digest) };
	struct buf why = BUF_INIT;
	struct authority a;

	for (size_t k = 0; k < r->n; k++)
		if (belongs(&r->items[k], kind, digest))
			hashtree_add(t, r->items[k].leaf);
	hashtree_root(t, octets);
	if (!authority_ask(&a, r->ctl->conf, r->tsa, &r->sunsets, r->now + r->ctl->conf->archive_margin, digest, root, &why))
		r->status = ctl_fail(EX_UNAVAILABLE, "no archive time-stamp: %s", buf_str(&why));
	else if (!helps(r, kind, digest, a.lasts))
		r->status = ctl_fail(EX_UNAVAILABLE, "nothing renewed: no authority of tsa_urls makes time-stamps that last longer than those that are to be renewed");
	else if (store(r, kind, digest, root, &a))
		say_done(r, kind, digest, hashtree_count(t), &a);
	authority_release(&a);
	hashtree_free(t);
	buf_release(&why);
}

/* Each item's leaf; then a time-stamp for each kind and digest that occurs. */
static void renew(struct renewal *r)
{
	static const char *const digests[] = { "sha256", "sha384", "sha512" };

	for (size_t k = 0; r->status == EX_OK && k < r->n; k++)
		if (r->items[k].due)
			ready_leaf(r, &r->items[k]);
	for (enum kind kind = FIRST; kind < KINDS; kind++)
		for (size_t d = 0; d < COUNT_OF(digests); d++)
			for (size_t k = 0; r->status == EX_OK && k < r->n; k++)
				if (belongs(&r->items[k], kind, digests[d])) {
					stamp_all(r, kind, digests[d]);
					break;
				}
}

static void say_rest(const struct renewal *r)
{
	usec next = INT64_MAX;
	char text[CLOCK_TEXT_SIZE];

	for (size_t k = 0; k < r->n; k++)
		if (!r->items[k].due)
			next = least(next, least(r->items[k].ends, r->items[k].digest_ends));
	if (r->n == 0)
		puts("nothing to archive yet: no checkpoint of the ledger has a time-stamp");
	else if (r->done == 0 && next < INT64_MAX) {
		clock_text(text, next);
		printf("nothing to renew: %zu volumes, the first end is %.10s\n", r->n, text);
	}
}

/* -- the run ------------------------------------------------------------------ */

/* What ends too soon is of no use for a new chain. */
static void check_digest(struct renewal *r)
{
	const struct conf *conf = r->ctl->conf;

	r->digest = crown_digest(span_str(conf->archive_digest));
	if (!r->digest)
		r->status = ctl_fail(EX_CONFIG, "archive_digest = %s; write sha256, sha384 or sha512", conf->archive_digest);
	else if (sunset_of(&r->sunsets, span_str(r->digest)) - conf->archive_margin <= r->now)
		r->status = ctl_fail(EX_CONFIG, "archive_digest = %s ends soon, says algorithm_ends; choose a stronger one", conf->archive_digest);
}

static void lock(struct renewal *r)
{
	const struct pg_rows *rows = order(r, LOCK, NULL);

	if (rows && !span_is(pg_value(rows, 0, 0), "t"))
		r->status = ctl_fail(EX_TEMPFAIL, "another 'kepctl renew' is at work");
}

static void begin(struct renewal *r)
{
	const struct conf *conf = r->ctl->conf;
	struct buf error = BUF_INIT;

	if (!sunsets_read(span_str(conf->algorithm_ends), &r->sunsets, &error))
		r->status = ctl_fail(EX_CONFIG, "algorithm_ends: %s", buf_str(&error));
	else if (!*conf->tsa_anchors)
		r->status = ctl_fail(EX_CONFIG, "tsa_anchors is not set; name the folder with the roots of the time-stamping authorities");
	else if (!(r->tsa = trust_load(conf->tsa_anchors, &error)))
		r->status = ctl_fail(EX_CONFIG, "tsa_anchors: %s", buf_str(&error));
	else
		check_digest(r);
	buf_release(&error);
	if (r->status == EX_OK && (r->reader = ctl_connect(r->ctl, conf->database_auditor, &r->status)) &&
	    (r->writer = ctl_connect(r->ctl, conf->database_operator, &r->status))) {
		r->crowns = crowns_new(r->ctl, r->reader);
		lock(r);
	}
}

int command_renew(const struct ctl *c)
{
	struct renewal r = { .ctl = c, .now = clock_now() };

	if (c->given[CTL_EXPORT])
		return record_export(c);
	if (c->words[0])
		return ctl_fail(EX_USAGE, "an evidence is named for --export DIR only");
	begin(&r);
	if (r.status == EX_OK)
		make_volumes(&r);
	if (r.status == EX_OK)
		read_items(&r);
	if (r.status == EX_OK)
		renew(&r);
	if (r.status == EX_OK)
		say_rest(&r);
	free(r.items);
	crowns_free(r.crowns);
	db_close(r.reader);
	db_close(r.writer);
	trust_free(r.tsa);
	return r.status;
}
