#include "policyd/smtp_connection.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "libkep/mem.h"

#define BLOCK    ((size_t)64 << 10)     /* octets of content read at a time */
#define OUT_LOW  ((size_t)64 << 10)     /* more content is read when less waits to be written */
#define OUT_HIGH ((size_t)256 << 10)

static void touch(struct connection *c, usec wait)
{
	struct timeval tv = { wait / 1000000, wait % 1000000 };

	event_add(c->timer, &tv);
}

/* Nothing more is heard from it; it is freed outside of its own callbacks. */
static void drop(struct connection *c)
{
	c->gone = true;
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	event_del(c->timer);
	event_active(c->smtp->kick, 0, 0);
}

/* At once if nothing waits before it: the usual case, and it spares the loop two
 * changes of what it watches and a turn. */
static void write_octets(struct connection *c, struct span octets)
{
	ssize_t n = 0;

	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		n = send(bufferevent_getfd(c->bev), octets.p, octets.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	n = n > 0 ? n : 0;
	if ((size_t)n < octets.n)
		bufferevent_write(c->bev, octets.p + n, octets.n - (size_t)n);
}

static void done(struct connection *c)
{
	struct smtp_mail *m = c->mail;

	c->mail = NULL;
	m->done(m, m->arg);
}

/* First in the queue again, for a fresh connection. */
static void put_back(struct connection *c)
{
	c->mail->again = true;
	smtp_wait_first(c->smtp, c->mail);
	c->mail = NULL;
}

/* The connection goes; what is still open gets its fate. */
static void fail(struct connection *c, const char *words, const char *why)
{
	struct buf text = BUF_INIT;

	drop(c);
	if (!c->mail)
		return;
	if (c->used && c->phase == ENVELOPE && c->heard == 0 && !c->mail->again) {
		put_back(c);
		return;
	}
	buf_addf(&text, "%s %s%s%s", c->smtp->to.text, words, *why ? ": " : "", why);
	smtp_settle_open(c->mail, c->phase == DOT ? SMTP_LOST : SMTP_UNREACHABLE, 0, buf_span(&text));
	buf_release(&text);
	done(c);
}

/* The transaction is over; the connection waits for the next mail. */
static void finish(struct connection *c)
{
	c->used = true;
	c->phase = IDLE;
	if (c->spent)
		drop(c);
	else
		touch(c, c->smtp->o.idle);
	event_active(c->smtp->kick, 0, 0);
	done(c);
}

/* ---- the envelope: RSET if need be, MAIL, RCPT ..., DATA ---- */

static uint64_t content_size(const struct smtp_mail *m)
{
	return m->fd < 0 ? m->content.n : m->size;
}

static void write_params(struct buf *b, const struct connection *c, struct span params)
{
	if (c->offers.dsn && params.n) {
		buf_addc(b, ' ');
		buf_add(b, params);
	}
}

static void write_mail(struct buf *b, const struct connection *c)
{
	const struct smtp_mail *m = c->mail;

	buf_adds(b, "MAIL FROM:<");
	buf_add(b, m->sender);
	buf_addc(b, '>');
	if (c->offers.size)
		buf_addf(b, " SIZE=%llu", (unsigned long long)content_size(m));
	if (c->offers.eightbit && m->eightbit)
		buf_adds(b, " BODY=8BITMIME");
	if (c->offers.utf8 && m->utf8)
		buf_adds(b, " SMTPUTF8");
	write_params(b, c, m->params);
}

static void write_rcpt(struct buf *b, const struct connection *c, const struct smtp_recipient *r)
{
	buf_adds(b, "RCPT TO:<");
	buf_add(b, r->path);
	buf_addc(b, '>');
	write_params(b, c, r->params);
}

static size_t commands(const struct connection *c)
{
	return c->dirty + 1 + c->mail->n + 1;
}

/* Command number k without the RSET: 0 is MAIL, n + 1 is DATA. */
static void write_command(struct buf *b, const struct connection *c, size_t k)
{
	if (c->dirty && k == 0)
		buf_adds(b, "RSET");
	else if (k - c->dirty == 0)
		write_mail(b, c);
	else if (k - c->dirty <= c->mail->n)
		write_rcpt(b, c, &c->mail->recipients[k - c->dirty - 1]);
	else
		buf_adds(b, "DATA");
	buf_adds(b, "\r\n");
}

/* All at once when the server pipelines, else the next one. */
static void send_commands(struct connection *c)
{
	struct buf b = BUF_INIT;

	do
		write_command(&b, c, c->sent++);
	while (c->offers.pipelining && c->sent < commands(c));
	write_octets(c, buf_span(&b));
	buf_release(&b);
}

/* The connection is ready for it. */
static void next_mail(struct connection *c)
{
	c->phase = ENVELOPE;
	c->sent = c->heard = c->accepted = 0;
	touch(c, c->smtp->o.timeout);
	send_commands(c);
}

/* ---- the content ---- */

/* The next octets, at most BLOCK.  false: the file cannot be read. */
static bool next_block(struct connection *c, char *block, struct span *out)
{
	const struct smtp_mail *m = c->mail;
	uint64_t left = content_size(m) - c->offset;
	size_t want = left < BLOCK ? (size_t)left : BLOCK;
	ssize_t n;

	*out = span_of(m->fd < 0 ? m->content.p + c->offset : block, want);
	c->offset += want;
	if (m->fd < 0 || want == 0)
		return true;
	do
		n = pread(m->fd, block, want, (off_t)(c->offset - want));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)want;
}

static void feed(struct connection *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct buf stuffed = BUF_INIT;
	char block[BLOCK];
	struct span octets;
	bool good = true;

	while (c->phase == CONTENT && evbuffer_get_length(out) < OUT_HIGH && (good = next_block(c, block, &octets))) {
		buf_clear(&stuffed);
		dots_stuff(&c->dots, octets, &stuffed);
		if (c->offset == content_size(c->mail)) {
			dots_end(&c->dots, &stuffed);
			c->phase = DOT;
		}
		write_octets(c, buf_span(&stuffed));
	}
	buf_release(&stuffed);
	touch(c, c->smtp->o.timeout);
	if (!good)
		fail(c, "was not given all of the message", strerror(errno));
}

static void begin_content(struct connection *c)
{
	c->phase = CONTENT;
	c->offset = 0;
	c->answered = 0;
	c->dots = (struct dots){ 0 };
	feed(c);
}

/* ---- replies ---- */

static struct span text_of(const struct connection *c)
{
	return buf_span(&c->reply.text);
}

static void hear_hello(struct connection *c)
{
	struct span rest = text_of(c), line, word;

	c->offers = (struct capabilities){ 0 };
	span_cut(&rest, '\n');
	while (rest.n) {
		line = span_cut(&rest, '\n');
		word = span_cut(&line, ' ');
		c->offers.pipelining |= span_caseeq(word, SPAN("PIPELINING"));
		c->offers.eightbit |= span_caseeq(word, SPAN("8BITMIME"));
		c->offers.utf8 |= span_caseeq(word, SPAN("SMTPUTF8"));
		c->offers.dsn |= span_caseeq(word, SPAN("DSN"));
		c->offers.size |= span_caseeq(word, SPAN("SIZE"));
	}
	next_mail(c);
}

static void hear_greeting(struct connection *c)
{
	struct buf hello = BUF_INIT;

	if (reply_class(&c->reply) != 2) {
		fail(c, "refuses", buf_str(&c->reply.text));
	} else if (c->phase == HELLO) {
		hear_hello(c);
	} else {
		buf_addf(&hello, "%s %s\r\n", c->smtp->o.lmtp ? "LHLO" : "EHLO", c->smtp->o.hello);
		write_octets(c, buf_span(&hello));
		c->phase = HELLO;
	}
	buf_release(&hello);
}

static void hear_rcpt(struct connection *c, struct smtp_recipient *r)
{
	if (r->fate != SMTP_OPEN)
		return;         /* MAIL was refused already */
	if (reply_class(&c->reply) == 2)
		c->accepted++;
	else
		smtp_settle(r, SMTP_REPLIED, c->reply.code, text_of(c));
}

static void hear_data(struct connection *c)
{
	bool go = c->reply.code == 354;

	if (go && c->accepted) {
		begin_content(c);
		return;
	}
	c->spent |= go || reply_class(&c->reply) < 4;   /* it waits for content there is none for */
	c->dirty = true;
	smtp_settle_open(c->mail, c->spent ? SMTP_UNREACHABLE : SMTP_REPLIED, c->reply.code, text_of(c));
	finish(c);
}

static bool any_open(const struct smtp_mail *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->recipients[i].fate == SMTP_OPEN)
			return true;
	return false;
}

static void hear_envelope(struct connection *c)
{
	struct smtp_mail *m = c->mail;
	size_t k = c->heard++;

	if (c->dirty && k == 0 && reply_class(&c->reply) != 2) {
		fail(c, "refuses RSET", buf_str(&c->reply.text));
		return;
	}
	if (k == m->n + 1 + c->dirty) {
		hear_data(c);
		return;
	}
	if (k == c->dirty && reply_class(&c->reply) != 2)
		smtp_settle_open(m, SMTP_REPLIED, c->reply.code, text_of(c));
	else if (k > c->dirty)
		hear_rcpt(c, &m->recipients[k - c->dirty - 1]);
	if (c->offers.pipelining)
		return;         /* DATA is on its way already, and has its reply */
	if (any_open(m)) {
		send_commands(c);
	} else {
		c->dirty = true;
		finish(c);
	}
}

/* The first recipient not before `from` that waits for a reply; n: none. */
static size_t next_open(const struct smtp_mail *m, size_t from)
{
	while (from < m->n && m->recipients[from].fate != SMTP_OPEN)
		from++;
	return from;
}

static void hear_dot(struct connection *c)
{
	struct smtp_mail *m = c->mail;

	if (c->smtp->o.lmtp) {
		c->answered = next_open(m, c->answered);
		smtp_settle(&m->recipients[c->answered], SMTP_REPLIED, c->reply.code, text_of(c));
		c->answered = next_open(m, c->answered);
	} else {
		smtp_settle_open(m, SMTP_REPLIED, c->reply.code, text_of(c));
		c->answered = m->n;
	}
	if (c->answered == m->n) {
		c->dirty = false;
		finish(c);
	}
}

static void hear(struct connection *c)
{
	touch(c, c->smtp->o.timeout);
	c->spent |= c->reply.code == 421;
	switch (c->phase) {
	case GREETING:
	case HELLO:
		hear_greeting(c);
		break;
	case ENVELOPE:
		hear_envelope(c);
		break;
	case DOT:
		hear_dot(c);
		break;
	case CONTENT:
	case IDLE:
		break;
	}
}

/* Go on reading a reply from the input.  REPLY_MORE: wait for more. */
static enum reply_step take_reply(struct connection *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	enum reply_step step = REPLY_MORE;
	size_t n, used = 1;

	while (step == REPLY_MORE && used && (n = evbuffer_get_length(in)) > 0) {
		struct span rest;

		n = n < 2 * REPLY_LINE_MAX ? n : 2 * REPLY_LINE_MAX;
		rest = span_of((const char *)evbuffer_pullup(in, (ev_ssize_t)n), n);
		step = reply_push(&c->reply, &rest);
		used = n - rest.n;
		evbuffer_drain(in, used);
	}
	return step;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct connection *c = arg;
	enum reply_step step;

	if (c->phase == IDLE) {
		drop(c);        /* it has nothing to say to us now but farewell */
		return;
	}
	while (!c->gone && c->phase != CONTENT && c->phase != IDLE && (step = take_reply(c)) != REPLY_MORE) {
		if (step == REPLY_DONE)
			hear(c);
		else
			fail(c, c->smtp->o.lmtp ? "does not speak LMTP" : "does not speak SMTP", "");
		reply_clear(&c->reply);
	}
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct connection *c = arg;

	if (c->phase == CONTENT)
		feed(c);
	if (!c->gone && c->phase == DOT)
		on_read(bev, c);        /* what came early was left in the input */
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct connection *c = arg;

	if (c->gone)
		return;
	if (what & BEV_EVENT_EOF)
		fail(c, "closed the connection", "");
	else
		fail(c, "cannot be reached", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	if (c->phase != IDLE) {
		fail(c, "does not answer in time", "");
		return;
	}
	send(bufferevent_getfd(c->bev), "QUIT\r\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
	drop(c);
}

/* ---- life ---- */

struct connection *connection_new(struct smtp *s, struct smtp_mail *m)
{
	int fd = endpoint_connect(&s->to);
	struct connection *c;

	if (fd < 0)
		return NULL;
	c = mem_new(sizeof *c);
	c->smtp = s;
	c->mail = m;
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->timer = evtimer_new(s->base, on_timer, c);
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_WRITE, OUT_LOW, 0);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	touch(c, s->o.timeout);
	return c;
}

void connection_free(struct connection *c)
{
	event_free(c->timer);
	bufferevent_free(c->bev);
	reply_release(&c->reply);
	free(c);
}

void connection_give(struct connection *c, struct smtp_mail *m)
{
	c->mail = m;
	next_mail(c);
}
