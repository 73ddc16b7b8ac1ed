#include "policyd/record.h"

#include <stdlib.h>

#include "libkep/evidence.h"
#include "libkep/jdoc.h"
#include "libkep/mem.h"

#define JSON_MAX ((size_t)4 << 20)

/* In the order of the columns of kep.hop_open(). */
enum column { STATE, HOST, QUEUE_ID, SENDER, SENDER_OURS, LOGIN, SENT_AT, SIZE, CANONICAL, SHA256, SHA512, MESSAGE_ID, SIGNER, PREVIOUS,
              RECIPIENTS, COLUMNS };

static char *text(const struct pg_rows *rows, enum column c)
{
	return mem_span(pg_value(rows, 0, c));
}

static bool octets(const struct pg_rows *rows, enum column c, unsigned char *out, size_t n)
{
	struct buf b = BUF_INIT;
	bool good = pg_bytea(rows, 0, c, &b) && b.n == n;

	if (good)
		memcpy(out, b.p, n);
	buf_release(&b);
	return good;
}

static enum record_state state_of(struct span s)
{
	if (span_is(s, "delivered"))
		return RECORD_DELIVERED;
	if (span_is(s, "relayed"))
		return RECORD_RELAYED;
	return span_is(s, "failed") ? RECORD_FAILED : RECORD_WAITING;
}

static bool read_recipient(struct record_recipient *to, const jdoc *d, size_t index)
{
	struct span relay = jdoc_text(d, "relay");

	to->index = index;
	to->ours = span_is(jdoc_text(d, "kind"), "account");
	to->relay = relay.n ? mem_span(relay) : NULL;
	to->state = state_of(jdoc_text(d, "state"));
	return jdoc_int(d, "index", 0) == (int64_t)index && addr_parse(&to->address, jdoc_text(d, "address"));
}

static bool read_recipients(struct record *r, struct span json)
{
	struct buf object = BUF_INIT;
	const jdoc *list;
	jdoc *d;
	bool good;

	buf_adds(&object, "{\"recipients\":");
	buf_add(&object, json);
	buf_addc(&object, '}');
	d = jdoc_parse(buf_span(&object), JSON_MAX, NULL);
	buf_release(&object);
	list = d ? jdoc_get(d, "recipients") : NULL;
	r->n = list ? jdoc_count(list) : 0;
	good = r->n > 0;
	r->recipients = mem_array(r->n, sizeof *r->recipients);
	for (size_t i = 0; i < r->n; i++)
		good &= read_recipient(&r->recipients[i], jdoc_at(list, i), i + 1);
	jdoc_free(d);
	return good;
}

/* The jsonb as the milter's request gave it; NULL where there was no signer. */
static bool read_signer(struct record *r, struct span json)
{
	jdoc *d = json.n ? jdoc_parse(json, JSON_MAX, NULL) : NULL;
	struct span identity = d ? jdoc_text(d, "identity") : SPAN_NONE, cades = d ? jdoc_text(d, "cades") : SPAN_NONE;
	bool good = json.n == 0 || (d && hex_decode(r->certificate, sizeof r->certificate, jdoc_text(d, "certificate")));

	r->signer = mem_span(d ? jdoc_text(d, "subject") : SPAN_NONE);
	r->identity = identity.n ? mem_span(identity) : NULL;
	r->cades = cades.n ? mem_span(cades) : NULL;
	jdoc_free(d);
	return good;
}

static void read_id(char out[37], struct span id)
{
	out[0] = '\0';
	if (uuid_valid(id)) {
		memcpy(out, id.p, 36);
		out[36] = '\0';
	}
}

bool record_read(struct record *r, const char *kep_id, const struct pg_rows *rows)
{
	bool good = pg_rows_count(rows) == 1 && pg_rows_width(rows) == COLUMNS;

	*r = (struct record){ 0 };
	if (!good)
		return false;
	read_id(r->kep_id, span_str(kep_id));
	read_id(r->previous, pg_value(rows, 0, PREVIOUS));
	r->accepted = span_is(pg_value(rows, 0, STATE), "accepted");
	r->host = text(rows, HOST);
	r->queue_id = text(rows, QUEUE_ID);
	r->message_id = text(rows, MESSAGE_ID);
	r->sender = text(rows, SENDER);
	r->login = text(rows, LOGIN);
	r->sender_ours = span_is(pg_value(rows, 0, SENDER_OURS), "t");
	r->size = strtoull(pg_value(rows, 0, SIZE).p, NULL, 10);
	r->canonical = atoi(pg_value(rows, 0, CANONICAL).p);
	good = clock_parse(pg_value(rows, 0, SENT_AT), &r->sent_at) && octets(rows, SHA256, r->fingerprint.sha256, SHA256_SIZE) &&
	    octets(rows, SHA512, r->fingerprint.sha512, SHA512_SIZE) && read_signer(r, pg_value(rows, 0, SIGNER)) &&
	    read_recipients(r, pg_value(rows, 0, RECIPIENTS));
	if (!good)
		record_release(r);
	return good;
}

void record_release(struct record *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->recipients[i].relay);
	free(r->recipients);
	free(r->host);
	free(r->queue_id);
	free(r->message_id);
	free(r->sender);
	free(r->login);
	free(r->signer);
	free(r->identity);
	free(r->cades);
	*r = (struct record){ 0 };
}

struct record_recipient *record_find(const struct record *r, const struct addr *a)
{
	for (size_t i = 0; i < r->n; i++)
		if (addr_eq(&r->recipients[i].address, a))
			return &r->recipients[i];
	return NULL;
}

/* SPAN_NONE leaves a member out. */
static struct span or_none(const char *s)
{
	return s && *s ? span_str(s) : SPAN_NONE;
}

void record_prove(const struct record *r, const struct conf *conf, struct proof *p)
{
	struct span *recipients = mem_array(r->n, sizeof *recipients);
	struct evidence e = {
		.outcome = p->outcome, .event_time = p->at, .provider = span_str(conf->provider_name), .host = span_str(conf_hostname(conf)),
		.kep_id = span_str(r->kep_id), .message_id = or_none(r->message_id), .queue_id = span_str(r->queue_id),
		.sent_at = r->sent_at, .size = r->size, .fingerprint = r->fingerprint,
		.sender = span_str(r->sender), .login = or_none(r->login), .signer = or_none(r->signer), .identity = or_none(r->identity),
		.cades = or_none(r->cades),
		.recipients = recipients, .n_recipients = r->n, .recipient = p->recipient,
		.reason_code = p->reason_code, .reason_text = p->reason_text, .previous = or_none(r->previous),
	};

	for (size_t i = 0; i < r->n; i++)
		recipients[i] = addr_span(&r->recipients[i].address);
	memcpy(e.certificate, r->certificate, sizeof e.certificate);
	clock_uuid(p->id);
	memcpy(e.id, p->id, sizeof e.id);
	p->body = BUF_INIT;
	evidence_write(&p->body, &e);
	free(recipients);
}
