/* Delivery reports about what we relayed or sent as a receipt: recorded, never
 * delivered.  Return addresses are relay+KEPID.INDEX and receipt+EVIDENCEID. */
#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/dsn.h"
#include "policyd/leg.h"

struct report {
	struct leg   *leg;
	char          kep_id[37];
	size_t        index;            /* the recipient the return address names */
	struct dsn    dsn;
	struct record record;
	size_t        asked;            /* questions open */
	bool          failed;           /* one of them could not be answered */
};

static void report_free(struct report *r)
{
	dsn_release(&r->dsn);
	record_release(&r->record);
	free(r);
}

static void taken(struct leg *l)
{
	leg_answer(l, 250, SPAN("2.0.0 report recorded"));
}

/* ---- record what it says ---- */

static void finish(struct report *r)
{
	if (r->failed)
		leg_refuse(r->leg, REASON_UNAVAILABLE);
	else
		taken(r->leg);
	report_free(r);
}

static void on_event(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct report *r = arg;
	struct passage *p = r->leg->passage;

	if (a != PG_DONE)
		log_warn("%s: report deferred kep_id=%s: %s", r->record.queue_id, r->kep_id, words);
	r->failed |= a != PG_DONE;
	if (--r->asked == 0)
		finish(r);
	passage_drop(p);
}

/* Which recorded recipient a group of the report is about; 0: none. */
static size_t whom(const struct report *r, const struct dsn_recipient *d)
{
	const struct record_recipient *to = addr_empty(&d->original) ? NULL : record_find(&r->record, &d->original);

	if (!to && !addr_empty(&d->final))
		to = record_find(&r->record, &d->final);
	return to ? to->index : r->dsn.n == 1 ? r->index : 0;
}

static void record_event(struct report *r, size_t index, const struct dsn_recipient *d)
{
	struct passage *p = r->leg->passage;
	struct pg_params v = { .n = 0 };
	char number[24];

	log_info("%s: report action=%s recipient=%zu status=%s: %s", r->record.queue_id, d->action, index, d->status, d->diagnostic);
	snprintf(number, sizeof number, "%zu", index);
	pg_text(&v, span_str(r->kep_id));
	pg_text(&v, span_str(number));
	pg_text(&v, span_str(d->action));
	pg_text(&v, span_str(d->status));
	pg_text(&v, span_str(d->diagnostic));
	r->asked++;
	passage_hold(p);
	pg_ask(p->courier->d->pg, "SELECT kep.relay_event($1::uuid, $2::int, $3::text, $4::text, $5::text)", &v, true, on_event, r);
}

static void record_events(struct report *r)
{
	r->asked = 1;           /* ours, while there may be more to ask */
	for (size_t i = 0; i < r->dsn.n; i++) {
		size_t index = whom(r, &r->dsn.recipients[i]);

		if (index)
			record_event(r, index, &r->dsn.recipients[i]);
	}
	if (--r->asked == 0)
		finish(r);
}

/* ---- about a relayed message ---- */

static void on_opened(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct report *r = arg;
	struct passage *p = r->leg->passage;

	if (a == PG_DONE && record_read(&r->record, r->kep_id, rows)) {
		record_events(r);
	} else if (a == PG_DONE) {
		log_warn("-: report about an unknown message kep_id=%s dropped", r->kep_id);
		taken(r->leg);
		report_free(r);
	} else {
		log_warn("-: report deferred kep_id=%s: %s", r->kep_id, words);
		leg_refuse(r->leg, REASON_UNAVAILABLE);
		report_free(r);
	}
	passage_drop(p);
}

/* "KEPID.INDEX" */
static bool read_return_address(struct report *r, struct span rest)
{
	struct span id = span_cut(&rest, '.');

	if (!uuid_valid(id) || rest.n == 0 || rest.n > 4)
		return false;
	memcpy(r->kep_id, id.p, 36);
	for (size_t i = 0; i < rest.n; i++) {
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return false;
		r->index = r->index * 10 + (size_t)(rest.p[i] - '0');
	}
	return r->index > 0;
}

static bool read_report(struct dsn *d, const struct spool *spool)
{
	size_t n = spool_size(spool) < DSN_MESSAGE_MAX ? (size_t)spool_size(spool) : DSN_MESSAGE_MAX;
	struct buf part = BUF_INIT;
	char *octets = mem_new(n + 1);
	bool good = spool_read(spool, octets, n) && dsn_find(span_of(octets, n), &part) && dsn_read(d, buf_span(&part));

	free(octets);
	buf_release(&part);
	return good;
}

static void about_relay(struct leg *l, struct span rest)
{
	struct passage *p = l->passage;
	struct report *r = mem_new(sizeof *r);
	struct pg_params v = { .n = 0 };

	r->leg = l;
	if (!read_return_address(r, rest) || !read_report(&r->dsn, p->spool)) {
		log_info("-: mail to=<%s> is no delivery report; dropped", l->rcpt->address.text);
		taken(l);
		report_free(r);
		return;
	}
	pg_text(&v, span_str(r->kep_id));
	passage_hold(p);
	pg_ask(p->courier->d->pg, "SELECT * FROM kep.hop_open($1::uuid)", &v, false, on_opened, r);
}

/* ---- about a receipt ---- */

static void about_receipt(struct leg *l, struct span rest)
{
	struct dsn d;

	if (read_report(&d, l->passage->spool)) {
		log_warn("-: receipt of evidence=%.*s %s to=<%s> status=%s: %s", (int)rest.n, rest.p, d.recipients[0].action,
		         d.recipients[0].final.text, d.recipients[0].status, d.recipients[0].diagnostic);
		dsn_release(&d);
	}
	taken(l);
}

void passage_report(struct leg *l)
{
	const struct conf *conf = l->passage->courier->d->conf;
	struct span relay = track_rest(conf, &l->rcpt->address, "relay"), receipt = track_rest(conf, &l->rcpt->address, "receipt");

	if (addr_empty(&l->passage->envelope->sender_address) && relay.n)
		about_relay(l, relay);
	else if (addr_empty(&l->passage->envelope->sender_address) && receipt.n)
		about_receipt(l, receipt);
	else
		leg_answer(l, 550, SPAN("5.1.1 this address takes delivery reports only"));
}
