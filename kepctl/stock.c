#include "kepctl/stock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>

#include "kepctl/volume.h"
#include "libkep/custody_token.h"
#include "libkep/mem.h"

struct stock {
	const struct ctl     *ctl;
	struct db            *db;
	const struct keyring *keys;             /* NULL: time-stamps are not judged */
	struct crowns        *crowns;
	struct sunsets        sunsets;
	usec                  now;
	struct audit         *audit;
	int64_t               next;             /* the leaf the next volume begins with */
	int                   status;
};

static void fault(struct stock *s, const struct volume *v, size_t leaf, const char *words)
{
	audit_fault(s->audit, AUDIT_ARCHIVE, (uint64_t)v->first + leaf, "volume %" PRId64 " of the archive: %s", v->number, words);
}

/* A damage is a finding; what else went wrong ends the run. */
static bool found(struct stock *s, struct volume *v, size_t leaf)
{
	if (s->status == EX_DATAERR) {
		fault(s, v, leaf, v->why.n ? buf_str(&v->why) : "it is damaged");
		s->status = EX_OK;
	}
	return false;
}

static bool check_hashes(struct stock *s, struct volume *v)
{
	size_t bad = 0;
	bool good = true;

	for (size_t chain = 0; good && chain < v->chains; chain++) {
		struct buf hashes = BUF_INIT;
		const char *digest = volume_hashes(v, chain, &hashes, &s->status);

		good = digest && volume_compare(v, digest, buf_span(&hashes), &bad, &s->status);
		buf_release(&hashes);
	}
	return good || found(s, v, bad);
}

static enum ers_verdict judge(struct stock *s, struct span record, const struct span *objects, size_t n, struct custody *c)
{
	struct ers *e = mem_new(sizeof *e);
	struct custody_tokens tokens;
	struct custody_rules rules;
	enum ers_verdict verdict = ers_read(record, e);

	if (verdict == ERS_GOOD) {
		custody_tokens_init(&tokens, e, s->keys->stamps, &s->sunsets, s->now, &rules);
		verdict = custody_judge(e, objects, n, &rules, c);
		custody_tokens_release(&tokens);
	}
	free(e);
	return verdict;
}

/* The first leaf stands for all: they share their time-stamps. */
static void check_record(struct stock *s, struct volume *v)
{
	struct buf proof = BUF_INIT, record = BUF_INIT, infos = BUF_INIT;
	struct custody c = { .why = BUF_INIT };
	enum ers_verdict verdict;

	if (!volume_proof(v, 0, &proof, &s->status)) {
		found(s, v, 0);
	} else {
		struct span objects[] = { buf_span(&proof), buf_span(&v->cms), buf_span(&v->stamp) };

		custody_tokens_infos(&infos, buf_span(&v->certificates));
		archive_record(v->archive, 0, buf_span(&infos), &record);
		verdict = judge(s, buf_span(&record), objects, COUNT_OF(objects), &c);
		if (verdict != ERS_GOOD)
			fault(s, v, 0, ers_words(verdict)->english);
	}
	custody_release(&c);
	buf_release(&proof);
	buf_release(&record);
	buf_release(&infos);
}

static void check_volume(struct stock *s, int64_t number)
{
	struct volume v;

	s->audit->row[AUDIT_ARCHIVE].seen++;
	if (!volume_read(&v, s->ctl, s->db, number, &s->status))
		found(s, &v, 0);
	else if (v.first != s->next)
		fault(s, &v, 0, "it does not stand behind the one before");
	else if (!volume_chains(&v, s->crowns, &s->status))
		found(s, &v, 0);
	else if (check_hashes(s, &v) && v.chains && s->keys)
		check_record(s, &v);
	s->next = v.first + (int64_t)v.size;
	volume_release(&v);
}

/* Their numbers are asked for first; the answer is gone with the next question. */
static int64_t *read_numbers(struct stock *s, size_t *n)
{
	const struct pg_rows *rows = ctl_ask(s->ctl, s->db, "SELECT volume FROM kep.archive_volumes ORDER BY volume", NULL, &s->status);
	int64_t *all;

	*n = rows ? pg_rows_count(rows) : 0;
	all = mem_array(*n + 1, sizeof *all);
	for (size_t i = 0; i < *n; i++)
		all[i] = crown_number(rows, i, 0);
	return all;
}

int stock_audit(const struct ctl *c, struct db *db, const struct keyring *keys, usec now, struct audit *a)
{
	struct stock s = { .ctl = c, .db = db, .keys = keys, .now = now, .audit = a };
	struct buf why = BUF_INIT;
	int64_t *numbers;
	size_t n;

	if (!sunsets_read(span_str(c->conf->algorithm_ends), &s.sunsets, &why))
		s.status = ctl_fail(EX_CONFIG, "algorithm_ends: %s", buf_str(&why));
	s.crowns = crowns_new(c, db);
	numbers = read_numbers(&s, &n);
	for (size_t i = 0; s.status == EX_OK && i < n; i++)
		check_volume(&s, numbers[i]);
	free(numbers);
	crowns_free(s.crowns);
	buf_release(&why);
	return s.status;
}
