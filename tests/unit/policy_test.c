/* Policy delegation: requests read, sessions answered; no socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "policyd/attempt.h"
#include "policyd/policy.h"
#include "policyd/request.h"
#include "tests/unit/exact.h"
#include "tests/unit/fake_policyd.h"

/* ---- request.c ---- */

static void test_request(void **state)
{
	static const char text[] = "request=smtpd_access_policy\nprotocol_state=RCPT\nsender=\nrecipient=ali@hs01.kep.test\n"
	    "sasl_username=ali\nccert_fingerprint=AA:BB\ninstance=3cc.6b0.d.0\nunknown=\n\nrequest=";
	struct request r;
	size_t used;
	const char *why;

	/* Every shorter piece is not whole yet. */
	for (size_t n = 0; n < sizeof text - 1; n++) {
		struct span in = exact(span_of(text, n));
		bool whole = n >= sizeof text - 1 - 8;

		assert_int_equal(request_read(in, &r, &used, &why), whole ? REQUEST_WHOLE : REQUEST_MORE);
		if (whole) {
			assert_int_equal(used, sizeof text - 1 - 8);
			assert_true(span_is(r.recipient, "ali@hs01.kep.test"));
			assert_true(span_is(r.tls, "AA:BB") && span_is(r.login, "ali") && span_is(r.instance, "3cc.6b0.d.0"));
			assert_int_equal(r.sender.n, 0);
			assert_null(r.queue_id.p);
		}
		exact_free(in);
	}
}

static void refused(const char *text, const char *words)
{
	struct span in = exact(span_str(text));
	struct request r;
	size_t used;
	const char *why = "";

	assert_int_equal(request_read(in, &r, &used, &why), REQUEST_REFUSED);
	assert_non_null(strstr(why, words));
	exact_free(in);
}

static void test_request_refused(void **state)
{
	struct buf b = BUF_INIT;

	refused("\n", "not a request");
	refused("request=other\nprotocol_state=RCPT\n\n", "not a request");
	refused("request=smtpd_access_policy\n\n", "no protocol_state");
	refused("request=smtpd_access_policy\nsender=a\nsender=b\n", "twice");
	refused("request=smtpd_access_policy\nsender\n", "name=value");
	refused("GET / HTTP/1.1\r\n", "name=value");
	for (int i = 0; i <= REQUEST_ATTRIBUTES_MAX; i++)
		buf_addf(&b, "a%d=\n", i);
	refused(buf_str(&b), "more than 64");
	buf_clear(&b);
	buf_adds(&b, "helo_name=");
	while (b.n <= REQUEST_LINE_MAX)
		buf_addc(&b, 'x');
	refused(buf_str(&b), "8192");           /* no line end needed to know it */
	buf_release(&b);
}

/* Refused at the limit, whatever it is made of. */
static void test_request_without_end(void **state)
{
	struct buf b = BUF_INIT;

	while (b.n < REQUEST_SIZE_MAX) {
		struct request r;
		size_t used;
		const char *why = "";
		enum request_read got;

		for (int i = 0; i < 700 && b.n < REQUEST_SIZE_MAX; i++)
			buf_addc(&b, i == 0 ? 'x' : i == 1 ? '=' : i == 699 ? '\n' : 'v');
		got = request_read(buf_span(&b), &r, &used, &why);
		assert_int_equal(got, b.n < REQUEST_SIZE_MAX ? REQUEST_MORE : REQUEST_REFUSED);
		if (got == REQUEST_REFUSED)
			assert_non_null(strstr(why, "16384"));
	}
	buf_release(&b);
}

/* ---- attempt.c ---- */

/* The octets of form 1, written out. */
static void test_fingerprint(void **state)
{
	static const char octets[] = "kep-attempt-1\n" "\0\0\0\1h" "\0\0\0\3i.1" "\0\0\0\0" "\0\0\0\2AA" "\0\0\0\0" "\0\0\0\3s@d" "\0\0\0\3r@d";
	const struct attempt a = { SPAN("h"), SPAN("i.1"), SPAN(""), SPAN("AA"), SPAN(""), SPAN("s@d"), SPAN("r@d") };
	unsigned char made[SHA256_SIZE], wanted[SHA256_SIZE];

	attempt_fingerprint(made, &a);
	digest_sha256(wanted, span_of(octets, sizeof octets - 1));
	assert_memory_equal(made, wanted, SHA256_SIZE);
}

/* ---- policy.c ---- */

#define INSTANCE "3cc.6b048a6f.dff65.0"

static void *begin(struct daemon *d)
{
	void *s = policy_hooks.open(d, (struct peer *)(uintptr_t)1, (uid_t)-1);

	assert_non_null(s);
	return s;
}

static size_t say(void *session, const char *state, const char *sender, const char *rcpt, const char *rest)
{
	struct buf b = BUF_INIT;
	struct span in;
	size_t used;

	buf_addf(&b, "request=smtpd_access_policy\nprotocol_state=%s\nsender=%s\nrecipient=%s\nclient_address=192.0.2.9\n%s\n", state, sender, rcpt, rest);
	in = exact(buf_span(&b));
	used = policy_hooks.input(session, in);
	assert_true(used == 0 || used == b.n);
	exact_free(in);
	buf_release(&b);
	return used;
}

#define LOGIN "sasl_username=ali@hs01.kep.test\ninstance=" INSTANCE "\n"
#define RCPT(s) say(s, "RCPT", "Ali@hs01.kep.test", "veli@hs01.kep.test", LOGIN)
#define DATA(s) say(s, "DATA", "Ali@hs01.kep.test", "veli@hs01.kep.test", LOGIN "queue_id=4jY\nrecipient_count=1\n")
#define END(s) say(s, "END-OF-MESSAGE", "Ali@hs01.kep.test", "veli@hs01.kep.test", LOGIN "queue_id=4jY\nrecipient_count=1\nsize=160\n")
#define DUNNO "action=DUNNO\n\n"

/* Times differ. */
static void mask_times(struct buf *b)
{
	char *p;

	while (b->n && (p = strstr(b->p, "|20")) && strlen(p) > 28 && p[28] == ')') {
		memmove(p + 5, p + 28, strlen(p + 28) + 1);
		memcpy(p, "|TIME", 5);
		b->n = strlen(b->p);
	}
}

static void expect(const char *written, const char *asked)
{
	mask_times(&fake.asked);
	assert_string_equal(buf_str(&fake.written), written);
	assert_string_equal(buf_str(&fake.asked), asked);
	fake_forget();
}

static void warm(struct daemon *d)
{
	void *s = begin(d);

	assert_true(RCPT(s) > 0);
	fake_answer();
	policy_hooks.gone(s);
	fake_forget();
}

#define ASKED_RCPT "attempt~(mx1.hs01.kep.test|" INSTANCE "|veli@hs01.kep.test|192.0.2.9||ali@hs01.kep.test|ali@hs01.kep.test||1|[32]|accepted)\n"
#define ASKED_DATA "attempt_data~(mx1.hs01.kep.test|" INSTANCE "|4jY|1)\n"
#define ASKED_END "attempt_end(mx1.hs01.kep.test|" INSTANCE "|4jY|160|1|TIME)\n"
#define ASKED_END_LATER "attempt_end~(mx1.hs01.kep.test|" INSTANCE "|4jY|160|1|TIME)\n"

static void test_kep_mail(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	/* Cold: the accounts are asked for; nothing is answered meanwhile, nothing more is read. */
	assert_true(RCPT(s) > 0);
	assert_true(fake.deadline > 0);
	assert_int_equal(DATA(s), 0);
	expect("", "account(ali@hs01.kep.test)\n");
	fake_answer_some(2);
	expect(DUNNO, "account(veli@hs01.kep.test)\n" ASKED_RCPT);
	assert_int_equal(fake.deadline, 0);
	/* The attempt is not committed yet; DATA is answered at once, END-OF-MESSAGE not. */
	assert_true(DATA(s) > 0);
	expect(DUNNO, "");
	assert_true(END(s) > 0);
	expect("", ASKED_END);
	fake_answer_some(1);
	expect("", "");
	fake_answer();
	expect(DUNNO, "");
	/* Everything may come twice. */
	RCPT(s), DATA(s), END(s);
	fake_answer();
	expect(DUNNO DUNNO DUNNO, ASKED_RCPT ASKED_END);
	/* Where the database has just shown that it writes, nobody waits for it. */
	fake.writing = true;
	RCPT(s), DATA(s), END(s);
	expect(DUNNO DUNNO DUNNO, ASKED_RCPT ASKED_END_LATER);
	fake_answer();
	assert_false(fake.closed);
	policy_hooks.gone(s);
	fake_end(d);
}

/* A write that failed: END-OF-MESSAGE is not answered. */
static void test_failed_write(void **state)
{
	struct daemon *d = fake_start(true);
	void *s;

	warm(d);
	s = begin(d);
	fake.fail = "attempt~(";
	RCPT(s), DATA(s), END(s);
	expect(DUNNO DUNNO, ASKED_RCPT ASKED_END);
	fake_answer();
	expect("", "");
	policy_hooks.gone(s);
	/* ... and already DATA is not, once it is known. */
	s = begin(d);
	RCPT(s);
	fake_answer();
	fake_forget();
	DATA(s);
	assert_true(fake.closed);
	assert_string_equal(buf_str(&fake.written), "");
	policy_hooks.gone(s);
	/* A new transaction on a connection starts clean. */
	s = begin(d);
	RCPT(s);
	fake_answer();
	fake_forget();
	fake.fail = NULL;
	say(s, "RCPT", "ali@hs01.kep.test", "veli@hs01.kep.test", "sasl_username=ali@hs01.kep.test\ninstance=other.1\n");
	fake_answer();
	assert_false(fake.closed);
	assert_string_equal(buf_str(&fake.written), DUNNO);
	policy_hooks.gone(s);
	fake_end(d);
}

/* What DATA said is written where END-OF-MESSAGE does not come. */
static void test_given_up(void **state)
{
	struct daemon *d = fake_start(true);
	void *s;

	warm(d);
	s = begin(d);
	RCPT(s), DATA(s);
	say(s, "RCPT", "ali@hs01.kep.test", "veli@hs01.kep.test", "sasl_username=ali@hs01.kep.test\ninstance=other.1\n");
	assert_non_null(strstr(buf_str(&fake.asked), ASKED_RCPT ASKED_DATA));
	fake_forget();
	DATA(s);
	fake_lose();
	fake.up = true;
	fake_forget();
	policy_hooks.gone(s);
	expect("", ASKED_DATA);
	fake_answer();
	s = begin(d);
	DATA(s);
	fake_forget();
	fake_lose();
	policy_hooks.gone(s);           /* answered at once */
	fake_end(d);
}

static void test_refused(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	/* Not answered before it is durable. */
	say(s, "RCPT", "kim@ordinary.test", "ali@hs01.kep.test", "instance=" INSTANCE "\n");
	expect("", "attempt!(mx1.hs01.kep.test|" INSTANCE "|ali@hs01.kep.test|192.0.2.9|||kim@ordinary.test||1|[32]|sender-ordinary)\n");
	fake_answer();
	expect("action=550 5.7.1 KEP: KEP is a closed system: ordinary e-mail cannot be sent to a KEP account (why=sender-ordinary)\n\n", "");
	/* Octets the database would not take. */
	say(s, "RCPT", "k\xfcm@ordinary.test", "al\xfc@hs01.kep.test", "instance=" INSTANCE "\nsasl_username=\xff\n");
	expect("", "attempt!(mx1.hs01.kep.test|" INSTANCE "|al?@hs01.kep.test|192.0.2.9||?|k?m@ordinary.test||1|[32]|sender-ordinary)\n");
	fake.fail = "attempt!";
	fake_answer();
	assert_true(fake.closed);
	expect("", "");
	policy_hooks.gone(s);
	fake_end(d);
}

static void test_ordinary_touches_nothing(void **state)
{
	struct daemon *d = fake_start(true);
	void *s;

	fake_lose();
	s = begin(d);
	say(s, "RCPT", "kim@ordinary.test", "biri@else.test", "instance=" INSTANCE "\n");
	say(s, "DATA", "kim@ordinary.test", "biri@else.test", "instance=" INSTANCE "\nqueue_id=4jY\nrecipient_count=1\n");
	say(s, "END-OF-MESSAGE", "kim@ordinary.test", "", "instance=" INSTANCE "\nqueue_id=4jY\nrecipient_count=2\nsize=1\n");
	say(s, "RCPT", "", "biri@else.test", "instance=" INSTANCE "\n");
	say(s, "DATA", "", "biri@else.test", "instance=" INSTANCE "\nqueue_id=4jY\nrecipient_count=1\n");
	say(s, "CONNECT", "", "", "");
	say(s, "EHLO", "", "", "");
	expect(DUNNO DUNNO DUNNO DUNNO DUNNO DUNNO DUNNO, "");
	policy_hooks.gone(s);
	fake_end(d);
}

/* Down: KEP mail is not answered in any state, warm or cold. */
static void test_down(void **state)
{
	static const char *const states[] = { "RCPT", "DATA", "END-OF-MESSAGE" };
	struct daemon *d = fake_start(true);
	void *s;

	warm(d);
	fake_lose();
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		s = begin(d);
		say(s, states[i], "ali@hs01.kep.test", "veli@hs01.kep.test", LOGIN "queue_id=4jY\nrecipient_count=1\nsize=160\n");
		assert_true(fake.closed);
		assert_string_equal(buf_str(&fake.written), "");
		fake_forget();
		policy_hooks.gone(s);
	}
	s = begin(d);
	say(s, "RCPT", "kim@ordinary.test", "ali@hs01.kep.test", "instance=" INSTANCE "\n");
	assert_true(fake.closed);       /* a refusal cannot be recorded either */
	policy_hooks.gone(s);
	fake_end(d);
	/* Never up: not even ordinary mail can be told apart. */
	d = fake_start(false);
	s = begin(d);
	say(s, "DATA", "kim@ordinary.test", "biri@else.test", "instance=" INSTANCE "\nqueue_id=4jY\nrecipient_count=1\n");
	assert_true(fake.closed);
	policy_hooks.gone(s);
	fake_end(d);
}

static void test_missing_attributes(void **state)
{
	struct daemon *d = fake_start(true);
	void *s;

	warm(d);
	s = begin(d);
	say(s, "RCPT", "ali@hs01.kep.test", "veli@hs01.kep.test", "sasl_username=ali@hs01.kep.test\n");
	assert_true(fake.closed);
	policy_hooks.gone(s);
	fake_forget();
	s = begin(d);
	say(s, "END-OF-MESSAGE", "ali@hs01.kep.test", "", "instance=" INSTANCE "\nqueue_id=4jY\nsize=1e9\n");
	assert_true(fake.closed);
	expect("", "");
	policy_hooks.gone(s);
	fake_end(d);
}

static void test_inject(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	say(s, "RCPT", "relay+1@evt.hs01.kep.test", "x@hs02.kep.test", "policy_context=inject\n");
	say(s, "RCPT", "relay+1@evt.hs01.kep.test", "x@hs03.kep.test", "policy_context=inject\n");
	say(s, "RCPT", "receipt+1@evt.hs01.kep.test", "ali@hs01.kep.test", "policy_context=inject\n");
	say(s, "DATA", "ali@hs01.kep.test", "ali@hs01.kep.test", "policy_context=inject\n");
	expect("action=FILTER kepout:[192.0.2.2]:26\n\n" DUNNO DUNNO DUNNO, "");
	policy_hooks.gone(s);
	fake_end(d);
}

/* The peer leaves while the database is asked: nothing is used after free. */
static void test_gone_meanwhile(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	RCPT(s);
	policy_hooks.gone(s);
	fake_answer();
	expect("", "account(ali@hs01.kep.test)\naccount(veli@hs01.kep.test)\n");
	s = begin(d);
	RCPT(s), DATA(s), END(s);
	policy_hooks.gone(s);
	fake_forget();
	fake_lose();
	expect("", "");
	fake_end(d);
}

static void test_not_understood(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	assert_int_equal(policy_hooks.input(s, SPAN("GET / HTTP/1.1\r\n")), 0);
	assert_true(fake.closed);
	policy_hooks.gone(s);
	fake_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request), cmocka_unit_test(test_request_refused), cmocka_unit_test(test_request_without_end),
		cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_kep_mail), cmocka_unit_test(test_failed_write), cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_ordinary_touches_nothing), cmocka_unit_test(test_down),
		cmocka_unit_test(test_missing_attributes), cmocka_unit_test(test_inject), cmocka_unit_test(test_gone_meanwhile),
		cmocka_unit_test(test_not_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
