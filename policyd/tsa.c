#include "policyd/tsa.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/der.h"
#include "libkep/digest.h"
#include "libkep/folder.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/note.h"
#include "libkep/stamp.h"
#include "policyd/alarm.h"
#include "policyd/fetch.h"
#include "policyd/pause.h"
#include "policyd/revocation.h"

#define ANSWER_MAX   ((size_t)256 << 10)        /* octets; tokens with OCSP answers have some ten thousand */
#define SKEW         ((usec)300 * 1000000)      /* their clocks against ours */
#define BACKOFF_MAX  ((usec)900 * 1000000)
#define RETRY        ((usec)2 * 1000000)        /* when it is the database that was not there */

/* One authority, and the stamp on its way. */
struct authority {
	struct tsa       *tsa;
	char             *url, *name;
	struct event     *timer;
	struct fetch     *fetch;
	char              size[24];             /* of the checkpoint */
	unsigned char     imprint[SHA512_SIZE], nonce[TSP_NONCE_SIZE];
	size_t            n_imprint;
	usec              asked;                /* when */
	struct stamp      stamp;
	struct stamp_kept kept;
	struct buf        token;                /* not empty: verified, and to be stored */
	struct gathering *gathering;
	unsigned          failures;
	usec              since;                /* of the first of them */
	bool              alarmed;
};

struct tsa {
	struct daemon     *d;
	struct fetcher    *fetcher;
	struct revocation *revocation;
	struct trust      *trust;
	uint64_t           mark;                /* of tsa_anchors when it was read */
	struct authority  *all;
	size_t             n;
	bool               stopped;
};

static void store(struct authority *a);

/* ---- pauses and failures ---- */

static void wait(struct authority *a, usec pause)
{
	struct timeval tv = { (time_t)(pause / 1000000), (suseconds_t)(pause % 1000000) };

	if (!a->tsa->stopped)
		evtimer_add(a->timer, &tv);
}

static void alarm_if_long(struct authority *a, const char *why)
{
	char since[CLOCK_TEXT_SIZE], *details;

	if (a->alarmed || clock_now() - a->since < a->tsa->d->conf->tsa_alarm)
		return;
	clock_text(since, a->since);
	details = mem_printf("%s: no good time-stamp since %.19sZ: %s", a->name, since, why);
	a->alarmed = true;
	alarm_raise(a->tsa->d, "time-stamp-missing", details);
	free(details);
}

static void forget(struct authority *a)
{
	stamp_kept_release(&a->kept);
	buf_clear(&a->token);
}

static void fail(struct authority *a, const char *why)
{
	usec pause = pause_backoff(a->tsa->d->conf->tsa_interval, BACKOFF_MAX, a->failures);

	if (a->failures++ == 0)
		a->since = clock_now();
	log_warn("tsa: %s: checkpoint %s is not stamped: %s; asked again in %lld s", a->name, a->size, why, (long long)(pause / 1000000));
	alarm_if_long(a, why);
	forget(a);
	wait(a, pause);
}

/* ---- the anchors ---- */

static bool is_gathering(const struct tsa *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->all[i].gathering)
			return true;
	return false;
}

/* They are read again when they change, but not under the feet of those who use
 * them; what cannot be read changes nothing. */
static void renew_trust(struct tsa *t)
{
	uint64_t mark = folder_mark(t->d->conf->tsa_anchors);
	struct buf error = BUF_INIT;
	struct trust *fresh;

	if (t->trust && (mark == t->mark || is_gathering(t)))
		return;
	t->mark = mark;
	fresh = trust_load(t->d->conf->tsa_anchors, &error);
	if (fresh) {
		trust_free(t->trust);
		t->trust = fresh;
	} else {
		log_warn("tsa_anchors: %s", buf_str(&error));
	}
	buf_release(&error);
}

/* ---- store ---- */

/* Append DER elements as the literal of a bytea[]. */
static void add_array(struct buf *out, struct span der)
{
	struct der e;
	const char *comma = "{";

	while (der_next(&der, &e)) {
		char *hex = mem_new(2 * e.whole.n + 1);

		hex_encode(hex, e.whole.p, e.whole.n);
		buf_addf(out, "%s\"\\\\x%s\"", comma, hex);
		comma = ",";
		free(hex);
	}
	buf_adds(out, *comma == '{' ? "{}" : "}");
}

static void on_stored(void *arg, enum pg_answer answer, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct authority *a = arg;

	if (answer == PG_LOST) {
		wait(a, RETRY);
		return;
	}
	if (answer == PG_FAILED) {
		fail(a, words);
		return;
	}
	log_info("tsa: %s: checkpoint %s stamped, serial=%s policy=%s", a->name, a->size, a->stamp.serial, a->stamp.policy);
	a->failures = 0;
	a->since = 0;
	a->alarmed = false;
	forget(a);
	wait(a, pause_spread(a->tsa->d->conf->tsa_interval));
}

static void store(struct authority *a)
{
	struct buf chain = BUF_INIT, revocation = BUF_INIT;
	struct pg_params v = { .n = 0 };
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, a->stamp.time);
	add_array(&chain, buf_span(&a->kept.chain));
	add_array(&revocation, buf_span(&a->kept.revocation));
	pg_text(&v, span_str(a->size));
	pg_text(&v, span_str(a->name));
	pg_octets(&v, buf_span(&a->token));
	pg_text(&v, span_str(time));
	pg_text(&v, span_str(a->stamp.policy));
	pg_text(&v, span_str(a->stamp.serial));
	pg_text(&v, buf_span(&chain));
	pg_text(&v, buf_span(&revocation));
	pg_ask(a->tsa->d->pg, "SELECT kep.stamp_add($1::bigint, $2::text, $3::bytea, $4::timestamptz, $5::text, $6::text, $7::bytea[], $8::bytea[])",
	       &v, true, on_stored, a);
	buf_release(&chain);
	buf_release(&revocation);
}

/* ---- the answer ---- */

static void on_gathered(void *arg, const struct gathered *g)
{
	struct authority *a = arg;

	a->gathering = NULL;
	if (g->revoked) {
		fail(a, g->words);
		return;
	}
	if (g->words)
		log_warn("tsa: %s: %s", a->name, g->words);
	buf_add(&a->kept.revocation, g->answers);
	store(a);
}

static void judge(struct authority *a, struct span token)
{
	const struct conf *conf = a->tsa->d->conf;
	struct stamp_want want = { .digest = conf->tsa_digest, .imprint = span_of((const char *)a->imprint, a->n_imprint),
	                           .nonce = span_of((const char *)a->nonce, sizeof a->nonce), .policy = conf->tsa_policy,
	                           .earliest = a->asked - SKEW, .latest = clock_now() + SKEW };
	enum stamp_verdict verdict = stamp_verify(token, &want, a->tsa->trust, &a->stamp, &a->kept);
	char *words;

	if (verdict == STAMP_GOOD) {
		buf_add(&a->token, token);
		a->gathering = revocation_gather(a->tsa->revocation, a->tsa->trust, buf_span(&a->kept.chain), on_gathered, a);
		return;
	}
	words = mem_printf("why=%s (%s)", stamp_words(verdict)->wire, stamp_words(verdict)->english);
	fail(a, words);
	free(words);
}

static void on_answer(void *arg, const struct fetch_answer *answer)
{
	struct authority *a = arg;
	struct buf why = BUF_INIT;
	struct span token;

	a->fetch = NULL;
	renew_trust(a->tsa);
	if (answer->status != 200)
		fail(a, answer->words);
	else if (!a->tsa->trust)
		fail(a, "tsa_anchors cannot be read");
	else if (!tsp_response(answer->octets, &token, &why))
		fail(a, buf_str(&why));
	else
		judge(a, token);
	buf_release(&why);
}

/* ---- the request ---- */

static void request(struct authority *a, struct span text)
{
	const struct conf *conf = a->tsa->d->conf;
	struct digest *d = digest_new(conf->tsa_digest);
	struct buf der = BUF_INIT;
	struct tsp_question q = { .digest = conf->tsa_digest, .policy = conf->tsa_policy };
	struct fetch_order order = { .url = a->url, .type = "application/timestamp-query", .accept = "application/timestamp-reply",
	                             .limit = ANSWER_MAX, .time = conf->tsa_timeout };

	digest_add(d, text);
	a->n_imprint = digest_finish(d, a->imprint);
	digest_free(d);
	tsp_nonce(a->nonce);
	q.imprint = span_of((const char *)a->imprint, a->n_imprint);
	q.nonce = span_of((const char *)a->nonce, sizeof a->nonce);
	if (!tsp_request(&q, &der))
		log_panic("tsa: conf that fitted does not fit");
	a->asked = clock_now();
	order.body = buf_span(&der);
	a->fetch = fetch_start(a->tsa->fetcher, &order, on_answer, a);
	buf_release(&der);
}

static void on_wanted(void *arg, enum pg_answer answer, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct authority *a = arg;
	struct buf octets = BUF_INIT;
	struct note note;

	if (a->tsa->stopped)
		return;
	snprintf(a->size, sizeof a->size, "?");
	if (answer == PG_LOST) {
		wait(a, RETRY);
	} else if (answer == PG_FAILED) {
		fail(a, words);
	} else if (pg_rows_count(rows) == 0) {
		wait(a, pause_spread(a->tsa->d->conf->tsa_interval));
	} else {
		snprintf(a->size, sizeof a->size, "%.*s", (int)pg_value(rows, 0, 0).n, pg_value(rows, 0, 0).p);
		pg_bytea(rows, 0, 1, &octets);
		if (note_parse(buf_span(&octets), &note, NULL))
			request(a, note.text);
		else
			fail(a, "the database holds no signed note for it; run kepctl fsck");
	}
	buf_release(&octets);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct authority *a = arg;
	struct pg_params v = { .n = 0 };
	char every[40];

	if (!a->tsa->d->schema || !pg_is_up(a->tsa->d->pg)) {
		wait(a, RETRY);
		return;
	}
	if (a->token.n) {
		store(a);
		return;
	}
	/* Other hosts ask, too: what one of them had stamped lately is enough. */
	snprintf(every, sizeof every, "%lld microseconds", (long long)(a->tsa->d->conf->tsa_interval * 8 / 10));
	pg_text(&v, span_str(a->name));
	pg_text(&v, span_str(every));
	pg_ask(a->tsa->d->pg, "SELECT size::text, note FROM kep.stamp_wanted($1::text, 1, $2::interval)", &v, false, on_wanted, a);
}

/* ---- life ---- */

static bool is_digest(const char *name)
{
	return strcmp(name, "sha256") == 0 || strcmp(name, "sha384") == 0 || strcmp(name, "sha512") == 0;
}

static bool is_policy(const char *oid)
{
	const struct tsp_question q = { .digest = "sha256", .imprint = SPAN("12345678123456781234567812345678"), .policy = oid };
	struct buf der = BUF_INIT;
	bool is = tsp_request(&q, &der);

	buf_release(&der);
	return is;
}

static bool urls_fit(const char *key, const char *urls, struct buf *error)
{
	struct span rest = span_str(urls);

	while (rest.n) {
		struct span url = span_cut(&rest, ' ');

		if (url.n && !fetch_url_valid(url)) {
			buf_addf(error, "%s: '%.*s' is no URL that begins with http:// or https://", key, (int)url.n, url.p);
			return false;
		}
	}
	return true;
}

static bool anchors_fit(const struct conf *conf, struct buf *error)
{
	struct buf why = BUF_INIT;
	struct trust *t = *conf->tsa_anchors ? trust_load(conf->tsa_anchors, &why) : NULL;

	if (!t)
		buf_addf(error, "tsa_anchors: %s", *conf->tsa_anchors ? buf_str(&why) :
		    "tsa_urls names time-stamping authorities, whose stamps cannot be judged without the certificates of their roots; put these there");
	buf_release(&why);
	trust_free(t);
	return t != NULL;
}

bool tsa_fits(const struct conf *conf, struct buf *error)
{
	buf_clear(error);
	if (!*conf->tsa_urls)
		return true;
	if (!urls_fit("tsa_urls", conf->tsa_urls, error))
		return false;
	if (!is_digest(conf->tsa_digest))
		buf_addf(error, "tsa_digest = %s; write sha256, sha384 or sha512", conf->tsa_digest);
	else if (*conf->tsa_policy && !is_policy(conf->tsa_policy))
		buf_addf(error, "tsa_policy = %s; write an object identifier in dotted form", conf->tsa_policy);
	else if (conf->tsa_interval <= 0 || conf->tsa_timeout <= 0)
		buf_adds(error, "tsa_interval and tsa_timeout must not be 0");
	else
		return anchors_fit(conf, error);
	return false;
}

static void authority_open(struct tsa *t, struct span url)
{
	struct authority *a = &t->all[t->n++];

	a->tsa = t;
	a->url = mem_span(url);
	a->name = fetch_url_name(url);
	a->timer = evtimer_new(t->d->base, on_timer, a);
	if (!a->timer)
		log_fatal("libevent: no timers");
	wait(a, pause_spread(t->d->conf->tsa_interval < RETRY ? t->d->conf->tsa_interval : RETRY));
}

struct tsa *tsa_new(struct daemon *d, struct fetcher *fetcher)
{
	struct tsa *t = mem_new(sizeof *t);
	struct span rest = span_str(d->conf->tsa_urls);

	t->d = d;
	t->fetcher = fetcher;
	t->revocation = revocation_new(d, fetcher);
	t->all = mem_array(strlen(d->conf->tsa_urls) / 2 + 1, sizeof *t->all);
	while (rest.n) {
		struct span url = span_cut(&rest, ' ');

		if (url.n)
			authority_open(t, url);
	}
	return t;
}

void tsa_stop(struct tsa *t)
{
	t->stopped = true;
	for (size_t i = 0; i < t->n; i++) {
		evtimer_del(t->all[i].timer);
		fetch_cancel(t->all[i].fetch);
		t->all[i].fetch = NULL;
		revocation_cancel(t->all[i].gathering);
		t->all[i].gathering = NULL;
	}
}

void tsa_free(struct tsa *t)
{
	if (!t)
		return;
	tsa_stop(t);
	for (size_t i = 0; i < t->n; i++) {
		event_free(t->all[i].timer);
		forget(&t->all[i]);
		buf_release(&t->all[i].token);
		free(t->all[i].url);
		free(t->all[i].name);
	}
	revocation_free(t->revocation);
	trust_free(t->trust);
	free(t->all);
	free(t);
}
