#include "policyd/leg.h"

#include <stdlib.h>
#include <string.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/shipment.h"

/* ---- life ---- */

static void passage_free(struct passage *p)
{
	struct passage **at = &p->courier->passages;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	record_release(&p->record);
	free(p->legs);
	free(p);
}

void passage_hold(struct passage *p)
{
	p->holds++;
}

void passage_drop(struct passage *p)
{
	const struct passage_hooks *hooks = p->hooks;
	void *arg = p->arg;

	if (--p->holds)
		return;
	for (size_t i = 0; i < p->n; i++)
		if (!p->legs[i].answered)
			log_panic("a passage ends and recipient %zu has no answer", i);
	passage_free(p);
	hooks->done(arg);
}

void passage_free_all(struct courier *c)
{
	shipment_free_all(c);
	while (c->passages)
		passage_free(c->passages);
}

const char *passage_name(const struct passage *p)
{
	return p->record.queue_id ? p->record.queue_id : *p->id ? p->id : "-";
}

/* ---- answers ---- */

void leg_answer(struct leg *l, int code, struct span text)
{
	struct passage *p = l->passage;

	if (l->answered)
		log_panic("a recipient is answered twice");
	l->answered = true;
	p->hooks->answer(p->arg, (size_t)(l - p->legs), code, text);
}

void leg_refuse(struct leg *l, enum reason why)
{
	const struct reason_words *w = reason_words(why);
	struct buf text = BUF_INIT;

	buf_addf(&text, "%s %s", w->status, w->english);
	leg_answer(l, w->code, buf_span(&text));
	buf_release(&text);
}

/* Behind the dot only these codes mean what the server means: a Postfix that
 * reads 501 or 421 there waits for more replies, or takes us for dead. */
static int behind_the_dot(int code)
{
	switch (code / 10) {
	case 25:
	case 45:
	case 55:
		return code;
	default:
		return code / 100 == 2 ? 250 : code / 100 == 5 ? 550 : 451;
	}
}

void leg_defer(struct leg *l, const struct smtp_recipient *r)
{
	struct buf text = BUF_INIT;

	log_warn("%s: deferred to=<%s> why=%s", passage_name(l->passage), l->rcpt->address.text, buf_str(&r->reply.text));
	if (r->fate != SMTP_REPLIED)
		buf_adds(&text, r->fate == SMTP_LOST ? "4.4.2 " : "4.4.1 ");
	else if (reply_class(&r->reply) != 4)
		buf_adds(&text, "4.3.5 ");      /* not an answer to be passed on as it is */
	buf_add(&text, buf_span(&r->reply.text));
	leg_answer(l, reply_class(&r->reply) == 4 ? behind_the_dot(r->reply.code) : 451, buf_span(&text));
	buf_release(&text);
}

void leg_pass(struct leg *l, const struct reply *r)
{
	leg_answer(l, behind_the_dot(r->code), buf_span(&r->text));
}

void passage_refuse(struct passage *p, enum reason why)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->legs[i].answered && !p->legs[i].report)
			leg_refuse(&p->legs[i], why);
}

const struct addr *leg_original(const struct leg *l, struct addr *room)
{
	if (l->rcpt->orcpt && addr_parse_orcpt(room, span_str(l->rcpt->orcpt)))
		return room;
	return &l->rcpt->address;
}

struct span track_rest(const struct conf *conf, const struct addr *a, const char *name)
{
	struct span local = span_of(a->text, addr_empty(a) ? 0 : a->at), word;

	if (addr_empty(a) || !span_caseeq(addr_domain(a), span_str(conf->track_domain)))
		return SPAN_NONE;
	word = span_cut(&local, '+');
	return span_is(word, name) ? local : SPAN_NONE;
}

/* ---- which way ---- */

/* The one value of a header field that holds a UUID.  false: none, several, or
 * no UUID. */
static bool one_uuid(const struct spool *s, const char *field, char out[37])
{
	struct span value;

	if (spool_field(s, field, &value) != 1 || !uuid_valid(value))
		return false;
	memcpy(out, value.p, 36);
	out[36] = '\0';
	return true;
}

static bool is_receipt(struct passage *p)
{
	struct span rest = track_rest(p->courier->d->conf, &p->envelope->sender_address, "receipt");
	char id[37];

	if (!rest.n || !one_uuid(p->spool, "X-KEP-Evidence", id) || !span_is(rest, id))
		return false;
	memcpy(p->id, id, sizeof id);
	return true;
}

static void go(struct passage *p)
{
	if (is_receipt(p)) {
		passage_receipt(p);
	} else if (one_uuid(p->spool, "X-KEP-ID", p->id)) {
		passage_message(p);
	} else if (addr_empty(&p->envelope->sender_address)) {
		passage_bounce(p);
	} else {
		log_warn("-: refused why=unknown-message from=<%s> nrcpt=%zu: neither X-KEP-ID nor a receipt", p->envelope->sender, p->n);
		passage_refuse(p, REASON_UNKNOWN_MESSAGE);
	}
}

/* Reports go their own way, each recipient for itself.  How many others there are. */
static size_t set_reports_apart(struct passage *p)
{
	struct span domain = span_str(p->courier->d->conf->track_domain);
	size_t others = 0;

	for (size_t i = 0; i < p->n; i++) {
		p->legs[i].report = span_caseeq(addr_domain(&p->legs[i].rcpt->address), domain);
		others += !p->legs[i].report;
	}
	for (size_t i = 0; i < p->n; i++)
		if (p->legs[i].report)
			passage_report(&p->legs[i]);
	return others;
}

void passage_start(struct courier *c, const struct lmtp_envelope *envelope, const struct spool *spool,
                   const struct passage_hooks *hooks, void *arg)
{
	struct passage *p = mem_new(sizeof *p);

	*p = (struct passage){ .courier = c, .next = c->passages, .hooks = hooks, .arg = arg, .envelope = envelope, .spool = spool, .n = envelope->n };
	c->passages = p;
	p->legs = mem_array(p->n, sizeof *p->legs);
	for (size_t i = 0; i < p->n; i++)
		p->legs[i] = (struct leg){ .passage = p, .rcpt = &envelope->recipients[i] };
	passage_hold(p);
	if (set_reports_apart(p))
		go(p);
	passage_drop(p);
}
