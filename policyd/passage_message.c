/* A KEP message: open the record, compare, accept, map the recipients. */
#include <stdlib.h>
#include <string.h>

#include "libkep/log.h"
#include "policyd/leg.h"

static void open_record(struct passage *p);
static void compare(struct passage *p);
static void raise_alarm(struct passage *p);
static void accept_message(struct passage *p);
static void sort_legs(struct passage *p);

void passage_message(struct passage *p)
{
	open_record(p);
}

static void unavailable(struct passage *p, const char *step, const char *words)
{
	log_warn("%s: deferred why=unavailable kep_id=%s: %s: %s", passage_name(p), p->id, step, words);
	passage_refuse(p, REASON_UNAVAILABLE);
}

/* ---- open ---- */

static void on_opened(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct passage *p = arg;

	if (a != PG_DONE) {
		unavailable(p, "kep.hop_open", words);
	} else if (pg_rows_count(rows) == 0) {
		log_warn("-: refused why=unknown-message kep_id=%s from=<%s>", p->id, p->envelope->sender);
		passage_refuse(p, REASON_UNKNOWN_MESSAGE);
	} else if (!record_read(&p->record, p->id, rows)) {
		unavailable(p, "kep.hop_open", "the record cannot be read; program and schema are of different versions");
	} else {
		compare(p);
	}
	passage_drop(p);
}

static void open_record(struct passage *p)
{
	struct pg_params v = { .n = 0 };

	pg_text(&v, span_str(p->id));
	passage_hold(p);
	pg_ask(p->courier->d->pg, "SELECT * FROM kep.hop_open($1::uuid)", &v, false, on_opened, p);
}

/* ---- compare ---- */

static void compare(struct passage *p)
{
	const struct fingerprint *now = spool_fingerprint(p->spool), *then = &p->record.fingerprint;

	if (p->record.canonical == CANONICAL_VERSION && memcmp(now->sha256, then->sha256, sizeof now->sha256) == 0 &&
	    memcmp(now->sha512, then->sha512, sizeof now->sha512) == 0)
		accept_message(p);
	else
		raise_alarm(p);
}

static void on_alarmed(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct passage *p = arg;

	if (a == PG_DONE)
		passage_refuse(p, REASON_DIGEST_DIFFERS);
	else
		unavailable(p, "kep.hop_alarm", words);
	passage_drop(p);
}

static void describe_difference(struct buf *out, const struct passage *p)
{
	char now[2 * SHA256_SIZE + 1], then[2 * SHA256_SIZE + 1];

	hex_encode(now, spool_fingerprint(p->spool)->sha256, SHA256_SIZE);
	hex_encode(then, p->record.fingerprint.sha256, SHA256_SIZE);
	buf_addf(out, "judged form=%d sha256=%s, arrived form=%d sha256=%s", p->record.canonical, then, CANONICAL_VERSION, now);
}

static void raise_alarm(struct passage *p)
{
	struct buf details = BUF_INIT;
	struct pg_params v = { .n = 0 };

	describe_difference(&details, p);
	log_warn("%s: refused why=digest-differs kep_id=%s from=<%s>: %s; look for content filters and header checks between the milter and the hop",
	         passage_name(p), p->id, p->record.sender, buf_str(&details));
	pg_text(&v, span_str(p->id));
	pg_text(&v, span_str(conf_hostname(p->courier->d->conf)));
	pg_text(&v, span_str(reason_words(REASON_DIGEST_DIFFERS)->wire));
	pg_text(&v, buf_span(&details));
	passage_hold(p);
	pg_ask(p->courier->d->pg, "SELECT kep.hop_alarm($1::uuid, $2::text, $3::text, $4::text)", &v, true, on_alarmed, p);
	buf_release(&details);
}

/* ---- accept ---- */

static void on_accepted(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct passage *p = arg;
	struct span id = a == PG_DONE ? pg_value(rows, 0, 0) : SPAN_NONE;

	if (!uuid_valid(id)) {
		unavailable(p, "kep.hop_accept", words ? words : "no evidence came back");
	} else {
		memcpy(p->record.previous, id.p, 36);
		p->record.accepted = true;
		log_info("%s: accepted kep_id=%s from=<%s> nrcpt=%zu evidence=%s", passage_name(p), p->id, p->record.sender, p->record.n, p->record.previous);
		sort_legs(p);
	}
	passage_drop(p);
}

static void ask_accept(struct passage *p, const struct proof *proof, struct span receipt_to)
{
	struct pg_params v = { .n = 0 };
	char at[CLOCK_TEXT_SIZE];

	clock_text(at, proof->at);
	pg_text(&v, span_str(p->id));
	pg_text(&v, span_str(proof->id));
	pg_text(&v, span_str(outcome_words(proof->outcome)->code));
	pg_text(&v, span_str(at));
	pg_octets(&v, buf_span(&proof->body));
	pg_text(&v, receipt_to);
	passage_hold(p);
	pg_ask(p->courier->d->pg, "SELECT evidence_id::text, inserted FROM kep.hop_accept($1::uuid, $2::uuid, $3::text, $4::timestamptz, $5::bytea, $6::text)",
	       &v, true, on_accepted, p);
}

/* Its arrival proves that Postfix kept it. */
static void accept_message(struct passage *p)
{
	bool ours = p->record.sender_ours;
	struct proof proof = {
		.outcome = ours ? OUTCOME_ACCEPTED : OUTCOME_RELAY_ACCEPTED, .at = clock_now(),
		.reason_code = ours ? SPAN("RA01") : SPAN("RB01"),
		.reason_text = ours ? SPAN("MessageAccepted") : SPAN("S_ERDS_MessageSuccessfullyRelayed"),
	};

	if (p->record.accepted) {
		sort_legs(p);
		return;
	}
	record_prove(&p->record, p->courier->d->conf, &proof);
	ask_accept(p, &proof, ours ? span_str(p->record.sender) : SPAN_NONE);
	buf_release(&proof.body);
}

/* ---- sort ---- */

/* Another transaction is delivering to this recipient now (Postfix gave up a
 * connection and tries again while the mailbox server is still at work). */
static bool under_way(const struct passage *self, const struct record_recipient *to)
{
	for (const struct passage *p = self->courier->passages; p; p = p->next)
		for (size_t i = 0; p != self && strcmp(p->id, self->id) == 0 && i < p->n; i++)
			if (p->legs[i].to && p->legs[i].to->index == to->index && !p->legs[i].answered)
				return true;
	return false;
}

static void map_leg(struct leg *l)
{
	const struct record *r = &l->passage->record;
	struct addr room;

	l->to = record_find(r, leg_original(l, &room));
	if (!l->to)
		l->to = record_find(r, &l->rcpt->address);
}

static void sort_leg(struct leg *l)
{
	struct passage *p = l->passage;

	map_leg(l);
	if (!l->to) {
		log_warn("%s: refused why=recipient-unmapped to=<%s> orcpt=%s; look for alias, canonical and BCC maps",
		         passage_name(p), l->rcpt->address.text, l->rcpt->orcpt ? l->rcpt->orcpt : "-");
		leg_refuse(l, REASON_RECIPIENT_UNMAPPED);
	} else if (under_way(p, l->to)) {
		leg_answer(l, 451, SPAN("4.3.0 this recipient is being delivered to; try again later"));
	} else if (l->to->state == RECORD_DELIVERED || l->to->state == RECORD_RELAYED) {
		log_info("%s: delivered before to=<%s>", passage_name(p), l->rcpt->address.text);
		leg_answer(l, 250, SPAN("2.0.0 delivered before"));
	} else if (l->to->state == RECORD_FAILED) {
		leg_answer(l, 550, SPAN("5.0.0 recorded before as not delivered"));
	}
}

static void sort_legs(struct passage *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->legs[i].report)
			sort_leg(&p->legs[i]);
	passage_deliver(p);
}
