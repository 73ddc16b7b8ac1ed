/* The ask socket's sessions: JSON lines in, JSON lines out; no socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "config.h"
#include "policyd/ask.h"
#include "tests/unit/exact.h"
#include "tests/unit/fake_policyd.h"

static struct ask ask;

static void *begin(struct daemon *d)
{
	struct buf error = BUF_INIT;
	void *s;

	assert_true(ask_init(&ask, d, &error));
	s = ask_hooks.open(&ask, (struct peer *)(uintptr_t)1, geteuid());
	assert_non_null(s);
	return s;
}

static void end(struct daemon *d, void *s)
{
	ask_hooks.gone(s);
	ask_release(&ask);
	fake_end(d);
}

static size_t say(void *session, const char *line)
{
	struct buf b = BUF_INIT;
	struct span in;
	size_t used;

	buf_addf(&b, "%s\n", line);
	in = exact(buf_span(&b));
	used = ask_hooks.input(session, in);
	exact_free(in);
	buf_release(&b);
	return used;
}

static void expect(const char *written)
{
	assert_string_equal(buf_str(&fake.written), written);
	buf_clear(&fake.written);
}

#define UUID "0190163d-8694-739b-aea5-966c26f8ad91"
#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SUBMIT(sender, from, id) "{\"v\":1,\"ask\":\"submit\",\"queue_id\":\"4jY\",\"sender\":\"" sender "\",\"login\":\"ali@hs01.kep.test\",\"client\":\"192.0.2.9\"," \
	"\"rcpts\":[\"Veli@hs01.kep.test\",\"x@hs02.kep.test\"],\"from\":\"" from "\",\"message_id\":\"" id "\",\"size\":160,\"canonical\":1," \
	"\"sha256\":\"" HEX32 "\",\"sha512\":\"" HEX32 HEX32 "\",\"signer\":{\"certificate\":\"" HEX32 "\",\"subject\":\"CN=A\"}}"
#define GOOD SUBMIT("Ali@hs01.kep.test", "ali@HS01.kep.test", "<1@x>")

static void test_mail_and_rcpt(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	say(s, "{\"v\":1,\"ask\":\"mail\",\"sender\":\"ali@hs01.kep.test\",\"login\":\"ali@hs01.kep.test\",\"client\":\"\"}");
	assert_true(fake.deadline > 0);
	say(s, "{\"v\":1,\"ask\":\"mail\",\"sender\":\"kim@ordinary.test\"}");      /* known at once, answered in order */
	expect("");
	fake_answer();
	expect("{\"kep\":true,\"v\":1,\"why\":\"accepted\"}\n{\"kep\":false,\"v\":1,\"why\":\"accepted\"}\n");
	assert_int_equal(fake.deadline, 0);
	say(s, "{\"v\":1,\"ask\":\"mail\",\"sender\":\"ali@hs01.kep.test\",\"login\":\"veli\"}");
	say(s, "{\"v\":1,\"ask\":\"rcpt\",\"sender\":\"kim@ordinary.test\",\"login\":\"\",\"rcpt\":\"ali@hs01.kep.test\"}");
	say(s, "{\"v\":1,\"ask\":\"rcpt\",\"sender\":\"\",\"rcpt\":\"kim@ordinary.test\"}");
	say(s, "{\"v\":1,\"ask\":\"rcpt\",\"sender\":\"x@hs02.kep.test\",\"rcpt\":\"ali@hs01.kep.test\"}");
	expect("{\"kep\":true,\"v\":1,\"why\":\"login-mismatch\"}\n{\"kep\":true,\"v\":1,\"why\":\"sender-ordinary\"}\n"
	    "{\"kep\":false,\"v\":1,\"why\":\"accepted\"}\n{\"kep\":true,\"provider\":true,\"v\":1,\"why\":\"accepted\"}\n");
	assert_false(fake.closed || fake.finished);
	end(d, s);
}

static void test_submit(void **state)
{
	struct buf error = BUF_INIT;
	struct daemon *d = fake_start(true);
	void *s = begin(d);
	char *at;

	say(s, GOOD);
	expect("");             /* not before the commit */
	assert_true(strncmp(buf_str(&fake.asked), "submit!(", 8) == 0);
	at = strstr(buf_str(&fake.asked), "|mx1.hs01.kep.test|");
	assert_non_null(at);
	assert_string_equal(at, "|mx1.hs01.kep.test|4jY|ali@hs01.kep.test|ali@hs01.kep.test|192.0.2.9|{veli@hs01.kep.test,x@hs02.kep.test}|ali@hs01.kep.test|"
	    "<1@x>|160|1|[32]|[64]|{\"certificate\":\"" HEX32 "\",\"subject\":\"CN=A\"})\n");
	fake_answer();
	expect("{\"kep_id\":\"" UUID "\",\"v\":1,\"why\":\"accepted\"}\n");
	say(s, SUBMIT("ali@hs01.kep.test", "ali@hs01.kep.test", "<MISSING@x>"));
	fake_answer();
	expect("{\"v\":1,\"why\":\"attempt-missing\"}\n");
	/* From */
	say(s, SUBMIT("ali@hs01.kep.test", "veli@hs01.kep.test", "<1@x>"));
	say(s, SUBMIT("x@hs02.kep.test", "y@hs03.kep.test", "<1@x>"));
	say(s, SUBMIT("x@hs02.kep.test", "ali@hs01.kep.test", "<1@x>"));
	expect("{\"v\":1,\"why\":\"from-mismatch\"}\n{\"v\":1,\"why\":\"from-mismatch\"}\n{\"v\":1,\"why\":\"from-mismatch\"}\n");
	assert_true(conf_set((struct conf *)(uintptr_t)d->conf, "recipient_limit=1", &error));
	say(s, GOOD);
	expect("{\"v\":1,\"why\":\"too-many-recipients\"}\n");
	assert_true(conf_set((struct conf *)(uintptr_t)d->conf, "recipient_limit=2", &error));
	say(s, SUBMIT("kim@ordinary.test", "kim@ordinary.test", "<1@x>"));
	expect("{\"v\":1,\"why\":\"sender-ordinary\"}\n");
	say(s, SUBMIT("x@hs02.kep.test", "y@hs02.kep.test", "<1@x>"));
	fake_answer();
	expect("{\"kep_id\":\"" UUID "\",\"v\":1,\"why\":\"accepted\"}\n");
	end(d, s);
}

static void test_unavailable(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	say(s, GOOD);
	fake_lose();
	expect("{\"v\":1,\"why\":\"unavailable\"}\n");
	say(s, GOOD);
	expect("{\"v\":1,\"why\":\"unavailable\"}\n");
	say(s, "{\"v\":1,\"ask\":\"mail\",\"sender\":\"ali@hs01.kep.test\",\"login\":\"ali@hs01.kep.test\"}");
	expect("{\"kep\":true,\"v\":1,\"why\":\"unavailable\"}\n");
	say(s, "{\"v\":1,\"ask\":\"rcpt\",\"sender\":\"kim@ordinary.test\",\"rcpt\":\"biri@else.test\"}");
	expect("{\"kep\":false,\"v\":1,\"why\":\"accepted\"}\n");
	say(s, "{\"v\":1,\"ask\":\"status\"}");
	expect("{\"database\":false,\"domains\":3,\"ledger\":\"ok\",\"schema\":1,\"v\":1,\"version\":\"" PACKAGE_VERSION "\",\"waiting\":0,\"why\":\"accepted\"}\n");
	fake.up = true;
	fake.fail = "submit";
	say(s, GOOD);
	fake_answer();
	expect("{\"v\":1,\"why\":\"unavailable\"}\n");
	assert_false(fake.closed || fake.finished);
	end(d, s);
}

static void test_refuse(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	say(s, "{\"v\":1,\"ask\":\"refuse\",\"queue_id\":\"4jY\",\"sender\":\"ali@hs01.kep.test\",\"login\":\"ali\",\"client\":\"192.0.2.9\","
	    "\"rcpts\":[\"veli@hs01.kep.test\"],\"from\":\"\",\"message_id\":\"\",\"size\":7,\"why\":\"not-signed\"}");
	expect("");
	assert_string_equal(buf_str(&fake.asked),
	    "refuse!(mx1.hs01.kep.test|4jY|ali@hs01.kep.test|ali|192.0.2.9|{veli@hs01.kep.test}|||7|not-signed)\n");
	fake_answer();
	expect("{\"v\":1,\"why\":\"accepted\"}\n");
	end(d, s);
}

static void test_malformed(void **state)
{
	static const struct { const char *line, *words; } rows[] = {
		{ "", "" },
		{ "not json", "" },
		{ "[]", "not an object" },
		{ "{\"v\":1,\"ask\":\"mail\",\"ask\":\"rcpt\"}", "duplicate" },
		{ "{\"v\":2,\"ask\":\"mail\",\"sender\":\"\"}", "v is not 1" },
		{ "{\"ask\":\"mail\",\"sender\":\"\"}", "v is not 1" },
		{ "{\"v\":1}", "unknown ask" },
		{ "{\"v\":1,\"ask\":\"drop\"}", "unknown ask" },
		{ "{\"v\":1,\"ask\":\"mail\"}", "sender is missing" },
		{ "{\"v\":1,\"ask\":\"mail\",\"sender\":7}", "sender is missing" },
		{ "{\"v\":1,\"ask\":\"rcpt\",\"sender\":\"\"}", "rcpt is missing" },
		{ "{\"v\":1,\"ask\":\"submit\",\"sender\":\"ali@hs01.kep.test\"}", "queue_id is missing" },
		{ "{\"v\":1,\"ask\":\"submit\",\"queue_id\":\"4jY\",\"size\":1,\"rcpts\":[]}", "rcpts is empty" },
		{ "{\"v\":1,\"ask\":\"submit\",\"queue_id\":\"4jY\",\"size\":1,\"rcpts\":[7]}", "no address" },
		{ "{\"v\":1,\"ask\":\"submit\",\"queue_id\":\"4jY\",\"size\":1,\"rcpts\":[\"a@b\"]}", "canonical" },
		{ "{\"v\":1,\"ask\":\"submit\",\"queue_id\":\"4jY\",\"size\":1,\"rcpts\":[\"a@b\"],\"canonical\":1,\"sha256\":\"00\"}", "digest" },
		{ "{\"v\":1,\"ask\":\"refuse\",\"queue_id\":\"4jY\",\"size\":1,\"why\":\"accepted\"}", "not the name of a refusal" },
		{ "{\"v\":1,\"ask\":\"refuse\",\"queue_id\":\"4jY\",\"size\":1,\"why\":\"xyz\"}", "not the name of a refusal" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct daemon *d = fake_start(true);
		void *s = begin(d);

		assert_true(say(s, rows[i].line) > 0);
		assert_non_null(strstr(buf_str(&fake.written), "\"why\":\"unavailable\"}\n"));
		assert_non_null(strstr(buf_str(&fake.written), "{\"error\":\""));
		assert_non_null(strstr(buf_str(&fake.written), rows[i].words));
		assert_true(fake.finished);
		assert_int_equal(say(s, "{\"v\":1,\"ask\":\"status\"}"), 0);
		assert_string_equal(buf_str(&fake.asked), "");
		end(d, s);
	}
}

/* What came before a malformed line is answered first. */
static void test_malformed_in_order(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	say(s, "{\"v\":1,\"ask\":\"mail\",\"sender\":\"ali@hs01.kep.test\",\"login\":\"ali@hs01.kep.test\"}");
	say(s, "nonsense");
	expect("");
	assert_false(fake.finished);
	fake_answer();
	assert_ptr_equal(strstr(buf_str(&fake.written), "{\"kep\":true,\"v\":1,\"why\":\"accepted\"}\n{\"error\":"), buf_str(&fake.written));
	assert_true(fake.finished);
	end(d, s);
}

static void test_limits(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);
	char *line = malloc(ASK_LINE_MAX);
	size_t n = 0;

	memset(line, 'x', ASK_LINE_MAX);
	assert_int_equal(ask_hooks.input(s, span_of(line, ASK_LINE_MAX - 1)), 0);
	assert_false(fake.closed);
	assert_int_equal(ask_hooks.input(s, span_of(line, ASK_LINE_MAX)), 0);
	assert_true(fake.closed);
	expect("");
	free(line);
	while (say(s, "{\"v\":1,\"ask\":\"mail\",\"sender\":\"ali@hs01.kep.test\",\"login\":\"ali@hs01.kep.test\"}") > 0)
		n++;
	assert_int_equal(n, ASK_OUTSTANDING_MAX);
	end(d, s);
}

static void test_gone_meanwhile(void **state)
{
	struct daemon *d = fake_start(true);
	void *s = begin(d);

	say(s, GOOD);
	say(s, "{\"v\":1,\"ask\":\"mail\",\"sender\":\"ali@hs01.kep.test\",\"login\":\"ali@hs01.kep.test\"}");
	ask_hooks.gone(s);
	fake_answer();
	expect("");
	ask_release(&ask);
	fake_end(d);
}

static void test_who_may(void **state)
{
	struct daemon *d = fake_start(true);
	struct buf error = BUF_INIT;
	void *s;

	assert_true(conf_set((struct conf *)(uintptr_t)d->conf, "ask_users=  root daemon", &error));
	assert_true(ask_init(&ask, d, &error));
	assert_int_equal(ask.n, 2);
	s = ask_hooks.open(&ask, (struct peer *)(uintptr_t)1, ask.users[1]);
	assert_non_null(s);
	ask_hooks.gone(s);
	assert_null(ask_hooks.open(&ask, (struct peer *)(uintptr_t)1, 54321));
	assert_null(ask_hooks.open(&ask, (struct peer *)(uintptr_t)1, (uid_t)-1));
	ask_release(&ask);
	assert_true(conf_set((struct conf *)(uintptr_t)d->conf, "ask_users=nobody-of-that-name", &error));
	assert_false(ask_init(&ask, d, &error));
	assert_non_null(strstr(buf_str(&error), "nobody-of-that-name"));
	ask_release(&ask);
	buf_release(&error);
	fake_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_and_rcpt), cmocka_unit_test(test_submit), cmocka_unit_test(test_unavailable), cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_malformed_in_order), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_gone_meanwhile), cmocka_unit_test(test_who_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
