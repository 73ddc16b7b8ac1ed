/* Signed notes and the keys of them: published ones, hostile ones, damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/mem.h"
#include "tests/unit/dice.h"
#include "tests/unit/exact.h"
#include "tests/unit/notary.h"

/* The examples of C2SP signed-note, and of the tests of golang.org/x/mod/sumdb/note. */
#define SPEC_KEY  "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define SPEC_NOTE "This is an example message.\n\n" \
	"\xe2\x80\x94 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
#define GO_KEY    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define GO_TEXT   "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
#define GO_LINE   "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
#define GO_SEED   "810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173"
#define POEM      "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \xc3\xa8 subito sera.\n"
#define POEM_LINE "\xe2\x80\x94 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
#define HEAD      "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
#define LOG_LINE  "\xe2\x80\x94 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
#define WITNESS_LINE "\xe2\x80\x94 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"

static struct vkey key_of(const char *text)
{
	struct buf why = BUF_INIT;
	struct vkey k;

	if (!vkey_parse(span_str(text), &k, &why))
		fail_msg("%s: %s", text, buf_str(&why));
	return k;
}

/* RFC 8032 section 7.1, tests 1 to 3. */
static void test_ed25519(void **state)
{
	static const struct { const char *key, *octets, *signature; } rows[] = {
		{ "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
		{ "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
		{ "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned char key[ED25519_KEY], octets[2], signature[ED25519_SIGNATURE];
		size_t n = strlen(rows[i].octets) / 2;

		assert_true(hex_decode(key, sizeof key, span_str(rows[i].key)));
		assert_true(hex_decode(octets, n, span_str(rows[i].octets)));
		assert_true(hex_decode(signature, sizeof signature, span_str(rows[i].signature)));
		assert_true(note_ed25519(key, span_of((const char *)octets, n), signature));
		signature[dice(sizeof signature)] ^= (unsigned char)(1u << dice(8));
		assert_false(note_ed25519(key, span_of((const char *)octets, n), signature));
	}
}

static void test_keys(void **state)
{
	static const char *const rows[] = { SPEC_KEY, GO_KEY, "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
		"sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8" };
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vkey k = key_of(rows[i]);

		assert_int_equal(k.type, VKEY_ED25519);
		buf_clear(&out);
		vkey_write(&out, &k);
		assert_string_equal(buf_str(&out), rows[i]);
	}
	buf_addc(&out, '\n');
	assert_string_equal(key_of(buf_str(&out)).name, "sum.golang.org");
	buf_release(&out);
}

/* Every part of a key, and every octet of it changed, is no key. */
static void test_bad_keys(void **state)
{
	static const struct { struct span text; const char *why; } rows[] = {
		{ SPAN("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="), "no base64" },
		{ SPAN("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBAA="), "32 octets" },
		{ SPAN("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), "type" },
		{ SPAN("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), "not the id" },
		{ SPAN("PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), "not the id" },
		{ SPAN("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n\n"), "no base64" },
		{ SPAN("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzh\nKqiBfsVkmqq/LDE4izWy10TW"), "no base64" },
		{ SPAN("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\r\n"), "no base64" },
		{ SPAN("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWA"), "no base64" },
		{ SPAN("PeterNeumann+c74f20a3+"), "no base64" }, { SPAN("PeterNeumann+c74f20a3"), "no base64" },
		{ SPAN("PeterNeumann+c74f20 3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), "8 hexadecimal" },
		{ SPAN("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), "space" },
		{ SPAN("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), "empty" }, { SPAN(""), "empty" }, { SPAN("\n"), "empty" },
	};
	struct span whole = span_str(GO_KEY);
	struct buf why = BUF_INIT;
	struct vkey k;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = exact(rows[i].text);

		buf_clear(&why);
		assert_false(vkey_parse(text, &k, &why));
		if (!strstr(buf_str(&why), rows[i].why))
			fail_msg("row %zu: %s", i, buf_str(&why));
		exact_free(text);
	}
	for (size_t from = 0; from <= whole.n; from++)
		for (size_t to = from; to <= whole.n; to++) {
			struct span part = exact(span_of(whole.p + from, to - from));

			assert_int_equal(vkey_parse(part, &k, NULL), part.n == whole.n);
			exact_free(part);
		}
	for (size_t i = 0; i < whole.n; i++) {
		struct span copy = exact(whole);

		((char *)(uintptr_t)copy.p)[i]++;
		assert_false(vkey_parse(copy, &k, NULL));
		exact_free(copy);
	}
	buf_release(&why);
}

static void test_names(void **state)
{
	static const struct { struct span name; bool good; } rows[] = {
		{ SPAN("a"), true }, { SPAN("hs01.kep.test/kep"), true }, { SPAN("posta\xc4\xb1.tr"), true }, { SPAN("\xe2\x80\x94"), true },
		{ SPAN("\xe2\x81\xa0"), true }, { SPAN("\xf0\x9f\x90\x87"), true }, { SPAN("oid/1.3.6"), true },
		{ SPAN(""), false }, { SPAN("a b"), false }, { SPAN("a+b"), false }, { SPAN("a\n"), false }, { SPAN("\t"), false }, { SPAN("a\0"), false },
		{ SPAN("a\x7f"), false }, { SPAN("a\xc2\xa0"), false }, { SPAN("a\xc2\x85"), false }, { SPAN("\xe1\x9a\x80"), false },
		{ SPAN("\xe2\x80\x80"), false }, { SPAN("\xe2\x80\x8a"), false }, { SPAN("\xe2\x80\xa8"), false }, { SPAN("\xe2\x80\xa9"), false },
		{ SPAN("\xe2\x80\xaf"), false }, { SPAN("\xe2\x81\x9f"), false }, { SPAN("\xe3\x80\x80"), false }, { SPAN("\xff"), false }, { SPAN("a\xe2\x80"), false },
		{ SPAN("\xed\xa0\x80"), false },
	};
	char most[NOTE_NAME_MAX + 1];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span name = exact(rows[i].name);

		if (note_name_valid(name) != rows[i].good)
			fail_msg("row %zu", i);
		exact_free(name);
	}
	memset(most, 'a', sizeof most);
	assert_true(note_name_valid(span_of(most, NOTE_NAME_MAX)));
	assert_false(note_name_valid(span_of(most, sizeof most)));
}

static void test_published(void **state)
{
	struct vkey spec = key_of(SPEC_KEY), peter = key_of(GO_KEY), keys[] = { spec, peter };
	struct note note;
	uint64_t time = 7;

	assert_true(note_parse(SPAN(SPEC_NOTE), &note, NULL));
	assert_true(span_is(note.text, "This is an example message.\n"));
	assert_int_equal(note_check(&note, &spec, &time), NOTE_GOOD);
	assert_true(time == 0);
	assert_int_equal(note_check(&note, &peter, NULL), NOTE_UNSIGNED);
	assert_int_equal(note_check_any(&note, keys, 2), NOTE_GOOD);
	assert_int_equal(note_check_any(&note, keys + 1, 1), NOTE_UNSIGNED);
	assert_int_equal(note_check_any(&note, keys, 0), NOTE_UNSIGNED);

	assert_true(note_parse(SPAN(GO_TEXT "\n" GO_LINE), &note, NULL));
	assert_int_equal(note_check(&note, &peter, NULL), NOTE_GOOD);

	assert_true(note_parse(SPAN(POEM "\n" POEM_LINE), &note, NULL));
	assert_true(span_is(note.text, POEM));
	assert_true(note.n == 1 && span_is(note.lines[0].name, "quasimodo.example/salvatore") && span_is(note.lines[0].line, POEM_LINE));

	assert_true(note_parse(SPAN(HEAD "\n" LOG_LINE WITNESS_LINE), &note, NULL));
	assert_true(note.n == 2 && span_is(note.text, HEAD));
	assert_memory_equal(note.lines[1].id, "\x8d\x66\xcf\x3f", 4);
	assert_true(note_parse_lines(SPAN(HEAD), SPAN(WITNESS_LINE), &note, NULL));
	assert_true(note.n == 1 && span_is(note.lines[0].name, "witness.example.com/w1"));
}

/* The published note again, out of its published private key. */
static void test_signing(void **state)
{
	unsigned char seed[32];
	struct notary peter;
	struct buf out = BUF_INIT;

	assert_true(hex_decode(seed, sizeof seed, SPAN(GO_SEED)));
	peter = notary_seeded("PeterNeumann", VKEY_ED25519, seed);
	note_start(&out, SPAN(GO_TEXT));
	notary_sign(&peter, SPAN(GO_TEXT), 0, &out);
	assert_string_equal(buf_str(&out), GO_TEXT "\n" GO_LINE);
	buf_release(&out);
}

static void test_malformed(void **state)
{
	static const struct { struct span octets; const char *why; } rows[] = {
		{ SPAN(""), "no empty line" }, { SPAN("\n"), "no empty line" }, { SPAN("text\n"), "no empty line" }, { SPAN(GO_LINE), "no empty line" },
		{ SPAN("\n" GO_LINE), "no empty line" }, { SPAN("text\n" GO_LINE), "no empty line" },
		{ SPAN("text\n\n"), "whole signature line" }, { SPAN("text\n\n\n"), "whole signature line" }, { SPAN("text\n\ntext\n"), "a signature line" },
		{ SPAN("text\n\n" GO_LINE "\n"), "whole signature line" }, { SPAN("text\n\n" GO_LINE "text\n"), "a signature line" },
		{ SPAN("text\n\n" GO_LINE "text"), "whole signature line" }, { SPAN("text\r\n\r\n" GO_LINE), "no empty line" },
		{ SPAN("te\rxt\n\n" GO_LINE), "a control" }, { SPAN("te\0xt\n\n" GO_LINE), "a control" }, { SPAN("te\txt\n\n" GO_LINE), "a control" },
		{ SPAN("te\xffxt\n\n" GO_LINE), "no UTF-8" }, { SPAN("te\xc0\x80xt\n\n" GO_LINE), "no UTF-8" },
		{ SPAN("text\n\n- name AAAAAAA=\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x93 name AAAAAAA=\n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94name AAAAAAA=\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x94  AAAAAAA=\n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94 name\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x94 name \n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94 name  AAAAAAA=\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x94 name AAAAAAA= \n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94 na+me AAAAAAA=\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x94 na\xc2\xa0me AAAAAAA=\n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94 name AAAAAAA\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x94 name AAAAAAB=\n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94 name AAAAAAAAAAAA\n\xe2\x80\x94 name AAAAAAAAAAAAA\n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94 name AAAAA===\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x94 name AAAAAA==\n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94 name AAAA_AA=\n"), "a signature line" }, { SPAN("text\n\n\xe2\x80\x94 \n"), "a signature line" },
		{ SPAN("text\n\n\xe2\x80\x94\n"), "a signature line" },
	};
	struct buf why = BUF_INIT;
	struct note note;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span octets = exact(rows[i].octets);

		buf_clear(&why);
		if (note_parse(octets, &note, &why) || !strstr(buf_str(&why), rows[i].why))
			fail_msg("row %zu: %s", i, buf_str(&why));
		exact_free(octets);
	}
	buf_release(&why);
}

static void test_limits(void **state)
{
	struct buf out = BUF_INIT;
	struct note note;

	note_start(&out, SPAN(GO_TEXT));
	for (size_t i = 0; i < NOTE_LINES_MAX; i++)
		buf_adds(&out, GO_LINE);
	assert_true(note_parse(buf_span(&out), &note, NULL));
	assert_int_equal(note.n, NOTE_LINES_MAX);
	buf_adds(&out, GO_LINE);
	assert_false(note_parse(buf_span(&out), &note, NULL));
	buf_clear(&out);
	while (out.n < NOTE_MAX)
		buf_adds(&out, "a line of text\n");
	buf_adds(&out, "\n" GO_LINE);
	assert_false(note_parse(buf_span(&out), &note, NULL));
	buf_release(&out);
}

/* Any bit of a signed note changed: it is none, or this key did not sign it. */
static void test_damage(void **state)
{
	static const char *const notes[] = { SPEC_NOTE, GO_TEXT "\n" GO_LINE };
	struct vkey keys[] = { key_of(SPEC_KEY), key_of(GO_KEY) };
	struct note note;

	for (size_t i = 0; i < COUNT_OF(notes); i++)
		for (size_t bit = 0; bit < 8 * strlen(notes[i]); bit++) {
			struct span copy = exact(span_str(notes[i]));

			((char *)(uintptr_t)copy.p)[bit / 8] ^= (char)(1u << bit % 8);
			if (note_parse(copy, &note, NULL) && note_check_any(&note, keys, 2) == NOTE_GOOD)
				fail_msg("note %zu is good without bit %zu", i, bit);
			exact_free(copy);
		}
}

/* Random notes of a log and its witnesses: what is written is read again, each key
 * knows its own lines only, and a foreign signature under a known name is forged. */
static void test_random(void **state)
{
	struct notary keys[6];
	struct buf text = BUF_INIT, out = BUF_INIT;
	struct note note;

	for (unsigned char i = 0; i < COUNT_OF(keys); i++)
		keys[i] = notary_make(i < 2 ? "kep.test/kep" : "witness.test", i < 2 ? VKEY_ED25519 : VKEY_COSIGNATURE, i + 1);
	for (int round = 0; round < 150; round++) {
		bool has[COUNT_OF(keys)] = { false };
		uint64_t times[COUNT_OF(keys)] = { 0 }, time;
		size_t n = 1 + dice(8), spoiled = dice(3) ? SIZE_MAX : dice(COUNT_OF(keys));

		buf_clear(&text);
		for (size_t lines = 1 + dice(4); lines; lines--) {
			for (size_t k = dice(30); k; k--)
				buf_adds(&text, dice(9) ? "a" : "\xc5\x9f");
			buf_addc(&text, '\n');
		}
		buf_clear(&out);
		note_start(&out, buf_span(&text));
		for (; n; n--) {
			size_t k = dice(COUNT_OF(keys));

			if (!has[k] && keys[k].vkey.type == VKEY_COSIGNATURE)
				times[k] = dice_wide(63);
			notary_sign(&keys[k], buf_span(&text), times[k], &out);
			has[k] = true;
		}
		if (spoiled < COUNT_OF(keys)) {
			struct notary other = notary_make("other", keys[spoiled].vkey.type, 99);

			other.vkey = keys[spoiled].vkey;
			notary_sign(&other, buf_span(&text), 5, &out);
		}
		assert_true(note_parse(buf_span(&out), &note, NULL));
		assert_true(span_eq(note.text, buf_span(&text)));
		for (size_t k = 0; k < COUNT_OF(keys); k++) {
			enum note_answer want = k == spoiled ? NOTE_FORGED : has[k] ? NOTE_GOOD : NOTE_UNSIGNED;

			assert_int_equal(note_check(&note, &keys[k].vkey, &time), want);
			if (want == NOTE_GOOD)
				assert_true(time == times[k]);
		}
	}
	buf_release(&text);
	buf_release(&out);
}

static void test_cosignature(void **state)
{
	struct notary witness = notary_make("witness.test", VKEY_COSIGNATURE, 1), log = notary_make("witness.test", VKEY_ED25519, 1);
	struct buf out = BUF_INIT;
	struct note note;
	uint64_t time;

	note_cosigned(&out, 1679315147, SPAN(HEAD));
	assert_string_equal(buf_str(&out), "cosignature/v1\ntime 1679315147\n" HEAD);
	/* The same key pair as the key of a log is another key. */
	assert_memory_not_equal(witness.vkey.id, log.vkey.id, 4);
	buf_clear(&out);
	note_start(&out, SPAN(HEAD));
	notary_sign(&witness, SPAN(HEAD), 1679315147, &out);
	assert_true(note_parse(buf_span(&out), &note, NULL));
	assert_int_equal(note_check(&note, &witness.vkey, &time), NOTE_GOOD);
	assert_true(time == 1679315147);
	assert_int_equal(note_check(&note, &log.vkey, NULL), NOTE_UNSIGNED);
	/* A time of 2^63 and more is none. */
	buf_clear(&out);
	note_start(&out, SPAN(HEAD));
	notary_sign(&witness, SPAN(HEAD), UINT64_MAX, &out);
	assert_true(note_parse(buf_span(&out), &note, NULL));
	assert_int_equal(note_check(&note, &witness.vkey, NULL), NOTE_FORGED);
	/* The plain signature of the log, under the name and id of the witness: too short. */
	log.vkey = witness.vkey;
	log.vkey.type = VKEY_ED25519;
	buf_clear(&out);
	note_start(&out, SPAN(HEAD));
	notary_sign(&log, SPAN(HEAD), 0, &out);
	assert_true(note_parse(buf_span(&out), &note, NULL));
	assert_int_equal(note_check(&note, &witness.vkey, NULL), NOTE_FORGED);
	buf_release(&out);
}

static int seed(void **state)
{
	dice_seed();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ed25519), cmocka_unit_test(test_keys), cmocka_unit_test(test_bad_keys), cmocka_unit_test(test_names),
		cmocka_unit_test(test_published), cmocka_unit_test(test_signing), cmocka_unit_test(test_malformed), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_damage), cmocka_unit_test(test_random), cmocka_unit_test(test_cosignature),
	};

	return cmocka_run_group_tests_name("note", tests, seed, NULL);
}
