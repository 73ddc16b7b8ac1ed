#include "policyd/smtp_connection.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "libkep/mem.h"

/* ---- fates ---- */

void smtp_settle(struct smtp_recipient *r, enum smtp_fate fate, int code, struct span text)
{
	r->fate = fate;
	reply_clear(&r->reply);
	r->reply.code = code;
	buf_add(&r->reply.text, text);
}

void smtp_settle_open(struct smtp_mail *m, enum smtp_fate fate, int code, struct span text)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->recipients[i].fate == SMTP_OPEN)
			smtp_settle(&m->recipients[i], fate, code, text);
}

void smtp_mail_release(struct smtp_mail *m)
{
	for (size_t i = 0; i < m->n; i++)
		reply_release(&m->recipients[i].reply);
	free(m->recipients);
	m->recipients = NULL;
	m->n = 0;
}

/* ---- mails that wait ---- */

void smtp_wait_first(struct smtp *s, struct smtp_mail *m)
{
	m->next = s->first;
	if (!s->first)
		s->last = &m->next;
	s->first = m;
}

void smtp_wait_last(struct smtp *s, struct smtp_mail *m)
{
	m->next = NULL;
	*s->last = m;
	s->last = &m->next;
}

static struct smtp_mail *take_first(struct smtp *s)
{
	struct smtp_mail *m = s->first;

	s->first = m->next;
	if (!s->first)
		s->last = &s->first;
	m->next = NULL;
	return m;
}

/* ---- connections ---- */

static void sweep(struct smtp *s)
{
	for (struct connection **at = &s->connections; *at; ) {
		struct connection *c = *at;

		if (!c->gone) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		s->n--;
		connection_free(c);
	}
}

static struct connection *idle_connection(struct smtp *s)
{
	struct connection *c = s->connections;

	while (c && (c->gone || c->phase != IDLE))
		c = c->next;
	return c;
}

static void keep(struct smtp *s, struct connection *c)
{
	c->next = s->connections;
	s->connections = c;
	s->n++;
}

static void unreachable(struct smtp *s, struct smtp_mail *m)
{
	struct buf words = BUF_INIT;

	buf_addf(&words, "%s cannot be reached: %s", s->to.text, strerror(errno));
	smtp_settle_open(m, SMTP_UNREACHABLE, 0, buf_span(&words));
	buf_release(&words);
	m->done(m, m->arg);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct smtp *s = arg;
	struct connection *c;

	sweep(s);
	while (s->first && ((c = idle_connection(s)) || s->n < s->o.connections)) {
		struct smtp_mail *m = take_first(s);

		if (c)
			connection_give(c, m);
		else if ((c = connection_new(s, m)))
			keep(s, c);
		else
			unreachable(s, m);
	}
}

void smtp_send(struct smtp *s, struct smtp_mail *m)
{
	for (size_t i = 0; i < m->n; i++)
		smtp_settle(&m->recipients[i], SMTP_OPEN, 0, SPAN_NONE);
	m->again = false;
	smtp_wait_last(s, m);
	event_active(s->kick, 0, 0);
}

struct smtp *smtp_new(struct event_base *base, const struct smtp_options *o, struct buf *error)
{
	struct smtp *s = mem_new(sizeof *s);

	if (!endpoint_parse(&s->to, o->key, o->where, error)) {
		free(s);
		return NULL;
	}
	s->o = *o;
	s->base = base;
	s->last = &s->first;
	s->kick = event_new(base, -1, 0, on_kick, s);
	return s;
}

void smtp_free(struct smtp *s)
{
	if (!s)
		return;
	while (s->connections) {
		struct connection *c = s->connections;

		s->connections = c->next;
		connection_free(c);
	}
	event_free(s->kick);
	endpoint_release(&s->to);
	free(s);
}
