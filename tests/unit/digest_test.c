/* Digests, and the canonical octets of a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "libkep/digest.h"

static void assert_hex(const unsigned char *octets, size_t n, const char *hex)
{
	char text[2 * SHA512_SIZE + 1];

	hex_encode(text, octets, n);
	assert_string_equal(text, hex);
}

/* FIPS 180-4 examples: "abc". */
static void known_answers(void **state)
{
	static const struct { const char *name, *hex; size_t n; } rows[] = {
		{ "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", SHA256_SIZE },
		{ "sha384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
		            "8086072ba1e7cc2358baeca134c825a7", SHA384_SIZE },
		{ "sha512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f", SHA512_SIZE },
	};
	unsigned char out[SHA512_SIZE];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct digest *d = digest_new(rows[i].name);

		for (int again = 0; again < 2; again++) {
			digest_restart(d);
			digest_add(d, SPAN("a"));
			digest_add(d, SPAN_NONE);
			digest_add(d, SPAN("bc"));
			assert_int_equal(digest_finish(d, out), rows[i].n);
			assert_hex(out, rows[i].n, rows[i].hex);
		}
		digest_free(d);
	}
	digest_sha256(out, SPAN("abc"));
	assert_hex(out, SHA256_SIZE, rows[0].hex);
	digest_free(NULL);
}

static void assert_canonical(const struct fingerprint *fp, struct span octets)
{
	struct digest *d = digest_new("sha512");
	unsigned char want[SHA512_SIZE];

	digest_add(d, octets);
	digest_finish(d, want);
	assert_memory_equal(fp->sha512, want, SHA512_SIZE);
	digest_sha256(want, octets);
	assert_memory_equal(fp->sha256, want, SHA256_SIZE);
	digest_free(d);
}

static void push(struct canon *c, const char *eol)
{
	static const char *const fields[][2] = {
		{ "Received", " from x" }, { "FROM", " a@b" }, { "To", " c@d,@ e@f" }, { "X-KEP-ID", " 1" },
		{ "Subject", "" }, { "DKIM-Signature", " v=1" }, { "content-type", "text/plain;@\tcharset=utf-8" },
		{ "X-TR-REM-Type", " dispatch" }, { "Contents", " no" }, { "Bcc", " hidden@x" }, { "cc", " x@y" },
	};

	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		char value[64];
		size_t n = 0;

		for (const char *p = fields[i][1]; *p; p++)
			for (const char *q = *p == '@' && (p[1] == ' ' || p[1] == '\t') ? eol : (char[2]){ *p, 0 }; *q; q++)
				value[n++] = *q;
		canon_field(c, span_str(fields[i][0]), span_of(value, n));
	}
}

/* Line ends inside a field do not matter, the order of the fields does. */
static void canonical_form(void **state)
{
	static const char want[] =
		"FROM: a@b\r\nTo: c@d,\r\n e@f\r\nSubject:\r\ncontent-type:text/plain;\r\n\tcharset=utf-8\r\n"
		"X-TR-REM-Type: dispatch\r\ncc: x@y\r\n\r\nbody\nwith any\rends\r\n";
	static const char *const eols[] = { "\n", "\r\n" };
	struct canon *c = canon_new();
	struct fingerprint fp;

	for (size_t i = 0; i < COUNT_OF(eols); i++) {
		canon_restart(c);
		push(c, eols[i]);
		canon_body(c, SPAN("body\nwith an"));
		canon_body(c, SPAN_NONE);
		canon_body(c, SPAN("y\rends\r\n"));
		canon_finish(c, &fp);
		assert_canonical(&fp, span_str(want));
	}
	canon_free(c);
	canon_free(NULL);
}

/* The blank line belongs to the form even where no body follows. */
static void empty_body(void **state)
{
	struct canon *c = canon_new();
	struct fingerprint fp;

	canon_field(c, SPAN("Date"), SPAN(" today"));
	canon_finish(c, &fp);
	assert_canonical(&fp, SPAN("Date: today\r\n\r\n"));
	canon_free(c);
}

static void large_body(void **state)
{
	size_t n = 100000;
	char *text = malloc(n + 2);
	struct canon *c = canon_new();
	struct fingerprint fp;

	memset(text, 'x', n + 2);
	memcpy(text, "\r\n", 2);
	canon_body(c, span_of(text + 2, n));
	canon_finish(c, &fp);
	assert_canonical(&fp, span_of(text, n + 2));
	canon_free(c);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(canonical_form),
		cmocka_unit_test(empty_body),
		cmocka_unit_test(large_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
