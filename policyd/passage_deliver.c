/* The onward way of a KEP message: into mailboxes, or towards other providers;
 * each result is recorded before it is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/leg.h"
#include "policyd/shipment.h"

/* ---- record a result, then tell it ---- */

/* What Postfix is told once the record stands. */
struct result {
	struct leg  *leg;
	const char  *what;      /* for the log */
	struct reply reply;
};

static struct result *result_new(struct leg *l, const char *what, const struct reply *reply)
{
	struct result *r = mem_new(sizeof *r);

	r->leg = l;
	r->what = what;
	r->reply.code = reply->code;
	buf_add(&r->reply.text, buf_span(&reply->text));
	passage_hold(l->passage);
	return r;
}

static void on_recorded(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct result *r = arg;
	struct leg *l = r->leg;
	struct passage *p = l->passage;

	if (a == PG_DONE) {
		log_info("%s: %s to=<%s> recipient=%zu reply=%d %s", passage_name(p), r->what, l->rcpt->address.text, l->to->index,
		         r->reply.code, buf_str(&r->reply.text));
		leg_pass(l, &r->reply);
	} else {
		log_warn("%s: %s but not recorded, deferred to=<%s>: %s", passage_name(p), r->what, l->rcpt->address.text, words);
		leg_refuse(l, REASON_UNAVAILABLE);
	}
	reply_release(&r->reply);
	free(r);
	passage_drop(p);
}

/* ---- mailboxes ---- */

/* EN 319 522-2 tables 7 to 12, and EN 319 532-4 for RD21. */
static struct span failure_code(const struct reply *r)
{
	char status[REPLY_STATUS_SIZE];

	reply_status(r, status);
	if (strcmp(status, "5.2.2") == 0 || r->code == 552)
		return SPAN("RD04");            /* MessageNotConsignedForQuota */
	if (strncmp(status, "5.1.", 4) == 0)
		return SPAN("RD21");            /* MessageNotConsignedForUnregisteredRecipient */
	return SPAN("RD05");                    /* MessageNotConsignedForMalfunction */
}

static void ask_result(struct leg *l, const struct proof *proof, struct result *told)
{
	const struct record *r = &l->passage->record;
	struct pg_params v = { .n = 0 };
	char at[CLOCK_TEXT_SIZE], index[24];

	clock_text(at, proof->at);
	snprintf(index, sizeof index, "%zu", proof->recipient);
	pg_text(&v, span_str(r->kep_id));
	pg_text(&v, span_str(index));
	pg_text(&v, span_str(outcome_words(proof->outcome)->code));
	pg_text(&v, proof->reason_code);
	pg_text(&v, proof->reason_text);
	pg_text(&v, span_str(proof->id));
	pg_text(&v, span_str(at));
	pg_octets(&v, buf_span(&proof->body));
	pg_text(&v, r->sender_ours ? span_str(r->sender) : SPAN_NONE);
	pg_ask(l->passage->courier->d->pg, "SELECT evidence_id::text, inserted FROM kep.hop_result($1::uuid, $2::int, $3::text, $4::text, $5::text, $6::uuid, "
	       "$7::timestamptz, $8::bytea, $9::text)", &v, true, on_recorded, told);
}

static void record_delivery(struct leg *l, const struct reply *reply)
{
	bool delivered = reply_class(reply) == 2;
	struct buf words = BUF_INIT;
	struct proof proof = {
		.outcome = delivered ? OUTCOME_DELIVERED : OUTCOME_NOT_DELIVERED, .recipient = l->to->index, .at = clock_now(),
		.reason_code = delivered ? SPAN("RD01") : failure_code(reply),
	};

	reply_write(&words, reply);
	proof.reason_text = buf_span(&words);
	record_prove(&l->passage->record, l->passage->courier->d->conf, &proof);
	ask_result(l, &proof, result_new(l, delivered ? "delivered" : "not delivered", reply));
	buf_release(&proof.body);
	buf_release(&words);
}

static void mailbox_told(struct leg *l, const struct smtp_recipient *r)
{
	int class = reply_class(&r->reply);

	if (r->fate == SMTP_REPLIED && (class == 2 || class == 5))
		record_delivery(l, &r->reply);
	else
		leg_defer(l, r);
}

static void deliver_to_mailboxes(struct passage *p)
{
	struct shipment *s = shipment_new(p, span_str(p->envelope->sender), SPAN_NONE, mailbox_told);

	for (size_t i = 0; i < p->n; i++)
		if (p->legs[i].to && p->legs[i].to->ours && !p->legs[i].answered)
			shipment_add(s, &p->legs[i], SPAN_NONE);
	shipment_send(s, p->courier->mailbox);
}

/* ---- other providers ---- */

static void record_relay(struct leg *l, const struct reply *reply)
{
	struct pg_params v = { .n = 0 };
	char index[24];

	snprintf(index, sizeof index, "%zu", l->to->index);
	pg_text(&v, span_str(l->passage->id));
	pg_text(&v, span_str(index));
	pg_text(&v, span_str(l->to->relay));
	pg_text(&v, reply_queue_id(reply));
	pg_ask(l->passage->courier->d->pg, "SELECT kep.hop_relayed($1::uuid, $2::int, $3::text, $4::text)", &v, true, on_recorded,
	       result_new(l, "handed over for relay", reply));
}

/* Only our own Postfix answers here: what it refuses is for the admin to mend,
 * not for the sender to hear. */
static void relay_told(struct leg *l, const struct smtp_recipient *r)
{
	if (r->fate == SMTP_REPLIED && reply_class(&r->reply) == 2)
		record_relay(l, &r->reply);
	else
		leg_defer(l, r);
}

/* RFC 3461 section 4. */
static void add_xtext(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x21 || c > 0x7e || c == '+' || c == '=')
			buf_addf(out, "+%02X", c);
		else
			buf_addc(out, (char)c);
	}
}

static void add_to_relay(struct shipment *s, struct leg *l)
{
	struct buf params = BUF_INIT;

	buf_adds(&params, "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;");
	add_xtext(&params, addr_span(&l->to->address));
	shipment_add(s, l, buf_span(&params));
	buf_release(&params);
}

static bool to_provider(const struct leg *l)
{
	return l->to && !l->to->ours && !l->answered && !l->shipped;
}

/* One transaction for all legs that go where the first one goes. */
static void relay_from(struct passage *p, size_t first)
{
	const struct record_recipient *to = p->legs[first].to;
	struct buf sender = BUF_INIT, params = BUF_INIT;
	struct shipment *s;

	buf_addf(&sender, "relay+%s.%zu@%s", p->id, to->index, p->courier->d->conf->track_domain);
	buf_addf(&params, "RET=HDRS ENVID=%s", p->id);
	s = shipment_new(p, buf_span(&sender), buf_span(&params), relay_told);
	for (size_t i = first; i < p->n; i++) {
		struct leg *l = &p->legs[i];

		if (to_provider(l) && l->to->relay && strcmp(l->to->relay, to->relay) == 0) {
			l->shipped = true;
			add_to_relay(s, l);
		}
	}
	shipment_send(s, p->courier->inject);
	buf_release(&sender);
	buf_release(&params);
}

static void relay_to_providers(struct passage *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct leg *l = &p->legs[i];

		if (!to_provider(l))
			continue;
		if (l->to->relay) {
			relay_from(p, i);
			continue;
		}
		log_warn("%s: deferred to=<%s>: the provider of this domain has no relay host; set one with kepctl provider add",
		         passage_name(p), l->rcpt->address.text);
		leg_answer(l, 451, SPAN("4.3.5 no relay host is known for this provider"));
	}
}

void passage_deliver(struct passage *p)
{
	deliver_to_mailboxes(p);
	relay_to_providers(p);
}
