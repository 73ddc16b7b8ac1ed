/* Checkpoints and offline proofs: written, read, damaged, made by strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/logproof.h"
#include "libkep/tiles.h"
#include "tests/unit/dice.h"
#include "tests/unit/exact.h"
#include "tests/unit/notary.h"

#define ORIGIN "hs01.kep.test/kep"
#define ROOT   "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define HASH   "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define PROOF  "c2sp.org/tlog-proof@v1\n"
#define LEAVES 300

static struct notary ours, witness, stranger;

static void test_checkpoint(void **state)
{
	static const char text[] = "example.com/behind-the-sofa\n20852163\n" ROOT "\n";
	struct checkpoint c;
	struct buf out = BUF_INIT;

	assert_true(checkpoint_parse(SPAN("example.com/behind-the-sofa\n20852163\n" ROOT "\n"), &c, NULL));
	assert_true(span_is(c.origin, "example.com/behind-the-sofa") && c.size == 20852163 && c.extension.n == 0);
	checkpoint_write(&out, c.origin, c.size, &c.root);
	assert_string_equal(buf_str(&out), text);
	assert_true(checkpoint_parse(SPAN("go.sum database tree\n0\n" ROOT "\nmore\nand more\n"), &c, NULL));
	assert_true(span_is(c.extension, "more\nand more\n"));
	buf_release(&out);
}

static void test_bad_checkpoints(void **state)
{
	static const struct { struct span text; const char *why; } rows[] = {
		{ SPAN(""), "line end" }, { SPAN("o"), "line end" }, { SPAN("\n"), "origin" }, { SPAN("\n1\n" ROOT "\n"), "origin" },
		{ SPAN("o\n"), "size" }, { SPAN("o\n\n" ROOT "\n"), "size" }, { SPAN("o\n01\n" ROOT "\n"), "size" }, { SPAN("o\n-1\n" ROOT "\n"), "size" },
		{ SPAN("o\n1 \n" ROOT "\n"), "size" }, { SPAN("o\n9223372036854775808\n" ROOT "\n"), "size" }, { SPAN("o\n0x1\n" ROOT "\n"), "size" },
		{ SPAN("o\n1\r\n" ROOT "\n"), "size" }, { SPAN("o\n1\n"), "root" }, { SPAN("o\n1\n\n"), "root" }, { SPAN("o\n1\n" ROOT "=\n"), "root" },
		{ SPAN("o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n"), "root" }, { SPAN("o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n"), "root" },
		{ SPAN("o\n1\n " ROOT "\n"), "root" }, { SPAN("o\n1\n" ROOT), "line end" }, { SPAN("o\n1\n" ROOT "\n\n"), "empty line" },
		{ SPAN("o\n1\n" ROOT "\nmore\n\nmore\n"), "empty line" },
	};
	struct buf why = BUF_INIT;
	struct checkpoint c;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = exact(rows[i].text);

		buf_clear(&why);
		if (checkpoint_parse(text, &c, &why) || !strstr(buf_str(&why), rows[i].why))
			fail_msg("row %zu: %s", i, buf_str(&why));
		exact_free(text);
	}
	buf_release(&why);
}

static void sign(struct buf *note, const char *text, const struct notary *a, const struct notary *b)
{
	buf_clear(note);
	note_start(note, span_str(text));
	if (a)
		notary_sign(a, span_str(text), 5, note);
	if (b)
		notary_sign(b, span_str(text), 5, note);
}

static void test_open(void **state)
{
	static const char text[] = ORIGIN "\n300\n" ROOT "\n";
	struct notary forger = stranger, namesake = notary_make("other.test/kep", VKEY_ED25519, 1);
	struct vkey keys[] = { namesake.vkey, witness.vkey, ours.vkey };
	struct buf out = BUF_INIT, why = BUF_INIT;
	struct checkpoint c;
	struct note n;

	sign(&out, text, &ours, &stranger);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, &why), CHECKPOINT_GOOD);
	assert_true(span_is(n.text, text) && span_is(c.origin, ORIGIN) && c.size == 300);
	assert_int_equal(why.n, 0);
	sign(&out, text, &witness, &ours);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, NULL), CHECKPOINT_GOOD);
	/* A witness, or a log of another name that we trust, does not speak for this one. */
	sign(&out, text, &witness, &namesake);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, NULL), CHECKPOINT_UNSIGNED);
	sign(&out, text, &stranger, NULL);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, &why), CHECKPOINT_UNSIGNED);
	assert_non_null(strstr(buf_str(&why), "no trusted key"));
	assert_int_equal(checkpoint_open(buf_span(&out), NULL, 0, &n, &c, NULL), CHECKPOINT_UNSIGNED);
	namesake = notary_make(ORIGIN, VKEY_COSIGNATURE, 4);
	keys[0] = namesake.vkey;
	sign(&out, text, &namesake, NULL);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, NULL), CHECKPOINT_UNSIGNED);
	/* Good by the log, forged by a witness we know. */
	forger.vkey = witness.vkey;
	forger.vkey.type = VKEY_ED25519;
	sign(&out, text, &ours, &forger);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, NULL), CHECKPOINT_FORGED);
	forger.vkey = ours.vkey;
	sign(&out, text, &forger, &witness);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, &why), CHECKPOINT_FORGED);
	sign(&out, ORIGIN "\n0300\n" ROOT "\n", &ours, NULL);
	assert_int_equal(checkpoint_open(buf_span(&out), keys, 3, &n, &c, NULL), CHECKPOINT_MALFORMED);
	assert_int_equal(checkpoint_open(span_str(text), keys, 3, &n, &c, NULL), CHECKPOINT_MALFORMED);
	buf_release(&out);
	buf_release(&why);
}

static void test_text(void **state)
{
	static const char text[] = PROOF "index 73894\n" ROOT "\n" HASH "\n\nanything\n\nat all";
	struct logproof p;
	struct buf out = BUF_INIT;

	assert_true(logproof_parse(span_str(text), &p, NULL));
	assert_true(p.index == 73894 && p.path.n == 2 && !p.extra.p && span_is(p.checkpoint, "anything\n\nat all"));
	logproof_write(&out, p.index, &p.path, p.checkpoint);
	assert_string_equal(buf_str(&out), text);
	assert_true(logproof_parse(SPAN(PROOF "extra ZXh0cmE=\nindex 0\n\nhead\n"), &p, NULL));
	assert_true(p.index == 0 && p.path.n == 0 && span_is(p.extra, "ZXh0cmE=") && span_is(p.checkpoint, "head\n"));
	buf_release(&out);
}

static void test_bad_texts(void **state)
{
	static const struct { struct span text; const char *why; } rows[] = {
		{ SPAN(""), "first line" }, { SPAN("\n"), "first line" }, { SPAN("c2sp.org/tlog-proof@v1"), "first line" }, { SPAN("wrong\nindex 0\n\nhead\n"), "first line" },
		{ SPAN("c2sp.org/tlog-proof@v2\nindex 0\n\nhead\n"), "first line" }, { SPAN("c2sp.org/tlog-proof@v1\r\nindex 0\n\nhead\n"), "first line" },
		{ SPAN("\xef\xbb\xbf" PROOF "index 0\n\nhead\n"), "first line" }, { SPAN(PROOF), "ends behind its first" }, { SPAN(PROOF "extra !!\nindex 0\n\nhead\n"), "extra" },
		{ SPAN(PROOF "extra ZXh0cmE\nindex 0\n\nhead\n"), "extra" }, { SPAN(PROOF "extra ZXh0cm E=\nindex 0\n\nhead\n"), "extra" },
		{ SPAN(PROOF "extra ZXh0cmE=\r\nindex 0\n\nhead\n"), "extra" }, { SPAN(PROOF "extra \nindex"), "ends behind its extra" },
		{ SPAN(PROOF "extra ZXh0cmE=\nextra ZXh0cmE=\nindex 0\n\nhead\n"), "no index" }, { SPAN(PROOF "\n\nhead\n"), "no index" },
		{ SPAN(PROOF "index\n\nhead\n"), "no index" }, { SPAN(PROOF "index \n\nhead\n"), "no index" }, { SPAN(PROOF "index -5\n\nhead\n"), "no index" },
		{ SPAN(PROOF "index 05\n\nhead\n"), "no index" }, { SPAN(PROOF "index  5\n\nhead\n"), "no index" }, { SPAN(PROOF "index five\n\nhead\n"), "no index" },
		{ SPAN(PROOF "index 9223372036854775808\n\nhead\n"), "no index" }, { SPAN(PROOF "Index 5\n\nhead\n"), "no index" },
		{ SPAN(PROOF "index 5\n!!\n\nhead\n"), "not the base64" }, { SPAN(PROOF "index 5\n" ROOT " \n\nhead\n"), "not the base64" },
		{ SPAN(PROOF "index 5\n" ROOT "\r\n\r\nhead\n"), "not the base64" }, { SPAN(PROOF "index 5\nAAAA\n\nhead\n"), "not the base64" },
		{ SPAN(PROOF "index 5\nindex 5\n\nhead\n"), "not the base64" },
		{ SPAN(PROOF "index 5\n" ROOT "\n"), "no checkpoint" }, { SPAN(PROOF "index 5\n" ROOT "\n\n"), "no checkpoint" }, { SPAN(PROOF "index 5\n" ROOT), "no checkpoint" },
		{ SPAN(PROOF "index 5"), "ends behind its first" }, { SPAN(PROOF "index 5\n"), "no checkpoint" }, { SPAN(PROOF "index 5\n\n"), "no checkpoint" },
	};
	struct buf why = BUF_INIT, many = BUF_INIT;
	struct logproof p;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = exact(rows[i].text);

		buf_clear(&why);
		if (logproof_parse(text, &p, &why) || !strstr(buf_str(&why), rows[i].why))
			fail_msg("row %zu: %s", i, buf_str(&why));
		exact_free(text);
	}
	buf_adds(&many, PROOF "index 5\n");
	for (size_t i = 0; i < MERKLE_PROOF_MAX; i++)
		buf_adds(&many, ROOT "\n");
	buf_adds(&many, "\nhead\n");
	assert_true(logproof_parse(buf_span(&many), &p, NULL));
	assert_int_equal(p.path.n, MERKLE_PROOF_MAX);
	many.n -= strlen("\nhead\n");
	buf_adds(&many, ROOT "\n\nhead\n");
	assert_false(logproof_parse(buf_span(&many), &p, NULL));
	buf_clear(&many);
	buf_adds(&many, PROOF "index 5\n\n");
	while (many.n < LOGPROOF_MAX)
		buf_addc(&many, 'a');
	assert_true(logproof_parse(buf_span(&many), &p, NULL));
	buf_addc(&many, 'a');
	assert_false(logproof_parse(buf_span(&many), &p, NULL));
	buf_release(&why);
	buf_release(&many);
}

/* -- proofs of a small log */

static struct tiles *store;
static struct buf head = BUF_INIT;

static struct span leaf_of(uint64_t i)
{
	static char text[32];

	return span_of(text, (size_t)snprintf(text, sizeof text, "{\"evidence\":%d}", (int)i));
}

static int make_log(void **state)
{
	struct merkle_range range;
	struct merkle_hash leaf, root;
	struct buf text = BUF_INIT;

	dice_seed();
	ours = notary_make(ORIGIN, VKEY_ED25519, 1);
	witness = notary_make("witness.test", VKEY_COSIGNATURE, 2);
	stranger = notary_make("stranger.test", VKEY_ED25519, 3);
	store = tiles_new();
	merkle_range_init(&range);
	for (uint64_t i = 0; i < LEAVES; i++) {
		merkle_leaf(&leaf, leaf_of(i));
		merkle_range_add(&range, &leaf, tiles_emit, store);
	}
	merkle_range_root(&range, &root);
	checkpoint_write(&text, SPAN(ORIGIN), range.size, &root);
	note_start(&head, buf_span(&text));
	notary_sign(&ours, buf_span(&text), 0, &head);
	notary_sign(&witness, buf_span(&text), 1795485600, &head);
	buf_release(&text);
	return 0;
}

static int free_log(void **state)
{
	tiles_free(store);
	buf_release(&head);
	return 0;
}

static void prove(uint64_t index, struct buf *out)
{
	struct merkle_source from = tiles_source(store);
	struct merkle_proof path;

	assert_true(merkle_prove_inclusion(&from, index, LEAVES, &path));
	buf_clear(out);
	logproof_write(out, index, &path, buf_span(&head));
}

static enum logproof_verdict verdict(struct span text, struct span leaf, const struct vkey *key)
{
	struct buf why = BUF_INIT;
	struct logproof p;
	struct checkpoint c;
	struct note n;
	enum logproof_verdict v = logproof_verify(text, leaf, key, 1, &p, &n, &c, &why);

	assert_int_equal(v == LOGPROOF_GOOD, why.n == 0);
	buf_release(&why);
	return v;
}

static void test_verify(void **state)
{
	struct buf text = BUF_INIT;

	for (uint64_t i = 0; i < LEAVES; i += 1 + dice(5)) {
		prove(i, &text);
		assert_int_equal(verdict(buf_span(&text), leaf_of(i), &ours.vkey), LOGPROOF_GOOD);
		assert_int_equal(verdict(buf_span(&text), leaf_of(i + 1), &ours.vkey), LOGPROOF_NOT_INCLUDED);
		assert_int_equal(verdict(buf_span(&text), SPAN(""), &ours.vkey), LOGPROOF_NOT_INCLUDED);
		assert_int_equal(verdict(buf_span(&text), leaf_of(i), &stranger.vkey), LOGPROOF_UNSIGNED);
		assert_int_equal(verdict(buf_span(&text), leaf_of(i), &witness.vkey), LOGPROOF_UNSIGNED);
		assert_int_equal(verdict(buf_span(&head), leaf_of(i), &ours.vkey), LOGPROOF_MALFORMED);
	}
	buf_release(&text);
}

/* Any octet changed, left out or put in: not good any more, unless it stands in a
 * signature of somebody we do not know. */
static void test_damage(void **state)
{
	struct buf text = BUF_INIT;
	const char *foreign;

	prove(217, &text);
	foreign = strstr(buf_str(&text), "\xe2\x80\x94 witness.test");
	assert_non_null(foreign);
	for (size_t i = 0; i < text.n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct span copy = exact(buf_span(&text));

			((char *)(uintptr_t)copy.p)[i] ^= (char)(1u << bit);
			if (verdict(copy, leaf_of(217), &ours.vkey) == LOGPROOF_GOOD && text.p + i < foreign)
				fail_msg("good with bit %u of octet %zu changed", bit, i);
			exact_free(copy);
		}
	for (size_t i = 0; i < text.n; i++) {
		struct span copy = exact(span_of(text.p, i));

		if (verdict(copy, leaf_of(217), &ours.vkey) == LOGPROOF_GOOD && text.p + i != foreign)
			fail_msg("good when cut at octet %zu", i);
		exact_free(copy);
	}
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_bad_checkpoints), cmocka_unit_test(test_open), cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_texts), cmocka_unit_test(test_verify), cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("logproof", tests, make_log, free_log);
}
