#include "kepctl/heads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "libkep/exam.h"
#include "libkep/folder.h"
#include "libkep/logproof.h"
#include "libkep/mem.h"

#define PAGE       200
#define DAY        ((usec)86400 * 1000000)

/* A checkpoint of the database. */
struct head {
	uint64_t      size;
	struct buf    root, origin, note, cms;
	usec          at;
};

/* One from outside. */
struct published {
	char              *file;
	uint64_t           size;
	struct merkle_hash root;
};

struct heads {
	const struct ctl     *ctl;
	struct db            *db;
	const struct keyring *keyring;
	struct audit         *audit;
	int                   status;
	struct head           page[PAGE];
	size_t                n, next;          /* rows of the page; the one that is due */
	bool                  last;             /* there is no page behind this one */
	uint64_t              before;           /* size of the checkpoint before the one that is due */
	usec                  newest;
	struct buf            origin;           /* of the first checkpoint */
	struct published     *published;
	size_t                n_published, next_published;
};

static void head_release(struct head *d)
{
	buf_release(&d->root);
	buf_release(&d->origin);
	buf_release(&d->note);
	buf_release(&d->cms);
}

struct heads *heads_new(const struct ctl *c, struct db *db, const struct keyring *k, struct audit *a)
{
	struct heads *h = mem_new(sizeof *h);

	h->ctl = c;
	h->db = db;
	h->keyring = k;
	h->audit = a;
	return h;
}

void heads_free(struct heads *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < PAGE; i++)
		head_release(&h->page[i]);
	for (size_t i = 0; i < h->n_published; i++)
		free(h->published[i].file);
	free(h->published);
	buf_release(&h->origin);
	free(h);
}

int heads_status(const struct heads *h)
{
	return h->status;
}

usec heads_newest(const struct heads *h)
{
	return h->newest;
}

static uint64_t number(const struct pg_rows *rows, size_t row, size_t column)
{
	struct span s = pg_value(rows, row, column);

	return s.n ? strtoull(s.p, NULL, 10) : 0;
}

/* -- from outside -------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	const struct published *x = a, *y = b;

	return x->size < y->size ? -1 : x->size > y->size;
}

/* Its signature is as good as the keys we have; without keys its octets are taken for what they say. */
static bool read_published(const struct heads *h, struct span text, struct checkpoint *head, struct buf *why)
{
	struct logproof proof;
	struct note note;

	if (text.n > 22 && memcmp(text.p, "c2sp.org/tlog-proof@v1", 22) == 0) {
		if (!logproof_parse(text, &proof, why))
			return false;
		text = proof.checkpoint;
	}
	if (!h->keyring)
		return note_parse(text, &note, why) && checkpoint_parse(note.text, head, why);
	return checkpoint_open(text, h->keyring->keys, h->keyring->n_keys, &note, head, why) == CHECKPOINT_GOOD;
}

bool heads_publish(struct heads *h, const char *file, struct buf *error)
{
	struct buf text = BUF_INIT, why = BUF_INIT;
	struct checkpoint head;
	bool ok = folder_read(file, LOGPROOF_MAX, &text, error);

	if (ok && !read_published(h, buf_span(&text), &head, &why))
		ok = folder_complain(error, file, buf_str(&why));
	if (ok) {
		h->published = mem_grow(h->published, (h->n_published + 1) * sizeof *h->published);
		h->published[h->n_published++] = (struct published){ mem_str(file), head.size, head.root };
		qsort(h->published, h->n_published, sizeof *h->published, by_size);
	}
	buf_release(&text);
	buf_release(&why);
	return ok;
}

static void judge_published(struct heads *h, const struct published *p, const struct merkle_hash *root)
{
	uint64_t near = audit_near(h->audit, h->before, p->size);

	h->audit->row[AUDIT_PUBLISHED].seen++;
	if (!merkle_eq(root, &p->root))
		audit_fault(h->audit, AUDIT_PUBLISHED, near, "%s: the first %" PRIu64 " leaves are not those that were published; "
		            "one at or behind index %" PRIu64 " is another", p->file, p->size, near);
}

/* -- from the database --------------------------------------------------------- */

static void take(struct heads *h, const struct pg_rows *rows, size_t i, struct head *d)
{
	buf_clear(&d->root);
	buf_clear(&d->origin);
	buf_clear(&d->note);
	buf_clear(&d->cms);
	d->size = number(rows, i, 0);
	pg_bytea(rows, i, 1, &d->root);
	buf_add(&d->origin, pg_value(rows, i, 2));
	pg_bytea(rows, i, 3, &d->note);
	pg_bytea(rows, i, 4, &d->cms);
	d->at = 0;
	clock_parse(pg_value(rows, i, 5), &d->at);
}

static void turn_page(struct heads *h)
{
	struct pg_params params = { .n = 0 };
	const struct pg_rows *rows;
	char after[24];

	snprintf(after, sizeof after, "%" PRIu64, h->before);
	pg_text(&params, span_str(after));
	rows = ctl_ask(h->ctl, h->db, "SELECT size, root, origin, note, cms, at FROM kep.checkpoints WHERE size > $1::bigint ORDER BY size LIMIT 200",
	               &params, &h->status);
	h->next = h->n = 0;
	if (rows)
		for (; h->n < pg_rows_count(rows) && h->n < PAGE; h->n++)
			take(h, rows, h->n, &h->page[h->n]);
	h->last = h->n < PAGE;
}

/* The checkpoint that is due; NULL: there is none. */
static struct head *due(struct heads *h)
{
	if (h->next == h->n && !h->last)
		turn_page(h);
	return h->next < h->n ? &h->page[h->next] : NULL;
}

uint64_t heads_due(struct heads *h)
{
	const struct head *d = due(h);
	uint64_t size = d ? d->size : UINT64_MAX;

	if (h->next_published < h->n_published && h->published[h->next_published].size < size)
		size = h->published[h->next_published].size;
	return size;
}

usec heads_before(struct heads *h)
{
	const struct head *d = due(h);

	return d ? d->at : INT64_MAX;
}

/* -- a checkpoint -------------------------------------------------------------- */

/* What stands beside the note must be what the note says. */
static const char *row_differs(struct heads *h, const struct head *d, const struct checkpoint *said)
{
	if (said->size != d->size)
		return "size";
	if (!span_eq(span_of((const char *)said->root.o, MERKLE_SIZE), buf_span(&d->root)))
		return "root";
	if (!span_eq(said->origin, buf_span(&d->origin)))
		return "origin";
	if (h->origin.n == 0)
		buf_add(&h->origin, said->origin);
	return span_eq(said->origin, buf_span(&h->origin)) ? NULL : "origin (of the first checkpoint)";
}

static void judge_root(struct heads *h, const struct head *d, const struct checkpoint *said, const struct merkle_hash *root)
{
	const char *column = row_differs(h, d, said);
	uint64_t near = audit_near(h->audit, h->before, d->size);

	if (!merkle_eq(root, &said->root))
		audit_fault(h->audit, AUDIT_ROOTS, near, "the checkpoint of size %" PRIu64 " has another root than these leaves; where nothing else is "
		            "wrong, evidence at or behind index %" PRIu64 " was replaced together with its hashes", d->size, near);
	else if (column)
		audit_fault(h->audit, AUDIT_ROOTS, h->before, "checkpoint of size %" PRIu64 ": its column %s is not what its note says", d->size, column);
}

static void judge_seal(struct heads *h, const struct head *d, struct span text)
{
	struct signer signer = { .subject = NULL };
	struct buf words = BUF_INIT;
	enum reason why = exam_sealed(buf_span(&d->cms), text, h->keyring, d->at, &signer);

	h->audit->row[AUDIT_SEALS].seen++;
	exam_reason(&words, why, d->at);
	if (why != REASON_ACCEPTED)
		audit_fault(h->audit, AUDIT_SEALS, h->before, "checkpoint of size %" PRIu64 ": %s", d->size, buf_str(&words));
	else if (d->at < signer.signing_time - HEADS_SKEW || d->at > signer.signing_time + DAY)
		audit_fault(h->audit, AUDIT_TIMES, h->before, "checkpoint of size %" PRIu64 ": its column at is far from the time at which it was sealed", d->size);
	signer_release(&signer);
	buf_release(&words);
}

static void judge_signatures(struct heads *h, const struct head *d, enum checkpoint_verdict verdict, struct span text, const char *why)
{
	h->audit->row[AUDIT_SIGNATURES].seen++;
	if (verdict != CHECKPOINT_GOOD)
		audit_fault(h->audit, AUDIT_SIGNATURES, h->before, "checkpoint of size %" PRIu64 ": %s", d->size, why);
	judge_seal(h, d, text);
}

/* The leaves up to its size have gone by; leaves NULL: there are not so many. */
static void judge(struct heads *h, const struct head *d, const struct merkle_hash *root)
{
	static const struct keyring none;
	const struct keyring *k = h->keyring ? h->keyring : &none;
	struct buf why = BUF_INIT;
	struct checkpoint said;
	struct note note;
	enum checkpoint_verdict verdict = checkpoint_open(buf_span(&d->note), k->keys, k->n_keys, &note, &said, &why);

	h->audit->row[AUDIT_ROOTS].seen++;
	if (verdict == CHECKPOINT_MALFORMED) {
		audit_fault(h->audit, AUDIT_ROOTS, h->before, "checkpoint of size %" PRIu64 ": %s", d->size, buf_str(&why));
	} else {
		if (root)
			judge_root(h, d, &said, root);
		if (h->keyring)
			judge_signatures(h, d, verdict, note.text, buf_str(&why));
	}
	if (d->at < h->newest - HEADS_SKEW)
		audit_fault(h->audit, AUDIT_TIMES, h->before, "checkpoint of size %" PRIu64 ": its column at is before that of a smaller one", d->size);
	buf_release(&why);
}

static void pass(struct heads *h, const struct head *d)
{
	h->before = d->size;
	h->newest = d->at;
	h->next++;
}

void heads_reached(struct heads *h, const struct merkle_range *leaves)
{
	struct merkle_hash root;
	const struct head *d;

	merkle_range_root(leaves, &root);
	while (h->next_published < h->n_published && h->published[h->next_published].size == leaves->size)
		judge_published(h, &h->published[h->next_published++], &root);
	while ((d = due(h)) && d->size == leaves->size) {
		judge(h, d, &root);
		pass(h, d);
	}
}

/* A checkpoint made while we looked is not above the ledger: newest is its size now. */
static uint64_t size_now(struct heads *h)
{
	const struct pg_rows *rows = ctl_ask(h->ctl, h->db, "SELECT size FROM kep.ledger", NULL, &h->status);

	return rows && pg_rows_count(rows) ? number(rows, 0, 0) : 0;
}

void heads_end(struct heads *h, uint64_t size)
{
	uint64_t now = size_now(h);
	const struct head *d;

	while ((d = due(h)) && d->size <= now)
		pass(h, d);
	for (; (d = due(h)); pass(h, d)) {
		audit_fault(h->audit, AUDIT_ROOTS, size, "there is a checkpoint of size %" PRIu64 ", but the ledger ends at %" PRIu64 ": its tail is gone", d->size, size);
		judge(h, d, NULL);
	}
	for (; h->next_published < h->n_published; h->next_published++) {
		const struct published *p = &h->published[h->next_published];

		if (p->size > now)
			audit_fault(h->audit, AUDIT_PUBLISHED, size, "%s: %" PRIu64 " leaves were published, but the ledger ends at %" PRIu64
			            ": its tail is gone, or this is an older copy", p->file, p->size, size);
		h->audit->row[AUDIT_PUBLISHED].seen++;
	}
}

/* -- time-stamps --------------------------------------------------------------- */

/* What stands beside the token must be what the token says. */
static const char *stamp_differs(const struct pg_rows *rows, size_t i, const struct stamp *s)
{
	usec time;

	if (!clock_parse(pg_value(rows, i, 3), &time) || time / 1000000 != s->time / 1000000)
		return "gen_time";
	if (!span_is(pg_value(rows, i, 4), s->policy))
		return "policy";
	return span_caseeq(pg_value(rows, i, 5), span_str(s->serial)) ? NULL : "serial";
}

static void judge_stamp(struct heads *h, const struct pg_rows *rows, size_t i, usec *before)
{
	struct buf token = BUF_INIT, chain = BUF_INIT, octets = BUF_INIT;
	uint64_t size = number(rows, i, 0), first = size ? size - 1 : 0;
	struct stamp_want want = { .policy = NULL };
	enum stamp_verdict verdict;
	const char *column;
	struct stamp s;
	struct note note;

	pg_bytea(rows, i, 2, &token);
	pg_bytea(rows, i, 6, &chain);
	pg_bytea(rows, i, 7, &octets);
	want.certificates = buf_span(&chain);
	h->audit->row[AUDIT_STAMPS].seen++;
	if (!note_parse(buf_span(&octets), &note, NULL)) {
		audit_fault(h->audit, AUDIT_STAMPS, first, "time-stamp of size %" PRIu64 ": there is no such checkpoint, or it is none", size);
	} else {
		want.data = note.text;
		verdict = stamp_verify(buf_span(&token), &want, h->keyring->stamps, &s, NULL);
		column = verdict == STAMP_GOOD ? stamp_differs(rows, i, &s) : NULL;
		if (verdict != STAMP_GOOD)
			audit_fault(h->audit, AUDIT_STAMPS, first, "time-stamp of size %" PRIu64 ": %s", size, stamp_words(verdict)->english);
		else if (column)
			audit_fault(h->audit, AUDIT_STAMPS, first, "time-stamp of size %" PRIu64 ": its column %s is not what the token says", size, column);
		else if (s.time < *before - HEADS_SKEW)
			audit_fault(h->audit, AUDIT_STAMPS, first, "time-stamp of size %" PRIu64 ": it is older than that of a smaller checkpoint", size);
		if (verdict == STAMP_GOOD)
			*before = s.time;
	}
	buf_release(&token);
	buf_release(&chain);
	buf_release(&octets);
}

void heads_stamps(struct heads *h)
{
	static const char sql[] =
		"SELECT s.size, s.tsa, s.token, s.gen_time, s.policy, s.serial,"
		" (SELECT string_agg(x, ''::bytea ORDER BY n) FROM unnest(s.chain) WITH ORDINALITY AS u (x, n)), c.note"
		" FROM kep.stamps AS s LEFT JOIN kep.checkpoints AS c ON c.size = s.size"
		" WHERE (s.size, s.tsa) > ($1::bigint, $2::text) ORDER BY s.size, s.tsa LIMIT 200";
	struct buf tsa = BUF_INIT;
	char size[24] = "0";
	size_t n = PAGE;
	usec before = 0;

	while (n == PAGE && h->status == EX_OK) {
		struct pg_params params = { .n = 0 };
		const struct pg_rows *rows;

		pg_text(&params, span_str(size));
		pg_text(&params, span_str(buf_str(&tsa)));
		rows = ctl_ask(h->ctl, h->db, sql, &params, &h->status);
		n = rows ? pg_rows_count(rows) : 0;
		for (size_t i = 0; i < n; i++)
			judge_stamp(h, rows, i, &before);
		if (n) {
			snprintf(size, sizeof size, "%" PRIu64, number(rows, n - 1, 0));
			buf_clear(&tsa);
			buf_add(&tsa, pg_value(rows, n - 1, 1));
		}
	}
	buf_release(&tsa);
}
