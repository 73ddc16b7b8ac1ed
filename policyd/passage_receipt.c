/* What is delivered without evidence: our own receipts, and bounces of our own
 * Postfix.  Nothing is ever made out of them. */
#include <stdlib.h>

#include "libkep/log.h"
#include "policyd/directory.h"
#include "policyd/leg.h"
#include "policyd/shipment.h"

/* A refusal of a mailbox is passed on as it is; so is a delivery. */
static void told(struct leg *l, const struct smtp_recipient *r)
{
	int class = reply_class(&r->reply);

	if (r->fate == SMTP_REPLIED && (class == 2 || class == 5))
		leg_pass(l, &r->reply);
	else
		leg_defer(l, r);
}

/* ---- receipts ---- */

static void deliver_receipt(struct passage *p)
{
	struct shipment *s = shipment_new(p, span_str(p->envelope->sender), SPAN_NONE, told);

	for (size_t i = 0; i < p->n; i++)
		if (p->legs[i].known)
			shipment_add(s, &p->legs[i], SPAN_NONE);
	shipment_send(s, p->courier->mailbox);
}

static void on_looked_up(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct leg *l = arg;
	struct passage *p = l->passage;

	if (a != PG_DONE) {
		log_warn("%s: receipt deferred to=<%s>: %s", passage_name(p), l->rcpt->address.text, words);
		leg_refuse(l, REASON_UNAVAILABLE);
	} else if (!(l->known = span_is(pg_value(rows, 0, 0), "t"))) {
		log_warn("%s: refused why=unknown-message to=<%s>: no such receipt was ordered for this recipient", passage_name(p), l->rcpt->address.text);
		leg_refuse(l, REASON_UNKNOWN_MESSAGE);
	}
	if (--p->asked == 0)
		deliver_receipt(p);
	passage_drop(p);
}

static void look_up(struct leg *l)
{
	struct passage *p = l->passage;
	struct pg_params v = { .n = 0 };
	struct addr room;

	pg_text(&v, span_str(p->id));
	pg_text(&v, addr_span(leg_original(l, &room)));
	passage_hold(p);
	pg_ask(p->courier->d->pg, "SELECT known FROM kep.receipt_for($1::uuid, $2::text)", &v, false, on_looked_up, l);
}

void passage_receipt(struct passage *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->asked += !p->legs[i].report;
	for (size_t i = 0; i < p->n; i++)
		if (!p->legs[i].report)
			look_up(&p->legs[i]);
}

/* ---- bounces ---- */

static void bounce_leg(struct leg *l, struct shipment *home)
{
	struct passage *p = l->passage;
	struct shipment *away;
	struct addr folded;

	switch (directory_party(p->courier->d->directory, addr_span(&l->rcpt->address), &folded)) {
	case PARTY_OURS:
		shipment_add(home, l, SPAN_NONE);
		break;
	case PARTY_PROVIDER:
		away = shipment_new(p, SPAN_NONE, SPAN_NONE, told);
		shipment_add(away, l, SPAN("NOTIFY=NEVER"));
		shipment_send(away, p->courier->inject);
		break;
	default:
		log_warn("-: refused why=recipient-not-ours to=<%s>: a bounce for somebody who is not KEP", l->rcpt->address.text);
		leg_refuse(l, REASON_RECIPIENT_NOT_OURS);
		break;
	}
}

void passage_bounce(struct passage *p)
{
	struct shipment *home;

	if (!directory_loaded(p->courier->d->directory)) {
		passage_refuse(p, REASON_UNAVAILABLE);
		return;
	}
	home = shipment_new(p, SPAN_NONE, SPAN_NONE, told);
	for (size_t i = 0; i < p->n; i++)
		if (!p->legs[i].report)
			bounce_leg(&p->legs[i], home);
	shipment_send(home, p->courier->mailbox);
}
