#include "kepctl/life.h"

#include <stdlib.h>

#include "kepctl/moment.h"
#include "libkep/mem.h"
#include "libkep/reason.h"

/* Columns that are whole numbers; all others are texts. */
static bool is_number(const char *column)
{
	static const char *const numbers[] = { "size", "canonical", "recipient_index", "attempts", "recipient_count" };

	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (strcmp(column, numbers[i]) == 0)
			return true;
	return false;
}

static jdoc *record(const struct pg_rows *rows, size_t row)
{
	jdoc *d = jdoc_object();

	for (size_t k = 0; k < pg_rows_width(rows); k++) {
		const char *name = pg_rows_name(rows, k);
		struct span v = pg_value(rows, row, k);
		char local[MOMENT_SIZE];

		if (pg_is_null(rows, row, k))
			continue;
		if (is_number(name))
			jdoc_set_int(d, name, strtoll(v.p, NULL, 10));
		else
			jdoc_set_text(d, name, v);
		if (strcmp(name, "at") == 0) {
			moment_local(local, v);
			jdoc_set_str(d, "local", local);
		}
	}
	return d;
}

/* Records on their way into a document; owned. */
struct many {
	jdoc **v;
	size_t n;
};

/* The answer to a question with one parameter.  false: it was said why not. */
static bool gather(const struct ctl *c, struct db *db, const char *sql, struct span parameter, struct many *many, int *status)
{
	struct pg_params params = { .n = 0 };
	const struct pg_rows *rows;

	*many = (struct many){ NULL, 0 };
	if (!sql)
		return true;
	pg_text(&params, parameter);
	rows = ctl_ask(c, db, sql, &params, status);
	if (!rows)
		return false;
	many->v = mem_array(pg_rows_count(rows) + 1, sizeof *many->v);
	for (; many->n < pg_rows_count(rows); many->n++)
		many->v[many->n] = record(rows, many->n);
	return true;
}

/* They become a member of d. */
static void hand_over(struct many *many, jdoc *d, const char *key)
{
	jdoc *list = jdoc_array();

	for (size_t i = 0; i < many->n; i++)
		jdoc_push(list, many->v[i]);
	free(many->v);
	*many = (struct many){ NULL, 0 };
	jdoc_set(d, key, list);
}

#define MESSAGE_COLUMNS \
	"select kep_id, host, queue_id, message_id, kep.time_text(sent_at) as sent_at, sender, provider, nullif(login, '') as login, " \
	"client, from_address, size, canonical, encode(sha256, 'hex') as sha256, encode(sha512, 'hex') as sha512, signer, " \
	"signer_issuer, signer_serial, signer_identity, signer_certificate, signer_digest, state from kep.messages "
#define FACTS_SQL \
	"select recipient_index, recipient, state, kep.time_text(sent_at) as sent_at, kep.time_text(accepted_at) as accepted_at, " \
	"kep.time_text(delivered_at) as delivered_at, kep.time_text(read_at) as read_at, kep.time_text(deemed_read_at) as deemed_read_at " \
	"from kep.message_facts where kep_id = $1::uuid order by recipient_index"
#define TIMELINE_SQL \
	"select kep.time_text(at) as at, what, recipient, outcome, details from kep.message_timeline where kep_id = $1::uuid " \
	"order by message_timeline.at, what <> 'submitted', outcome"
#define EVIDENCES_SQL \
	"select evidence_id, outcome, recipient_index, recipient, kep.time_text(event_time) as event_time, reason_code, reply, previous, " \
	"encode(digest, 'hex') as digest, convert_from(body, 'UTF8') as body from kep.evidences where kep_id = $1::uuid " \
	"order by evidences.event_time, evidence_id"
#define REFUSALS_SQL \
	"select kep.time_text(at) as at, host, nullif(queue_id, '') as queue_id, why, sender, array_to_string(recipients, ' ') as recipients, " \
	"nullif(login, '') as login, client, nullif(from_address, '') as from_address, nullif(message_id, '') as message_id, size from kep.refusals "
#define ATTEMPTS_SQL \
	"select kep.time_text(at) as at, host, queue_id, sender, recipient, why, nullif(login, '') as login, client, nullif(tls, '') as tls " \
	"from kep.attempts where queue_id = $1::text order by attempts.at, recipient"

/* The ways to name a message. */
enum name { NAME_UUID, NAME_MESSAGE_ID, NAME_QUEUE_ID, NAMES };
static const char *const message_sql[NAMES] = {
	[NAME_UUID] = MESSAGE_COLUMNS "where kep_id = $1::uuid or kep_id in (select e.kep_id from kep.evidences as e where e.evidence_id = $1::uuid)",
	[NAME_MESSAGE_ID] = MESSAGE_COLUMNS "where message_id = $1::text order by messages.sent_at",
	[NAME_QUEUE_ID] = MESSAGE_COLUMNS "where queue_id = $1::text or kep_id in (select r.kep_id from kep.receipts as r where r.queue_id = $1::text) "
		"order by messages.sent_at",
};
static const char *const refusal_sql[NAMES] = {
	[NAME_UUID] = NULL,
	[NAME_MESSAGE_ID] = REFUSALS_SQL "where message_id = $1::text order by refusals.at",
	[NAME_QUEUE_ID] = REFUSALS_SQL "where queue_id = $1::text order by refusals.at",
};

/* What kind of name it is, and the name as it is stored (owned by the caller). */
static enum name name_of(const char *asked, char **stored)
{
	struct span s = span_trim(span_str(asked));
	char *lower = mem_span(s);

	for (char *p = lower; *p; p++)
		*p = ascii_lower(*p);
	if (uuid_valid(span_str(lower))) {
		*stored = lower;
		return NAME_UUID;
	}
	free(lower);
	if (memchr(s.p, '@', s.n)) {
		*stored = s.p[0] == '<' ? mem_span(s) : mem_printf("<%.*s>", (int)s.n, s.p);
		return NAME_MESSAGE_ID;
	}
	*stored = mem_span(s);
	return NAME_QUEUE_ID;
}

static bool add(const struct ctl *c, struct db *db, jdoc *d, const char *key, const char *sql, struct span parameter, int *status)
{
	struct many many;
	bool ok = gather(c, db, sql, parameter, &many, status);

	hand_over(&many, d, key);
	return ok;
}

/* facts, timeline and evidences of every message found. */
static bool fill(const struct ctl *c, struct db *db, struct many *messages, int *status)
{
	bool ok = true;

	for (size_t i = 0; ok && i < messages->n; i++) {
		struct span id = jdoc_text(messages->v[i], "kep_id");

		ok = add(c, db, messages->v[i], "facts", FACTS_SQL, id, status) &&
		     add(c, db, messages->v[i], "timeline", TIMELINE_SQL, id, status) &&
		     add(c, db, messages->v[i], "evidences", EVIDENCES_SQL, id, status);
	}
	return ok;
}

static void word(struct many *refusals)
{
	for (size_t i = 0; i < refusals->n; i++) {
		enum reason why = reason_find(jdoc_text(refusals->v[i], "why"));

		if (why != REASON_COUNT)
			jdoc_set_str(refusals->v[i], "words", reason_words(why)->english);
	}
}

jdoc *life_read(const struct ctl *c, struct db *db, const char *asked, int *status)
{
	jdoc *life = jdoc_object();
	struct many messages, refusals = { NULL, 0 };
	char *stored;
	enum name name = name_of(asked, &stored);
	bool ok, nothing;

	moment_init(c->conf->time_zone);
	jdoc_set_str(life, "asked", asked);
	ok = gather(c, db, message_sql[name], span_str(stored), &messages, status) && fill(c, db, &messages, status) &&
	     gather(c, db, refusal_sql[name], span_str(stored), &refusals, status);
	word(&refusals);
	nothing = messages.n + refusals.n == 0;
	hand_over(&messages, life, "messages");
	hand_over(&refusals, life, "refusals");
	if (ok && nothing && name == NAME_QUEUE_ID)
		ok = add(c, db, life, "attempts", ATTEMPTS_SQL, span_str(stored), status);
	free(stored);
	if (ok)
		return life;
	jdoc_free(life);
	return NULL;
}
