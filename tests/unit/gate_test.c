/* The gate: one good mail, and what one change makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/clock.h"
#include "libkep/gate.h"
#include "libkep/seal.h"
#include "tests/unit/pieces.h"
#include "tests/unit/pki.h"

#define HEAD \
	"Received: from client\r\n\tby mx1.hs01.kep.test\r\n" \
	"From: =?UTF-8?Q?Ay=C5=9Fe?= <Ayse@hs01.kep.test>\r\n" \
	"To: \"Ali Can\" <ali@hs01.kep.test>,\r\n veli@hs02.kep.test\r\n" \
	"Cc: ALI@hs01.kep.test, can@hs02.kep.test\r\n" \
	"Subject: İhale\r\n" \
	"Date: Mon, 23 Nov 2026 18:45:23 +0300\r\n" \
	"Message-ID: <1.2@hs01.kep.test>\r\n" \
	"MIME-Version: 1.0\r\n"
#define ENTITY \
	"Content-Type: multipart/mixed; boundary=in\r\n\r\n" \
	"--in\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nMerhaba dünya\r\n" \
	"--in\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--in--\r\n"
#define SIGNED(micalg) \
	"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg=" micalg "; boundary=\"out\"\r\n\r\n" \
	"This is an S/MIME signed message.\r\n--out\r\n"
#define SIGNATURE \
	"\r\n--out\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define OPAQUE_TYPE \
	"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"

static struct trust *trust;
static struct seal *seal;
static struct conf conf;

/* A mail made of three texts and a signature object. */
static void compose(struct buf *out, const char *head, struct span entity, const char *behind, struct span der, const char *end)
{
	buf_clear(out);
	buf_adds(out, HEAD);
	buf_adds(out, head);
	buf_add(out, entity);
	buf_adds(out, behind);
	buf_add_base64(out, der, 64);
	buf_adds(out, end);
}

static void compose_good(struct buf *out)
{
	struct buf der = BUF_INIT;

	assert_true(seal_sign(seal, SPAN(ENTITY), clock_now(), &der));
	compose(out, SIGNED("sha-256"), SPAN(ENTITY), SIGNATURE, buf_span(&der), "--out--\r\n");
	buf_release(&der);
}

static void compose_opaque(struct buf *out, const char *sample)
{
	struct buf der = BUF_INIT;

	pki_read(sample, &der);
	compose(out, OPAQUE_TYPE, SPAN_NONE, "", buf_span(&der), "");
	buf_release(&der);
}

/* All of *b, with the first `find` in it replaced. */
static void change(struct buf *b, struct span find, struct span by)
{
	char *hit = memmem(b->p, b->n, find.p, find.n);
	struct buf out = BUF_INIT;

	assert_non_null(hit);
	buf_add(&out, span_of(b->p, (size_t)(hit - b->p)));
	buf_add(&out, by);
	buf_add(&out, span_of(hit + find.n, b->n - (size_t)(hit - b->p) - find.n));
	buf_release(b);
	*b = out;
}

static void assert_same(const struct verdict *a, const struct verdict *b)
{
	assert_string_equal(reason_words(a->why)->wire, reason_words(b->why)->wire);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(&a->fingerprint, &b->fingerprint, sizeof(a->fingerprint));
	assert_true(addr_eq(&a->from, &b->from));
	assert_int_equal(a->to.n, b->to.n);
	assert_string_equal(a->message_id, b->message_id);
	assert_int_equal(a->signer.subject != NULL, b->signer.subject != NULL);
}

/* The verdict of the whole message, after other cuts of it have given the same. */
static enum reason judge(struct span message, const struct conf *c, struct verdict *v)
{
	static const size_t pieces[] = { 1, 7, 1000 };
	struct gate *g = gate_new(c);
	struct verdict other;

	push(g, message);
	gate_finish(g, trust, clock_now(), v);
	for (size_t i = 0; i <= COUNT_OF(pieces); i++) {
		gate_restart(g);
		if (i < COUNT_OF(pieces))
			push_every(g, message, pieces[i]);
		else if (memchr(message.p, '\0', message.n) || !push_fields(g, message))
			break;
		gate_finish(g, trust, clock_now(), &other);
		assert_same(v, &other);
		verdict_release(&other);
	}
	gate_free(g);
	return v->why;
}

static void test_good(void **state)
{
	struct buf mail = BUF_INIT;
	struct verdict v;

	compose_good(&mail);
	assert_int_equal(judge(buf_span(&mail), &conf, &v), REASON_ACCEPTED);
	assert_int_equal(v.size, mail.n);
	assert_string_equal(v.from.text, "ayse@hs01.kep.test");
	assert_string_equal(v.message_id, "<1.2@hs01.kep.test>");
	assert_int_equal(v.to.n, 3);
	assert_string_equal(v.to.v[0].text, "ali@hs01.kep.test");
	assert_string_equal(v.to.v[1].text, "veli@hs02.kep.test");
	assert_string_equal(v.to.v[2].text, "can@hs02.kep.test");
	assert_non_null(strstr(v.signer.subject, "KEP seal"));
	assert_string_equal(v.signer.digest, "sha256");
	verdict_release(&v);
	assert_int_equal(v.to.n, 0);
	buf_release(&mail);
}

/* The fingerprint is that of canonical form 1, made here by hand. */
static void test_fingerprint(void **state)
{
	static const struct span canonical = SPAN("From: a@b\r\nX-TR-REM-Type:\r\n x\r\nSubject: s\r\n\r\nbody\n\0bad\r\n");
	static const char *const mails[] = { "A: b\r\nFrom: a@b\r\nX-TR-REM-Type:\r\n x\r\nReceived: y\r\n z\r\nSubject: s\r\n\r\n",
		"From: a@b\nX-TR-REM-Type:\n x\nno field\nSubject: s\n\n" };
	struct fingerprint want;

	digest_sha256(want.sha256, canonical);
	for (size_t i = 0; i < COUNT_OF(mails); i++) {
		struct buf mail = BUF_INIT;
		struct verdict v;

		buf_adds(&mail, mails[i]);
		buf_add(&mail, SPAN("body\n\0bad\r\n"));
		judge(buf_span(&mail), &conf, &v);
		assert_int_equal(v.why, REASON_BARE_LF);
		assert_memory_equal(v.fingerprint.sha256, want.sha256, sizeof(want.sha256));
		assert_string_equal(v.from.text, "a@b");
		verdict_release(&v);
		buf_release(&mail);
	}
}

static void test_changes(void **state)
{
	static const struct { enum reason why; struct span find, by; } rows[] = {
		/* harmless */
		{ REASON_ACCEPTED, SPAN("Received:"), SPAN("X-Other:") },
		{ REASON_ACCEPTED, SPAN("sha-256"), SPAN("SHA256") },
		{ REASON_ACCEPTED, SPAN("application/pkcs7-signature\";"), SPAN("application/x-pkcs7-signature\";") },
		{ REASON_ACCEPTED, SPAN("application/pkcs7-signature; name"), SPAN("application/x-pkcs7-signature; name") },
		{ REASON_ACCEPTED, SPAN("Cc: ALI@hs01.kep.test, can@hs02.kep.test\r\n"), SPAN("") },
		{ REASON_ACCEPTED, SPAN("This is an S/MIME signed message.\r\n"), SPAN("") },

		/* header */
		{ REASON_FROM_MISSING,       SPAN("From:"), SPAN("X-From:") },
		{ REASON_FROM_SYNTAX,        SPAN("<Ayse@hs01.kep.test>"), SPAN("<Ayse@hs01.kep.test>, x@y") },
		{ REASON_FROM_SYNTAX,        SPAN("<Ayse@hs01.kep.test>"), SPAN("") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("from: x@y\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Subject: x\r\nSUBJECT:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Sender: x@y\r\nSender: x@y\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Reply-To: x@y\r\nReply-To: x@y\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("To: x@y\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Cc: x@y\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Date: Mon, 23 Nov 2026 18:45:23 +0300\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Message-ID: <x@y>\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("MIME-Version: 1.0\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Content-Type: text/plain\r\nSubject:") },
		{ REASON_FIELD_TWICE,        SPAN("Subject:"), SPAN("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 7bit\r\nSubject:") },
		{ REASON_DATE_MISSING,       SPAN("Date:"), SPAN("X-Date:") },
		{ REASON_DATE_SYNTAX,        SPAN("Nov 2026"), SPAN("Kas 2026") },
		{ REASON_MESSAGE_ID_MISSING, SPAN("Message-ID:"), SPAN("X-Message-ID:") },
		{ REASON_MESSAGE_ID_SYNTAX,  SPAN("<1.2@"), SPAN("<1.2") },
		{ REASON_TO_SYNTAX,          SPAN("To: \"Ali Can\""), SPAN("To: Alis:;") },
		{ REASON_TO_SYNTAX,          SPAN("Cc: ALI@"), SPAN("Cc: ALI") },
		{ REASON_BCC_PRESENT,        SPAN("Subject:"), SPAN("bcc: x@y\r\nSubject:") },
		{ REASON_BCC_PRESENT,        SPAN("Subject:"), SPAN("Resent-Bcc: x@y\r\nSubject:") },
		{ REASON_DATE_SYNTAX,        SPAN("Date: Mon"), SPAN("Date: Tue") },
		{ REASON_BCC_PRESENT,        SPAN("From:"), SPAN("Bcc: x\r\nX-From:") },      /* what is missing comes last */

		/* stream before header before signature */
		{ REASON_HEADER_SYNTAX,      SPAN("From:"), SPAN("Frau Meier\r\nFrom:") },
		{ REASON_NUL_OCTET,          SPAN("From: "), SPAN("From: \0") },
		{ REASON_MIME_EPILOGUE,      SPAN("--out--\r\n"), SPAN("--out--\r\ntext\r\n") },
		{ REASON_MIME_UNCLOSED,      SPAN("--out--\r\n"), SPAN("") },

		/* structure of the signature */
		{ REASON_NOT_SIGNED,         SPAN("multipart/signed"), SPAN("multipart/mixed") },
		{ REASON_MIME_BOUNDARY,      SPAN("boundary=in"), SPAN("boundary=out") },
		{ REASON_SIGNED_PROTOCOL,    SPAN("protocol=\"application/pkcs7-signature\""), SPAN("protocol=\"application/pgp-signature\"") },
		{ REASON_SIGNED_PROTOCOL,    SPAN("protocol=\"application"), SPAN("x-protocol=\"application") },
		{ REASON_MICALG,             SPAN("sha-256"), SPAN("sha1") },
		{ REASON_MICALG,             SPAN("sha-256"), SPAN("\"sha-256,sha-512\"") },
		{ REASON_MICALG,             SPAN(" micalg=sha-256;"), SPAN("") },
		{ REASON_MICALG,             SPAN("sha-256"), SPAN("sha-512") },
		{ REASON_SIGNED_PARTS,       SPAN("--out--"), SPAN("--out\r\n\r\nthird\r\n--out--") },
		{ REASON_SIGNED_PARTS,       SPAN("--out\r\n"), SPAN("--out\r\n\r\nfirst\r\n--out\r\n") },
		{ REASON_SIGNED_PARTS,       SPAN("application/pkcs7-signature; name"), SPAN("text/plain; name") },
		{ REASON_SIGNATURE_BASE64,   SPAN("--in--\r\n\r\n--out\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64"),
		                             SPAN("--in--\r\n\r\n--out\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: binary") },
		{ REASON_SIGNATURE_BASE64,   SPAN("\r\n\r\nMII"), SPAN("\r\n\r\nM!I") },
		{ REASON_SIGNATURE_BASE64,   SPAN("\r\n\r\nMII"), SPAN("\r\n\r\n MII") },
		{ REASON_SIGNATURE_BASE64,   SPAN("\r\n\r\nMII"), SPAN("\r\n\r\nMI") },
		{ REASON_SIGNATURE_BASE64,   SPAN("\r\n--out--"), SPAN("\r\nAAAA=\r\n--out--") },
		{ REASON_SIGNATURE_DER,      SPAN("\r\n\r\nMII"), SPAN("\r\n\r\nAII") },
		{ REASON_ENCRYPTED_CONTENT,  SPAN("hvcNAQcC"), SPAN("hvcNAQcD") },
		{ REASON_NOT_SIGNED_DATA,    SPAN("hvcNAQcC"), SPAN("hvcNAQcE") },

		/* content */
		{ REASON_CONTENT_ALTERED,    SPAN("Merhaba"), SPAN("Selam") },
		{ REASON_CONTENT_ALTERED,    SPAN("--in\r\n"), SPAN("--in \r\n") },
		{ REASON_CONTENT_ALTERED,    SPAN("--in--\r\n"), SPAN("--in--\r\n\r\n") },
		{ REASON_CONTENT_ALTERED,    SPAN("boundary=in"), SPAN("boundary=\"in\"") },
		{ REASON_CONTENT_ALTERED,    SPAN("\r\n--in\r\nContent-Type: application/pdf"), SPAN("\r\n\r\n--in\r\nContent-Type: application/pdf") },
	};
	struct buf mail = BUF_INIT;
	struct verdict v;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		compose_good(&mail);
		change(&mail, rows[i].find, rows[i].by);
		judge(buf_span(&mail), &conf, &v);
		if (v.why != rows[i].why)
			print_error("row %zu: %s\n", i, rows[i].by.p);
		assert_string_equal(reason_words(v.why)->wire, reason_words(rows[i].why)->wire);
		assert_int_equal(v.signer.subject != NULL, v.why == REASON_ACCEPTED);
		verdict_release(&v);
	}
	buf_release(&mail);
}

/* Each micalg against the digest the signature was made with. */
static void test_digests(void **state)
{
	static const struct { const char *sample, *type; enum reason why; } rows[] = {
		{ "samples/ec.p7s",     SIGNED("sha-256"), REASON_ACCEPTED },
		{ "samples/sha384.p7s", SIGNED("sha-384"), REASON_ACCEPTED },
		{ "samples/sha512.p7s", SIGNED("SHA512"),  REASON_ACCEPTED },
		{ "samples/sha512.p7s", SIGNED("sha-256"), REASON_MICALG },
		{ "samples/two-signers.p7s", SIGNED("sha-256"), REASON_TWO_SIGNERS },
		{ "samples/truncated.p7s",   SIGNED("sha-256"), REASON_SIGNATURE_DER },
		{ "samples/trailing.p7s",    SIGNED("sha-256"), REASON_SIGNATURE_TRAILING },
		{ "samples/opaque.p7s",      SIGNED("sha-256"), REASON_CONTENT_TWICE },
		{ "samples/unknown-ca.p7s",  SIGNED("sha-256"), REASON_SIGNER_UNTRUSTED },
	};
	struct buf mail = BUF_INIT, der = BUF_INIT, content = BUF_INIT;
	struct verdict v;

	pki_read("samples/content", &content);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		pki_read(rows[i].sample, &der);
		compose(&mail, rows[i].type, buf_span(&content), SIGNATURE, buf_span(&der), "--out--\r\n");
		judge(buf_span(&mail), &conf, &v);
		assert_string_equal(reason_words(v.why)->wire, reason_words(rows[i].why)->wire);
		verdict_release(&v);
	}
	buf_release(&mail);
	buf_release(&der);
	buf_release(&content);
}

static void test_one_part(void **state)
{
	struct buf mail = BUF_INIT;
	struct verdict v;

	compose(&mail, SIGNED("sha-256"), SPAN(ENTITY), "\r\n--out--\r\n", SPAN_NONE, "");
	assert_int_equal(judge(buf_span(&mail), &conf, &v), REASON_SIGNED_PARTS);
	verdict_release(&v);
	buf_release(&mail);
}

static void test_opaque(void **state)
{
	static const struct { enum reason why; struct span find, by; } rows[] = {
		{ REASON_ACCEPTED,         SPAN("pkcs7-mime"), SPAN("x-pkcs7-mime") },
		{ REASON_ACCEPTED,         SPAN("signed-data"), SPAN("Signed-Data") },
		{ REASON_ENCRYPTED_CONTENT, SPAN("signed-data"), SPAN("enveloped-data") },
		{ REASON_NOT_SIGNED,       SPAN("smime-type=signed-data; "), SPAN("") },
		{ REASON_NOT_SIGNED,       SPAN("pkcs7-mime"), SPAN("octet-stream") },
		{ REASON_SIGNATURE_BASE64, SPAN(": base64"), SPAN(": 8bit") },
		{ REASON_SIGNATURE_BASE64, SPAN("\r\n\r\nMII"), SPAN("\r\n\r\nMI") },
		{ REASON_SIGNATURE_DER,    SPAN("\r\n\r\nMII"), SPAN("\r\n\r\nAII") },
		{ REASON_FROM_MISSING,     SPAN("From:"), SPAN("X-From:") },
	};
	struct buf mail = BUF_INIT;
	struct verdict v;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		compose_opaque(&mail, "samples/opaque.p7s");
		change(&mail, rows[i].find, rows[i].by);
		judge(buf_span(&mail), &conf, &v);
		assert_string_equal(reason_words(v.why)->wire, reason_words(rows[i].why)->wire);
		assert_int_equal(v.signer.subject != NULL, v.why == REASON_ACCEPTED);
		verdict_release(&v);
	}
	compose_opaque(&mail, "samples/ec.p7s");
	assert_int_equal(judge(buf_span(&mail), &conf, &v), REASON_CONTENT_ABSENT);
	verdict_release(&v);
	buf_release(&mail);
}

/* Content that is signed well, but is no MIME entity to be read in one way. */
static void test_opaque_entity(void **state)
{
	static const struct { enum reason why; const char *printf; } rows[] = {
		{ REASON_ACCEPTED,      "A: b\\r\\n\\r\\nbody\\r\\n" },
		{ REASON_BARE_LF,       "A: b\\n\\nbody\\n" },
		{ REASON_HEADER_SYNTAX, "body\\r\\n" },
		{ REASON_MIME_UNCLOSED, "Content-Type: multipart/mixed; boundary=b\\r\\n\\r\\n--b\\r\\n\\r\\n" },
	};
	struct buf mail = BUF_INIT;
	struct verdict v;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *command = mem_printf("cd '%s' && printf '%s' | openssl cms -sign -binary -nodetach -outform DER -signer seal.pem "
		    "-inkey seal.key -certfile mid.pem > entity.p7m", pki_dir, rows[i].printf);

		assert_int_equal(system(command), 0);
		free(command);
		compose_opaque(&mail, "entity.p7m");
		judge(buf_span(&mail), &conf, &v);
		assert_string_equal(reason_words(v.why)->wire, reason_words(rows[i].why)->wire);
		assert_int_equal(v.signer.subject != NULL, v.why == REASON_ACCEPTED);
		verdict_release(&v);
	}
	buf_release(&mail);
}

/* One limit after the other, at and below what the good mail needs. */
static void test_limits(void **state)
{
	struct buf mail = BUF_INIT, opaque = BUF_INIT;
	struct conf c;
	struct verdict v;

	compose_good(&mail);
	compose_opaque(&opaque, "samples/opaque.p7s");
	const struct { size_t *limit, enough; enum reason why; struct span message; } rows[] = {
		{ &c.message_size_limit,   mail.n, REASON_MESSAGE_SIZE,   buf_span(&mail) },
		{ &c.header_size_limit,    strlen(HEAD SIGNED("sha-256")) - strlen("This is an S/MIME signed message.\r\n--out\r\n"),
		                                   REASON_HEADER_SIZE,    buf_span(&mail) },
		{ &c.header_count_limit,   9,      REASON_HEADER_COUNT,   buf_span(&mail) },
		{ &c.mime_depth_limit,     2,      REASON_MIME_DEPTH,     buf_span(&mail) },
		{ &c.mime_parts_limit,     4,      REASON_MIME_PARTS,     buf_span(&mail) },
		{ &c.recipient_limit,      4,      REASON_RECIPIENT_COUNT, buf_span(&mail) },
		{ &c.signature_size_limit, 5000,   REASON_ACCEPTED,       buf_span(&mail) },
		{ &c.signature_size_limit, 101,    REASON_SIGNATURE_SIZE, buf_span(&mail) },
		{ &c.opaque_size_limit,    5000,   REASON_ACCEPTED,       buf_span(&opaque) },
		{ &c.opaque_size_limit,    101,    REASON_SIGNATURE_SIZE, buf_span(&opaque) },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		conf_init(&c);
		*rows[i].limit = rows[i].enough;
		if (rows[i].enough != 101) {
			assert_string_equal(reason_words(judge(rows[i].message, &c, &v))->wire, "accepted");
			verdict_release(&v);
		}
		if (rows[i].why != REASON_ACCEPTED) {
			*rows[i].limit = rows[i].enough - 1;
			assert_string_equal(reason_words(judge(rows[i].message, &c, &v))->wire, reason_words(rows[i].why)->wire);
			verdict_release(&v);
		}
		conf_release(&c);
	}
	buf_release(&mail);
	buf_release(&opaque);
}

/* A field value that would be two lines for the splitter and one for us. */
static void test_field_injection(void **state)
{
	static const struct span values[] = { SPAN(" a\nX: y"), SPAN(" a\n\nb"), SPAN(" a\n"), SPAN(" a\r\nX: y"), SPAN(" a\rX: y"), SPAN(" a\r\n \n b") };
	struct gate *g = gate_new(&conf);
	struct verdict v;

	for (size_t i = 0; i < COUNT_OF(values); i++) {
		gate_restart(g);
		gate_field(g, SPAN("From"), SPAN(" a@b"));
		gate_field(g, SPAN("Subject"), values[i]);
		gate_end_of_header(g);
		gate_finish(g, trust, clock_now(), &v);
		assert_int_equal(v.why, i == 4 ? REASON_BARE_CR : REASON_HEADER_SYNTAX);
		verdict_release(&v);
	}
	gate_free(g);
	gate_free(NULL);
}

static void add(struct addr_list *l, const char *words)
{
	struct span rest = span_str(words);
	struct addr a;

	while (rest.n > 0) {
		assert_true(addr_parse(&a, span_cut(&rest, ' ')));
		addr_list_add(l, &a);
	}
}

static void test_envelope(void **state)
{
	static const struct { enum reason why; bool submission; const char *from, *to, *sender, *accepted, *offered; } rows[] = {
		{ REASON_ACCEPTED,              true,  "a@b", "c@d e@f", "A@b", "c@d e@f", "c@d e@f" },
		{ REASON_ACCEPTED,              true,  "a@b", "c@d e@f", "a@b", "c@d",     "c@d e@f g@h" },
		{ REASON_FROM_MISMATCH,         true,  "a@b", "c@d",     "x@b", "c@d",     "c@d" },
		{ REASON_FROM_MISMATCH,         true,  "",    "c@d",     "a@b", "c@d",     "c@d" },
		{ REASON_RECIPIENT_HIDDEN,      true,  "a@b", "c@d",     "a@b", "c@d e@f", "c@d e@f" },
		{ REASON_RECIPIENT_HIDDEN,      true,  "a@b", "",        "a@b", "c@d",     "c@d" },
		{ REASON_RECIPIENT_NOT_OFFERED, true,  "a@b", "c@d e@f", "a@b", "c@d",     "c@d" },
		{ REASON_ACCEPTED,              false, "a@b", "c@d e@f", "x@b", "c@d",     "c@d" },
		{ REASON_RECIPIENT_HIDDEN,      false, "a@b", "c@d",     "a@b", "e@f",     "e@f" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr_list accepted = { NULL, 0, 0 }, offered = { NULL, 0, 0 };
		struct verdict v = { .why = REASON_ACCEPTED };
		struct addr sender;

		addr_parse(&v.from, span_str(rows[i].from));
		addr_parse(&sender, span_str(rows[i].sender));
		add(&v.to, rows[i].to);
		add(&accepted, rows[i].accepted);
		add(&offered, rows[i].offered);
		assert_int_equal(gate_envelope(&v, rows[i].submission, &sender, &accepted, &offered), rows[i].why);
		verdict_release(&v);
		addr_list_release(&accepted);
		addr_list_release(&offered);
	}
}

static struct seal *load_seal(void)
{
	char *certificate = pki_path("seal.pem"), *key = pki_path("seal.key");
	struct buf error = BUF_INIT;
	struct seal *s = seal_load(certificate, key, &error);

	if (!s)
		log_fatal("%s", buf_str(&error));
	free(certificate);
	free(key);
	buf_release(&error);
	return s;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_changes),
		cmocka_unit_test(test_digests), cmocka_unit_test(test_one_part), cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_opaque_entity), cmocka_unit_test(test_limits), cmocka_unit_test(test_field_injection), cmocka_unit_test(test_envelope),
	};
	int failed;

	pki_make(true);
	trust = pki_trust("trust");
	seal = load_seal();
	conf_init(&conf);
	failed = cmocka_run_group_tests_name("gate", tests, NULL, NULL);
	conf_release(&conf);
	seal_free(seal);
	trust_free(trust);
	return failed;
}
