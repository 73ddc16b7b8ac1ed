/* What stands inside header fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/clock.h"
#include "libkep/header.h"
#include "tests/unit/exact.h"

static bool mailboxes(struct span value, size_t limit, struct buf *joined)
{
	struct addr_list l = { NULL, 0, 0 };
	struct span copy = exact(value);
	bool good = header_mailboxes(copy, limit, &l);

	exact_free(copy);
	buf_clear(joined);
	for (size_t i = 0; i < l.n; i++)
		buf_addf(joined, "%s%s", i ? " " : "", l.v[i].text);
	addr_list_release(&l);
	return good;
}

static void test_mailboxes(void **state)
{
	static const struct { struct span value; const char *joined; } rows[] = {   /* NULL: refused */
		{ SPAN(" ayse@kep.tr"),                             "ayse@kep.tr" },
		{ SPAN("ayse@KEP.tr"),                              "ayse@kep.tr" },
		{ SPAN(" <ayse@kep.tr>"),                           "ayse@kep.tr" },
		{ SPAN(" Ayse Yilmaz <ayse@kep.tr>"),               "ayse@kep.tr" },
		{ SPAN(" Ayşe <ayşe@kep.tr>"),                      "ayşe@kep.tr" },
		{ SPAN(" \"Yılmaz, Ayşe <x@y>\" <ayse@kep.tr>"),    "ayse@kep.tr" },
		{ SPAN(" \"a \\\" b\"\tc <ayse@kep.tr>"),           "ayse@kep.tr" },
		{ SPAN(" =?UTF-8?Q?Ay=C5=9Fe?= <ayse@kep.tr>"),     "ayse@kep.tr" },
		{ SPAN(" (a (nested \\) ) comment) ayse@kep.tr (Ayse)"), "ayse@kep.tr" },
		{ SPAN(" a@kep.tr,\r\n b@kep.tr,\n\tC <c@kep.tr>"), "a@kep.tr b@kep.tr c@kep.tr" },
		{ SPAN(" a@kep.tr, A@KEP.TR"),                      "a@kep.tr" },
		{ SPAN("\r\n a@kep.tr"),                            "a@kep.tr" },
		{ SPAN(""),                                         NULL },
		{ SPAN(" "),                                        NULL },
		{ SPAN(" (only a comment)"),                        NULL },
		{ SPAN(" Ayse"),                                    NULL },
		{ SPAN(" Ayse <>"),                                 NULL },
		{ SPAN(" <>"),                                      NULL },
		{ SPAN(" <a@b> <c@d>"),                             NULL },
		{ SPAN(" a@b <c@d>"),                               NULL },
		{ SPAN(" A a@b <c@d>"),                             NULL },
		{ SPAN(" A a@b"),                                   NULL },
		{ SPAN(" \"a\"@b"),                                 NULL },
		{ SPAN(" a@b c@d"),                                 NULL },
		{ SPAN(" a@b,"),                                    NULL },
		{ SPAN(" ,a@b"),                                    NULL },
		{ SPAN(" a@b,,c@d"),                                NULL },
		{ SPAN(" a@b;c@d"),                                 NULL },
		{ SPAN(" undisclosed-recipients:;"),                NULL },
		{ SPAN(" Group: a@b, c@d;"),                        NULL },
		{ SPAN(" J. Doe <a@b>"),                            NULL },     /* obs-phrase */
		{ SPAN(" < a@b>"),                                  NULL },
		{ SPAN(" <a@b >"),                                  NULL },
		{ SPAN(" <a@b(c)>"),                                NULL },
		{ SPAN(" <a@b"),                                    NULL },
		{ SPAN(" a@b>"),                                    NULL },
		{ SPAN(" <<a@b>>"),                                 NULL },
		{ SPAN(" <@r:a@b>"),                                NULL },
		{ SPAN(" a (c)@b"),                                 NULL },
		{ SPAN(" a@(c)b"),                                  NULL },
		{ SPAN(" (open a@b"),                               NULL },
		{ SPAN(" (a@b\\"),                                  NULL },
		{ SPAN(" ((((((((((((a)))))))))))) a@b"),           NULL },
		{ SPAN(" \"open <a@b>"),                            NULL },
		{ SPAN(" \"open\\"),                                NULL },
		{ SPAN(" a@b\r\n \r\n ,c@d"),                       NULL },     /* a line of blanks */
		{ SPAN(" a@b\r\n "),                                NULL },
		{ SPAN(" a@b\r\n,c@d"),                             NULL },     /* not folded */
		{ SPAN(" a@b\r,c@d"),                               NULL },
		{ SPAN(" a@b\0"),                                   NULL },
		{ SPAN(" \"\xfd\" <a@b>"),                          NULL },
		{ SPAN(" \"\x01\" <a@b>"),                          NULL },
	};
	struct buf joined = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(mailboxes(rows[i].value, 10, &joined), rows[i].joined != NULL);
		assert_string_equal(buf_str(&joined), rows[i].joined ? rows[i].joined : "");
	}
	buf_release(&joined);
}

static void test_mailbox_limit(void **state)
{
	struct addr_list l = { NULL, 0, 0 };

	assert_true(header_mailboxes(SPAN("a@b,c@d"), 2, &l));
	assert_false(header_mailboxes(SPAN("e@f,g@h,i@j"), 2, &l));
	assert_false(header_mailboxes(SPAN("a@b,a@b"), 1, &l));
	assert_false(header_mailboxes(SPAN("a@b"), 0, &l));
	assert_int_equal(l.n, 2);       /* what was refused left nothing behind */
	addr_list_release(&l);
}

static bool media(struct span value, struct media *m)
{
	struct span copy = exact(value);
	bool good = header_media(copy, m);

	exact_free(copy);
	return good;
}

static void test_media(void **state)
{
	static const struct { struct span value; const char *type, *boundary; } rows[] = {      /* NULL: refused */
		{ SPAN(" text/plain"),                                    "text/plain", "" },
		{ SPAN("Text/Plain; charset=UTF-8"),                      "text/plain", "" },
		{ SPAN(" text/plain ;\r\n\tcharset=\"a b\" ; x=y"),       "text/plain", "" },
		{ SPAN(" multipart/mixed; boundary=AbC"),                 "multipart/mixed", "AbC" },
		{ SPAN(" multipart/mixed; BOUNDARY=\"=_a b:c?\""),        "multipart/mixed", "=_a b:c?" },
		{ SPAN(" multipart/mixed; boundary=\"a\\-b\""),           "multipart/mixed", "a-b" },
		{ SPAN(" multipart/mixed;\r\n boundary=\"a\r\n b\""),     "multipart/mixed", "a b" },
		{ SPAN(" application/vnd.openxmlformats-officedocument.wordprocessingml.document; name*=UTF-8''%C5%9F"),
		       "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "" },
		{ SPAN(" text/plain; name*0=a; name*1=b"),                "text/plain", "" },
		{ SPAN(" multipart/mixed; boundary=a; boundary=b"),       NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=a; Boundary=a"),       NULL, NULL },
		{ SPAN(" text/plain; charset=a; CHARSET=b"),              NULL, NULL },
		{ SPAN(" multipart/mixed; boundary*=us-ascii''a"),        NULL, NULL },
		{ SPAN(" multipart/mixed; boundary*0=a"),                 NULL, NULL },
		{ SPAN(" multipart/mixed; Boundary*0*=a; boundary*1=b"),  NULL, NULL },
		{ SPAN(" multipart/signed; micalg*=''sha-256"),           NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=\"a \""),              NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=\"\""),                NULL, NULL },
		{ SPAN(" multipart/mixed; boundary="),                    NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=a=b"),                 NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=\"a;b\""),             NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=\"\xc5\x9f\""),        NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=\"abc"),               NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=a b"),                 NULL, NULL },
		{ SPAN(" multipart/mixed; boundary =a"),                  NULL, NULL },
		{ SPAN(" multipart/mixed; boundary= a"),                  NULL, NULL },
		{ SPAN(" multipart/mixed; (c) boundary=a"),               NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=a (c)"),               NULL, NULL },
		{ SPAN(" multipart/mixed boundary=a"),                    NULL, NULL },
		{ SPAN(" multipart/mixed;"),                              NULL, NULL },
		{ SPAN(" multipart/mixed; boundary"),                     NULL, NULL },
		{ SPAN(" multipart/mixed;; boundary=a"),                  NULL, NULL },
		{ SPAN(" multipart/mixed, text/plain"),                   NULL, NULL },
		{ SPAN(" text /plain"),                                   NULL, NULL },
		{ SPAN(" text"),                                          NULL, NULL },
		{ SPAN(" text/"),                                         NULL, NULL },
		{ SPAN(" /plain"),                                        NULL, NULL },
		{ SPAN(""),                                               NULL, NULL },
		{ SPAN(" text/plain\0"),                                  NULL, NULL },
		{ SPAN(" text/pl\xfd" "in"),                              NULL, NULL },
		{ SPAN(" multipart/mixed; boundary=1234567890123456789012345678901234567890123456789012345678901234567890"), "multipart/mixed",
		       "1234567890123456789012345678901234567890123456789012345678901234567890" },
		{ SPAN(" multipart/mixed; boundary=12345678901234567890123456789012345678901234567890123456789012345678901"), NULL, NULL },
	};
	struct media m;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(media(rows[i].value, &m), rows[i].type != NULL);
		assert_string_equal(m.type, rows[i].type ? rows[i].type : "");
		assert_string_equal(m.boundary, rows[i].boundary ? rows[i].boundary : "");
	}
}

static void test_media_signed(void **state)
{
	struct media m;

	assert_true(media(SPAN(" multipart/signed; protocol=\"Application/pkcs7-signature\";\r\n micalg=SHA-256; boundary=\"b\""), &m));
	assert_string_equal(m.protocol, "application/pkcs7-signature");
	assert_string_equal(m.micalg, "sha-256");
	assert_true(media(SPAN(" application/pkcs7-mime; smime-type=signed-data; name=\"smime.p7m\""), &m));
	assert_string_equal(m.smime_type, "signed-data");
	assert_false(media(SPAN(" multipart/signed; micalg=sha-256-sha-256-sha-256-sha-2567"), &m));
}

static void test_media_many(void **state)
{
	struct buf b = BUF_INIT;
	struct media m;

	buf_adds(&b, "text/plain");
	for (int i = 0; i < 33; i++) {
		assert_true(media(buf_span(&b), &m) == (i <= 32));
		buf_addf(&b, "; a%d=b", i);
	}
	assert_false(media(buf_span(&b), &m));
	buf_release(&b);
}

static void test_encoding(void **state)
{
	static const struct { struct span value; const char *token; } rows[] = {
		{ SPAN(" Base64"), "base64" }, { SPAN("7bit "), "7bit" }, { SPAN("\r\n quoted-printable"), "quoted-printable" },
		{ SPAN(""), NULL }, { SPAN(" base64 base64"), NULL }, { SPAN(" base64;"), NULL }, { SPAN(" \"base64\""), NULL },
		{ SPAN(" base64 (c)"), NULL }, { SPAN(" 12345678901234567890123456789012"), NULL }, { SPAN("\xc5\x9f"), NULL },
	};
	char out[32];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = exact(rows[i].value);

		assert_int_equal(header_encoding(copy, out), rows[i].token != NULL);
		assert_string_equal(out, rows[i].token ? rows[i].token : "");
		exact_free(copy);
	}
}

static void test_message_id(void **state)
{
	static const struct { struct span value; const char *id; } rows[] = {
		{ SPAN(" <a.b$c@kep.tr>"), "<a.b$c@kep.tr>" },
		{ SPAN("\r\n <a@b>\r\n (x)"), "<a@b>" },
		{ SPAN("(x)<a@[dtext!]>"), "<a@[dtext!]>" },
		{ SPAN(" <ş@kep.tr>"), "<ş@kep.tr>" },
		{ SPAN(""), NULL }, { SPAN(" a@b"), NULL }, { SPAN(" <a@b"), NULL }, { SPAN(" <a>"), NULL }, { SPAN(" <@b>"), NULL },
		{ SPAN(" <a@>"), NULL }, { SPAN(" <a@b@c>"), NULL }, { SPAN(" <a@b> <c@d>"), NULL }, { SPAN(" <a@b>x"), NULL },
		{ SPAN(" <a b@c>"), NULL }, { SPAN(" <\"a\"@b>"), NULL }, { SPAN(" <.a@b>"), NULL }, { SPAN(" <a..b@c>"), NULL },
		{ SPAN(" <a@b.>"), NULL }, { SPAN(" <a@[b>"), NULL }, { SPAN(" <a@[b]]>"), NULL }, { SPAN(" <a\xff@b>"), NULL },
		{ SPAN(" <a@b>\r\n "), NULL }, { SPAN(" <a\0@b>"), NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = exact(rows[i].value), id;

		assert_int_equal(header_message_id(copy, &id), rows[i].id != NULL);
		assert_true(span_is(id, rows[i].id));
		exact_free(copy);
	}
}

static void test_message_id_length(void **state)
{
	struct buf b = BUF_INIT;
	struct span id;

	for (size_t n = 1; n < 300; n++) {
		buf_clear(&b);
		buf_addf(&b, "<%0*d@b>", (int)n, 0);
		assert_int_equal(header_message_id(buf_span(&b), &id), n + 4 <= 250);
	}
	buf_release(&b);
}

static void test_date(void **state)
{
	static const struct { struct span value; const char *text; } rows[] = {
		{ SPAN(" Mon, 23 Nov 2026 18:45:23 +0300"),         "2026-11-23T15:45:23.000000Z" },
		{ SPAN("mon, 23 nov 2026 18:45:23 -0130"),          "2026-11-23T20:15:23.000000Z" },
		{ SPAN(" 1 Jan 1970 00:00 +0000"),                  "1970-01-01T00:00:00.000000Z" },
		{ SPAN(" Thu,1 Jan 1970 00:00:00 -0000 (UTC)"),     "1970-01-01T00:00:00.000000Z" },
		{ SPAN("\r\n Sat, 31 Dec 2016 23:59:60 +0000"),     "2017-01-01T00:00:00.000000Z" },
		{ SPAN(" 29 Feb 2024 00:00:00\r\n +0000"),          "2024-02-29T00:00:00.000000Z" },
		{ SPAN(""), NULL },
		{ SPAN(" Tue, 23 Nov 2026 18:45:23 +0300"), NULL },         /* it was a Monday */
		{ SPAN(" 29 Feb 2026 00:00:00 +0000"), NULL },
		{ SPAN(" 31 Apr 2026 00:00:00 +0000"), NULL },
		{ SPAN(" 0 Apr 2026 00:00:00 +0000"), NULL },
		{ SPAN(" 032 Apr 2026 00:00:00 +0000"), NULL },
		{ SPAN(" 23 Nov 26 18:45:23 +0300"), NULL },                /* obs-year */
		{ SPAN(" 23 Nov 12026 18:45:23 +0300"), NULL },
		{ SPAN(" 23 Nov 1899 18:45:23 +0300"), NULL },
		{ SPAN(" 23 Nov 2026 24:00:00 +0300"), NULL },
		{ SPAN(" 23 Nov 2026 18:60:00 +0300"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:61 +0300"), NULL },
		{ SPAN(" 23 Nov 2026 8:45:23 +0300"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:23 GMT"), NULL },                /* obs-zone */
		{ SPAN(" 23 Nov 2026 18:45:23"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:23 0300"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:23 +300"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:23 +0360"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:23 +0300 x"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:23+0300"), NULL },
		{ SPAN(" 23Nov2026 18:45:23 +0300"), NULL },
		{ SPAN(" 23 Foo 2026 18:45:23 +0300"), NULL },
		{ SPAN(" 2026-11-23T18:45:23+03:00"), NULL },
		{ SPAN(" Mon 23 Nov 2026 18:45:23 +0300"), NULL },
		{ SPAN(" Mon"), NULL },
		{ SPAN(" 23 Nov 2026 18:45:23 +0300 (open"), NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = exact(rows[i].value);
		char text[CLOCK_TEXT_SIZE];
		int64_t t;

		assert_int_equal(header_date(copy, &t), rows[i].text != NULL);
		clock_text(text, t);
		assert_string_equal(text, rows[i].text ? rows[i].text : "1970-01-01T00:00:00.000000Z");
		exact_free(copy);
	}
}

static void test_next(void **state)
{
	static const struct span block = SPAN("A: b\r\nC:\r\nD: e\r\n f\n\tg\nH:i\n\r\nbody");
	static const char *const rows[][2] = { { "A", " b" }, { "C", "" }, { "D", " e\r\n f\n\tg" }, { "H", "i" } };
	struct span copy = exact(block), in = copy, name, value;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(header_next(&in, &name, &value), 1);
		assert_true(span_is(name, rows[i][0]));
		assert_true(span_is(value, rows[i][1]));
	}
	assert_int_equal(header_next(&in, &name, &value), 0);
	assert_true(span_is(in, "body"));
	exact_free(copy);
}

static void test_next_odd(void **state)
{
	static const struct { struct span block; int answer; const char *value; } rows[] = {
		{ SPAN(""), 0, NULL }, { SPAN("\n"), 0, NULL }, { SPAN("\r\n"), 0, NULL },
		{ SPAN("A:"), 1, "" }, { SPAN("A: b"), 1, " b" }, { SPAN("A: b\r\n "), 1, " b\r\n " }, { SPAN("A: b\r"), 1, " b\r" },
		{ SPAN("A"), -1, NULL }, { SPAN(":b\r\n"), -1, NULL }, { SPAN(" A: b\r\n"), -1, NULL }, { SPAN("A : b\r\n"), -1, NULL },
		{ SPAN("\xc5\x9f: b\r\n"), -1, NULL }, { SPAN("\r"), -1, NULL }, { SPAN("A\0: b\r\n"), -1, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span copy = exact(rows[i].block), in = copy, name, value;

		assert_int_equal(header_next(&in, &name, &value), rows[i].answer);
		if (rows[i].answer == 1)
			assert_true(span_is(value, rows[i].value));
		exact_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes), cmocka_unit_test(test_mailbox_limit), cmocka_unit_test(test_media),
		cmocka_unit_test(test_media_signed), cmocka_unit_test(test_media_many), cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_message_id), cmocka_unit_test(test_message_id_length), cmocka_unit_test(test_date),
		cmocka_unit_test(test_next), cmocka_unit_test(test_next_odd),
	};

	return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
