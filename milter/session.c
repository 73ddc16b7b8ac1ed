#include "milter/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

#define QUEUE_ID_SIZE 64
#define SHOWN_SIZE    (ADDR_SIZE + 3)   /* an address in a log line, with "<>" and NUL */

struct session {
	const struct conf *conf;
	const char        *host;
	struct asker       asker;
	char               client[64];
	struct gate       *gate;        /* made with the first KEP message */

	/* The message under way. */
	char             queue_id[QUEUE_ID_SIZE];
	char            *sender;        /* folded, or as it came */
	char            *login;
	struct addr      from;          /* the sender where it can be read */
	bool             readable;      /* from is the sender */
	bool             known;         /* the next two were told, with the first recipient that was taken */
	bool             kep;           /* the sender is a KEP address */
	bool             provider;      /* of another provider */
	bool             heard;         /* a question about it had a real answer */
	bool             mute;          /* the first one had none: more would not either */
	bool             local;
	bool             passing;       /* ordinary mail: its content is not looked at */
	size_t           count;         /* recipients taken */
	struct addr_list accepted, offered;
	enum reason      held;          /* what stands against a local submission */
	enum reason      fault;         /* found here, not by the gate */
	struct strip     strip;
	char             kep_id[KEP_ID_SIZE];
};

struct session *session_new(const struct conf *conf, const struct asker *asker)
{
	struct session *s = mem_new(sizeof *s);

	s->conf = conf;
	s->host = conf_hostname(conf);
	s->asker = *asker;
	return s;
}

static void forget(struct session *s)
{
	free(s->sender);
	free(s->login);
	s->sender = s->login = NULL;
	addr_list_release(&s->accepted);
	addr_list_release(&s->offered);
	strip_clear(&s->strip);
	s->queue_id[0] = s->kep_id[0] = '\0';
	s->readable = s->known = s->kep = s->provider = s->heard = s->mute = s->local = s->passing = false;
	s->count = 0;
	s->held = s->fault = REASON_ACCEPTED;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	forget(s);
	strip_release(&s->strip);
	gate_free(s->gate);
	free(s);
}

void session_client(struct session *s, const char *address)
{
	snprintf(s->client, sizeof s->client, "%s", address ? address : "");
}

void session_queue_id(struct session *s, const char *id)
{
	if (id && strlen(id) < sizeof s->queue_id)
		strcpy(s->queue_id, id);
}

/* "<address>" for a log line, from octets a stranger chose: one word. */
static const char *shown(char out[SHOWN_SIZE], struct span address)
{
	size_t n = 0;

	out[n++] = '<';
	for (size_t i = 0; i < address.n && n < SHOWN_SIZE - 2; i++) {
		char c = address.p[i];

		out[n++] = (unsigned char)c <= ' ' || c == '<' || c == '>' ? '?' : c;
	}
	out[n++] = '>';
	out[n] = '\0';
	return out;
}

static const char *name_of_message(const struct session *s)
{
	return s->queue_id[0] ? s->queue_id : "NOQUEUE";
}

static void log_refused(const struct session *s, const char *rcpt, enum reason why)
{
	const struct reason_words *w = reason_words(why);
	char from[SHOWN_SIZE], login[SHOWN_SIZE], to[SHOWN_SIZE];

	log_info("%s: refused why=%s from=%s login=%s%s%s client=%s: %s", name_of_message(s), w->wire,
	    shown(from, span_str(s->sender)), shown(login, span_str(s->login)), rcpt ? " to=" : "",
	    rcpt ? shown(to, span_str(rcpt)) : "", s->client, w->english);
}

static void log_judged(const struct session *s, const struct judged *m)
{
	const struct reason_words *w = reason_words(m->why);
	const struct signer *signer = &m->verdict->signer;
	char from[SHOWN_SIZE], login[SHOWN_SIZE], facts[3 * SHOWN_SIZE];
	const char *who = signer->identity ? signer->identity : signer->subject, *cades = who ? cades_name(signer->cades) : "-";

	snprintf(facts, sizeof facts, "from=%s login=%s nrcpt=%zu size=%zu", shown(from, span_str(s->sender)),
	    shown(login, span_str(s->login)), s->count, m->verdict->size);
	if (m->why == REASON_ACCEPTED)
		log_info("%s: accepted kep_id=%s %s signer=%s cades=%s", name_of_message(s), s->kep_id, facts, who ? who : "-", cades);
	else
		log_info("%s: %s why=%s %s signer=%s cades=%s: %s", name_of_message(s), w->code < 500 ? "deferred" : "rejected", w->wire,
		    facts, who ? who : "-", cades, w->english);
}

static struct party party(const struct session *s)
{
	return (struct party){ s->sender, s->login, s->client };
}

/* Text without its angle brackets. */
static struct span bare(struct span text)
{
	if (text.n >= 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		return span_of(text.p + 1, text.n - 2);
	return text;
}

/* The worst that is known against a local submission: KEP first, then any other
 * refusal, then what could not be found out. */
static void hold(struct session *s, enum reason why)
{
	if (why == REASON_ACCEPTED || s->held == REASON_LOCAL_SUBMISSION)
		return;
	if (s->held == REASON_ACCEPTED || s->held == REASON_UNAVAILABLE || why == REASON_LOCAL_SUBMISSION)
		s->held = why;
}

void session_mail(struct session *s, struct span sender, const char *login, bool local)
{
	session_abort(s);
	s->readable = addr_parse(&s->from, sender);
	s->sender = s->readable ? mem_str(s->from.text) : mem_span(bare(sender));
	s->login = mem_str(login ? login : "");
	s->local = local;
}

/* What the answer about a recipient that may be taken tells of the sender.
 * false: not what was told before; the directory has changed. */
static bool learn(struct session *s, const struct answer *a)
{
	bool same = !s->known || (a->kep == s->kep && a->provider == s->provider);

	if (!s->known) {
		s->known = true;
		s->kep = a->kep;
		s->provider = a->provider;
	}
	return same;
}

/* Ask about one recipient; rcpt is NULL where it cannot be read. */
static enum reason ask_rcpt(struct session *s, const struct addr *rcpt, const char *text, struct span orcpt, bool *kep)
{
	struct party p = party(s);
	struct addr original;
	struct answer a;

	*kep = s->kep;
	if (s->mute)            /* every question would wait as long as that one did */
		return REASON_UNAVAILABLE;
	if (s->kep && !s->local && s->accepted.n >= s->conf->recipient_limit)
		return REASON_TOO_MANY_RECIPIENTS;
	question_rcpt(&s->asker, &p, text, &a);
	*kep = a.kep;
	s->heard = s->heard || a.why != REASON_UNAVAILABLE;
	s->mute = !s->heard;
	if (a.why != REASON_ACCEPTED)
		return a.why;
	if (!learn(s, &a))
		return REASON_UNAVAILABLE;
	if (!a.kep)
		return REASON_ACCEPTED;
	if (!s->readable || addr_empty(&s->from) || !rcpt)
		return REASON_ADDRESS_SYNTAX;
	if (orcpt.p && !(addr_parse_orcpt(&original, orcpt) && addr_eq(&original, rcpt)))
		return REASON_ORCPT_MISMATCH;
	return REASON_ACCEPTED;
}

/* Lists are kept for what may be KEP mail only, and never longer than the limit. */
static void remember(const struct session *s, struct addr_list *list, const struct addr *rcpt)
{
	if (rcpt && (s->kep || !s->known || s->local) && list->n < s->conf->recipient_limit)
		addr_list_add(list, rcpt);
}

enum reason session_rcpt(struct session *s, struct span text, struct span orcpt)
{
	struct addr a, *rcpt = addr_parse(&a, text) && !addr_empty(&a) ? &a : NULL;
	char *raw = rcpt ? mem_str(a.text) : mem_span(bare(text));
	bool kep = false;
	enum reason why = ask_rcpt(s, rcpt, raw, orcpt, &kep);

	if (s->local) {
		hold(s, kep ? REASON_LOCAL_SUBMISSION : why);
		why = REASON_ACCEPTED;
	}
	if (why != REASON_TOO_MANY_RECIPIENTS)
		remember(s, &s->offered, rcpt);
	if (why == REASON_ACCEPTED) {
		remember(s, &s->accepted, rcpt);
		s->count++;
	} else {
		log_refused(s, raw, why);
	}
	free(raw);
	return why;
}

void session_rcpt_refused(struct session *s, struct span text)
{
	struct addr a;

	if (addr_parse(&a, text) && !addr_empty(&a))
		remember(s, &s->offered, &a);
}

void session_data(struct session *s)
{
	char from[SHOWN_SIZE];

	if (s->known && !s->kep && s->held == REASON_ACCEPTED) {
		log_info("%s: passed from=%s nrcpt=%zu: ordinary mail", name_of_message(s), shown(from, span_str(s->sender)), s->count);
		s->passing = true;
	} else if (s->gate) {
		gate_restart(s->gate);
	} else {
		s->gate = gate_new(s->conf);
	}
}

void session_field(struct session *s, struct span name, struct span value)
{
	enum reason fault;

	if (s->passing)
		return;
	fault = strip_look(&s->strip, s->host, s->conf->header_count_limit, name, value);
	if (s->fault == REASON_ACCEPTED)
		s->fault = fault;
	gate_field(s->gate, name, value);
}

void session_end_of_header(struct session *s)
{
	if (!s->passing)
		gate_end_of_header(s->gate);
}

void session_body(struct session *s, struct span octets)
{
	if (!s->passing)
		gate_push(s->gate, octets);
}

static enum reason judge(const struct session *s, const struct verdict *v)
{
	if (!s->queue_id[0]) {
		log_warn("Postfix gave no queue id (macro i); the message cannot be recorded");
		return REASON_UNAVAILABLE;
	}
	if (s->held != REASON_ACCEPTED)
		return s->held;
	if (v->why != REASON_ACCEPTED)
		return v->why;
	if (s->fault != REASON_ACCEPTED)
		return s->fault;
	if (s->accepted.n == 0)         /* nobody is behind it: not a message we asked about */
		return REASON_UNAVAILABLE;
	return gate_envelope(v, !s->provider, &s->from, &s->accepted, &s->offered);
}

/* Have the verdict recorded.  What cannot be recorded is not known. */
static void record(struct session *s, struct judged *m)
{
	struct party p = party(s);
	struct answer a;

	if (m->why == REASON_ACCEPTED) {
		question_submit(&s->asker, &p, m, &a);
		m->why = a.why;
		memcpy(s->kep_id, a.kep_id, sizeof s->kep_id);
	}
	if (reason_words(m->why)->code < 500)
		return;
	question_refuse(&s->asker, &p, m, &a);
	if (a.why != REASON_ACCEPTED) {
		log_warn("%s: the refusal why=%s could not be recorded", s->queue_id, reason_words(m->why)->wire);
		m->why = REASON_UNAVAILABLE;
	}
}

enum reason session_end(struct session *s, const struct trust *trust, usec now)
{
	struct verdict v;
	struct judged m = { s->queue_id, &s->accepted, &v, REASON_UNAVAILABLE };

	if (s->passing)
		return REASON_ACCEPTED;
	memset(&v, 0, sizeof v);
	gate_finish(s->gate, trust, now, &v);
	m.why = judge(s, &v);
	record(s, &m);
	log_judged(s, &m);
	verdict_release(&v);
	return m.why;
}

const char *session_kep_id(const struct session *s)
{
	return s->kep_id;
}

const struct strip *session_strip(const struct session *s)
{
	return &s->strip;
}

void session_abort(struct session *s)
{
	forget(s);
}

void session_reply(struct buf *out, enum reason why)
{
	const struct reason_words *w = reason_words(why);

	buf_clear(out);
	buf_adds(out, "KEP: ");
	for (const char *c = w->english; *c; c++)
		buf_adds(out, *c == '%' ? "%%" : (char[]){ *c, '\0' });
	buf_addf(out, " (why=%s)", w->wire);
}
