/* Tiles in memory: what lacks, what does not fit, and their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/tiles.h"
#include "tests/unit/dice.h"

#define LEAVES 70000    /* the example of the specification: 273 full tiles and one of 112 */

static struct tiles *store;
static struct merkle_range whole;

static void test_widths(void **state)
{
	static const struct { unsigned level; uint64_t number, size; unsigned width; } rows[] = {
		{ 0, 0, 70000, 256 }, { 0, 272, 70000, 256 }, { 0, 273, 70000, 112 }, { 0, 274, 70000, 0 }, { 1, 0, 70000, 256 }, { 1, 1, 70000, 17 },
		{ 1, 2, 70000, 0 }, { 2, 0, 70000, 1 }, { 3, 0, 70000, 0 }, { 0, 0, 256, 256 }, { 1, 0, 256, 1 }, { 0, 0, 0, 0 }, { 0, 0, 1, 1 },
		{ 7, 0, MERKLE_SIZE_MAX, 127 }, { 8, 0, MERKLE_SIZE_MAX, 0 }, { 63, 0, UINT64_MAX, 0 }, { 0, UINT64_MAX, UINT64_MAX, 0 },
		{ 0, (uint64_t)1 << 56, 5, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(merkle_width(rows[i].level, rows[i].number, rows[i].size), rows[i].width);
}

static void test_names(void **state)
{
	static const struct { unsigned level; uint64_t number; unsigned width; const char *name; } rows[] = {
		{ 0, 1234067, 256, "tile/0/x001/x234/067" }, { 0, 1234067, 5, "tile/0/x001/x234/067.p/5" }, { 1, 0, 256, "tile/1/000" },
		{ 2, 7, 1, "tile/2/007.p/1" }, { 0, 999, 256, "tile/0/999" }, { 0, 1000, 256, "tile/0/x001/000" }, { 3, 999999, 256, "tile/3/x999/999" },
		{ 0, 1000000, 255, "tile/0/x001/x000/000.p/255" }, { 0, UINT64_MAX, 256, "tile/0/x018/x446/x744/x073/x709/x551/615" },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&out);
		tiles_path(&out, rows[i].level, rows[i].number, rows[i].width);
		assert_string_equal(buf_str(&out), rows[i].name);
	}
	buf_clear(&out);
	tiles_entries_path(&out, 7, 5);
	assert_string_equal(buf_str(&out), "tile/entries/007.p/5");
	buf_release(&out);
}

/* What the range emitted is what the specification says a tree of this size has. */
static void test_complete(void **state)
{
	struct tile_id id;
	size_t at = 0, n = 0;

	while (tiles_next(store, &at, &id).p) {
		assert_int_equal(id.width, merkle_width(id.level, id.number, LEAVES));
		n++;
	}
	assert_int_equal(n, 274 + 2 + 1);
}

static void fetch(struct tiles *t)
{
	struct merkle_source from = tiles_source(store);

	while (tiles_lacking(t) > 0) {
		struct tile_id id = tiles_lack(t, 0);
		struct span hashes = from.read(from.arg, id.level, id.number, id.width);

		assert_non_null(hashes.p);
		assert_true(tiles_add(t, id.level, id.number, hashes));
	}
}

/* One round of fetching is enough for any proof, and few tiles are asked for. */
static void test_rounds(void **state)
{
	struct tiles *t = tiles_new();
	struct merkle_source from = tiles_source(t);

	for (int i = 0; i < 200; i++) {
		uint64_t size = 1 + dice(LEAVES), index = dice(size), small = 1 + dice(size);
		struct merkle_hash root;
		struct merkle_proof proof;

		if (i % 3 == 0)
			tiles_clear(t);
		if (!merkle_prove_inclusion(&from, index, size, &proof)) {
			assert_in_range(tiles_lacking(t), 1, 5);
			fetch(t);
		}
		assert_true(merkle_prove_inclusion(&from, index, size, &proof));
		if (!merkle_prove_consistency(&from, small, size, &proof)) {
			assert_in_range(tiles_lacking(t), 1, 5);
			fetch(t);
		}
		assert_true(merkle_prove_consistency(&from, small, size, &proof));
		if (!merkle_root(&from, size, &root))
			fetch(t);
		assert_true(merkle_root(&from, size, &root));
		assert_int_equal(tiles_lacking(t), 0);
	}
	tiles_free(t);
}

static void test_growing(void **state)
{
	struct tiles *t = tiles_new();
	struct merkle_source from = tiles_source(store), ours = tiles_source(t);
	struct span full = from.read(from.arg, 0, 5, MERKLE_TILE);
	char other[3 * MERKLE_SIZE];

	assert_false(tiles_add(t, 0, 5, SPAN_NONE));
	assert_false(tiles_add(t, 0, 5, span_of(full.p, MERKLE_SIZE - 1)));
	assert_false(tiles_add(t, 0, 5, span_of(full.p, MERKLE_TILE * MERKLE_SIZE + MERKLE_SIZE)));
	assert_false(tiles_add(t, MERKLE_LEVEL_MAX + 1, 5, full));
	assert_null(ours.read(ours.arg, 0, 5, 1).p);
	assert_int_equal(tiles_lacking(t), 1);
	assert_true(tiles_add(t, 0, 5, span_of(full.p, 3 * MERKLE_SIZE)));
	assert_int_equal(tiles_lacking(t), 0);
	assert_null(ours.read(ours.arg, 0, 5, 4).p);
	assert_null(ours.read(ours.arg, 0, 5, 9).p);
	assert_int_equal(tiles_lacking(t), 1);
	assert_int_equal(tiles_lack(t, 0).width, 9);
	assert_true(tiles_add(t, 0, 5, span_of(full.p, 5 * MERKLE_SIZE)));
	assert_int_equal(tiles_lacking(t), 1);
	assert_true(tiles_add(t, 0, 5, span_of(full.p, 2 * MERKLE_SIZE)));
	assert_int_equal(ours.read(ours.arg, 0, 5, 3).n, 5 * MERKLE_SIZE);
	memcpy(other, full.p, sizeof other);
	other[2 * MERKLE_SIZE] ^= 1;
	assert_false(tiles_add(t, 0, 5, span_of(other, sizeof other)));
	assert_true(tiles_add(t, 0, 5, full));
	assert_int_equal(tiles_lacking(t), 0);
	assert_true(span_eq(ours.read(ours.arg, 0, 5, MERKLE_TILE), full));
	tiles_free(t);
}

/* A wrong hash in a tile gives a proof that does not lead to the root. */
static void test_wrong_tile(void **state)
{
	struct merkle_source from = tiles_source(store);
	struct merkle_hash root, leaf;
	struct merkle_proof proof;

	merkle_range_root(&whole, &root);
	for (int i = 0; i < 50; i++) {
		struct tiles *t = tiles_new();
		struct merkle_source ours = tiles_source(t);
		uint64_t index = dice(LEAVES);
		char tile[MERKLE_TILE * MERKLE_SIZE];
		struct tile_id id;
		struct span good;
		size_t at;

		merkle_leaf(&leaf, span_of((const char *)&index, sizeof index));
		assert_false(merkle_prove_inclusion(&ours, index, LEAVES, &proof));
		id = tiles_lack(t, dice(tiles_lacking(t)));
		good = from.read(from.arg, id.level, id.number, id.width);
		memcpy(tile, good.p, good.n);
		do
			at = dice(good.n);
		while (id.level == 0 && at / MERKLE_SIZE == index % MERKLE_TILE);       /* its own hash stands in no path */
		tile[at] ^= 1;
		assert_true(tiles_add(t, id.level, id.number, span_of(tile, good.n)));
		fetch(t);
		assert_true(merkle_prove_inclusion(&ours, index, LEAVES, &proof));
		if (merkle_included(index, LEAVES, &leaf, &proof, &root))
			assert_true(id.level > 0);      /* the hash of the part the leaf is in stands in no path either */
		tiles_free(t);
	}
}

static int make_store(void **state)
{
	struct merkle_hash leaf;

	dice_seed();
	store = tiles_new();
	merkle_range_init(&whole);
	for (uint64_t i = 0; i < LEAVES; i++) {
		merkle_leaf(&leaf, span_of((const char *)&i, sizeof i));
		merkle_range_add(&whole, &leaf, tiles_emit, store);
	}
	return 0;
}

static int free_store(void **state)
{
	tiles_free(store);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widths), cmocka_unit_test(test_names), cmocka_unit_test(test_complete),
		cmocka_unit_test(test_rounds), cmocka_unit_test(test_growing), cmocka_unit_test(test_wrong_tile),
	};

	return cmocka_run_group_tests_name("tiles", tests, make_store, free_store);
}
