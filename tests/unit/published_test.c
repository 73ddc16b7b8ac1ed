/* May this head be signed?  What was published, against trees that keep it and trees that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "policyd/published.h"
#include "tests/unit/dice.h"
#include "tests/unit/notary.h"

#define ORIGIN "hs01.kep.test/kep"
#define SIZE   1000

/* A tree of which leaf `odd` is another one (SIZE: none); all its heads. */
struct tree {
	struct tiles *tiles;
	struct head   heads[SIZE + 1];
};

static struct tree good;
static struct notary key;

static void grow(struct tree *t, size_t odd)
{
	struct merkle_range range;
	struct merkle_hash leaf;

	t->tiles = tiles_new();
	merkle_range_init(&range);
	for (size_t i = 0; i <= SIZE; i++) {
		struct span octets = span_of((const char *)&i, sizeof i);

		t->heads[i].size = i;
		merkle_range_root(&range, &t->heads[i].root);
		merkle_leaf(&leaf, octets);
		leaf.o[0] ^= i == odd;
		if (i < SIZE)
			merkle_range_add(&range, &leaf, tiles_emit, t->tiles);
	}
}

static void make_note(struct buf *note, const char *origin, const struct head *h, const struct notary *by)
{
	struct buf text = BUF_INIT;

	buf_clear(note);
	checkpoint_write(&text, span_str(origin), h->size, &h->root);
	note_start(note, buf_span(&text));
	notary_sign(by, buf_span(&text), 0, note);
	buf_release(&text);
}

static struct published published(const struct head *h)
{
	struct published p = { .known = false };
	struct buf note = BUF_INIT, why = BUF_INIT;

	make_note(&note, ORIGIN, h, &key);
	assert_true(published_read(&p, buf_span(&note), SPAN(ORIGIN), &key.vkey, 1, &why));
	assert_true(p.known && head_eq(&p.head, h) && span_eq(buf_span(&p.note), buf_span(&note)));
	buf_release(&note);
	buf_release(&why);
	return p;
}

static enum published_judgement judge(const struct head *before, const struct head *now, struct tiles *tiles)
{
	struct published p = published(before);
	enum published_judgement j = published_judge(&p, now, tiles);

	published_release(&p);
	return j;
}

static void test_kept(void **state)
{
	for (size_t i = 0; i < 3000; i++) {
		size_t now = dice(SIZE + 1), before = dice(now + 1);

		assert_int_equal(judge(&good.heads[before], &good.heads[now], good.tiles), PUBLISHED_KEPT);
	}
}

static void test_behind(void **state)
{
	assert_int_equal(judge(&good.heads[10], &good.heads[9], good.tiles), PUBLISHED_BEHIND);
	assert_int_equal(judge(&good.heads[SIZE], &good.heads[0], good.tiles), PUBLISHED_BEHIND);
}

/* Another leaf below what was published is a fork, wherever it is; above it nothing was promised. */
static void test_forked(void **state)
{
	for (size_t i = 0; i < 40; i++) {
		size_t odd = dice(SIZE);
		struct tree t;

		grow(&t, odd);
		for (size_t k = 0; k < 100; k++) {
			size_t now = 1 + dice(SIZE), before = 1 + dice(now);

			assert_int_equal(judge(&good.heads[before], &t.heads[now], t.tiles), before > odd ? PUBLISHED_FORKED : PUBLISHED_KEPT);
		}
		tiles_free(t.tiles);
	}
}

/* Tiles and the head beside them do not belong together. */
static void test_wrong_root(void **state)
{
	struct head lie = good.heads[600];
	struct published none = { .known = false };

	lie.root.o[31] ^= 1;
	published_clear(&none);
	assert_int_equal(published_judge(&none, &lie, good.tiles), PUBLISHED_WRONG_ROOT);
	assert_int_equal(published_judge(&none, &good.heads[600], good.tiles), PUBLISHED_KEPT);
	assert_int_equal(published_judge(&none, &good.heads[0], good.tiles), PUBLISHED_KEPT);
	assert_int_equal(judge(&good.heads[500], &lie, good.tiles), PUBLISHED_FORKED);
	published_release(&none);
}

static void copy_lacking(struct tiles *to)
{
	while (tiles_lacking(to) > 0) {
		struct tile_id id = tiles_lack(to, 0);
		struct merkle_source from = tiles_source(good.tiles);

		assert_true(tiles_add(to, id.level, id.number, from.read(from.arg, id.level, id.number, id.width)));
	}
}

/* What lacks is named at once, and fetched once. */
static void test_lacking(void **state)
{
	for (size_t i = 0; i < 200; i++) {
		size_t now = 2 + dice(SIZE - 1), before = 1 + dice(now - 1);
		struct tiles *some = tiles_new();

		assert_int_equal(judge(&good.heads[before], &good.heads[now], some), PUBLISHED_LACKING);
		copy_lacking(some);
		assert_int_equal(judge(&good.heads[before], &good.heads[now], some), PUBLISHED_KEPT);
		tiles_free(some);
	}
}

static void test_notes(void **state)
{
	struct notary thief = notary_make(ORIGIN, VKEY_ED25519, 9), other = notary_make("hs02.kep.test/kep", VKEY_ED25519, 7);
	struct vkey keys[] = { key.vkey, other.vkey };
	struct published p = published(&good.heads[5]);
	struct buf note = BUF_INIT, why = BUF_INIT;

	make_note(&note, ORIGIN, &good.heads[6], &thief);
	assert_false(published_read(&p, buf_span(&note), SPAN(ORIGIN), keys, 2, &why));
	make_note(&note, "hs02.kep.test/kep", &good.heads[6], &other);
	assert_false(published_read(&p, buf_span(&note), SPAN(ORIGIN), keys, 2, &why));
	assert_non_null(strstr(buf_str(&why), "hs02.kep.test/kep"));
	make_note(&note, ORIGIN, &good.heads[6], &key);
	note.p[sizeof ORIGIN] = '7';
	assert_false(published_read(&p, buf_span(&note), SPAN(ORIGIN), keys, 2, &why));
	assert_false(published_read(&p, SPAN(""), SPAN(ORIGIN), keys, 2, &why));
	assert_false(published_read(&p, SPAN("garbage\n"), SPAN(ORIGIN), keys, 2, &why));
	assert_true(why.n > 0);
	/* What was known before stays. */
	assert_true(p.known && head_eq(&p.head, &good.heads[5]));
	published_clear(&p);
	assert_true(!p.known && head_eq(&p.head, &good.heads[0]) && p.note.n == 0);
	published_release(&p);
	buf_release(&note);
	buf_release(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_wrong_root),
		cmocka_unit_test(test_lacking),
		cmocka_unit_test(test_notes),
	};
	int failed;

	dice_seed();
	key = notary_make(ORIGIN, VKEY_ED25519, 7);
	grow(&good, SIZE);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tiles_free(good.tiles);
	return failed;
}
