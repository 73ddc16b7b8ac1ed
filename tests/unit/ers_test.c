/* Evidence records: good ones of many shapes, and what was done to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/archive.h"
#include "libkep/sunset.h"
#include "tests/unit/ers_maker.h"
#include "tests/unit/exact.h"

#define LASTS 15        /* a token is good so long; the next one comes after 10 */

static usec ends[3];    /* of the digests; 0: never */

static usec digest_ends(void *arg, const char *digest)
{
	for (size_t i = 0; i < COUNT_OF(keeper_digests); i++)
		if (strcmp(digest, keeper_digests[i]) == 0 && ends[i])
			return ends[i];
	return INT64_MAX;
}

static enum ers_verdict judge_objects(struct span record, const struct span *objects, size_t n, usec now, struct custody *out)
{
	struct custody_rules rules = { token_judge, digest_ends, NULL, now };
	struct span copy = exact(record);
	static struct ers e;
	enum ers_verdict verdict = ers_read(copy, &e);

	*out = (struct custody){ .why = BUF_INIT };
	if (verdict == ERS_GOOD)
		verdict = custody_judge(&e, objects, n, &rules, out);
	custody_release(out);
	exact_free(copy);
	return verdict;
}

static enum ers_verdict judge(const struct keeper *k, size_t g, struct span record, usec now, struct custody *out)
{
	struct span objects[MEMBERS_MAX];

	for (size_t i = 0; i < k->members[g]; i++)
		objects[i] = buf_span(&k->data[g][i]);
	return judge_objects(record, objects, k->members[g], now, out);
}

static void expect(const struct keeper *k, struct span record, usec now, enum ers_verdict want, const char *what)
{
	struct custody c;
	enum ers_verdict got = judge(k, 0, record, now, &c);

	if (got != want)
		fail_msg("%s: %s, not %s", what, ers_words(got)->wire, ers_words(want)->wire);
}

/* A life of all kinds of renewals: sha256, twice renewed; sha512, once; sha384. */
static void live(struct keeper *k, size_t groups, size_t members)
{
	keeper_init(k, 1, groups, members);
	keeper_tree(k, "sha256", false, LASTS);
	keeper_stamp(k, 0, LASTS);
	keeper_stamp(k, 4, LASTS);
	keeper_tree(k, "sha512", true, LASTS);
	keeper_stamp(k, 1, LASTS);
	keeper_tree(k, "sha384", true, LASTS);
}

/* -- good ones */

static void test_shapes(void **state)
{
	for (size_t groups = 1; groups <= GROUPS_MAX; groups++)
		for (size_t members = 1; members <= MEMBERS_MAX; members++) {
			struct keeper k;

			live(&k, groups, members);
			for (size_t g = 0; g < groups; g++) {
				struct buf record = BUF_INIT;
				struct custody c;

				keeper_record(&k, g, &record);
				assert_int_equal(judge(&k, g, buf_span(&record), k.now, &c), ERS_GOOD);
				assert_int_equal(c.since, 11);
				assert_int_equal(c.renewed, 61);
				assert_string_equal(c.digest, "sha384");
				assert_int_equal(c.chain, 2);
				assert_int_equal(c.others, members == 1 && groups > 1 && !(g == groups - 1 && groups % 2) ? 1 : groups == 1 || members > 1 ? 0 : c.others);
				buf_release(&record);
			}
			keeper_release(&k);
		}
}

static void test_subset(void **state)
{
	struct buf record = BUF_INIT;
	struct span two[2];
	struct keeper k;
	struct custody c;

	live(&k, 3, 4);
	keeper_record(&k, 1, &record);
	two[0] = buf_span(&k.data[1][3]);
	two[1] = buf_span(&k.data[1][0]);
	assert_int_equal(judge_objects(buf_span(&record), two, 2, k.now, &c), ERS_GOOD);
	assert_int_equal(c.others, 2);
	two[1] = buf_span(&k.data[0][0]);
	assert_int_equal(judge_objects(buf_span(&record), two, 2, k.now, &c), ERS_DATA);
	assert_int_equal(judge_objects(buf_span(&record), two, 0, k.now, &c), ERS_EMPTY);
	buf_release(&record);
	keeper_release(&k);
}

/* Twenty years of random renewals, every record good; cut short, swapped or aged it is not. */
static void test_random(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct buf record = BUF_INIT;
		struct custody c;
		struct keeper k;
		size_t groups = seed % GROUPS_MAX + 1, n = seed % 21;

		keeper_init(&k, seed, groups, seed % 3 + 1);
		keeper_tree(&k, keeper_digests[dice(&k.dice, 3)], false, LASTS);
		for (size_t i = 0; i < n; i++) {
			if (dice(&k.dice, 4))
				keeper_stamp(&k, dice(&k.dice, 6), LASTS);
			else
				keeper_tree(&k, keeper_digests[dice(&k.dice, 3)], true, LASTS);
		}
		for (size_t g = 0; g < groups; g++) {
			buf_clear(&record);
			keeper_record(&k, g, &record);
			if (judge(&k, g, buf_span(&record), k.now, &c) != ERS_GOOD)
				fail_msg("seed %llu: not good", (unsigned long long)seed);
			if (k.members[0] > 1 && groups > 1)     /* brothers of one object share their first list */
				assert_int_equal(judge(&k, (g + 1) % groups, buf_span(&record), k.now, &c), ERS_DATA);
			assert_int_equal(judge(&k, g, buf_span(&record), k.now + LASTS, &c), ERS_ENDED);
			assert_int_equal(judge(&k, g, buf_span(&record), k.now - 1, &c), ERS_FUTURE);
		}
		buf_release(&record);
		keeper_release(&k);
	}
}

/* -- damaged ones */

static void test_bits(void **state)
{
	struct buf record = BUF_INIT;
	struct keeper k;
	struct custody c;

	live(&k, 3, 2);
	keeper_record(&k, 0, &record);
	for (size_t at = 0; at < record.n; at++)
		for (int bit = 0; bit < 8; bit++) {
			record.p[at] ^= (char)(1 << bit);
			if (judge(&k, 0, buf_span(&record), k.now, &c) == ERS_GOOD)
				fail_msg("bit %d of octet %zu turned over, and still good", bit, at);
			record.p[at] ^= (char)(1 << bit);
		}
	for (size_t n = 0; n < record.n; n++)
		assert_int_equal(judge(&k, 0, span_of(record.p, n), k.now, &c), ERS_MALFORMED);
	buf_addc(&record, 0);
	assert_int_equal(judge(&k, 0, buf_span(&record), k.now, &c), ERS_MALFORMED);
	buf_release(&record);
	keeper_release(&k);
}

/* The record once more, of parts of the one that was read: what `pick` says of each place. */
struct edit {
	size_t      stamp_from[ERS_STAMPS_MAX];         /* of which stamp the whole comes */
	size_t      lists_from[ERS_STAMPS_MAX];
	size_t      token_from[ERS_STAMPS_MAX];
	size_t      chain_from[ERS_CHAINS_MAX];
	size_t      n_chains;
	bool        leave_out[ERS_STAMPS_MAX];
	const char *digest[ERS_STAMPS_MAX];
	const char *listed;                             /* the only digest of digestAlgorithms */
};

static void edit_init(struct edit *x, const struct ers *e)
{
	memset(x, 0, sizeof *x);
	for (size_t i = 0; i < e->n_stamps; i++) {
		x->stamp_from[i] = x->lists_from[i] = x->token_from[i] = i;
		x->digest[i] = e->stamps[i].digest;
	}
	for (size_t i = 0; i < e->n_chains; i++)
		x->chain_from[i] = i;
	x->n_chains = e->n_chains;
}

static void edit_write(const struct edit *x, const struct ers *e, struct buf *out)
{
	struct buf chains = BUF_INIT, stamps = BUF_INIT, sequence = BUF_INIT;

	for (size_t c = 0; c < x->n_chains; c++) {
		const struct ers_chain *from = &e->chains[x->chain_from[c]];

		buf_clear(&stamps);
		for (size_t i = from->first; i < from->first + from->n; i++)
			if (!x->leave_out[i])
				ers_add_stamp(&stamps, x->digest[i], e->stamps[x->lists_from[x->stamp_from[i]]].lists,
				              e->stamps[x->token_from[x->stamp_from[i]]].token);
		ers_add_sequence(&chains, buf_span(&stamps));
	}
	ers_add_sequence(&sequence, buf_span(&chains));
	ers_add_record(out, x->listed ? &x->listed : keeper_digests, x->listed ? 1 : 3, SPAN_NONE, buf_span(&sequence));
	buf_release(&chains);
	buf_release(&stamps);
	buf_release(&sequence);
}

/* Stamps of live(): 0 1 2 | 3 4 | 5. */
static void test_edits(void **state)
{
	static struct ers e;
	static struct edit x;
	struct buf record = BUF_INIT, made = BUF_INIT;
	struct keeper k;

#define EDIT(want, what, ...) do { \
		edit_init(&x, &e); \
		__VA_ARGS__; \
		buf_clear(&made); \
		edit_write(&x, &e, &made); \
		expect(&k, buf_span(&made), k.now + 6, want, what);     /* only the last one is still good */ \
	} while (0)

	live(&k, 3, 2);
	keeper_record(&k, 0, &record);
	assert_int_equal(ers_read(buf_span(&record), &e), ERS_GOOD);
	EDIT(ERS_GOOD, "nothing done", (void)0);
	assert_true(span_eq(buf_span(&made), buf_span(&record)));

	EDIT(ERS_TREE_RENEWAL, "the first stamp left out", x.leave_out[0] = true; x.stamp_from[1] = 0; x.leave_out[2] = true);
	EDIT(ERS_STAMP_RENEWAL, "a renewal left out", x.leave_out[1] = true);
	EDIT(ERS_TREE_RENEWAL, "the last renewal of a chain left out", x.leave_out[2] = true);
	EDIT(ERS_TREE_RENEWAL, "the last renewal of the second chain left out", x.leave_out[4] = true);
	EDIT(ERS_EMPTY, "a chain emptied", x.leave_out[5] = true);
	EDIT(ERS_STAMP_RENEWAL, "two renewals swapped", x.stamp_from[1] = 2; x.stamp_from[2] = 1);
	EDIT(ERS_DATA, "the first two swapped", x.stamp_from[0] = 1; x.stamp_from[1] = 0);
	EDIT(ERS_TREE_RENEWAL, "two chains swapped", x.chain_from[1] = 2; x.chain_from[2] = 1);
	EDIT(ERS_DATA, "the chains backwards", x.chain_from[0] = 2; x.chain_from[2] = 0);
	EDIT(ERS_TREE_RENEWAL, "a chain left out", x.n_chains = 2; x.chain_from[1] = 2);
	EDIT(ERS_TREE_RENEWAL, "a chain twice", x.n_chains = 4; x.chain_from[2] = 1; x.chain_from[3] = 2);
	EDIT(ERS_ENDED, "the last chain left out", x.n_chains = 2);
	EDIT(ERS_DATA, "partial trees swapped", x.lists_from[0] = 2; x.lists_from[2] = 0);
	EDIT(ERS_STAMP_RENEWAL, "partial trees of two chains swapped", x.lists_from[2] = 5; x.lists_from[5] = 2);
	EDIT(ERS_ROOT, "tokens swapped", x.token_from[0] = 1; x.token_from[1] = 0);
	EDIT(ERS_DIGEST_DIFFERS, "tokens of two chains swapped", x.token_from[2] = 5; x.token_from[5] = 2);
	EDIT(ERS_DIGEST_DIFFERS, "another algorithm named", x.digest[1] = "sha512");
	EDIT(ERS_DIGEST_DIFFERS, "another algorithm named at the start of a chain", x.digest[3] = "sha256");
	EDIT(ERS_DIGEST_UNLISTED, "an algorithm not listed", x.listed = "sha256");
	buf_release(&made);
	buf_release(&record);
	keeper_release(&k);
}

static void test_figure(void **state)
{
	struct buf record = BUF_INIT;
	struct keeper k;
	size_t sorted = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct custody c;

		keeper_init(&k, seed, 1, 1);
		k.figure = true;
		keeper_tree(&k, "sha256", false, LASTS);
		keeper_tree(&k, "sha512", true, LASTS);
		buf_clear(&record);
		keeper_record(&k, 0, &record);
		sorted += judge(&k, 0, buf_span(&record), k.now, &c) == ERS_GOOD;
		keeper_release(&k);
	}
	assert_in_range(sorted, 8, 32);         /* where the two happen to stand in order anyway */
	buf_release(&record);
}

/* -- records as others make them */

/* An ArchiveTimeStamp without digestAlgorithm, with attributes, with parameters. */
static void add_foreign(struct buf *out, struct span head, struct span lists, const struct buf *token)
{
	struct buf inside = BUF_INIT;

	buf_add(&inside, head);
	if (lists.n) {
		der_add_head(&inside, 0xa2, lists.n);
		buf_add(&inside, lists);
	}
	buf_add(&inside, buf_span(token));
	ers_add_sequence(out, buf_span(&inside));
	buf_release(&inside);
}

static void foreign_record(struct buf *out, const struct buf *stamps)
{
	struct buf chain = BUF_INIT, sequence = BUF_INIT;

	ers_add_sequence(&chain, buf_span(stamps));
	ers_add_sequence(&sequence, buf_span(&chain));
	buf_clear(out);
	ers_add_record(out, keeper_digests, 1, SPAN_NONE, buf_span(&sequence));
	buf_release(&chain);
	buf_release(&sequence);
}

/* One archive time-stamp over SPAN("data") in these lists, stamped over this root. */
static enum ers_verdict judge_foreign(struct span head, struct span lists, const unsigned char *root)
{
	struct buf token = BUF_INIT, stamps = BUF_INIT, record = BUF_INIT;
	struct span data = SPAN("data");
	enum ers_verdict verdict;
	struct custody c;

	token_make(&token, "sha256", root, SHA256_SIZE, 10, 100);
	add_foreign(&stamps, head, lists, &token);
	foreign_record(&record, &stamps);
	verdict = judge_objects(buf_span(&record), &data, 1, 50, &c);
	buf_release(&token);
	buf_release(&stamps);
	buf_release(&record);
	return verdict;
}

static void test_foreign(void **state)
{
	static const unsigned char with_null[] = "\xa0\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00";
	static const unsigned char with_other[] = "\xa0\x0e\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x02\x01\x00";
	static const unsigned char attributes[] = "\xa1\x09\x30\x07\x06\x01\x2a\x31\x02\x05\x00";
	static const unsigned char no_attribute[] = "\xa1\x00";
	unsigned char hash[SHA512_SIZE], twice[SHA512_SIZE], root[SHA512_SIZE] = { 0 }, other[SHA256_SIZE];
	struct buf list = BUF_INIT, lists = BUF_INIT;

	custody_hash("sha256", SPAN("data"), hash);
	custody_hash("sha256", span_of((char *)hash, SHA256_SIZE), twice);
	/* No tree: the token is about the data itself. */
	assert_int_equal(judge_foreign(SPAN_NONE, SPAN_NONE, hash), ERS_GOOD);
	assert_int_equal(judge_foreign(SPAN_NONE, SPAN_NONE, twice), ERS_DATA);
	assert_int_equal(judge_foreign(span_of((const char *)with_null, sizeof with_null - 1), SPAN_NONE, hash), ERS_GOOD);
	assert_int_equal(judge_foreign(span_of((const char *)with_other, sizeof with_other - 1), SPAN_NONE, hash), ERS_MALFORMED);
	assert_int_equal(judge_foreign(span_of((const char *)attributes, sizeof attributes - 1), SPAN_NONE, hash), ERS_GOOD);
	assert_int_equal(judge_foreign(span_of((const char *)no_attribute, sizeof no_attribute - 1), SPAN_NONE, hash), ERS_MALFORMED);
	/* A first list of one hash, as either of two readings has it. */
	ers_add_list(&lists, span_of((char *)hash, SHA256_SIZE), SHA256_SIZE);
	assert_int_equal(judge_foreign(SPAN_NONE, buf_span(&lists), hash), ERS_GOOD);
	assert_int_equal(judge_foreign(SPAN_NONE, buf_span(&lists), twice), ERS_GOOD);
	assert_int_equal(judge_foreign(SPAN_NONE, buf_span(&lists), root), ERS_ROOT);
	/* Wide lists in any order, and one more above. */
	buf_clear(&lists);
	for (int i = 0; i < 5; i++) {
		memset(other, 250 - 60 * i, sizeof other);
		buf_add(&list, i == 3 ? span_of((char *)hash, SHA256_SIZE) : span_of((char *)other, SHA256_SIZE));
	}
	ers_add_list(&lists, buf_span(&list), SHA256_SIZE);
	hashtree_join("sha256", SHA256_SIZE, &list, root);
	assert_int_equal(judge_foreign(SPAN_NONE, buf_span(&lists), root), ERS_GOOD);
	buf_clear(&list);
	memset(other, 1, sizeof other);
	buf_add(&list, span_of((char *)other, SHA256_SIZE));
	ers_add_list(&lists, buf_span(&list), SHA256_SIZE);
	buf_add(&list, span_of((char *)root, SHA256_SIZE));
	hashtree_join("sha256", SHA256_SIZE, &list, root);
	assert_int_equal(judge_foreign(SPAN_NONE, buf_span(&lists), root), ERS_GOOD);
	ers_add_list(&lists, SPAN("short"), 5);
	assert_int_equal(judge_foreign(SPAN_NONE, buf_span(&lists), root), ERS_HASH_SIZE);
	buf_release(&list);
	buf_release(&lists);
}

/* -- times and algorithms that end */

static void test_late(void **state)
{
	struct buf record = BUF_INIT;
	struct keeper k;

	keeper_init(&k, 1, 2, 1);
	keeper_tree(&k, "sha256", false, LASTS);
	keeper_stamp(&k, 0, 9);                 /* ends before the next */
	keeper_tree(&k, "sha512", true, LASTS);
	keeper_record(&k, 0, &record);
	expect(&k, buf_span(&record), k.now, ERS_LATE, "renewed when the time-stamp had ended");
	buf_clear(&record);
	keeper_release(&k);

	keeper_init(&k, 1, 2, 1);
	k.now = 100;
	keeper_tree(&k, "sha256", false, 1000);
	k.now = 50;
	keeper_stamp(&k, 0, 1000);
	keeper_record(&k, 0, &record);
	expect(&k, buf_span(&record), 200, ERS_ORDER, "renewed before it was stamped");
	buf_release(&record);
	keeper_release(&k);
}

static void test_algorithms(void **state)
{
	struct buf record = BUF_INIT;
	struct keeper k;

	live(&k, 2, 1);         /* sha256 at 11, 21, 31; sha512 at 41, 51; sha384 at 61 */
	keeper_record(&k, 0, &record);
	ends[0] = 42;
	expect(&k, buf_span(&record), k.now, ERS_GOOD, "sha256 ends after the second chain began");
	ends[0] = 41;
	expect(&k, buf_span(&record), k.now, ERS_DIGEST_LATE, "sha256 ends when the second chain begins");
	ends[0] = 1;
	expect(&k, buf_span(&record), k.now, ERS_DIGEST_LATE, "sha256 had ended");
	ends[0] = 0;
	ends[2] = 60;
	expect(&k, buf_span(&record), k.now, ERS_DIGEST_LATE, "sha512 ends before the third chain");
	ends[2] = 0;
	ends[1] = 61;
	expect(&k, buf_span(&record), k.now, ERS_DIGEST_ENDED, "sha384 ended");
	ends[1] = 0;
	buf_release(&record);
	keeper_release(&k);
}

/* -- the syntax */

static const struct {
	const char *der;
	size_t      n;
	enum ers_verdict want;
} syntax[] = {
#define DER(s) s, sizeof(s) - 1
	{ DER(""), ERS_MALFORMED },
	{ DER("\x31\x00"), ERS_MALFORMED },
	{ DER("\x30\x00"), ERS_MALFORMED },
	{ DER("\x30\x80\x02\x01\x01\x30\x00\x30\x00\x00\x00"), ERS_MALFORMED },
	{ DER("\x30\x07\x02\x01\x02\x30\x00\x30\x00"), ERS_VERSION },
	{ DER("\x30\x08\x02\x02\x00\x01\x30\x00\x30\x00"), ERS_MALFORMED },
	{ DER("\x30\x07\x02\x01\x01\x30\x00\x30\x00"), ERS_EMPTY },
	{ DER("\x30\x09\x02\x01\x01\x30\x00\x30\x02\x30\x00"), ERS_EMPTY },
	{ DER("\x30\x0b\x02\x01\x01\x30\x00\x30\x04\x30\x02\x30\x00"), ERS_MALFORMED },
	{ DER("\x30\x0d\x02\x01\x01\x30\x00\x30\x06\x30\x04\x30\x02\x30\x00"), ERS_GOOD },
	{ DER("\x30\x0f\x02\x01\x01\x30\x00\x30\x06\x30\x04\x30\x02\x30\x00\x30\x00"), ERS_MALFORMED },
	{ DER("\x30\x0f\x02\x01\x01\x30\x00\xa0\x00\x30\x06\x30\x04\x30\x02\x30\x00"), ERS_MALFORMED },        /* no attribute */
	{ DER("\x30\x16\x02\x01\x01\x30\x00\xa0\x07\x30\x05\x06\x01\x2a\x31\x00\x30\x06\x30\x04\x30\x02\x30\x00"), ERS_MALFORMED },
	{ DER("\x30\x18\x02\x01\x01\x30\x00\xa0\x09\x30\x07\x06\x01\x2a\x31\x02\x05\x00\x30\x06\x30\x04\x30\x02\x30\x00"), ERS_GOOD },
	{ DER("\x30\x14\x02\x01\x01\x30\x00\xa1\x05\x06\x01\x2a\x05\x00\x30\x06\x30\x04\x30\x02\x30\x00"), ERS_ENCRYPTED },
	{ DER("\x30\x0e\x02\x01\x01\x30\x01\x30\x30\x06\x30\x04\x30\x02\x30\x00"), ERS_MALFORMED },
	{ DER("\x30\x14\x02\x01\x01\x30\x05\x30\x03\x06\x01\x2a\x30\x08\x30\x06\x30\x04\xa2\x00\x30\x00"), ERS_MALFORMED },     /* no list */
	{ DER("\x30\x11\x02\x01\x01\x30\x00\x30\x0a\x30\x08\x30\x06\xa2\x02\x30\x00\x30\x00"), ERS_MALFORMED },    /* a list without hash */
	{ DER("\x30\x13\x02\x01\x01\x30\x00\x30\x0c\x30\x0a\x30\x08\xa2\x04\x30\x02\x04\x00\x30\x00"), ERS_MALFORMED },
	{ DER("\x30\x14\x02\x01\x01\x30\x00\x30\x0d\x30\x0b\x30\x09\xa2\x05\x30\x03\x04\x01\x01\x30\x00"), ERS_GOOD },
	{ DER("\x30\x12\x02\x01\x01\x30\x00\x30\x0b\x30\x09\x30\x07\xa0\x03\x06\x01\x2a\x30\x00"), ERS_DIGEST_UNKNOWN },
};

static void test_syntax(void **state)
{
	static struct ers e;

	for (size_t i = 0; i < COUNT_OF(syntax); i++) {
		struct span copy = exact(span_of(syntax[i].der, syntax[i].n));
		enum ers_verdict got = ers_read(copy, &e);

		exact_free(copy);
		if (got != syntax[i].want)
			fail_msg("row %zu: %s, not %s", i, ers_words(got)->wire, ers_words(syntax[i].want)->wire);
	}
}

/* So many chains, stamps or lists as are read, and one more. */
static void test_limits(void **state)
{
	static const struct { size_t chains, stamps, lists; enum ers_verdict want; } rows[] = {
		{ ERS_CHAINS_MAX, 1, 0, ERS_GOOD }, { ERS_CHAINS_MAX + 1, 1, 0, ERS_SIZE },
		{ 1, ERS_STAMPS_MAX, 0, ERS_GOOD }, { 1, ERS_STAMPS_MAX + 1, 0, ERS_SIZE }, { 2, ERS_STAMPS_MAX / 2 + 1, 0, ERS_SIZE },
		{ 1, 1, ERS_LISTS_MAX, ERS_GOOD }, { 1, 1, ERS_LISTS_MAX + 1, ERS_SIZE },
	};
	static struct ers e;

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		struct buf lists = BUF_INIT, stamps = BUF_INIT, chains = BUF_INIT, sequence = BUF_INIT, record = BUF_INIT;

		for (size_t i = 0; i < rows[r].lists; i++)
			ers_add_list(&lists, SPAN("x"), 1);
		for (size_t i = 0; i < rows[r].stamps; i++)
			ers_add_stamp(&stamps, "sha256", buf_span(&lists), SPAN("\x30\x00"));
		for (size_t i = 0; i < rows[r].chains; i++)
			ers_add_sequence(&chains, buf_span(&stamps));
		ers_add_sequence(&sequence, buf_span(&chains));
		ers_add_record(&record, keeper_digests, 1, SPAN_NONE, buf_span(&sequence));
		assert_int_equal(ers_read(buf_span(&record), &e), rows[r].want);
		buf_release(&lists);
		buf_release(&stamps);
		buf_release(&chains);
		buf_release(&sequence);
		buf_release(&record);
	}
	assert_int_equal(ers_read(span_of("", ERS_SIZE_MAX + 1), &e), ERS_SIZE);
}

/* -- the tree alone */

static void test_tree(void **state)
{
	for (size_t n = 1; n <= 40; n++) {
		struct hashtree *t = hashtree_new("sha256");
		unsigned char leaf[SHA256_SIZE], root[SHA512_SIZE];

		for (size_t i = 0; i < n; i++) {
			memset(leaf, (int)(i * 37 + 1), sizeof leaf);
			hashtree_add(t, leaf);
		}
		hashtree_root(t, root);
		for (size_t i = 0; i < n; i++) {
			struct buf path = BUF_INIT;
			unsigned char value[SHA512_SIZE];

			memset(value, (int)(i * 37 + 1), SHA256_SIZE);
			hashtree_path(t, i, &path);
			for (size_t at = 0; at < path.n; at += SHA256_SIZE) {
				struct buf two = BUF_INIT;

				buf_add(&two, span_of((char *)value, SHA256_SIZE));
				buf_add(&two, span_of(path.p + at, SHA256_SIZE));
				hashtree_join("sha256", SHA256_SIZE, &two, value);
				buf_release(&two);
			}
			assert_memory_equal(value, root, SHA256_SIZE);
			buf_release(&path);
		}
		hashtree_free(t);
	}
}

/* -- volumes */

/* A volume under a tree with others, and its renewals; every group's record is good. */
static void volume_hashes(struct archive *a, const char *digest, size_t groups, size_t members)
{
	size_t size = hashtree_size(digest);

	archive_begin(a, digest);
	for (size_t g = 0; g < groups; g++) {
		unsigned char hashes[MEMBERS_MAX * SHA512_SIZE];

		for (size_t i = 0; i < members; i++) {
			char text[40];

			custody_hash(digest, span_of(text, (size_t)snprintf(text, sizeof text, "object %zu of %zu", i, g)), hashes + i * size);
		}
		archive_group(a, hashes);
	}
}

static void volume_stamp(struct archive *a, const unsigned char *leaf, size_t others, usec now)
{
	struct hashtree *t = hashtree_new(archive_digest(a));
	unsigned char other[SHA512_SIZE], root[SHA512_SIZE];
	struct buf path = BUF_INIT, token = BUF_INIT;
	size_t n, mine = others / 2;

	for (size_t i = 0; i <= others; i++) {
		memset(other, (int)i + 7, sizeof other);
		hashtree_add(t, i == mine ? leaf : other);
	}
	n = hashtree_root(t, root);
	token_make(&token, archive_digest(a), root, n, now, now + LASTS);
	hashtree_path(t, mine, &path);
	archive_stamp(a, buf_span(&path), buf_span(&token));
	hashtree_free(t);
	buf_release(&path);
	buf_release(&token);
}

static void assert_volume(struct archive *a, size_t groups, size_t members, usec now)
{
	for (size_t g = 0; g < groups; g++) {
		struct buf record = BUF_INIT;
		struct span objects[MEMBERS_MAX];
		char text[MEMBERS_MAX][40];
		struct custody c;

		for (size_t i = 0; i < members; i++)
			objects[i] = span_of(text[i], (size_t)snprintf(text[i], sizeof text[i], "object %zu of %zu", i, g));
		archive_record(a, g, SPAN_NONE, &record);
		assert_int_equal(judge_objects(buf_span(&record), objects, members, now, &c), ERS_GOOD);
		assert_int_equal(c.others, 0);
		assert_int_equal(judge_objects(buf_span(&record), objects, 1, now, &c), ERS_GOOD);
		snprintf(text[0], sizeof text[0], "object 0 of %zu", (g + 1) % groups);
		assert_int_equal(judge_objects(buf_span(&record), objects, 1, now, &c), groups > 1 ? ERS_DATA : ERS_GOOD);
		buf_release(&record);
	}
}

static void test_volumes(void **state)
{
	for (size_t groups = 1; groups <= 20; groups++)
		for (size_t others = 0; others < 4; others++) {
			size_t members = groups % 3 + 2;
			struct archive *a = archive_new(groups, members);
			unsigned char leaf[SHA512_SIZE];
			usec now = 1;

			for (int chain = 0; chain < 3; chain++) {
				volume_hashes(a, keeper_digests[chain], groups, members);
				archive_root(a, leaf);
				volume_stamp(a, leaf, others, now += 10);
				assert_volume(a, groups, members, now);
				for (int i = 0; i < chain; i++) {
					archive_last(a, leaf);
					volume_stamp(a, leaf, others + (size_t)i, now += 10);
					assert_volume(a, groups, members, now);
				}
			}
			archive_free(a);
		}
}

/* -- algorithms that end */

static void test_sunsets(void **state)
{
	static const char *const bad[] = { "sha256", "2040-01-01", "sha256 soon", "rsa9999999 2040-01-01", "abcdefghijklmnopq 2040-01-01" };
	struct buf why = BUF_INIT;
	struct sunsets s;
	struct span which;

	assert_true(sunsets_read(SPAN("# who says so\n\nsha256 2040-01-01, rsa2048  2031-06-30T12:00:00Z # note\nec256 2050-01-01\n"), &s, &why));
	assert_int_equal(s.n, 3);
	assert_int_equal(sunset_of(&s, SPAN("sha256")), (usec)2208988800 * 1000000);
	assert_int_equal(sunset_of(&s, SPAN("sha512")), INT64_MAX);
	assert_int_equal(sunset_of(&s, SPAN("rsa1024")), (usec)1940587200 * 1000000);
	assert_int_equal(sunset_of(&s, SPAN("rsa2048")), (usec)1940587200 * 1000000);
	assert_int_equal(sunset_of(&s, SPAN("rsa2049")), INT64_MAX);
	assert_int_equal(sunset_of(&s, SPAN("?")), INT64_MAX);
	assert_int_equal(sunset_first(&s, SPAN("sha512 ec256 sha256"), &which), (usec)2208988800 * 1000000);
	assert_true(span_is(which, "sha256"));
	assert_int_equal(sunset_first(&s, SPAN(""), &which), INT64_MAX);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(sunsets_read(span_str(bad[i]), &s, &why));
		assert_true(why.n > 0);
	}
	buf_release(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_subset),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_figure),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_sunsets),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("ers", tests, NULL, NULL);
}
