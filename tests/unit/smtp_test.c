/* The SMTP and LMTP client against servers that follow a script. */
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "libkep/mem.h"
#include "policyd/smtp.h"

/* A script is what one connection sees, in order: "<" what the client must say
 * (a line, or "..." for a message up to its dot), ">" what it is told, "!" hang
 * up.  A "-" begins the next connection. */
struct server {
	char  path[64];
	pid_t pid;
	int   verdict;  /* reads 'y' when the script was followed to its end */
};

static bool read_line(FILE *in, char *line, int size)
{
	if (!fgets(line, size, in))
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

static bool read_message(FILE *in)
{
	char line[5000];

	while (read_line(in, line, sizeof line))
		if (strcmp(line, ".") == 0)
			return true;
	return false;
}

/* One connection, up to the end of its part of the script.  false: the client
 * did otherwise; *hang_up: it is to be closed. */
static bool follow(FILE *in, int fd, const char *const **at, bool *hang_up)
{
	char line[5000] = "";

	for (*hang_up = false; **at && ***at != '-'; ++*at) {
		const char *step = **at;

		if (step[0] == '>') {
			dprintf(fd, "%s\r\n", step + 1);
		} else if (step[0] == '!') {
			*hang_up = true;
		} else if (strcmp(step, "<...") == 0 ? !read_message(in) : !read_line(in, line, sizeof line) || strcmp(line, step + 1) != 0) {
			fprintf(stderr, "script: %s, client: %s\n", step, line);
			return false;
		}
	}
	*at += **at != NULL;
	return true;
}

static void serve(int listening, const char *const *at, int verdict)
{
	bool good = true, hang_up;

	while (good && *at) {
		int fd = accept(listening, NULL, NULL);
		FILE *in = fdopen(fd, "r");

		good = follow(in, fd, &at, &hang_up);
		if (good && hang_up)
			fclose(in);
	}
	if (good && write(verdict, "y", 1) == 1)
		pause();        /* stay connected until we are killed */
	_exit(0);
}

static void server_start(struct server *s, const char *const *script)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2];
	static int number;

	snprintf(s->path, sizeof s->path, "/tmp/kep-smtp-test.%d.%d", (int)getpid(), number++);
	strcpy(sun.sun_path, s->path);
	unlink(s->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(pipe(pair), 0);
	s->pid = fork();
	if (s->pid == 0)
		serve(fd, script, pair[1]);
	close(pair[1]);
	close(fd);
	s->verdict = pair[0];
}

static void server_end(struct server *s)
{
	char c = 'n';

	assert_int_equal(read(s->verdict, &c, 1), 1);
	assert_int_equal(c, 'y');
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->verdict);
	unlink(s->path);
}

/* ---- a client with its loop ---- */

struct client {
	struct event_base *base;
	struct smtp       *smtp;
	size_t             done;
};

static void client_open(struct client *c, const struct server *s, bool lmtp, usec timeout)
{
	char *where = mem_printf("unix:%s", s->path);
	struct smtp_options o = { "mailbox_lmtp", where, "mx.test", lmtp, 1, timeout, 60000000 };
	struct buf error = BUF_INIT;

	*c = (struct client){ .base = event_base_new() };
	c->smtp = smtp_new(c->base, &o, &error);
	assert_non_null(c->smtp);
	free(where);
}

static void client_close(struct client *c)
{
	smtp_free(c->smtp);
	event_base_free(c->base);
}

static void on_done(struct smtp_mail *m, void *arg)
{
	struct client *c = arg;

	c->done++;
	event_base_loopbreak(c->base);
}

static void mail_make(struct smtp_mail *m, struct client *c, const char *const *to, size_t n, struct span content)
{
	*m = (struct smtp_mail){ .sender = SPAN("a@b.test"), .params = SPAN("RET=HDRS"), .fd = -1, .content = content, .n = n,
	                         .eightbit = true, .utf8 = true, .done = on_done, .arg = c };
	m->recipients = mem_array(n, sizeof *m->recipients);
	for (size_t i = 0; i < n; i++) {
		m->recipients[i].path = span_str(to[i]);
		m->recipients[i].params = SPAN("NOTIFY=NEVER");
	}
}

static void mail_go(struct client *c, struct smtp_mail *m)
{
	size_t before = c->done;

	smtp_send(c->smtp, m);
	assert_int_equal(c->done, before);
	while (c->done == before)
		event_base_dispatch(c->base);
}

/* Send one mail to the given recipients and compare what became of each. */
struct expected { enum smtp_fate fate; int code; const char *text; };

static void expect_mail(struct client *c, const char *const *to, size_t n, const struct expected *e)
{
	struct smtp_mail m;

	mail_make(&m, c, to, n, SPAN("From: a\r\n\r\n.dot\r\n"));
	mail_go(c, &m);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(m.recipients[i].fate, e[i].fate);
		assert_int_equal(m.recipients[i].reply.code, e[i].code);
		assert_non_null(strstr(buf_str(&m.recipients[i].reply.text), e[i].text));
	}
	smtp_mail_release(&m);
}

static void expect(const char *const *script, bool lmtp, const char *const *to, size_t n, const struct expected *e)
{
	struct server s;
	struct client c;

	server_start(&s, script);
	client_open(&c, &s, lmtp, 2000000);
	expect_mail(&c, to, n, e);
	server_end(&s);
	client_close(&c);
}

static const char *const two[] = { "x@b.test", "y@b.test" };
static const char *const three[] = { "x@b.test", "y@b.test", "z@b.test" };

static void test_lmtp_pipelined(void **state)
{
	static const char *const script[] = {
		">220 ready", "<LHLO mx.test", ">250-mx", ">250-8BITMIME", ">250-size 1000", ">250-SMTPUTF8", ">250-DSN", ">250 PIPELINING",
		"<MAIL FROM:<a@b.test> SIZE=17 BODY=8BITMIME SMTPUTF8 RET=HDRS", "<RCPT TO:<x@b.test> NOTIFY=NEVER",
		"<RCPT TO:<y@b.test> NOTIFY=NEVER", "<RCPT TO:<z@b.test> NOTIFY=NEVER", "<DATA",
		">250 ok", ">250 ok", ">550 5.1.1 who", ">250 ok", ">354 go",
		"<From: a", "<", "<..dot", "<.", ">250 2.0.0 x saved", ">552-5.2.2 z", ">552 5.2.2 full", NULL };
	static const struct expected e[] = {
		{ SMTP_REPLIED, 250, "x saved" }, { SMTP_REPLIED, 550, "who" }, { SMTP_REPLIED, 552, "full" } };

	expect(script, true, three, 3, e);
}

static void test_smtp_in_steps(void **state)
{
	static const char *const script[] = {
		">220 ready", "<EHLO mx.test", ">250 mx", "<MAIL FROM:<a@b.test>", ">250 ok", "<RCPT TO:<x@b.test>", ">450 4.2.1 later",
		"<RCPT TO:<y@b.test>", ">250 ok", "<DATA", ">354 go", "<...", ">250 2.0.0 Ok: queued as ABC", NULL };
	static const struct expected e[] = { { SMTP_REPLIED, 450, "later" }, { SMTP_REPLIED, 250, "queued as ABC" } };

	expect(script, false, two, 2, e);
}

static void test_refusals(void **state)
{
	static const char *const mail[] = { ">220 r", "<EHLO mx.test", ">250 mx", "<MAIL FROM:<a@b.test>", ">552 5.3.4 big", NULL };
	static const char *const rcpt[] = { ">220 r", "<EHLO mx.test", ">250 mx", "<MAIL FROM:<a@b.test>", ">250 ok",
		"<RCPT TO:<x@b.test>", ">550 x", "<RCPT TO:<y@b.test>", ">551 y", NULL };
	static const char *const data[] = { ">220 r", "<LHLO mx.test", ">250-mx", ">250 PIPELINING", "<MAIL FROM:<a@b.test>",
		"<RCPT TO:<x@b.test>", "<RCPT TO:<y@b.test>", "<DATA", ">250 ok", ">250 ok", ">550 y", ">451 4.3.0 no", NULL };
	static const char *const hello[] = { ">220 r", "<LHLO mx.test", ">502 5.5.1 what", NULL };
	static const char *const greeting[] = { ">554 5.0.0 go away", NULL };
	static const char *const noise[] = { ">SSH-2.0-x", NULL };
	static const struct expected big[] = { { SMTP_REPLIED, 552, "big" }, { SMTP_REPLIED, 552, "big" } };
	static const struct expected each[] = { { SMTP_REPLIED, 550, "x" }, { SMTP_REPLIED, 551, "y" } };
	static const struct expected no[] = { { SMTP_REPLIED, 451, "no" }, { SMTP_REPLIED, 550, "y" } };
	static const struct expected what[] = { { SMTP_UNREACHABLE, 0, "refuses: 5.5.1 what" }, { SMTP_UNREACHABLE, 0, "" } };
	static const struct expected away[] = { { SMTP_UNREACHABLE, 0, "go away" }, { SMTP_UNREACHABLE, 0, "" } };
	static const struct expected not[] = { { SMTP_UNREACHABLE, 0, "does not speak LMTP" }, { SMTP_UNREACHABLE, 0, "" } };

	expect(mail, false, two, 2, big);
	expect(rcpt, false, two, 2, each);
	expect(data, true, two, 2, no);
	expect(hello, true, two, 2, what);
	expect(greeting, true, two, 2, away);
	expect(noise, true, two, 2, not);
}

static void test_lost(void **state)
{
	static const char *const before[] = { ">220 r", "<LHLO mx.test", ">250 mx", "<MAIL FROM:<a@b.test>", "!", NULL };
	static const char *const after[] = { ">220 r", "<LHLO mx.test", ">250-mx", ">250 PIPELINING", "<MAIL FROM:<a@b.test>",
		"<RCPT TO:<x@b.test>", "<RCPT TO:<y@b.test>", "<DATA", ">250 ok", ">250 ok", ">250 ok", ">354 go", "<...", ">250 x saved", "!", NULL };
	static const struct expected nothing[] = { { SMTP_UNREACHABLE, 0, "closed" }, { SMTP_UNREACHABLE, 0, "closed" } };
	static const struct expected half[] = { { SMTP_REPLIED, 250, "x saved" }, { SMTP_LOST, 0, "closed" } };

	expect(before, true, two, 2, nothing);
	expect(after, true, two, 2, half);
}

static void test_silent(void **state)
{
	static const char *const silent[] = { ">220 r", "<LHLO mx.test", NULL };
	static const struct expected late[] = { { SMTP_UNREACHABLE, 0, "in time" }, { SMTP_UNREACHABLE, 0, "in time" } };
	struct server s;
	struct client c;

	server_start(&s, silent);
	client_open(&c, &s, true, 200000);
	expect_mail(&c, two, 2, late);
	server_end(&s);
	client_close(&c);
}

static void test_nobody_there(void **state)
{
	static const struct expected e[] = { { SMTP_UNREACHABLE, 0, "No such file" } };
	struct server s = { "/nonexistent/kep", 0, -1 };
	struct client c;

	client_open(&c, &s, true, 200000);
	expect_mail(&c, two, 1, e);
	client_close(&c);
}

#define HELLO ">220 r", "<LHLO mx.test", ">250-mx", ">250 PIPELINING"
#define MAIL  "<MAIL FROM:<a@b.test>", "<RCPT TO:<x@b.test>", "<DATA", ">250 ok", ">250 ok", ">354 go", "<..."

static void test_kept_connection(void **state)
{
	static const char *const script[] = { HELLO, MAIL, ">250 one", MAIL, ">250 two",
		"<MAIL FROM:<a@b.test>", "<RCPT TO:<x@b.test>", "<DATA", ">250 ok", ">550 no", ">503 no",
		"<RSET", "<MAIL FROM:<a@b.test>", "<RCPT TO:<x@b.test>", "<DATA", ">250 ok", ">250 ok", ">250 ok", ">354 go", "<...", ">250 three", "!",
		"-", HELLO, MAIL, ">421 four", "-", HELLO, MAIL, ">250 five", NULL };
	static const struct expected e[] = { { SMTP_REPLIED, 250, "one" }, { SMTP_REPLIED, 250, "two" }, { SMTP_REPLIED, 550, "no" },
		{ SMTP_REPLIED, 250, "three" }, { SMTP_REPLIED, 421, "four" }, { SMTP_REPLIED, 250, "five" } };
	struct server s;
	struct client c;

	server_start(&s, script);
	client_open(&c, &s, true, 2000000);
	for (size_t i = 0; i < COUNT_OF(e); i++)
		expect_mail(&c, two, 1, &e[i]);
	server_end(&s);
	client_close(&c);
}

/* The server goes away between two mails, and the second finds out by writing. */
static void test_stale_connection(void **state)
{
	static const char *const script[] = { HELLO, MAIL, ">250 one", "<MAIL FROM:<a@b.test>", "!", "-", HELLO, MAIL, ">250 two", NULL };
	static const struct expected e[] = { { SMTP_REPLIED, 250, "one" }, { SMTP_REPLIED, 250, "two" } };
	struct server s;
	struct client c;

	server_start(&s, script);
	client_open(&c, &s, true, 2000000);
	for (size_t i = 0; i < COUNT_OF(e); i++)
		expect_mail(&c, two, 1, &e[i]);
	server_end(&s);
	client_close(&c);
}

static void test_queue_and_large_file(void **state)
{
	static const char *const script[] = { HELLO, MAIL, ">250 one", MAIL, ">250 two", MAIL, ">250 three", NULL };
	struct smtp_mail m[3];
	struct server s;
	struct client c;
	FILE *f = tmpfile();

	for (int i = 0; i < 100000; i++)
		fprintf(f, ".line %d\r\n", i);
	fflush(f);
	server_start(&s, script);
	client_open(&c, &s, true, 2000000);
	for (size_t i = 0; i < COUNT_OF(m); i++) {
		mail_make(&m[i], &c, two, 1, SPAN_NONE);
		m[i].fd = fileno(f);
		m[i].size = (uint64_t)ftell(f);
		smtp_send(c.smtp, &m[i]);
	}
	while (c.done < COUNT_OF(m))
		event_base_dispatch(c.base);
	assert_string_equal(buf_str(&m[0].recipients[0].reply.text), "one");
	assert_string_equal(buf_str(&m[2].recipients[0].reply.text), "three");
	for (size_t i = 0; i < COUNT_OF(m); i++)
		smtp_mail_release(&m[i]);
	server_end(&s);
	client_close(&c);
	fclose(f);
}

static void test_where(void **state)
{
	static const char *const wrong[] = { "", "/run/lmtp", "unix:", "inet:25", "inet:localhost:", "inet:127.0.0.1:http-no-such" };
	struct event_base *base = event_base_new();

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct smtp_options o = { .key = "mailbox_lmtp", .where = wrong[i] };
		struct buf error = BUF_INIT;

		assert_null(smtp_new(base, &o, &error));
		assert_non_null(strstr(buf_str(&error), "mailbox_lmtp = "));
		buf_release(&error);
	}
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lmtp_pipelined), cmocka_unit_test(test_smtp_in_steps), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lost), cmocka_unit_test(test_silent), cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_kept_connection),
		cmocka_unit_test(test_stale_connection), cmocka_unit_test(test_queue_and_large_file), cmocka_unit_test(test_where),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("smtp", tests, NULL, NULL);
}
