/* What kep-milter decides, with a kep-policyd that answers by table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/header.h"
#include "milter/session.h"
#include "tests/unit/pki.h"

#define KEP_ID "0190163d-8694-739b-aea5-966c26f8ad91"

/* Answers to "rcpt", "submit" and "refuse"; NULL: none comes. */
static struct {
	const char *rcpt, *submit, *refuse;
	struct buf  heard;      /* the last question */
	int         questions;
} policyd;

static const char yes[] = "{\"v\":1,\"why\":\"accepted\",\"kep\":true}";
static const char ordinary[] = "{\"v\":1,\"why\":\"accepted\",\"kep\":false}";
static const char recorded[] = "{\"v\":1,\"why\":\"accepted\",\"kep_id\":\"" KEP_ID "\"}";

static jdoc *ask(void *arg, const jdoc *question)
{
	struct span kind = jdoc_text(question, "ask");
	const char *text = span_is(kind, "rcpt") ? policyd.rcpt : span_is(kind, "submit") ? policyd.submit : policyd.refuse;

	buf_clear(&policyd.heard);
	jdoc_write(&policyd.heard, question);
	policyd.questions++;
	return text ? jdoc_parse(span_str(text), 1000, NULL) : NULL;
}

static struct conf conf;
static struct trust *trust;
static struct buf signed_mail, wide_mail, plain_mail;
static usec now;

static struct session *begin(const char *rcpt)
{
	struct asker asker = { ask, NULL };
	struct session *s = session_new(&conf, &asker);

	policyd.rcpt = rcpt;
	policyd.submit = recorded;
	policyd.refuse = ordinary;
	session_client(s, "192.0.2.9");
	return s;
}

static void mail(struct session *s, const char *from)
{
	session_mail(s, span_str(from), "ayse@hs01.kep.test", false);
}

static enum reason rcpt(struct session *s, const char *to)
{
	return session_rcpt(s, span_str(to), SPAN_NONE);
}

/* Feed a message as libmilter brings it. */
static void content(struct session *s, struct span text)
{
	struct span name, value;

	session_data(s);
	while (header_next(&text, &name, &value) == 1)
		session_field(s, name, value);
	session_end_of_header(s);
	for (; text.n; text = span_of(text.p + 1, text.n - 1))
		session_body(s, span_of(text.p, 1));
}

static enum reason whole(struct session *s, const char *from, const char *to, struct span text)
{
	enum reason why;

	mail(s, from);
	why = rcpt(s, to);
	session_queue_id(s, "4Z8F2AB23");
	if (why != REASON_ACCEPTED)
		return why;
	content(s, text);
	return session_end(s, trust, now);
}

static void test_ordinary(void **state)
{
	struct session *s = begin(ordinary);

	mail(s, "<Veli@ordinary.test>");
	assert_int_equal(policyd.questions, 0);
	assert_int_equal(rcpt(s, "<can@ordinary.test>"), REASON_ACCEPTED);
	assert_string_equal(policyd.heard.p, "{\"ask\":\"rcpt\",\"client\":\"192.0.2.9\",\"login\":\"ayse@hs01.kep.test\","
	    "\"rcpt\":\"can@ordinary.test\",\"sender\":\"veli@ordinary.test\",\"v\":1}");
	assert_int_equal(rcpt(s, "<\"a b\"@ordinary.test>"), REASON_ACCEPTED);
	assert_non_null(strstr(policyd.heard.p, "\"rcpt\":\"\\\"a b\\\"@ordinary.test\""));
	/* ORCPT and the limit are rules of KEP mail. */
	assert_int_equal(session_rcpt(s, SPAN("<c@ordinary.test>"), SPAN("rfc822;other@ordinary.test")), REASON_ACCEPTED);
	for (size_t i = 0; i <= conf.recipient_limit; i++)
		assert_int_equal(rcpt(s, "<d@ordinary.test>"), REASON_ACCEPTED);
	policyd.questions = 0;
	content(s, buf_span(&plain_mail));
	assert_int_equal(session_end(s, trust, now), REASON_ACCEPTED);
	assert_string_equal(session_kep_id(s), "");
	assert_int_equal(policyd.questions, 0);
	mail(s, "<>");
	assert_int_equal(rcpt(s, "<can@ordinary.test>"), REASON_ACCEPTED);
	assert_non_null(strstr(policyd.heard.p, "\"sender\":\"\""));
	session_free(s);
}

static void test_refused_alone(void **state)
{
	for (int i = REASON_ADDRESS_SYNTAX; i < REASON_COUNT; i++) {
		char *no = mem_printf("{\"v\":1,\"why\":\"%s\",\"kep\":true}", reason_words((enum reason)i)->wire);
		struct session *s = begin(no);

		mail(s, "<ayse@hs01.kep.test>");
		assert_int_equal(rcpt(s, "<b@ordinary.test>"), i);
		policyd.rcpt = yes;
		/* Where nothing could be found out the others would wait for nothing. */
		assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), i == REASON_UNAVAILABLE ? REASON_UNAVAILABLE : REASON_ACCEPTED);
		mail(s, "<ayse@hs01.kep.test>");
		assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_ACCEPTED);
		policyd.rcpt = no;
		assert_int_equal(rcpt(s, "<b@ordinary.test>"), i);
		policyd.rcpt = yes;
		assert_int_equal(rcpt(s, "<veli@hs01.kep.test>"), REASON_ACCEPTED);
		session_data(s);
		session_free(s);
		free(no);
	}
}

static void test_no_answer(void **state)
{
	static const char *const bad[] = {
		NULL, "{}", "{\"v\":2,\"why\":\"accepted\",\"kep\":false}", "{\"why\":\"accepted\"}", "{\"v\":1}",
		"{\"v\":1,\"why\":\"fine\"}", "{\"v\":1,\"why\":1}", "{\"v\":\"1\",\"why\":\"accepted\"}",
		"{\"v\":1,\"why\":\"unavailable\",\"error\":\"words\"}",
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct session *s = begin(bad[i]);

		policyd.questions = 0;
		mail(s, "<ayse@hs01.kep.test>");
		assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_UNAVAILABLE);
		assert_int_equal(rcpt(s, "<veli@hs01.kep.test>"), REASON_UNAVAILABLE);
		assert_int_equal(policyd.questions, 1);
		content(s, buf_span(&signed_mail));
		session_queue_id(s, "4Z8F2AB23");
		assert_int_equal(session_end(s, trust, now), REASON_UNAVAILABLE);
		policyd.rcpt = yes;
		policyd.submit = policyd.refuse = bad[i];
		assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&signed_mail)), REASON_UNAVAILABLE);
		assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&plain_mail)), REASON_UNAVAILABLE);
		session_free(s);
	}
}

/* The directory may change between two questions: nothing is guessed then. */
static void test_kinds_do_not_mix(void **state)
{
	struct session *s = begin(yes);

	mail(s, "<ayse@hs01.kep.test>");
	assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_ACCEPTED);
	policyd.rcpt = ordinary;
	assert_int_equal(rcpt(s, "<b@ordinary.test>"), REASON_UNAVAILABLE);
	mail(s, "<b@ordinary.test>");
	assert_int_equal(rcpt(s, "<b@ordinary.test>"), REASON_ACCEPTED);
	policyd.rcpt = yes;
	assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_UNAVAILABLE);
	mail(s, "<>");
	assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_ADDRESS_SYNTAX);
	mail(s, "<\"a b\"@hs01.kep.test>");
	assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_ADDRESS_SYNTAX);
	mail(s, "<ayse@hs01.kep.test>");
	assert_int_equal(rcpt(s, "<\"a b\"@hs01.kep.test>"), REASON_ADDRESS_SYNTAX);
	session_free(s);
}

static void test_orcpt(void **state)
{
	static const struct { const char *orcpt; enum reason why; } rows[] = {
		{ "rfc822;Ali@hs01.kep.test", REASON_ACCEPTED }, { "RFC822;ali+40hs01.kep.test", REASON_ACCEPTED },
		{ "rfc822;veli@hs01.kep.test", REASON_ORCPT_MISMATCH }, { "rfc822;", REASON_ORCPT_MISMATCH },
		{ "", REASON_ORCPT_MISMATCH }, { "x400;ali@hs01.kep.test", REASON_ORCPT_MISMATCH },
	};
	struct session *s = begin(yes);

	mail(s, "<ayse@hs01.kep.test>");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(session_rcpt(s, SPAN("<ali@hs01.kep.test>"), span_str(rows[i].orcpt)), rows[i].why);
	session_free(s);
}

static void test_many_recipients(void **state)
{
	struct session *s = begin(yes);

	mail(s, "<ayse@hs01.kep.test>");
	for (size_t i = 0; i < 3600; i++) {
		char *to = mem_printf("<r%zu@hs01.kep.test>", i);

		assert_int_equal(rcpt(s, to), i < conf.recipient_limit ? REASON_ACCEPTED : REASON_TOO_MANY_RECIPIENTS);
		free(to);
	}
	assert_int_equal(reason_words(REASON_TOO_MANY_RECIPIENTS)->code, 452);
	session_free(s);
}

static void test_accepted(void **state)
{
	static const char *const members[] = {
		"\"ask\":\"submit\"", "\"canonical\":1", "\"client\":\"192.0.2.9\"", "\"from\":\"ayse@hs01.kep.test\"",
		"\"login\":\"ayse@hs01.kep.test\"", "\"message_id\":\"<1@hs01.kep.test>\"", "\"queue_id\":\"4Z8F2AB23\"",
		"\"rcpts\":[\"ali@hs01.kep.test\"]", "\"sender\":\"ayse@hs01.kep.test\"", "\"sha256\":\"", "\"sha512\":\"",
		"\"identity\":\"10000000146\"", "\"certificate\":\"", "\"issuer\":\"", "\"serial\":\"", "\"digest\":\"sha256\"",
	};
	struct session *s = begin(yes);
	char *size = mem_printf("\"size\":%zu,", signed_mail.n);

	for (int round = 0; round < 2; round++) {
		assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<Ali@hs01.kep.test>", buf_span(&signed_mail)), REASON_ACCEPTED);
		for (size_t i = 0; i < COUNT_OF(members); i++)
			assert_non_null(strstr(policyd.heard.p, members[i]));
		assert_non_null(strstr(policyd.heard.p, size));
		assert_string_equal(session_kep_id(s), KEP_ID);
		assert_int_equal(session_strip(s)->n, 3);
		assert_string_equal(session_strip(s)->v[0].name, "X-KEP-ID");
		assert_string_equal(session_strip(s)->v[1].name, "x-kep-id");
		assert_int_equal(session_strip(s)->v[1].index, 2);
		assert_string_equal(session_strip(s)->v[2].name, "Authentication-Results");
		assert_int_equal(session_strip(s)->v[2].index, 2);
		session_abort(s);
		assert_int_equal(session_strip(s)->n, 0);
		assert_string_equal(session_kep_id(s), "");
	}
	free(size);
	session_free(s);
}

static void test_judged(void **state)
{
	struct session *s = begin(yes);

	assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&plain_mail)), REASON_NOT_SIGNED);
	assert_non_null(strstr(policyd.heard.p, "\"ask\":\"refuse\""));
	assert_non_null(strstr(policyd.heard.p, "\"why\":\"not-signed\""));
	assert_non_null(strstr(policyd.heard.p, "\"sha256\":\""));
	assert_null(strstr(policyd.heard.p, "\"signer\""));
	assert_int_equal(whole(s, "<ali@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&signed_mail)), REASON_FROM_MISMATCH);
	assert_non_null(strstr(policyd.heard.p, "\"signer\":{"));
	assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<veli@hs01.kep.test>", buf_span(&signed_mail)), REASON_RECIPIENT_HIDDEN);
	policyd.refuse = NULL;
	assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&plain_mail)), REASON_UNAVAILABLE);
	session_free(s);
}

/* Submit may be answered with a reason of its own. */
static void test_submit_refused(void **state)
{
	struct session *s = begin(yes);

	policyd.submit = "{\"v\":1,\"why\":\"attempt-missing\"}";
	assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&signed_mail)), REASON_ATTEMPT_MISSING);
	assert_non_null(strstr(policyd.heard.p, "\"ask\":\"submit\""));
	policyd.submit = "{\"v\":1,\"why\":\"provider-not-authenticated\"}";
	assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&signed_mail)), REASON_PROVIDER_NOT_AUTHENTICATED);
	assert_non_null(strstr(policyd.heard.p, "\"ask\":\"refuse\""));
	policyd.submit = yes;   /* no kep_id */
	assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&signed_mail)), REASON_UNAVAILABLE);
	policyd.submit = "{\"v\":1,\"why\":\"accepted\",\"kep_id\":\"../../etc/passwd\"}";
	assert_int_equal(whole(s, "<ayse@hs01.kep.test>", "<ali@hs01.kep.test>", buf_span(&signed_mail)), REASON_UNAVAILABLE);
	session_free(s);
}

/* Another provider's sender: its own copy may name recipients that are not ours. */
static void test_provider(void **state)
{
	struct session *s = begin("{\"v\":1,\"why\":\"accepted\",\"kep\":true,\"provider\":true}");

	assert_int_equal(whole(s, "<robot@hs02.kep.test>", "<ali@hs01.kep.test>", buf_span(&wide_mail)), REASON_ACCEPTED);
	session_free(s);
}

/* Refused before it came to us: offered nevertheless. */
static void test_refused_elsewhere(void **state)
{
	struct session *s = begin(yes);

	for (int told = 0; told < 2; told++) {
		mail(s, "<ayse@hs01.kep.test>");
		assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_ACCEPTED);
		if (told)
			session_rcpt_refused(s, SPAN("<Can@ordinary.test>"));
		session_rcpt_refused(s, SPAN("<>"));
		session_queue_id(s, "4Z8F2AB23");
		content(s, buf_span(&wide_mail));
		assert_int_equal(session_end(s, trust, now), told ? REASON_ACCEPTED : REASON_RECIPIENT_NOT_OFFERED);
	}
	session_free(s);
}

static void test_no_queue_id(void **state)
{
	struct session *s = begin(yes);

	mail(s, "<ayse@hs01.kep.test>");
	assert_int_equal(rcpt(s, "<ali@hs01.kep.test>"), REASON_ACCEPTED);
	policyd.questions = 0;
	content(s, buf_span(&signed_mail));
	assert_int_equal(session_end(s, trust, now), REASON_UNAVAILABLE);
	assert_int_equal(policyd.questions, 0);
	session_free(s);
}

static void local(struct session *s, const char *from, const char *to)
{
	session_mail(s, span_str(from), NULL, true);
	assert_int_equal(session_rcpt(s, span_str(to), SPAN_NONE), REASON_ACCEPTED);
	assert_int_equal(session_rcpt(s, SPAN("c@x.test"), SPAN_NONE), REASON_ACCEPTED);
	session_queue_id(s, "4Z8F2AB23");
}

static void test_local(void **state)
{
	static const char missing[] = "{\"v\":1,\"why\":\"login-missing\",\"kep\":true}";
	static const char closed[] = "{\"v\":1,\"why\":\"closed-host\",\"kep\":false}";
	static const struct { const char *rcpt; enum reason why; } rows[] = {
		{ missing, REASON_LOCAL_SUBMISSION },
		{ yes, REASON_LOCAL_SUBMISSION },
		{ "{\"v\":1,\"why\":\"sender-ordinary\",\"kep\":true}", REASON_LOCAL_SUBMISSION },
		{ closed, REASON_CLOSED_HOST },
		{ NULL, REASON_UNAVAILABLE },
	};
	struct session *s = begin(ordinary);

	local(s, "root@mx1.hs01.kep.test", "root@mx1.hs01.kep.test");
	content(s, buf_span(&signed_mail));
	assert_int_equal(session_end(s, trust, now), REASON_ACCEPTED);
	assert_string_equal(session_kep_id(s), "");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		policyd.rcpt = rows[i].rcpt;
		policyd.questions = 0;
		local(s, "ayse@hs01.kep.test", "ali@hs01.kep.test");
		assert_int_equal(policyd.questions, rows[i].rcpt ? 2 : 1);
		content(s, buf_span(&signed_mail));
		assert_int_equal(session_end(s, trust, now), rows[i].why);
		assert_true(rows[i].why == REASON_UNAVAILABLE || strstr(policyd.heard.p, "\"ask\":\"refuse\""));
	}
	session_free(s);
}

static void test_results(void **state)
{
	static const struct { struct span value; bool ours; } rows[] = {
		{ SPAN(" mx1.hs01.kep.test; spf=pass"), true }, { SPAN("MX1.hs01.KEP.test 1; none"), true },
		{ SPAN(" (a (nested\\) ) one) mx1.hs01.kep.test\n\t(b); none"), true }, { SPAN(" \"mx1.hs01.kep.test\"; none"), true },
		{ SPAN("\n\tmx1.hs01.kep.test"), true }, { SPAN(""), true }, { SPAN(" (open"), true }, { SPAN(" \"mx1.hs01.kep.test"), true },
		{ SPAN(" \"mx1\\.hs01.kep.test\"; none"), true },
		{ SPAN(" mx1.hs01.kep.test.evil.test; spf=pass"), false }, { SPAN(" mx.other.test; x=mx1.hs01.kep.test"), false },
		{ SPAN(" (mx1.hs01.kep.test) mx.other.test;"), false }, { SPAN(" \"mx.other.test\"; none"), false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(strip_results_ours(rows[i].value, "mx1.hs01.kep.test"), rows[i].ours);
}

static void test_strip(void **state)
{
	static char long_name[] = "X-KEP-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct strip s = { 0 };

	assert_int_equal(strip_look(&s, "h", 3, SPAN("X-KEP-A"), SPAN(" 1")), REASON_ACCEPTED);
	assert_int_equal(strip_look(&s, "h", 3, SPAN("X-KEPT"), SPAN(" 1")), REASON_ACCEPTED);
	assert_int_equal(strip_look(&s, "h", 3, SPAN("x-kep-b"), SPAN(" 1")), REASON_ACCEPTED);
	assert_int_equal(strip_look(&s, "h", 3, SPAN("x-Kep-a"), SPAN(" 1")), REASON_ACCEPTED);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.v[1].index, 1);
	assert_int_equal(s.v[2].index, 2);
	assert_int_equal(strip_look(&s, "h", 3, SPAN("X-KEP-"), SPAN("")), REASON_HEADER_COUNT);
	assert_int_equal(strip_look(&s, "h", 4, span_str(long_name), SPAN("")), REASON_HEADER_SIZE);
	strip_release(&s);
}

static void test_reply(void **state)
{
	struct buf text = BUF_INIT;

	session_reply(&text, REASON_NOT_SIGNED);
	assert_string_equal(text.p, "KEP: KEP requires an e-signature to send: the message is not signed (why=not-signed)");
	for (int i = 0; i < REASON_COUNT; i++) {
		session_reply(&text, (enum reason)i);
		for (size_t k = 0; k < text.n; k++)
			assert_in_range(text.p[k], ' ', '~');
	}
	buf_release(&text);
}

/* The text, signed by tests/pki. */
static void sign(struct buf *out, const char *text)
{
	char *file = pki_path("plain.eml");
	char *command = mem_printf("'%s/pki' --sign '%s' ayse@hs01.kep.test < '%s' > '%s/signed.eml'", KEP_TESTS, pki_dir, file, pki_dir);
	FILE *f = fopen(file, "we");

	if (!f || fputs(text, f) == EOF || fclose(f) != 0)
		log_fatal("%s cannot be written", file);
	if (system(command) != 0)
		log_fatal("tests/pki --sign failed");
	pki_read("signed.eml", out);
	free(command);
	free(file);
}

static int set_up(void **state)
{
	static const char text[] = "X-KEP-ID: forged\r\nAuthentication-Results: mx.other.test; none\r\nFrom: =?utf-8?Q?Ay=C5=9Fe?= <ayse@hs01.kep.test>\r\n"
	    "x-kep-id: forged\r\nAuthentication-Results: mx1.hs01.kep.test; none\r\nTo: ali@hs01.kep.test\r\nSubject: x\r\n"
	    "Date: Mon, 23 Nov 2026 21:45:23 +0300\r\nMessage-ID: <1@hs01.kep.test>\r\n\r\nMerhaba\r\n";
	struct buf error = BUF_INIT;

	pki_make(false);
	conf_init(&conf);
	if (!conf_set(&conf, "hostname=mx1.hs01.kep.test", &error) || !conf_set(&conf, "recipient_limit=50", &error))
		log_fatal("%s", buf_str(&error));
	trust = pki_trust("trust");
	now = clock_now();
	buf_adds(&plain_mail, text);
	sign(&signed_mail, text);
	sign(&wide_mail, "From: ayse@hs01.kep.test\r\nTo: ali@hs01.kep.test\r\nCc: can@ordinary.test\r\n"
	    "Date: Mon, 23 Nov 2026 21:45:23 +0300\r\nMessage-ID: <2@hs01.kep.test>\r\n\r\nMerhaba\r\n");
	buf_release(&error);
	return 0;
}

static int tear_down(void **state)
{
	trust_free(trust);
	conf_release(&conf);
	buf_release(&policyd.heard);
	buf_release(&signed_mail);
	buf_release(&wide_mail);
	buf_release(&plain_mail);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary), cmocka_unit_test(test_refused_alone), cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_kinds_do_not_mix), cmocka_unit_test(test_orcpt), cmocka_unit_test(test_many_recipients),
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_judged), cmocka_unit_test(test_submit_refused),
		cmocka_unit_test(test_provider), cmocka_unit_test(test_refused_elsewhere), cmocka_unit_test(test_no_queue_id), cmocka_unit_test(test_local),
		cmocka_unit_test(test_results), cmocka_unit_test(test_strip), cmocka_unit_test(test_reply),
	};

	log_set_level(LOG_LEVEL_WARN);
	return cmocka_run_group_tests_name("session", tests, set_up, tear_down);
}
