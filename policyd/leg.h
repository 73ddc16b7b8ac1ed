/* leg.h - the parts of a passage that its files share: its legs, one for each
 * RCPT of the transaction, and what holds it alive.  Only passage*.c and
 * shipment.c include this.
 */
#ifndef KEP_LEG_H
#define KEP_LEG_H

#include "libkep/reason.h"
#include "policyd/passage.h"
#include "policyd/record.h"
#include "policyd/smtp.h"

struct leg {
	struct passage              *passage;
	const struct lmtp_recipient *rcpt;
	struct record_recipient     *to;        /* whom it is for; NULL: not mapped, or no message */
	bool                         report;    /* to conf track_domain: goes its own way */
	bool                         known;     /* a receipt we have ordered for this recipient */
	bool                         shipped;   /* it belongs to a shipment towards another provider */
	bool                         answered;
};

struct passage {
	struct courier             *courier;
	struct passage             *next;
	const struct passage_hooks *hooks;
	void                       *arg;
	const struct lmtp_envelope *envelope;
	const struct spool         *spool;
	struct leg                 *legs;       /* as many as the envelope has recipients */
	size_t                      n;
	size_t                      holds;      /* questions and mails under way, and whoever works on it now */
	size_t                      asked;      /* in a receipt: questions open */
	char                        id[37];     /* X-KEP-ID or X-KEP-Evidence */
	struct record               record;     /* of a message, once it is opened */
};

/* The passage is done when the last hold goes. */
void passage_hold(struct passage *p);
void passage_drop(struct passage *p);

/* "4Z8F2AB23" once the record is open, the KEP id before; for log lines. */
const char *passage_name(const struct passage *p);

void leg_answer(struct leg *l, int code, struct span text);
void leg_refuse(struct leg *l, enum reason why);
/* 451 4.4.1 or 4.4.2 for a server that could not be reached or was lost; the
 * server's own answer with a 4xx code otherwise. */
void leg_defer(struct leg *l, const struct smtp_recipient *r);
/* The server's reply: its words, and its code if that is one for this place. */
void leg_pass(struct leg *l, const struct reply *r);
/* All legs that are no reports and have no answer yet. */
void passage_refuse(struct passage *p, enum reason why);
/* The recipient as first given: ORCPT if it can be read, else RCPT. */
const struct addr *leg_original(const struct leg *l, struct addr *room);
/* "NAME+" rest "@" conf track_domain.  SPAN_NONE: not that. */
struct span track_rest(const struct conf *conf, const struct addr *a, const char *name);

/* The ways; each answers its legs, now or later. */
void passage_message(struct passage *p);
void passage_deliver(struct passage *p);        /* a message: every leg with `to` and no answer */
void passage_receipt(struct passage *p);
void passage_bounce(struct passage *p);
void passage_report(struct leg *l);

#endif
