/* The tree: published verdicts, and proofs against the definitions of RFC 6962. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>

#include "libkep/base64.h"
#include "libkep/tiles.h"
#include "tests/unit/dice.h"
#include "tests/unit/exact.h"
#include "tests/unit/pki.h"

static void assert_hash(const struct merkle_hash *h, const char *hex)
{
	char text[2 * MERKLE_SIZE + 1];

	hex_encode(text, h->o, MERKLE_SIZE);
	assert_string_equal(text, hex);
}

/* RFC 6962: the empty tree, the empty leaf, and a node of two of them. */
static void test_hashes(void **state)
{
	struct merkle_hash a, b;

	merkle_empty(&a);
	assert_hash(&a, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	merkle_leaf(&a, SPAN_NONE);
	assert_hash(&a, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
	merkle_leaf(&b, SPAN("L123456"));
	assert_hash(&b, "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
	merkle_leaf(&a, SPAN("N123"));
	merkle_leaf(&b, SPAN("N456"));
	memcpy(a.o, "N123", 4);
	merkle_node(&a, &a, &b);
	merkle_leaf(&b, SPAN("N456"));
	assert_false(merkle_eq(&a, &b));
}

static void test_numbers(void **state)
{
	static const struct { struct span text; bool good; uint64_t number; } rows[] = {
		{ SPAN("0"), true, 0 }, { SPAN("1"), true, 1 }, { SPAN("9223372036854775807"), true, INT64_MAX },
		{ SPAN("9223372036854775808"), false, 0 }, { SPAN("9999999999999999999"), false, 0 }, { SPAN("10000000000000000000"), false, 0 },
		{ SPAN("18446744073709551617"), false, 0 }, { SPAN(""), false, 0 }, { SPAN("00"), false, 0 }, { SPAN("01"), false, 0 },
		{ SPAN("-1"), false, 0 }, { SPAN("+1"), false, 0 }, { SPAN(" 1"), false, 0 }, { SPAN("1 "), false, 0 }, { SPAN("1\0"), false, 0 }, { SPAN("0x1"), false, 0 },
	};
	uint64_t number;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = exact(rows[i].text);

		assert_int_equal(merkle_parse_number(text, &number), rows[i].good);
		if (rows[i].good)
			assert_true(number == rows[i].number);
		exact_free(text);
	}
}

static void test_hash_text(void **state)
{
	static const struct { const char *text; bool good; } rows[] = {
		{ "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", true }, { "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", false },
		{ "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", false }, { "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", false },
		{ "\r7DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", false }, { "47DEQpj8HBSa+_TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", false },
		{ "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFVV", false }, { "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA==", false }, { "", false },
	};
	struct merkle_hash h, empty;
	struct buf out = BUF_INIT;

	merkle_empty(&empty);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = exact(span_str(rows[i].text));

		assert_int_equal(merkle_parse_hash(text, &h), rows[i].good);
		exact_free(text);
		if (rows[i].good)
			assert_true(merkle_eq(&h, &empty));
	}
	merkle_write_hash(&out, &empty);
	assert_string_equal(buf_str(&out), rows[0].text);
	buf_release(&out);
}

/* -- the published verdicts: 518 small JSON files, read by hand since some of their
 * numbers do not fit into a signed integer */

static size_t verdicts, accepted;

/* What stands behind "key": ; SPAN_NONE: no such key. */
static struct span value_of(struct span json, const char *key)
{
	char *name = mem_printf("\"%s\":", key);
	const char *at = memmem(json.p, json.n, name, strlen(name));
	struct span rest = at ? span_of(at + strlen(name), (size_t)(json.p + json.n - at) - strlen(name)) : SPAN_NONE;

	free(name);
	while (rest.n && rest.p[0] == ' ')
		rest = span_of(rest.p + 1, rest.n - 1);
	return rest;
}

static uint64_t number_of(struct span json, const char *key)
{
	struct span value = value_of(json, key);

	assert_true(value.n > 0);
	return strtoull(value.p, NULL, 10);
}

/* The next quoted base64 of a value.  A root of another size than ours stands for
 * one that nothing else has: its digest; *ours says so. */
static bool next_hash(struct span *in, struct merkle_hash *out, bool *ours)
{
	struct base64 d = { .n = 0 };
	struct buf octets = BUF_INIT;
	struct span text;

	if (in->n == 0 || in->p[0] != '"')
		return false;
	*in = span_of(in->p + 1, in->n - 1);
	text = span_cut(in, '"');
	assert_int_equal(base64_push(&d, text, &octets, 1000), BASE64_GOOD);
	if ((*ours = octets.n == MERKLE_SIZE))
		memcpy(out->o, octets.p, MERKLE_SIZE);
	else
		merkle_leaf(out, buf_span(&octets));
	buf_release(&octets);
	return true;
}

static struct merkle_hash hash_of(struct span json, const char *key, bool *ours)
{
	struct span value = value_of(json, key);
	struct merkle_hash h;

	assert_true(next_hash(&value, &h, ours));
	return h;
}

static struct merkle_proof proof_of(struct span json)
{
	struct span value = value_of(json, "proof");
	struct merkle_proof p = { .n = 0 };
	bool ours;

	if (value.n == 0 || value.p[0] != '[')
		return p;
	for (;;) {
		while (value.n && (value.p[0] == '[' || value.p[0] == ',' || value.p[0] == '\n' || value.p[0] == ' '))
			value = span_of(value.p + 1, value.n - 1);
		if (p.n == MERKLE_PROOF_MAX || !next_hash(&value, &p.path[p.n], &ours))
			return p;
		p.n++;
	}
}

/* A leaf's hash of another size cannot even be asked about. */
static bool inclusion_of(const char *file, struct span json)
{
	struct merkle_proof proof = proof_of(json);
	uint64_t index = number_of(json, "leafIdx");
	bool ours, any;
	struct merkle_hash leaf = hash_of(json, "leafHash", &ours), root = hash_of(json, "root", &any);

	if (strstr(file, "/inclusion/"))
		return ours && merkle_included(index, number_of(json, "treeSize"), &leaf, &proof, &root);
	return ours && merkle_subtree_included(index, number_of(json, "start"), number_of(json, "end"), &leaf, &proof, &root);
}

static bool consistency_of(const char *file, struct span json)
{
	struct merkle_proof proof = proof_of(json);
	bool any;
	struct merkle_hash root1 = hash_of(json, "root1", &any), root2 = hash_of(json, "root2", &any);

	if (strstr(file, "/consistency/"))
		return merkle_consistent(number_of(json, "size1"), &root1, number_of(json, "size2"), &root2, &proof);
	return merkle_subtree_consistent(number_of(json, "start"), number_of(json, "end"), &root1, number_of(json, "size"), &root2, &proof);
}

static int try_verdict(const char *file, const struct stat *st, int kind, struct FTW *ftw)
{
	struct buf json = BUF_INIT;
	bool wanted;

	if (kind != FTW_F || !strstr(file, ".json"))
		return 0;
	assert_true(read_file(file, &json));
	wanted = span_eq(span_of(value_of(buf_span(&json), "wantErr").p, 5), SPAN("false"));
	if ((strstr(file, "inclusion/") ? inclusion_of : consistency_of)(file, buf_span(&json)) != wanted)
		fail_msg("%s: %s", file, wanted ? "refused" : "accepted");
	verdicts++;
	accepted += wanted;
	buf_release(&json);
	return 0;
}

static void test_verdicts(void **state)
{
	char *path = shared_path("corpora/merkle-proofs/testdata");

	if (!path) {
		print_message("corpora/merkle-proofs is not there: set KEP_SHARED to the folder of published test data\n");
		skip();
	}
	assert_int_equal(nftw(path, try_verdict, 8, 0), 0);
	free(path);
	assert_int_equal(verdicts, 518);
	assert_int_equal(accepted, 36);
}

/* -- against the definitions, word by word (RFC 6962 section 2.1) */

#define LEAVES 1300     /* more than five tiles */
static struct merkle_hash leaves[LEAVES];

static uint64_t split(uint64_t n)
{
	uint64_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

static struct merkle_hash mth(const struct merkle_hash *d, uint64_t n)
{
	struct merkle_hash left, right;
	uint64_t k = split(n);

	if (n == 1)
		return d[0];
	left = mth(d, k);
	right = mth(d + k, n - k);
	merkle_node(&left, &left, &right);
	return left;
}

static void path(uint64_t m, const struct merkle_hash *d, uint64_t n, struct merkle_proof *out)
{
	uint64_t k = split(n);

	if (n == 1)
		return;
	path(m < k ? m : m - k, m < k ? d : d + k, m < k ? k : n - k, out);
	out->path[out->n++] = m < k ? mth(d + k, n - k) : mth(d, k);
}

static void subproof(uint64_t m, const struct merkle_hash *d, uint64_t n, bool known, struct merkle_proof *out)
{
	uint64_t k = split(n);

	if (m == n) {
		if (!known)
			out->path[out->n++] = mth(d, n);
	} else if (m <= k) {
		subproof(m, d, k, known, out);
		out->path[out->n++] = mth(d + k, n - k);
	} else {
		subproof(m - k, d + k, n - k, false, out);
		out->path[out->n++] = mth(d, k);
	}
}

static void assert_proof(const struct merkle_proof *a, const struct merkle_proof *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_true(merkle_eq(&a->path[i], &b->path[i]));
}

/* All the tiles of the first n leaves, and their root. */
static struct tiles *grow(uint64_t n, struct merkle_hash *root)
{
	struct tiles *t = tiles_new();
	struct merkle_range r;

	merkle_range_init(&r);
	for (uint64_t i = 0; i < n; i++)
		merkle_range_add(&r, &leaves[i], tiles_emit, t);
	merkle_range_root(&r, root);
	return t;
}

static void flip(struct merkle_hash *h)
{
	h->o[dice(MERKLE_SIZE)] ^= (unsigned char)(1u << dice(8));
}

static void damage(struct merkle_proof *p, const struct merkle_hash *other)
{
	size_t at;

	switch (dice(p->n ? 4 : 1)) {
	case 0:
		p->path[p->n++] = *other;
		break;
	case 1:
		p->n--;
		break;
	case 2:
		flip(&p->path[dice(p->n)]);
		break;
	case 3:
		at = dice(p->n);
		memmove(&p->path[at + 1], &p->path[at], (p->n - at) * sizeof *p->path);
		p->path[at] = *other;
		p->n++;
		break;
	}
}

static void try_inclusion(const struct merkle_source *from, uint64_t index, uint64_t size, const struct merkle_hash *root)
{
	struct merkle_proof proof, right = { .n = 0 };
	struct merkle_hash wrong = leaves[index];

	path(index, leaves, size, &right);
	assert_true(merkle_prove_inclusion(from, index, size, &proof));
	assert_proof(&proof, &right);
	assert_true(merkle_included(index, size, &leaves[index], &proof, root));
	if (index > 0) {
		assert_true(merkle_prove_inclusion(from, index - 1, size, &proof));
		assert_true(merkle_prove_next(from, index, size, &proof));
		assert_proof(&proof, &right);
	}
	flip(&wrong);
	assert_false(merkle_included(index, size, &wrong, &proof, root));
	assert_false(merkle_included(index ^ 1, size, &leaves[index], &proof, root));
	wrong = *root;
	flip(&wrong);
	assert_false(merkle_included(index, size, &leaves[index], &proof, &wrong));
	damage(&proof, root);
	assert_false(merkle_included(index, size, &leaves[index], &proof, root));
}

static void try_consistency(const struct merkle_source *from, uint64_t size1, uint64_t size2, const struct merkle_hash *root2)
{
	struct merkle_proof proof, right = { .n = 0 };
	struct merkle_hash root1 = mth(leaves, size1), wrong = root1;

	subproof(size1, leaves, size2, true, &right);
	assert_true(merkle_prove_consistency(from, size1, size2, &proof));
	assert_proof(&proof, &right);
	assert_true(merkle_consistent(size1, &root1, size2, root2, &proof));
	flip(&wrong);
	assert_false(merkle_consistent(size1, &wrong, size2, root2, &proof));
	wrong = *root2;
	flip(&wrong);
	assert_false(merkle_consistent(size1, &root1, size2, &wrong, &proof));
	damage(&proof, &root1);
	assert_false(merkle_consistent(size1, &root1, size2, root2, &proof));
}

static void try_size(uint64_t size, uint64_t step)
{
	struct merkle_hash root, again, want = mth(leaves, size);
	struct tiles *t = grow(size, &root);
	struct merkle_source from = tiles_source(t);

	assert_true(merkle_eq(&root, &want));
	assert_true(merkle_root(&from, size, &again));
	assert_true(merkle_eq(&again, &want));
	for (uint64_t i = dice(step); i < size; i += step) {
		try_inclusion(&from, i, size, &root);
		try_consistency(&from, i + 1, size, &root);
	}
	tiles_free(t);
}

static void test_definitions(void **state)
{
	for (uint64_t size = 1; size <= 70; size++)
		try_size(size, 1);
	for (uint64_t size = 250; size <= 262; size++)
		try_size(size, 7);
	for (int i = 0; i < 40; i++)
		try_size(1 + dice(LEAVES), 53);
	try_size(LEAVES, 31);
}

/* A smaller tree out of the tiles of a larger one, since a store keeps only those. */
static void test_smaller(void **state)
{
	struct merkle_hash root, small;
	struct tiles *t = grow(LEAVES, &root);
	struct merkle_source from = tiles_source(t);
	struct merkle_range r;

	for (int i = 0; i < 60; i++) {
		uint64_t size = 1 + dice(LEAVES);

		small = mth(leaves, size);
		try_inclusion(&from, dice(size), size, &small);
		try_consistency(&from, 1 + dice(size), size, &small);
		assert_true(merkle_range_load(&r, &from, size));
		for (uint64_t k = size; k < LEAVES; k++)
			merkle_range_add(&r, &leaves[k], NULL, NULL);
		merkle_range_root(&r, &small);
		assert_true(merkle_eq(&small, &root));
	}
	tiles_free(t);
}

/* -- trees too large to be made: all leaves alike, so one hash a level is enough */

static struct merkle_hash alike[64];

static struct span read_alike(void *arg, unsigned level, uint64_t number, unsigned width)
{
	static struct merkle_hash tile[MERKLE_TILE];

	assert_true(level <= MERKLE_LEVEL_MAX && width >= 1 && width <= MERKLE_TILE);
	assert_int_equal(width, merkle_width(level, number, *(uint64_t *)arg));
	for (unsigned i = 0; i < width; i++)
		tile[i] = alike[MERKLE_HEIGHT * level];
	return exact(span_of((const char *)tile, width * (size_t)MERKLE_SIZE));
}

/* The tile asked for last is let go when the next one is. */
static struct span read_alike_once(void *arg, unsigned level, uint64_t number, unsigned width)
{
	static struct span last;

	exact_free(last);
	return last = width ? read_alike(arg, level, number, width) : SPAN_NONE;
}

static void test_huge(void **state)
{
	struct merkle_hash root1, root2, wrong;
	struct merkle_proof proof;
	struct merkle_range r;

	alike[0] = leaves[0];
	for (int k = 1; k < 64; k++)
		merkle_node(&alike[k], &alike[k - 1], &alike[k - 1]);
	for (int i = 0; i < 600; i++) {
		uint64_t size2 = i ? 1 + dice_wide(63) % MERKLE_SIZE_MAX : MERKLE_SIZE_MAX, size1 = 1 + dice_any() % size2, index = dice_any() % size1;
		struct merkle_source from1 = { read_alike_once, &size1 }, from2 = { read_alike_once, &size2 };

		assert_true(merkle_root(&from1, size1, &root1) && merkle_root(&from2, size2, &root2));
		assert_true(merkle_range_load(&r, &from2, size2));
		merkle_range_root(&r, &wrong);
		assert_true(merkle_eq(&wrong, &root2));
		assert_true(merkle_prove_inclusion(&from2, index, size2, &proof));
		assert_true(proof.n <= MERKLE_PROOF_MAX && merkle_included(index, size2, &leaves[0], &proof, &root2));
		assert_true(merkle_prove_consistency(&from2, size1, size2, &proof));
		assert_true(proof.n <= MERKLE_PROOF_MAX && merkle_consistent(size1, &root1, size2, &root2, &proof));
		flip(&root1);
		assert_false(merkle_consistent(size1, &root1, size2, &root2, &proof));
	}
	read_alike_once(NULL, 0, 0, 0);
}

/* True hashes and paths under false numbers. */
static void test_false_numbers(void **state)
{
	struct merkle_hash root;
	struct merkle_proof proof = { .n = 1, .path = { leaves[1] } };

	merkle_node(&root, &leaves[0], &leaves[1]);
	assert_true(merkle_included(0, 2, &leaves[0], &proof, &root));
	assert_true(merkle_subtree_consistent(0, 1, &leaves[0], 2, &root, &proof));
	assert_true(merkle_subtree_included(4, 4, 6, &leaves[0], &proof, &root));
	/* A leaf behind the end, a part that sticks out, and parts that begin where none does. */
	assert_false(merkle_included(2, 2, &leaves[0], &proof, &root));
	assert_false(merkle_subtree_consistent(2, 3, &leaves[0], 2, &root, &proof));
	assert_false(merkle_subtree_consistent(2, 4, &leaves[0], 2, &root, &proof));
	assert_false(merkle_subtree_included(3, 3, 5, &leaves[0], &proof, &root));
	assert_false(merkle_subtree_included(UINT64_MAX, UINT64_MAX, 1, &leaves[0], &proof, &root));
	assert_false(merkle_subtree_included(2, 4, 6, &leaves[0], &proof, &root));
}

/* Any numbers and hashes at all: nothing is accepted, nothing breaks. */
static void test_hostile(void **state)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 1, UINT64_MAX };
	struct merkle_proof proof;

	for (int i = 0; i < 40000; i++) {
		uint64_t n[3];

		for (size_t k = 0; k < COUNT_OF(n); k++)
			n[k] = dice(3) ? dice_wide(64) : edges[dice(COUNT_OF(edges))];
		proof.n = dice(20) ? dice(MERKLE_PROOF_MAX + 1) : MERKLE_PROOF_MAX + 1 + dice(1000);
		for (size_t k = 0; k < proof.n && k < MERKLE_PROOF_MAX; k++)
			proof.path[k] = leaves[dice(LEAVES)];
		assert_false(merkle_included(n[0], n[1], &leaves[0], &proof, &leaves[1]));
		assert_false(merkle_consistent(n[0], &leaves[0], n[1], &leaves[1], &proof));
		assert_false(merkle_subtree_included(n[0], n[1], n[2], &leaves[0], &proof, &leaves[1]));
		assert_false(merkle_subtree_consistent(n[0], n[1], &leaves[0], n[2], &leaves[1], &proof));
	}
}

static void test_ranges(void **state)
{
	struct merkle_hash root;
	struct tiles *t = grow(10, &root);
	struct merkle_source from = tiles_source(t);
	struct merkle_proof proof;
	struct merkle_range r;

	assert_false(merkle_prove_inclusion(&from, 10, 10, &proof));
	assert_false(merkle_prove_inclusion(&from, 0, 0, &proof));
	assert_false(merkle_prove_inclusion(&from, 0, UINT64_MAX, &proof));
	assert_false(merkle_prove_consistency(&from, 0, 10, &proof));
	assert_false(merkle_prove_consistency(&from, 10, 9, &proof));
	assert_false(merkle_prove_consistency(&from, 5, (uint64_t)INT64_MAX + 1, &proof));
	assert_false(merkle_root(&from, UINT64_MAX, &root));
	assert_false(merkle_range_load(&r, &from, UINT64_MAX));
	assert_int_equal(tiles_lacking(t), 0);
	assert_true(merkle_root(&from, 0, &root));
	assert_hash(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_true(merkle_range_load(&r, &from, 0));
	merkle_range_root(&r, &root);
	assert_hash(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	tiles_free(t);
}

static int make_leaves(void **state)
{
	dice_seed();
	for (size_t i = 0; i < LEAVES; i++)
		merkle_leaf(&leaves[i], span_of((const char *)&i, sizeof i));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes), cmocka_unit_test(test_numbers), cmocka_unit_test(test_hash_text),
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_definitions), cmocka_unit_test(test_smaller),
		cmocka_unit_test(test_huge), cmocka_unit_test(test_false_numbers), cmocka_unit_test(test_hostile), cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests_name("merkle", tests, make_leaves, NULL);
}
