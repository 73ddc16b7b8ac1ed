/* Receipts: what receipt.h writes, parcel.h takes apart; and the columns beside an evidence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/columns.h"
#include "libkep/parcel.h"
#include "libkep/receipt.h"
#include "tests/unit/samples.h"

/* A receipt with all its parts; content is what is signed.  Its signature is a text. */
static void compose(struct buf *mail, struct buf *json, struct buf *content, struct span stamp)
{
	struct evidence e = sample_evidence(OUTCOME_DELIVERED);
	struct receipt r = {
		.from = SPAN("kep@hs01.kep.test"), .to = e.sender, .provider = SPAN("KEPHS"), .domain = SPAN("evt.hs01.kep.test"),
		.time_zone = "Europe/Istanbul", .ledger = SPAN("hs01.kep.test/kep"), .index = 7,
		.proof = SPAN("c2sp.org/tlog-proof@v1\nindex 7\n"), .checkpoint = SPAN("\x30\x03sealed"), .stamp = stamp,
	};

	buf_clear(mail);
	buf_clear(json);
	buf_clear(content);
	evidence_write(json, &e);
	r.evidence = buf_span(json);
	assert_true(receipt_content(content, &r));
	assert_true(receipt_mail(mail, &r, buf_span(content), SPAN("\x30\x03signature")));
}

static void assert_part(const struct parcel *p, enum parcel_part which, struct span octets)
{
	assert_true(span_eq(buf_span(&p->part[which]), octets));
}

static void test_round(void **state)
{
	struct buf mail = BUF_INIT, json = BUF_INIT, content = BUF_INIT, why = BUF_INIT;
	unsigned char digest[SHA256_SIZE];
	struct parcel p;

	for (int stamped = 0; stamped < 2; stamped++) {
		compose(&mail, &json, &content, stamped ? SPAN("\x30\x03token") : SPAN_NONE);
		assert_true(parcel_open(&p, buf_span(&mail), &why));
		assert_part(&p, PARCEL_EVIDENCE, buf_span(&json));
		assert_part(&p, PARCEL_PROOF, SPAN("c2sp.org/tlog-proof@v1\nindex 7\n"));
		assert_part(&p, PARCEL_SEALED, SPAN("\x30\x03sealed"));
		assert_part(&p, PARCEL_STAMP, stamped ? SPAN("\x30\x03token") : SPAN_NONE);
		assert_true(span_is(buf_span(&p.signature), "\x30\x03signature"));
		digest_sha256(digest, buf_span(&content));
		assert_string_equal(p.digest, "sha256");
		assert_int_equal(p.n, SHA256_SIZE);
		assert_memory_equal(p.value, digest, SHA256_SIZE);
		parcel_release(&p);
	}
	buf_release(&mail);
	buf_release(&json);
	buf_release(&content);
	buf_release(&why);
}

/* The first `from` becomes `to`. */
static void replace(struct buf *out, struct span in, const char *from, const char *to)
{
	const char *hit = memmem(in.p, in.n, from, strlen(from));

	assert_non_null(hit);
	buf_clear(out);
	buf_add(out, span_of(in.p, (size_t)(hit - in.p)));
	buf_adds(out, to);
	buf_add(out, span_of(hit + strlen(from), in.n - (size_t)(hit - in.p) - strlen(from)));
}

static void test_refused(void **state)
{
	static const struct { const char *from, *to, *why; } rows[] = {
		{ "multipart/signed",               "multipart/mixed",   "not signed" },
		{ "application/pkcs7-signature",    "application/pgp-signature", "not signed" },
		{ "micalg=sha-256",                 "micalg=sha-1",      "micalg" },
		{ "multipart/mixed;",               "multipart/related;", "multipart/mixed" },
		{ "name=\"smime.p7s\"\r\n",         "name=\"smime.p7s\"\r\nX: y\r\n y\r\nX\r\n", "header" },
		{ "Content-Type: application/pkcs7-signature", "Content-Type: text/plain", "the second the signature" },
		{ "filename=\"evidence.json\"",     "filename=\"Evidence.json\"", "no evidence.json" },
		{ "filename=\"evidence.tlog-proof\"", "filename=\"evidence.json\"", "twice" },
		{ "base64\r\nContent-Disposition: attachment; filename=\"evidence.json\"",
		  "7bit\r\nContent-Disposition: attachment; filename=\"evidence.json\"", "not in base64" },
		{ "filename=\"evidence.json\"\r\n\r\n", "filename=\"evidence.json\"\r\n\r\n*", "clean base64" },
		{ "filename=\"smime.p7s\"\r\n\r\n", "filename=\"smime.p7s\"\r\n\r\nA", "clean base64" },
		{ "X-KEP-Type: receipt\r\n",        "X-KEP-Type: receipt\n", "LF" },
		{ "--kep-mixed-019ab1c2-0000-7000-8000-000000000002--\r\n", "", "multipart" },
	};
	struct buf mail = BUF_INIT, json = BUF_INIT, content = BUF_INIT, why = BUF_INIT, bad = BUF_INIT;
	struct parcel p;

	compose(&mail, &json, &content, SPAN_NONE);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		replace(&bad, buf_span(&mail), rows[i].from, rows[i].to);
		if (parcel_open(&p, buf_span(&bad), &why) || !strstr(buf_str(&why), rows[i].why))
			fail_msg("%s -> %s: %s", rows[i].from, rows[i].to, buf_str(&why));
		parcel_release(&p);
	}
	assert_false(parcel_open(&p, SPAN(""), &why));
	parcel_release(&p);
	buf_release(&mail);
	buf_release(&json);
	buf_release(&content);
	buf_release(&why);
	buf_release(&bad);
}

static void test_line_ends(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" }, { "a", "a" }, { "a\n", "a\r\n" }, { "a\n\nb", "a\r\n\r\nb" }, { "a\r\nb\nc", "a\r\nb\nc" }, { "a\rb\n", "a\rb\r\n" },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&out);
		parcel_line_ends(&out, span_str(rows[i].in));
		assert_string_equal(buf_str(&out), rows[i].out);
	}
	buf_release(&out);
}

static void test_columns(void **state)
{
	const struct columns right = {
		.id = SPAN("019ab1c2-0000-7000-8000-000000000002"), .kep_id = SPAN("019ab1c2-0000-7000-8000-000000000001"), .outcome = SPAN("D.1"),
		.event_time = SPAN("2026-11-23T18:45:23.101420Z"), .previous = SPAN("019ab1c2-0000-7000-8000-000000000003"), .recipient = 1,
	};
	struct evidence e = sample_evidence(OUTCOME_DELIVERED);
	struct buf json = BUF_INIT;
	struct columns c;

	/* A text that tries to look like members. */
	e.message_id = SPAN("<\",\"kep_id\":\"x\",\"outcome\":\"E.1\",\"recipient\":9>");
	evidence_write(&json, &e);
	assert_null(columns_differ(&right, buf_span(&json)));
	c = right;
	c.outcome = SPAN("D.2");
	assert_string_equal(columns_differ(&c, buf_span(&json)), "outcome");
	c = right;
	c.event_time = SPAN("2026-11-23T18:45:23.101421Z");
	assert_string_equal(columns_differ(&c, buf_span(&json)), "event_time");
	c = right;
	c.id = right.kep_id;
	assert_string_equal(columns_differ(&c, buf_span(&json)), "evidence_id");
	c = right;
	c.kep_id = right.id;
	assert_string_equal(columns_differ(&c, buf_span(&json)), "kep_id");
	c = right;
	c.previous = SPAN_NONE;
	assert_string_equal(columns_differ(&c, buf_span(&json)), "previous");
	for (uint64_t i = 0; i < 20; i++) {
		c = right;
		c.recipient = i;
		assert_true((columns_differ(&c, buf_span(&json)) == NULL) == (i == 1));
	}
	buf_clear(&json);
	e.previous = SPAN_NONE;
	e.recipient = 0;
	evidence_write(&json, &e);
	assert_string_equal(columns_differ(&right, buf_span(&json)), "previous");
	c = right;
	c.previous = SPAN_NONE;
	c.recipient = 0;
	assert_null(columns_differ(&c, buf_span(&json)));
	for (size_t n = 0; n + 1 < json.n; n++)         /* cut short, nothing is read behind its end */
		columns_differ(&c, span_of(json.p, n));
	buf_release(&json);
}

static void test_columns_of_a_pruning(void **state)
{
	const struct span body = SPAN("{\"actor\":\"kep_operator\",\"count\":1,\"event\":\"Pruning\",\"event_time\":\"2046-11-23T18:45:23.101420Z\","
	    "\"form\":\"kep-prune-1\",\"id\":\"019ab1c2-0000-7000-8000-000000000002\",\"leaves\":[{\"first\":0,\"last\":0}],\"outcome\":\"P.1\"}");
	struct columns c = {
		.id = SPAN("019ab1c2-0000-7000-8000-000000000002"), .kep_id = SPAN("019ab1c2-0000-7000-8000-000000000002"), .outcome = SPAN("P.1"),
		.event_time = SPAN("2046-11-23T18:45:23.101420Z"),
	};

	assert_null(columns_differ(&c, body));
	c.kep_id = SPAN("019ab1c2-0000-7000-8000-000000000003");
	assert_string_equal(columns_differ(&c, body), "kep_id");
	c.kep_id = c.id;
	c.event_time = SPAN("2046-11-23T18:45:23.101421Z");
	assert_string_equal(columns_differ(&c, body), "event_time");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_columns_of_a_pruning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
