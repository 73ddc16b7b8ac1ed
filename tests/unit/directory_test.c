/* Who may write to whom: the table, the looking up, the remembering. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/conf.h"
#include "policyd/accounts.h"
#include "policyd/directory.h"
#include "policyd/domains.h"
#include "tests/unit/fake_policyd.h"

static void answered(void *arg)
{
	++*(int *)arg;
}

static struct decision decide(struct daemon *d, const char *sender, const char *login, const char *tls, const char *rcpt)
{
	int answers = 0;
	struct decision q = { .sender = span_str(sender), .login = span_str(login), .tls = tls ? span_str(tls) : SPAN_NONE, .tls_known = tls != NULL,
		.rcpt = span_str(rcpt), .with_rcpt = rcpt != NULL, .answered = answered, .arg = &answers };

	directory_decide(d->directory, &q);
	fake_answer();
	assert_int_equal(answers, 1);
	return q;
}

#define ALI "ali@hs01.kep.test"
#define VELI "veli@hs01.kep.test"
#define OTHER "x@hs02.kep.test"
#define ORD "kim@ordinary.test"
#define NO_TLS ""

static const struct row {
	const char *sender, *login, *tls, *rcpt;        /* tls NULL: not known; rcpt NULL: MAIL only */
	enum reason why;
	bool        kep;
} table[] = {
	/* one of ours */
	{ ALI, "",              NO_TLS, VELI, REASON_LOGIN_MISSING, true },
	{ ALI, "",              NULL,   NULL, REASON_LOGIN_MISSING, true },
	{ ALI, "veli",          NO_TLS, VELI, REASON_LOGIN_MISMATCH, true },
	{ ALI, "ALI",           NO_TLS, VELI, REASON_LOGIN_MISMATCH, true },
	{ ALI, ALI,             NO_TLS, VELI, REASON_ACCEPTED, true },
	{ ALI, "Ali@HS01.kep.TEST", NO_TLS, VELI, REASON_ACCEPTED, true },
	{ "ALI@hs01.KEP.test", ALI, NO_TLS, "<Veli@hs01.kep.test>", REASON_ACCEPTED, true },
	{ VELI, "veli",         NO_TLS, ALI,  REASON_ACCEPTED, true },
	{ VELI, "Veli",         NO_TLS, ALI,  REASON_LOGIN_MISMATCH, true },
	{ ALI, ALI,             NULL,   NULL, REASON_ACCEPTED, true },
	{ ALI, ALI,             NO_TLS, "askida@hs01.kep.test", REASON_RECIPIENT_INACTIVE, true },
	{ ALI, ALI,             NO_TLS, "kapali@hs01.kep.test", REASON_RECIPIENT_INACTIVE, true },
	{ ALI, ALI,             NO_TLS, "yok@hs01.kep.test", REASON_RECIPIENT_UNKNOWN, true },
	{ ALI, ALI,             NO_TLS, OTHER, REASON_ACCEPTED, true },
	{ ALI, ALI,             NO_TLS, ORD,  REASON_RECIPIENT_ORDINARY, true },
	{ ALI, ALI,             NO_TLS, "relay+x@evt.hs01.kep.test", REASON_RECIPIENT_ORDINARY, true },
	{ ALI, ALI,             NO_TLS, "\"a b\"@hs01.kep.test", REASON_ADDRESS_SYNTAX, true },
	{ "askida@hs01.kep.test", "",       NO_TLS, VELI, REASON_LOGIN_MISSING, true },
	{ "askida@hs01.kep.test", "askida", NO_TLS, VELI, REASON_SENDER_INACTIVE, true },
	{ "yok@hs01.kep.test", "yok", NO_TLS, VELI, REASON_SENDER_UNKNOWN, true },
	{ "yok@hs01.kep.test", "",    NULL,   NULL, REASON_SENDER_UNKNOWN, true },
	/* another provider */
	{ OTHER, "",            NO_TLS,  ALI, REASON_PROVIDER_NOT_AUTHENTICATED, true },
	{ OTHER, "",            "11:22", ALI, REASON_PROVIDER_NOT_AUTHENTICATED, true },
	{ OTHER, "",            "AA:B",  ALI, REASON_PROVIDER_NOT_AUTHENTICATED, true },
	{ OTHER, ALI,           NO_TLS,  ALI, REASON_PROVIDER_NOT_AUTHENTICATED, true },
	{ "x@hs03.kep.test", "", "AA:BB", ALI, REASON_PROVIDER_NOT_AUTHENTICATED, true },
	{ "x@hs03.kep.test", "", "",     ALI, REASON_PROVIDER_NOT_AUTHENTICATED, true },
	{ OTHER, "",            "AA:BB", ALI, REASON_ACCEPTED, true },
	{ OTHER, "",            "CC:DD", VELI, REASON_ACCEPTED, true },
	{ OTHER, "",            NULL,    ALI, REASON_ACCEPTED, true },
	{ OTHER, "",            NULL,    NULL, REASON_ACCEPTED, true },
	{ OTHER, "",            "AA:BB", "askida@hs01.kep.test", REASON_RECIPIENT_INACTIVE, true },
	{ OTHER, "",            "AA:BB", "yok@hs01.kep.test", REASON_RECIPIENT_UNKNOWN, true },
	{ OTHER, "",            "AA:BB", "y@hs03.kep.test", REASON_RECIPIENT_NOT_OURS, true },
	{ OTHER, "",            "AA:BB", "y@hs02.kep.test", REASON_RECIPIENT_NOT_OURS, true },
	{ OTHER, "",            "AA:BB", ORD, REASON_RECIPIENT_NOT_OURS, true },
	/* ordinary */
	{ ORD, "",              NO_TLS, ALI,  REASON_SENDER_ORDINARY, true },
	{ ORD, ALI,             NO_TLS, ALI,  REASON_SENDER_ORDINARY, true },
	{ ORD, "",              NO_TLS, "yok@hs01.kep.test", REASON_SENDER_ORDINARY, true },
	{ ORD, "",              NO_TLS, OTHER, REASON_SENDER_ORDINARY, true },
	{ ORD, "",              NO_TLS, "biri@else.test", REASON_ACCEPTED, false },
	{ ORD, "",              NO_TLS, "\"a b\"@else.test", REASON_ACCEPTED, false },
	{ "\"a b\"@else.test", "", NO_TLS, ORD, REASON_ACCEPTED, false },
	{ "\"a b\"@else.test", "", NO_TLS, ALI, REASON_SENDER_ORDINARY, true },
	{ ORD, "",              NO_TLS, "postmaster", REASON_ACCEPTED, false },
	{ ORD, "",              NULL,   NULL, REASON_ACCEPTED, false },
	{ "receipt+1@evt.hs01.kep.test", "", NO_TLS, ALI, REASON_SENDER_ORDINARY, true },
	/* null */
	{ "", "",               NO_TLS, ALI,  REASON_SENDER_NULL, true },
	{ "", "",               NO_TLS, "yok@hs01.kep.test", REASON_SENDER_NULL, true },
	{ "", "",               NO_TLS, OTHER, REASON_SENDER_NULL, true },
	{ "<>", "",             NO_TLS, ORD,  REASON_ACCEPTED, false },
	{ "", "",               NO_TLS, "relay+x@EVT.hs01.kep.test", REASON_ACCEPTED, false },
	{ "", "",               NULL,   NULL, REASON_ACCEPTED, false },
	/* names that only look different, or only look alike */
	{ "ali@hs01.kep.test.", "", NO_TLS, ORD, REASON_ADDRESS_SYNTAX, true },
	{ "ali%hs01.kep.test", "",  NO_TLS, ORD, REASON_ADDRESS_SYNTAX, true },
	{ "hs01.kep.test!ali", "",  NO_TLS, ORD, REASON_ADDRESS_SYNTAX, true },
	{ ORD, "",              NO_TLS, "ali@hs01.kep.test.", REASON_SENDER_ORDINARY, true },
	{ ORD, "",              NO_TLS, "ali@hs01.kep.test.evil.test", REASON_ACCEPTED, false },
	{ ORD, "",              NO_TLS, "ali@xhs01.kep.test", REASON_ACCEPTED, false },
	{ ORD, "",              NO_TLS, "\"ali@hs01.kep.test\"@ordinary.test", REASON_ACCEPTED, false },
	{ ORD, "",              NO_TLS, "al\xfc@hs01.kep.test", REASON_SENDER_ORDINARY, true },
	{ ORD, "",              NO_TLS, "al\xfc@ordinary.test", REASON_ACCEPTED, false },
};

static void test_table(void **state)
{
	struct daemon *d = fake_start(true);

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		const struct row *r = &table[i];
		struct decision q = decide(d, r->sender, r->login, r->tls, r->rcpt);

		if (q.why != r->why || q.kep != r->kep)
			fail_msg("row %zu: <%s> to <%s>: %s kep=%d", i, r->sender, r->rcpt ? r->rcpt : "", reason_words(q.why)->wire, q.kep);
	}
	fake_end(d);
}

static void test_closed_host(void **state)
{
	struct daemon *d = fake_start(true);
	struct buf error = BUF_INIT;

	assert_true(conf_set((struct conf *)(uintptr_t)d->conf, "closed=host", &error));
	assert_int_equal(decide(d, ORD, "", "", "biri@else.test").why, REASON_CLOSED_HOST);
	assert_int_equal(decide(d, "", "", "", ORD).why, REASON_CLOSED_HOST);
	assert_int_equal(decide(d, ORD, "", "", ALI).why, REASON_SENDER_ORDINARY);
	assert_int_equal(decide(d, "", "", "", "relay+x@evt.hs01.kep.test").why, REASON_ACCEPTED);
	assert_int_equal(decide(d, ORD, "", "", "relay+x@evt.hs01.kep.test").why, REASON_CLOSED_HOST);
	assert_int_equal(decide(d, ALI, ALI, "", VELI).why, REASON_ACCEPTED);
	fake_end(d);
}

/* Nothing is accepted but ours to KEP, a provider to ours, ordinary to ordinary. */
static void test_nothing_else(void **state)
{
	for (int s = PARTY_NULL; s <= PARTY_UNREADABLE; s++)
		for (int r = PARTY_NULL; r <= PARTY_UNREADABLE; r++)
			for (int host = 0; host < 2; host++) {
				bool may = decide_sender((enum party)s, LOGIN_RIGHT, TLS_REGISTERED) == REASON_ACCEPTED &&
				    decide_rcpt((enum party)s, (enum party)r, host) == REASON_ACCEPTED;
				bool ours = s == PARTY_ACTIVE && (r == PARTY_ACTIVE || r == PARTY_PROVIDER);
				bool theirs = s == PARTY_PROVIDER && r == PARTY_ACTIVE;
				bool ordinary = !decide_is_kep((enum party)s) && !decide_is_kep((enum party)r) && !host;
				bool bounce = s == PARTY_NULL && r == PARTY_TRACK;

				assert_int_equal(may, ours || theirs || ordinary || bounce);
			}
}

/* Ordinary mail asks the database nothing, and flows when it is away. */
static void test_down(void **state)
{
	struct daemon *d = fake_start(true);

	fake_lose();
	assert_int_equal(decide(d, ORD, "", "", "biri@else.test").why, REASON_ACCEPTED);
	assert_int_equal(decide(d, ORD, "", "", ALI).why, REASON_SENDER_ORDINARY);
	assert_int_equal(decide(d, ALI, ALI, "", VELI).why, REASON_UNAVAILABLE);
	assert_int_equal(decide(d, OTHER, "", "AA:BB", ALI).why, REASON_UNAVAILABLE);
	assert_int_equal(decide(d, OTHER, "", "11:22", ALI).why, REASON_PROVIDER_NOT_AUTHENTICATED);
	fake_end(d);
	d = fake_start(false);
	assert_false(directory_loaded(d->directory));
	assert_int_equal(decide(d, ORD, "", "", "biri@else.test").why, REASON_UNAVAILABLE);
	fake_end(d);
}

static void test_remembered(void **state)
{
	struct daemon *d = fake_start(true);
	usec now = 1800000000 * (usec)1000000;

	clock_set_for_test(now);
	directory_renew(d->directory);
	fake_answer();
	fake_forget();
	decide(d, ALI, ALI, "", VELI);
	assert_string_equal(buf_str(&fake.asked), "account(ali@hs01.kep.test)\naccount(veli@hs01.kep.test)\n");
	fake_forget();
	decide(d, ALI, ALI, "", VELI);
	assert_string_equal(buf_str(&fake.asked), "");
	directory_renew(d->directory);                          /* NOTIFY */
	decide(d, ALI, ALI, "", "yok@hs01.kep.test");
	assert_string_equal(buf_str(&fake.asked), "domains()\naccount(ali@hs01.kep.test)\naccount(yok@hs01.kep.test)\n");
	fake_forget();
	clock_set_for_test(now + DIRECTORY_AGE - 1);
	decide(d, ALI, ALI, "", "yok@hs01.kep.test");           /* absence is remembered as well */
	assert_string_equal(buf_str(&fake.asked), "");
	clock_set_for_test(now + DIRECTORY_AGE);
	decide(d, ALI, ALI, "", "yok@hs01.kep.test");
	assert_string_equal(buf_str(&fake.asked), "account(ali@hs01.kep.test)\naccount(yok@hs01.kep.test)\n");
	fake_forget();
	directory_tick(d->directory);
	fake_answer();
	assert_string_equal(buf_str(&fake.asked), "domains()\n");
	clock_set_for_test(0);
	fake_end(d);
}

/* An answer older than the news must not be remembered. */
static void test_news_on_the_way(void **state)
{
	struct daemon *d = fake_start(true);
	int answers = 0;
	struct decision q = { .sender = SPAN(ALI), .login = SPAN(ALI), .answered = answered, .arg = &answers };

	directory_decide(d->directory, &q);
	directory_renew(d->directory);
	fake_answer();
	assert_int_equal(answers, 1);
	fake_forget();
	decide(d, ALI, ALI, "", NULL);
	assert_string_equal(buf_str(&fake.asked), "account(ali@hs01.kep.test)\n");
	fake_end(d);
}

static void test_relay_and_provider(void **state)
{
	struct daemon *d = fake_start(true);

	assert_true(span_is(directory_relay(d->directory, SPAN("X@HS02.kep.test")), "[192.0.2.2]:26"));
	assert_int_equal(directory_relay(d->directory, SPAN("x@hs03.kep.test")).n, 0);
	assert_int_equal(directory_relay(d->directory, SPAN(ALI)).n, 0);
	assert_int_equal(directory_relay(d->directory, SPAN(ORD)).n, 0);
	assert_true(directory_same_provider(d->directory, SPAN("x@hs02.kep.test"), SPAN("Y@HS02.kep.test")));
	assert_false(directory_same_provider(d->directory, SPAN("x@hs02.kep.test"), SPAN("y@hs03.kep.test")));
	assert_false(directory_same_provider(d->directory, SPAN(ALI), SPAN(VELI)));
	assert_false(directory_same_provider(d->directory, SPAN("x@hs02.kep.test"), SPAN("")));
	fake_end(d);
}

static void test_accounts_bounded(void **state)
{
	struct accounts *a = accounts_new(3, DIRECTORY_AGE);
	const struct account yes = { PARTY_ACTIVE, SPAN("login") };
	char name[] = "a@hs01.kep.test";

	for (; *name < 'f'; ++*name)
		accounts_put(a, span_str(name), &yes, 1000);
	assert_int_equal(accounts_count(a), 3);
	assert_null(accounts_find(a, SPAN("b@hs01.kep.test"), 1001));
	assert_true(span_is(accounts_find(a, SPAN("e@hs01.kep.test"), 1001)->login, "login"));
	accounts_put(a, SPAN("e@hs01.kep.test"), &(struct account){ PARTY_INACTIVE, SPAN("") }, 2000);
	assert_int_equal(accounts_count(a), 3);
	assert_int_equal(accounts_find(a, SPAN("e@hs01.kep.test"), 2001)->standing, PARTY_INACTIVE);
	assert_null(accounts_find(a, SPAN("c@hs01.kep.test"), 1000 + DIRECTORY_AGE));
	assert_int_equal(accounts_count(a), 1);
	assert_null(accounts_find(a, SPAN("e@hs01.kep.test"), 1));      /* the clock was set back */
	accounts_free(a);
}

/* The list in a file: what was written is read; no cut of it is. */
static void test_domains_in_a_file(void **state)
{
	struct daemon *d = fake_start(true);
	struct buf text = BUF_INIT, again = BUF_INIT;
	struct domains l = { NULL, 0 };

	directory_write(d->directory, &text);
	assert_true(domains_parse(&l, buf_span(&text)));
	assert_int_equal(l.n, directory_domains(d->directory));
	domains_write(&l, &again);
	assert_true(span_eq(buf_span(&text), buf_span(&again)));
	assert_null(domains_find(&l, SPAN(ALI))->provider);
	assert_non_null(domains_find(&l, SPAN(OTHER))->provider);
	assert_null(domains_find(&l, SPAN(ORD)));
	domains_release(&l);
	for (size_t n = 0; n < text.n; n++)
		assert_false(domains_parse(&l, span_of(text.p, n)));
	assert_true(domains_parse(&l, SPAN("kep-domains-1\n.\n")));
	domains_release(&l);
	assert_false(domains_parse(&l, SPAN("kep-domains-2\n.\n")));
	assert_false(domains_parse(&l, SPAN("kep-domains-1\na.test\t\t\n.\n")));
	assert_false(domains_parse(&l, SPAN("kep-domains-1\na.test\t\t\t\t\n.\n")));
	assert_false(domains_parse(&l, SPAN("kep-domains-1\n\t\t\t\n.\n")));
	assert_false(domains_parse(&l, SPAN("kep-domains-1\n.\na.test\t\t\t\n")));
	buf_release(&text);
	buf_release(&again);
	fake_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), cmocka_unit_test(test_closed_host), cmocka_unit_test(test_nothing_else), cmocka_unit_test(test_down),
		cmocka_unit_test(test_remembered), cmocka_unit_test(test_news_on_the_way), cmocka_unit_test(test_relay_and_provider),
		cmocka_unit_test(test_accounts_bounded), cmocka_unit_test(test_domains_in_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
