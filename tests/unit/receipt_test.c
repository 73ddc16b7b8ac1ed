/* Receipts: the words, the headers, the octets that are signed, and the seal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "libkep/base64.h"
#include "libkep/encode.h"
#include "libkep/gate.h"
#include "libkep/receipt.h"
#include "libkep/seal.h"
#include "tests/unit/dice.h"
#include "tests/unit/pki.h"
#include "tests/unit/samples.h"

static struct receipt receipt_of(struct buf *json, const struct evidence *e)
{
	buf_clear(json);
	evidence_write(json, e);
	return (struct receipt){
		.evidence = buf_span(json), .from = SPAN("kep@hs01.kep.test"), .to = e->sender,
		.provider = SPAN("KEPHS"), .domain = SPAN("evt.hs01.kep.test"), .time_zone = "Europe/Istanbul",
	};
}

/* The text part with its transfer encoding undone. */
static void readable(struct buf *text, struct span content)
{
	const char *p = memmem(content.p, content.n, "inline\r\n\r\n", 10), *end = content.p + content.n;

	buf_clear(text);
	assert_non_null(p);
	for (p += 10; p < end && memcmp(p, "\r\n--kep", 7) != 0; p++) {
		unsigned char octet;

		if (*p == '=' && p[1] == '\r') {
			p += 2;
		} else if (*p == '=') {
			assert_true(hex_decode(&octet, 1, span_of(p + 1, 2)));
			buf_addc(text, (char)octet);
			p += 2;
		} else if (*p != '\r') {
			buf_addc(text, *p);
		}
	}
}

static void assert_text(const struct buf *b, const char *words)
{
	if (!strstr(buf_str(b), words))
		fail_msg("not found: %s\nin:\n%s", words, buf_str(b));
}

static void make(struct buf *content, struct buf *text, const struct evidence *e)
{
	struct buf json = BUF_INIT;
	struct receipt r = receipt_of(&json, e);

	buf_clear(content);
	assert_true(receipt_content(content, &r));
	readable(text, buf_span(content));
	buf_release(&json);
}

/* Seven bits, CRLF, short lines, nothing a mail server would touch. */
static void assert_robust(struct span s)
{
	while (s.n) {
		struct span line = span_cut(&s, '\n');

		assert_true(line.n >= 1 && line.p[line.n - 1] == '\r' && line.n <= 78);
		assert_true(line.p[0] != '.' && !(line.n >= 5 && memcmp(line.p, "From ", 5) == 0));
		for (size_t i = 0; i + 1 < line.n; i++)
			assert_true(line.p[i] >= ' ' && line.p[i] <= '~');
	}
}

static void test_facts(void **state)
{
	struct evidence e = sample_evidence(OUTCOME_DELIVERED);
	struct buf content = BUF_INIT, text = BUF_INIT;

	make(&content, &text, &e);
	if (getenv("SHOW"))     /* for a person to read */
		puts(buf_str(&text));
	assert_text(&text, "KEP DELİLİ: Posta Kutusuna Teslim\n\nİletiniz alıcının posta kutusuna bırakıldı.\n");
	assert_text(&text, "\nGönderi zamanı: 23.11.2026 21:45:20 (UTC+03:00) = 23.11.2026 18:45:20.000000 UTC\n");
	assert_text(&text, "\nGönderici: ayse@hs01.kep.test\n    e-imza sahibi: Ayşe Yılmaz\n    T.C. kimlik no: 10000000146\n");
	assert_text(&text, "    1. ali@hs01.kep.test (bu delil bu alıcı hakkındadır)\n    2. veli@hs02.kep.test\n");
	assert_text(&text, "\nTeslim zamanı: 23.11.2026 21:45:23 (UTC+03:00) = 23.11.2026 18:45:23.101420 UTC\n");
	assert_text(&text, "\nOkunma zamanı: henüz okunmadı\n");
	assert_text(&text, "    SHA-256: 1111111111111111111111111111111111111111111111111111111111111111\n");
	assert_text(&text, "\nDelivered at: 2026-11-23 21:45:23 (UTC+03:00) = 2026-11-23 18:45:23.101420 UTC\n");
	assert_text(&text, "\nRead at: not yet read\n");
	assert_robust(buf_span(&content));
	buf_release(&content);
	buf_release(&text);
}

/* Every outcome says when, in both languages. */
static void test_outcomes(void **state)
{
	static const struct { enum outcome outcome; const char *words[2]; } rows[] = {
		{ OUTCOME_ACCEPTED,       { "Teslim zamanı: henüz teslim edilmedi\nOkunma zamanı: henüz okunmadı\n", "not yet delivered" } },
		{ OUTCOME_REFUSED,        { "Teslim zamanı: teslim edilmedi\nİçerik", "Delivered at: not delivered\nContent" } },
		{ OUTCOME_RELAY_ACCEPTED, { "henüz teslim edilmedi", "not yet delivered" } },
		{ OUTCOME_RELAY_REFUSED,  { "Teslim zamanı: teslim edilmedi\n", "not delivered" } },
		{ OUTCOME_RELAY_FAILED,   { "Teslim zamanı: teslim edilmedi\n", "not delivered" } },
		{ OUTCOME_NOT_DELIVERED,  { "İletiniz alıcının posta kutusuna bırakılamadı.", "could not be put" } },
		{ OUTCOME_READ,           { "Teslim zamanı: teslim delilinde kayıtlıdır\nOkunma zamanı: 23.11.2026 21:45:23", "Read at: 2026-11-23 21:45:23" } },
		{ OUTCOME_DEEMED_READ,    { "Okunma zamanı: okunmadı; okunmuş sayıldığı zaman: 23.11.2026 21:45:23", "deemed read at 2026-11-23 21" } },
	};
	struct buf content = BUF_INIT, text = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct evidence e = sample_evidence(rows[i].outcome);

		make(&content, &text, &e);
		assert_text(&text, rows[i].words[0]);
		assert_text(&text, rows[i].words[1]);
	}
	buf_release(&content);
	buf_release(&text);
}

/* Local time follows the zone, the process's own TZ does not. */
static void test_zones(void **state)
{
	static const struct { const char *zone, *words; } rows[] = {
		{ "UTC", "23.11.2026 18:45:23 (UTC+00:00) = 23.11.2026 18:45:23.101420 UTC" }, { "America/St_Johns", "23.11.2026 15:15:23 (UTC-03:30)" },
		{ "Asia/Tokyo", "24.11.2026 03:45:23 (UTC+09:00) = 23.11.2026 18:45:23.101420 UTC" },
	};
	struct evidence e = sample_evidence(OUTCOME_READ);
	struct buf json = BUF_INIT, content = BUF_INIT, text = BUF_INIT;
	struct receipt r = receipt_of(&json, &e);

	setenv("TZ", "Europe/Paris", 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		r.time_zone = rows[i].zone;
		buf_clear(&content);
		assert_true(receipt_content(&content, &r));
		readable(&text, buf_span(&content));
		assert_text(&text, rows[i].words);
	}
	assert_string_equal(getenv("TZ"), "Europe/Paris");
	unsetenv("TZ");
	buf_release(&json);
	buf_release(&content);
	buf_release(&text);
}

/* One part of the entity, decoded. */
static void part(struct buf *out, struct span content, const char *name)
{
	char *field = mem_printf("Content-Disposition: attachment; filename=\"%s\"\r\n\r\n", name);
	const char *p = memmem(content.p, content.n, field, strlen(field)), *end;
	struct base64 decoder = { 0 };

	buf_clear(out);
	free(field);
	if (!p)
		return;
	p = strstr(p, "\r\n\r\n") + 4;
	end = memmem(p, (size_t)(content.p + content.n - p), "--kep-mixed", 11);
	assert_non_null(end);
	assert_int_equal(base64_push(&decoder, span_of(p, (size_t)(end - p)), out, 100000), BASE64_GOOD);
	assert_true(base64_whole(&decoder));
}

/* Everything a verifier needs, octet for octet, in the order of receipt.h. */
static void test_parts(void **state)
{
	static const struct { const char *name; struct span octets; } rows[] = {
		{ RECEIPT_PROOF, { "c2sp.org/tlog-proof@v1\nindex 41\n\n\xe2\x80\x94", 37 } },
		{ RECEIPT_CHECKPOINT, { "\x30\x00\xff", 3 } },
		{ RECEIPT_STAMP, { "\x30\x01\x00", 3 } },
	};
	struct evidence e = sample_evidence(OUTCOME_DELIVERED);
	struct buf json = BUF_INIT, content = BUF_INIT, text = BUF_INIT, octets = BUF_INIT;
	struct receipt r = receipt_of(&json, &e);
	const char *at;

	r.ledger = SPAN("hs01.kep.test/kep");
	r.index = 41;
	r.proof = rows[0].octets;
	r.checkpoint = rows[1].octets;
	assert_true(receipt_content(&content, &r));
	part(&octets, buf_span(&content), RECEIPT_STAMP);
	assert_int_equal(octets.n, 0);
	buf_clear(&content);
	r.stamp = rows[2].octets;
	assert_true(receipt_content(&content, &r));
	assert_robust(buf_span(&content));
	part(&octets, buf_span(&content), RECEIPT_EVIDENCE);
	assert_true(span_eq(buf_span(&octets), buf_span(&json)));
	at = strstr(buf_str(&content), RECEIPT_EVIDENCE);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		part(&octets, buf_span(&content), rows[i].name);
		assert_true(span_eq(buf_span(&octets), rows[i].octets));
		assert_true(strstr(buf_str(&content), rows[i].name) > at);
		at = strstr(buf_str(&content), rows[i].name);
	}
	readable(&text, buf_span(&content));
	assert_text(&text, "\nDelil defteri, kayıt no: hs01.kep.test/kep, 41\n");
	assert_text(&text, "\nEvidence ledger, entry: hs01.kep.test/kep, 41\n");
	assert_text(&text, "'kepctl verify'");
	buf_release(&json);
	buf_release(&content);
	buf_release(&text);
	buf_release(&octets);
}

/* -- strangers' words in header fields: any octets at all ------------------------ */

static struct span any_octets(char *room, size_t most)
{
	static const char *const nasty[] = {
		"\r\n", "\n", "\r", "\0", "\r\n\r\n", "\r\nBcc: x@y", "=?UTF-8?Q?=0D=0ABcc:?=", "\xe2\x80\xa8", "\xc2\x85", "\"", "\\", "<", ">", "@", ",", ":", ";",
		"\xff", "\xc0\x8a", "ş", "İ", "–", "\xe2\x80\xae", " ", "\t", "\x0b", "\x1b[2J", "\x7f", "<a@b>", "--kep-signed-", "evt",
	};
	size_t n = 0, want = dice(most - 16);

	while (n < want) {
		const char *piece = nasty[dice(COUNT_OF(nasty))];
		size_t length = strlen(piece) ? strlen(piece) : 1;

		if (dice(3) == 0)
			room[n++] = (char)dice(256);
		else if (dice(2))
			room[n++] = (char)('a' + dice(26));
		else {
			memcpy(room + n, piece, length);
			n += length;
		}
	}
	return span_of(room, n);
}

/* The fields of a header: each begins with one of these names, in this order, and
 * a line that begins with a blank belongs to the one before. */
static void assert_header(struct span mail)
{
	static const char *const names[] = {
		"From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "X-KEP-Type", "X-KEP-Evidence",
		"X-KEP-Outcome", "X-REM-Evidence-Type", "X-REM-Event", "MIME-Version", "Content-Type",
	};
	const char *end = memmem(mail.p, mail.n, "\r\n\r\n", 4);
	struct span rest = span_of(mail.p, end ? (size_t)(end - mail.p) + 2 : 0), line;
	size_t at = 0;

	assert_non_null(end);
	while (rest.n) {
		line = span_cut(&rest, '\n');
		assert_true(line.n >= 2 && line.p[line.n - 1] == '\r' && line.n <= 999);
		line.n--;
		assert_true(memchr(line.p, '\r', line.n) == NULL && memchr(line.p, '\0', line.n) == NULL && utf8_valid(line));
		if (line.p[0] == ' ') {
			assert_true(at > 0 && span_trim(line).n > 0);
			continue;
		}
		while (at < COUNT_OF(names) && !(line.n > strlen(names[at]) && memcmp(line.p, names[at], strlen(names[at])) == 0 && line.p[strlen(names[at])] == ':'))
			at++;
		if (at++ == COUNT_OF(names))
			fail_msg("a field that nobody wrote: %.*s", (int)line.n, line.p);
	}
	assert_int_equal(at, COUNT_OF(names));
}

static void assert_same_but_strangers(struct span mail, const char *id)
{
	char *open = mem_printf("\r\n--kep-signed-%s\r\n", id), *close = mem_printf("\r\n--kep-signed-%s--\r\n", id);
	const char *first = memmem(mail.p, mail.n, open, strlen(open));

	assert_non_null(first);
	assert_true(mail.n > strlen(close) && memcmp(mail.p + mail.n - strlen(close), close, strlen(close)) == 0);
	free(open);
	free(close);
}

/* No CR, LF or NUL that a stranger wrote ends a field, begins one or ends the header. */
static void test_strangers(void **state)
{
	char rooms[10][400];
	struct buf json = BUF_INIT, mail = BUF_INIT, content = BUF_INIT;

	for (size_t i = 0; i < 20000; i++) {
		struct evidence e = sample_evidence((enum outcome)dice(OUTCOME_COUNT));
		struct span rcpts[2] = { any_octets(rooms[0], 400), any_octets(rooms[1], 400) };
		struct receipt r;

		e.recipients = rcpts;
		e.n_recipients = 1 + dice(2);
		e.recipient = dice(e.n_recipients + 1);
		e.sender = any_octets(rooms[2], 300);
		e.login = any_octets(rooms[3], 300);
		e.message_id = dice(4) ? any_octets(rooms[4], 300) : SPAN("<a@b>");
		e.signer = any_octets(rooms[5], 300);
		e.reason_text = any_octets(rooms[6], 300);
		e.queue_id = any_octets(rooms[7], 60);
		r = receipt_of(&json, &e);
		r.to = any_octets(rooms[8], 300);
		r.provider = any_octets(rooms[9], 300);
		r.ledger = any_octets(rooms[3], 300);
		buf_clear(&mail);
		buf_clear(&content);
		assert_true(receipt_content(&content, &r));
		assert_robust(buf_span(&content));
		assert_true(receipt_mail(&mail, &r, SPAN("content"), SPAN("DER")));
		assert_header(buf_span(&mail));
		assert_same_but_strangers(buf_span(&mail), e.id);
	}
	buf_release(&json);
	buf_release(&mail);
	buf_release(&content);
}

static void test_header(void **state)
{
	static const char want[] =
		"From: \"KEPHS\"\r\n <kep@hs01.kep.test>\r\n"
		"To: <ayse@hs01.kep.test>\r\n"
		"Subject:\r\n =?UTF-8?B?S0VQIERlbGlsaTogUG9zdGEgS3V0dXN1bmEgVGVzbGltIOKAkyBhbGlAaHMw?=\r\n =?UTF-8?B?MS5rZXAudGVzdA==?=\r\n"
		"Date: Mon, 23 Nov 2026 18:45:23 +0000\r\n"
		"Message-ID: <019ab1c2-0000-7000-8000-000000000002.kep@evt.hs01.kep.test>\r\n"
		"In-Reply-To: <1@hs01.kep.test>\r\nReferences: <1@hs01.kep.test>\r\n"
		"Auto-Submitted: auto-generated\r\nX-KEP-Type: receipt\r\nX-KEP-Evidence: 019ab1c2-0000-7000-8000-000000000002\r\n"
		"X-KEP-Outcome: D.1\r\nX-REM-Evidence-Type: DeliveryNonDeliveryToRecipient\r\n"
		"X-REM-Event: http:uri.etsi.org/02640/Event#Delivery\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
		" micalg=sha-256; boundary=\"kep-signed-019ab1c2-0000-7000-8000-000000000002\"\r\n\r\n"
		"--kep-signed-019ab1c2-0000-7000-8000-000000000002\r\ncontent\r\n--kep-signed-019ab1c2-0000-7000-8000-000000000002\r\n"
		"Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\nREVS\r\n"
		"--kep-signed-019ab1c2-0000-7000-8000-000000000002--\r\n";
	struct evidence e = sample_evidence(OUTCOME_DELIVERED);
	struct buf json = BUF_INIT, mail = BUF_INIT;
	struct receipt r = receipt_of(&json, &e);

	assert_true(receipt_mail(&mail, &r, SPAN("content"), SPAN("DER")));
	assert_string_equal(buf_str(&mail), want);
	buf_release(&json);
	buf_release(&mail);
}

/* Strangers' values break no line and no terminal, in header and text. */
static void test_hostile(void **state)
{
	struct evidence e = sample_evidence(OUTCOME_NOT_DELIVERED);
	struct span rcpt[] = { SPAN("x\r\nBcc: evil@x\x1b[31m@hs01.kep.test") };
	struct buf json = BUF_INIT, content = BUF_INIT, text = BUF_INIT;
	struct receipt r;

	e.recipients = rcpt;
	e.n_recipients = 1;
	e.sender = SPAN("a\r\nBcc: b@c\0@d");
	e.message_id = SPAN("<a@b>\r\nBcc: e@f");
	e.signer = SPAN("O=x\\,CN=no,CN=Ali \\\"\\+\xe2\x80\xae,C=TR");
	e.reason_text = SPAN("550-no\r\nReason: forged\xc2\x9b");
	r = receipt_of(&json, &e);
	r.provider = SPAN("KEP\r\nBcc: g@h \"HS\" Sağlayıcısı");
	assert_true(receipt_content(&content, &r));
	readable(&text, buf_span(&content));
	assert_text(&text, "Gerekçe: RD01 550-no??Reason: forged?\n");
	assert_text(&text, "e-imza sahibi: Ali \"+?\n");
	assert_null(strchr(buf_str(&text), '\x1b'));
	assert_robust(buf_span(&content));
	buf_clear(&content);
	assert_true(receipt_mail(&content, &r, SPAN("c"), SPAN("d")));
	assert_null(memmem(content.p, content.n, "\nBcc", 4));
	assert_null(memmem(content.p, content.n, "In-Reply-To", 11));
	assert_robust(buf_span(&content));
	buf_release(&json);
	buf_release(&content);
	buf_release(&text);
}

/* What we did not write is refused. */
static void test_foreign(void **state)
{
	struct evidence e = sample_evidence(OUTCOME_READ);
	struct buf json = BUF_INIT, out = BUF_INIT;
	struct receipt r = receipt_of(&json, &e);
	static const struct { const char *find, *put; } rows[] = {
		{ "kep-evidence-1", "kep-evidence-9" }, { "\"E.1\"", "\"Z.1\"" }, { "\"recipient\":1", "\"recipient\":3" },
		{ "2026-11-23T18:45:23.101420Z", "2026-11-23T18:45:23.101420X" }, { "019ab1c2-0000-7000-8000-000000000002", "019ab1c2-0000-7000-8000-00000000000G" },
		{ "\"sender\":", "\"sendes\":" }, { "{\"event\":", "{\"event\" " },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *copy = mem_span(r.evidence), *at = strstr(copy, rows[i].find);
		struct receipt bad = r;

		assert_non_null(at);
		memcpy(at, rows[i].put, strlen(rows[i].put));
		bad.evidence = span_str(copy);
		assert_false(receipt_content(&out, &bad));
		assert_false(receipt_mail(&out, &bad, SPAN("c"), SPAN("d")));
		free(copy);
	}
	r.evidence = SPAN("{}");
	assert_false(receipt_content(&out, &r));
	r.evidence = SPAN_NONE;
	assert_false(receipt_content(&out, &r));
	assert_int_equal(out.n, 0);
	buf_release(&json);
	buf_release(&out);
}

static void seal(const struct seal *s, struct buf *mail, const struct receipt *r)
{
	struct buf content = BUF_INIT, again = BUF_INIT, der = BUF_INIT;

	assert_true(receipt_content(&content, r));
	assert_true(receipt_content(&again, r));
	assert_true(span_eq(buf_span(&content), buf_span(&again)));
	assert_true(seal_sign(s, buf_span(&content), SAMPLE_TIME, &der));
	assert_true(receipt_mail(mail, r, buf_span(&content), buf_span(&der)));
	buf_release(&content);
	buf_release(&again);
	buf_release(&der);
}

/* A foreign verifier agrees: openssl cms -verify over the whole mail. */
static void test_sealed(void **state)
{
	struct evidence e = sample_evidence(OUTCOME_DELIVERED);
	struct buf json = BUF_INIT, mail = BUF_INIT, error = BUF_INIT;
	char *file = pki_path("receipt.eml"), *certificate = pki_path("seal.pem"), *key = pki_path("seal.key"), *command;
	struct receipt r = receipt_of(&json, &e);
	struct seal *s = seal_load(certificate, key, &error);
	FILE *f;

	assert_non_null(s);
	seal(s, &mail, &r);
	f = fopen(file, "we");
	fwrite(mail.p, 1, mail.n, f);
	fclose(f);
	command = mem_printf("openssl cms -verify -crlfeol -in '%s' -CAfile '%s/ca.pem' -out /dev/null 2>/dev/null", file, pki_dir);
	assert_int_equal(system(command), 0);
	seal_free(s);
	free(file);
	free(certificate);
	free(key);
	free(command);
	buf_release(&json);
	buf_release(&mail);
	buf_release(&error);
}

/* And so does our own gate, as it would about anybody's mail. */
static void test_gate(void **state)
{
	struct evidence e = sample_evidence(OUTCOME_ACCEPTED);
	struct buf json = BUF_INIT, mail = BUF_INIT, error = BUF_INIT;
	char *certificate = pki_path("seal.pem"), *key = pki_path("seal.key");
	struct receipt r = receipt_of(&json, &e);
	struct seal *s = seal_load(certificate, key, &error);
	struct trust *trust = pki_trust("trust");
	struct verdict v;
	struct conf conf;
	struct gate *g;

	conf_init(&conf);
	g = gate_new(&conf);
	assert_non_null(s);
	seal(s, &mail, &r);
	gate_push(g, buf_span(&mail));
	gate_finish(g, trust, clock_now(), &v);
	assert_string_equal(reason_words(v.why)->wire, "accepted");
	assert_string_equal(v.from.text, "kep@hs01.kep.test");
	assert_string_equal(v.signer.subject, "CN=KEP seal,O=KEPHS,C=TR");
	verdict_release(&v);
	gate_free(g);
	conf_release(&conf);
	trust_free(trust);
	seal_free(s);
	free(certificate);
	free(key);
	buf_release(&json);
	buf_release(&mail);
	buf_release(&error);
}

static void test_quoted(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" }, { "a\n", "a\r\n" }, { "a", "a\r\n" }, { "\n\n", "\r\n\r\n" }, { "a=b", "a=3Db\r\n" },
		{ "ş\n", "=C5=9F\r\n" }, { "a \nb\t", "a=20\r\nb=09\r\n" }, { ".x", "=2Ex\r\n" }, { "From here", "=46rom here\r\n" },
		{ "Fro", "Fro\r\n" }, { "\r", "=0D\r\n" },
		{ "1234567890123456789012345678901234567890123456789012345678901234567890123456.x",
		  "123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n6.x\r\n" },
		{ "123456789012345678901234567890123456789012345678901234567890123456789012345.x",
		  "123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n=2Ex\r\n" },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&out);
		encode_quoted(&out, span_str(rows[i].in));
		assert_string_equal(buf_str(&out), rows[i].out);
	}
	buf_release(&out);
}

static void test_field(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "plain", "X: plain\r\n" }, { "a\r\nb", "X: a??b\r\n" }, { "=?UTF-8?B?eA==?=", "X:\r\n =?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?=\r\n" },
		{ "ş", "X:\r\n =?UTF-8?B?xZ8=?=\r\n" }, { "\xff", "X: ?\r\n" },
		/* 44 octets and a letter of two: the letter goes into the next word whole */
		{ "12345678901234567890123456789012345678901234ş",
		  "X:\r\n =?UTF-8?B?MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ=?=\r\n =?UTF-8?B?xZ8=?=\r\n" },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&out);
		encode_field(&out, "X", span_str(rows[i].in));
		assert_string_equal(buf_str(&out), rows[i].out);
	}
	buf_clear(&out);
	encode_mailbox(&out, "To", SPAN("a\"b\\c"), SPAN("çağrı@x"));
	assert_string_equal(buf_str(&out), "To: \"a\\\"b\\\\c\"\r\n <çağrı@x>\r\n");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_field),
	};

	dice_seed();
	pki_make(false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
