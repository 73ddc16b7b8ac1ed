/* The signer child as its parent sees it: what it signs, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event.h>

#include "libkep/checkpoint.h"
#include "policyd/signer.h"
#include "tests/unit/pki.h"

static struct signer_child *child;
static struct event_base *base;

static void on_signed(void *arg, struct span signature)
{
	struct buf *out = arg;

	buf_clear(out);
	buf_add(out, signature);
	event_base_loopbreak(base);
}

/* Octets of the signature; 0: refused. */
static size_t ask(enum signer_kind kind, struct span content)
{
	struct buf out = BUF_INIT;
	bool good;
	size_t n;

	signer_ask(child, kind, content, on_signed, &out);
	event_base_dispatch(base);
	n = out.n;
	good = kind != SIGNER_NOTE || n == 0 ||
	    (n == ED25519_SIGNATURE && note_ed25519(signer_public(child), content, (const unsigned char *)out.p));
	buf_release(&out);
	assert_true(good);
	return n;
}

static size_t ask_head(const char *origin, uint64_t size, unsigned char root)
{
	struct merkle_hash hash;
	struct buf text = BUF_INIT;
	size_t n;

	memset(hash.o, root, sizeof hash.o);
	checkpoint_write(&text, span_str(origin), size, &hash);
	n = ask(SIGNER_NOTE, buf_span(&text));
	buf_release(&text);
	return n;
}

static void test_seal(void **state)
{
	assert_true(ask(SIGNER_SEAL, SPAN("anything")) > 500);
	assert_true(ask(SIGNER_SEAL, SPAN("")) > 500);
}

/* In this order: the child remembers. */
static void test_notes(void **state)
{
	static const struct { const char *origin; uint64_t size; unsigned char root; bool signed_; } rows[] = {
		{ "hs01.kep.test/kep", 10, 1, true }, { "hs01.kep.test/kep", 10, 1, true },     /* once more the same */
		{ "hs01.kep.test/kep", 10, 2, false },          /* a fork */
		{ "hs01.kep.test/kep", 9, 1, false },           /* back */
		{ "hs02.kep.test/kep", 11, 1, false },          /* another ledger */
		{ "hs01.kep.test/kep", 12, 3, true }, { "hs01.kep.test/kep", 10, 1, false }, { "hs01.kep.test/kep", 12, 3, true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(ask_head(rows[i].origin, rows[i].size, rows[i].root), rows[i].signed_ ? ED25519_SIGNATURE : 0);
}

/* The key of the ledger signs checkpoints and nothing else. */
static void test_no_checkpoints(void **state)
{
	static const char *const rows[] = {
		"", "\n", "hello", "hs01.kep.test/kep\n99\n", "hs01.kep.test/kep\n99\nAAAA\n",
		"hs01.kep.test/kep\n99\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nextension\n",
		"hs01.kep.test/kep\n099\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n",
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(ask(SIGNER_NOTE, span_str(rows[i])), 0);
	assert_int_equal(ask((enum signer_kind)'X', SPAN("anything")), 0);
	assert_int_equal(ask_head("hs01.kep.test/kep", 99, 1), ED25519_SIGNATURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_no_checkpoints),
	};
	struct buf error = BUF_INIT, keys = BUF_INIT;
	struct conf conf;
	int failed;

	pki_make(false);
	conf_init(&conf);
	buf_addf(&keys, "user =\nreceipt_from = kep@hs01.kep.test\nseal_certificate = %s/seal.pem\nseal_key = %s/seal.key\ncheckpoint_key = %s/checkpoint.key\n", pki_dir,
	    pki_dir, pki_dir);
	if (!conf_read_text(&conf, "test", buf_span(&keys), &error) || !(child = signer_start(&conf, &error)))
		log_fatal("%s", buf_str(&error));
	base = event_base_new();
	signer_attach(child, base);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	signer_free(child);
	event_base_free(base);
	conf_release(&conf);
	buf_release(&error);
	buf_release(&keys);
	return failed;
}
