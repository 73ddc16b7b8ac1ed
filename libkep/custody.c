#include "libkep/custody.h"

#include <stdlib.h>

#include "libkep/hashtree.h"
#include "libkep/mem.h"

/* One record on its way through the rules. */
struct trial {
	const struct ers           *ers;
	const struct span          *objects;
	size_t                      n_objects;
	const struct custody_rules *rules;
	struct custody             *out;
	struct custody_token        before, this;       /* tokens */
	const char                 *digest;             /* of the chain */
	size_t                      size;               /* of its hashes */
};

void custody_release(struct custody *c)
{
	buf_release(&c->why);
}

size_t custody_hash(const char *digest, struct span octets, unsigned char *out)
{
	struct digest *d = digest_new(digest);
	size_t n;

	digest_add(d, octets);
	n = digest_finish(d, out);
	digest_free(d);
	return n;
}

void custody_renewed(const char *digest, const unsigned char *data, const unsigned char *sequence, unsigned char *out)
{
	size_t size = hashtree_size(digest);
	char both[2 * SHA512_SIZE];

	memcpy(both, data, size);
	memcpy(both + size, sequence, size);
	custody_hash(digest, span_of(both, 2 * size), out);
}

/* -- reduced hash trees ------------------------------------------------------- */

static bool has(struct span list, struct span hash)
{
	struct span other;

	while (list.n && ers_next_hash(&list, &other))
		if (span_eq(other, hash))
			return true;
	return false;
}

/* The hashes of a list, behind what is in *out.  false: one has another size. */
static bool gather(struct span list, size_t size, struct buf *out)
{
	struct span hash;

	while (list.n && ers_next_hash(&list, &hash)) {
		if (hash.n != size)
			return false;
		buf_add(out, hash);
	}
	return true;
}

/* From a hash up through the lists; *value becomes the root. */
static bool climb(const struct trial *t, struct span lists, unsigned char *value)
{
	struct buf hashes = BUF_INIT;
	bool good = true;
	struct span list;

	while (good && lists.n && ers_next_list(&lists, &list)) {
		buf_clear(&hashes);
		buf_add(&hashes, span_of((const char *)value, t->size));
		good = gather(list, t->size, &hashes);
		if (good)
			hashtree_join(t->digest, t->size, &hashes, value);
	}
	buf_release(&hashes);
	return good;
}

static bool is_imprint(const struct trial *t, const unsigned char *value)
{
	return t->this.n == t->size && memcmp(t->this.imprint, value, t->size) == 0;
}

/* A first list of one hash is its own father where trees are built by section 4.2
 * step 4, and hashed once more where section 4.3 step 3 is taken at its word; both
 * bind the same data. */
static enum ers_verdict check_root(const struct trial *t, struct span lists)
{
	unsigned char joined[SHA512_SIZE], single[SHA512_SIZE] = { 0 };
	struct buf hashes = BUF_INIT;
	bool good, alone;
	struct span first;

	ers_next_list(&lists, &first);
	good = gather(first, t->size, &hashes);
	alone = hashes.n == t->size;
	if (good && alone)
		memcpy(single, hashes.p, t->size);
	if (good)
		hashtree_join(t->digest, t->size, &hashes, joined);
	buf_release(&hashes);
	if (!good || !climb(t, lists, joined))
		return ERS_HASH_SIZE;
	if (is_imprint(t, joined))
		return ERS_GOOD;
	return alone && climb(t, lists, single) && is_imprint(t, single) ? ERS_GOOD : ERS_ROOT;
}

/* Are the wanted hashes in the first list, and does it lead to the imprint? */
static enum ers_verdict check_tree(const struct trial *t, const struct ers_stamp *s, const struct buf *wanted, enum ers_verdict absent)
{
	struct span lists = s->lists, first;

	if (!s->reduced) {
		if (wanted->n != t->size)
			return absent;
		return is_imprint(t, (const unsigned char *)wanted->p) ? ERS_GOOD : absent;
	}
	ers_next_list(&lists, &first);
	for (size_t at = 0; at < wanted->n; at += t->size)
		if (!has(first, span_of(wanted->p + at, t->size)))
			return absent;
	return check_root(t, s->lists);
}

/* -- what an archive time-stamp must cover ------------------------------------ */

/* The chains before chain c, as the sequence they were when it began. */
static void hash_chains(const struct trial *t, size_t c, unsigned char *out)
{
	const struct ers_chain *first = &t->ers->chains[0], *last = &t->ers->chains[c - 1];
	struct buf sequence = BUF_INIT;

	ers_add_sequence(&sequence, span_of(first->whole.p, (size_t)(last->whole.p + last->whole.n - first->whole.p)));
	custody_hash(t->digest, buf_span(&sequence), out);
	buf_release(&sequence);
}

static void want_data(const struct trial *t, size_t c, struct buf *wanted)
{
	unsigned char data[SHA512_SIZE], sequence[SHA512_SIZE];

	if (c > 0)
		hash_chains(t, c, sequence);
	for (size_t i = 0; i < t->n_objects; i++) {
		custody_hash(t->digest, t->objects[i], data);
		if (c > 0)
			custody_renewed(t->digest, data, sequence, data);
		buf_add(wanted, span_of((const char *)data, t->size));
	}
}

static size_t count_others(struct span lists, const struct buf *wanted, size_t size)
{
	struct span first = SPAN_NONE, hash;
	size_t n = 0;

	if (lists.n)
		ers_next_list(&lists, &first);
	while (first.n && ers_next_hash(&first, &hash)) {
		bool ours = false;

		for (size_t at = 0; at < wanted->n && !ours; at += size)
			ours = span_eq(hash, span_of(wanted->p + at, size));
		n += !ours;
	}
	return n;
}

static enum ers_verdict check_cover(struct trial *t, size_t c, size_t i)
{
	size_t k = t->ers->chains[c].first + i;
	const struct ers_stamp *s = &t->ers->stamps[k];
	struct buf wanted = BUF_INIT;
	enum ers_verdict verdict;

	if (i > 0) {
		unsigned char hash[SHA512_SIZE];

		custody_hash(t->digest, t->ers->stamps[k - 1].token, hash);
		buf_add(&wanted, span_of((const char *)hash, t->size));
	} else {
		want_data(t, c, &wanted);
	}
	verdict = check_tree(t, s, &wanted, i > 0 ? ERS_STAMP_RENEWAL : c > 0 ? ERS_TREE_RENEWAL : ERS_DATA);
	if (k == 0)
		t->out->others = count_others(s->lists, &wanted, t->size);
	buf_release(&wanted);
	return verdict;
}

/* -- algorithms and times ----------------------------------------------------- */

static enum ers_verdict check_digest(struct trial *t, const struct ers_stamp *s, bool first)
{
	if (!t->this.digest || !hashtree_size(t->this.digest))
		return ERS_DIGEST_UNKNOWN;
	if (s->digest && strcmp(s->digest, t->this.digest) != 0)
		return ERS_DIGEST_DIFFERS;
	if (!first && strcmp(t->digest, t->this.digest) != 0)
		return ERS_DIGEST_DIFFERS;
	t->digest = t->this.digest;
	t->size = hashtree_size(t->digest);
	return ers_lists(t->ers, t->digest) ? ERS_GOOD : ERS_DIGEST_UNLISTED;
}

/* At the time of this time-stamp, was all still good that it renews? */
static enum ers_verdict check_before(struct trial *t, size_t k, bool first, const char *digest)
{
	const struct custody_rules *r = t->rules;
	struct custody_token again;

	if (t->this.time < t->before.time)
		return ERS_ORDER;
	if (!r->judge(r->arg, t->ers->stamps[k - 1].token, t->this.time, &again, &t->out->why))
		return ERS_LATE;
	return first && t->this.time >= r->ends(r->arg, digest) ? ERS_DIGEST_LATE : ERS_GOOD;
}

static enum ers_verdict check_stamp(struct trial *t, size_t c, size_t i)
{
	size_t k = t->ers->chains[c].first + i;
	const struct ers_stamp *s = &t->ers->stamps[k];
	const char *older = t->digest;
	enum ers_verdict verdict;

	t->out->chain = c;
	t->out->stamp = i;
	t->before = t->this;
	t->this = (struct custody_token){ .time = 0 };
	if (!t->rules->judge(t->rules->arg, s->token, 0, &t->this, &t->out->why))
		return ERS_TOKEN;
	if ((verdict = check_digest(t, s, i == 0)) != ERS_GOOD || (verdict = check_cover(t, c, i)) != ERS_GOOD)
		return verdict;
	if (k > 0 && (verdict = check_before(t, k, i == 0, older)) != ERS_GOOD)
		return verdict;
	if (k == 0)
		t->out->since = t->this.time;
	t->out->renewed = t->this.time;
	t->out->digest = t->digest;
	return ERS_GOOD;
}

static enum ers_verdict check_now(struct trial *t)
{
	const struct custody_rules *r = t->rules;
	struct custody_token again;

	if (t->this.time > r->now)
		return ERS_FUTURE;
	if (!r->judge(r->arg, t->ers->stamps[t->ers->n_stamps - 1].token, r->now, &again, &t->out->why))
		return ERS_ENDED;
	return r->now >= r->ends(r->arg, t->digest) ? ERS_DIGEST_ENDED : ERS_GOOD;
}

enum ers_verdict custody_judge(const struct ers *e, const struct span *objects, size_t n, const struct custody_rules *rules, struct custody *out)
{
	struct trial t = { .ers = e, .objects = objects, .n_objects = n, .rules = rules, .out = out };
	enum ers_verdict verdict = n && e->n_chains ? ERS_GOOD : ERS_EMPTY;

	*out = (struct custody){ .why = BUF_INIT };
	for (size_t c = 0; verdict == ERS_GOOD && c < e->n_chains; c++)
		for (size_t i = 0; verdict == ERS_GOOD && i < e->chains[c].n; i++)
			verdict = check_stamp(&t, c, i);
	return verdict == ERS_GOOD ? check_now(&t) : verdict;
}
