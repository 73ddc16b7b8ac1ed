#include "policyd/witness.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/checkpoint.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/tiles.h"
#include "policyd/alarm.h"
#include "policyd/cosigner.h"
#include "policyd/fetch.h"
#include "policyd/lacking.h"
#include "policyd/ledger.h"
#include "policyd/pause.h"
#include "policyd/witness_folder.h"

#define ANSWER_MAX   ((size_t)64 << 10)
#define TIMEOUT      ((usec)20 * 1000000)
#define BACKOFF_MAX  ((usec)900 * 1000000)
#define RETRY        ((usec)2 * 1000000)        /* when it is the database that was not there */

/* One witness, and the checkpoint on its way to it. */
struct witness {
	struct witnesses *all;
	char             *url, *host;           /* of add-checkpoint; for the log */
	char             *name;                 /* of its key, once it has cosigned */
	struct event     *timer;
	struct fetch     *fetch;
	uint64_t          old;                  /* the size it remembers, as far as we know */
	uint64_t          size;                 /* of the checkpoint on its way */
	struct buf        note;
	struct tiles     *tiles;
	bool              fetched;              /* the tiles of this proof */
	bool              alarmed;
	unsigned          failures;
};

struct witnesses {
	struct daemon         *d;
	struct fetcher        *fetcher;
	struct cosigners       keys;
	struct witness        *all;
	size_t                 n;
	struct witness_folder *folder;
	bool                   stopped;
};

static void prove(struct witness *w);

static void wait(struct witness *w, usec pause)
{
	struct timeval tv = { (time_t)(pause / 1000000), (suseconds_t)(pause % 1000000) };

	if (!w->all->stopped)
		evtimer_add(w->timer, &tv);
}

static void fail(struct witness *w, const char *why)
{
	usec pause = pause_backoff(w->all->d->conf->witness_interval, BACKOFF_MAX, w->failures++);

	log_warn("witness: %s: checkpoint %" PRIu64 " is not cosigned: %s; asked again in %lld s", w->host, w->size, why, (long long)(pause / 1000000));
	wait(w, pause);
}

static void alarm_fail(struct witness *w, const char *reason, const char *why)
{
	char *details = mem_printf("%s: %s", w->host, why);

	if (!w->alarmed)
		alarm_raise(w->all->d, reason, details);
	w->alarmed = true;
	fail(w, why);
	free(details);
}

/* ---- the answer ---- */

static void on_cosigned(struct witness *w, struct span lines)
{
	struct span octets = buf_span(&w->note);
	struct buf why = BUF_INIT;
	const char *name = NULL;
	struct note ours, theirs;

	if (!note_parse(octets, &ours, &why) || !note_parse_lines(ours.text, lines, &theirs, &why) ||
	    cosigners_keep(&w->all->keys, w->all->d, w->size, &theirs, &name, &why) == 0) {
		fail(w, buf_str(&why));
	} else {
		log_info("witness: %s: checkpoint %" PRIu64 " cosigned by %s", w->host, w->size, name);
		free(w->name);
		w->name = mem_str(name);
		w->old = w->size;
		w->failures = 0;
		w->alarmed = false;
		wait(w, pause_spread(w->all->d->conf->witness_interval));
	}
	buf_release(&why);
}

/* The witness remembers another size than we thought.  A larger one may be that of a newer
 * checkpoint, of which another host has told it just now: begin() looks. */
static void on_conflict(struct witness *w, struct span body)
{
	struct span text = span_trim(body);
	char digits[24] = "";
	uint64_t size;

	if (text.n == 0 || text.n >= sizeof digits || strspn(memcpy(digits, text.p, text.n), "0123456789") != text.n) {
		alarm_fail(w, "witness-conflict", "it has another root for this checkpoint: run kepctl fsck, and ask who else has the key");
		return;
	}
	size = strtoull(digits, NULL, 10);
	if (size > w->size) {
		w->old = size;
		wait(w, RETRY);
	} else if (size == w->old) {
		alarm_fail(w, "witness-conflict", "it has another root for this checkpoint: run kepctl fsck, and ask who else has the key");
	} else {
		w->old = size;
		w->fetched = false;
		prove(w);
	}
}

static void on_answer(void *arg, const struct fetch_answer *a)
{
	struct witness *w = arg;

	w->fetch = NULL;
	switch (a->status) {
	case 200:
		on_cosigned(w, a->octets);
		break;
	case 409:
		on_conflict(w, a->octets);
		break;
	case 422:
		alarm_fail(w, "witness-conflict", "it does not find our checkpoint consistent with the one it remembers: run kepctl fsck");
		break;
	case 404:
		fail(w, "it does not know our ledger: give it the name and the key of the ledger");
		break;
	case 403:
		fail(w, "it does not know the key of our ledger");
		break;
	default:
		fail(w, a->words);
	}
}

/* ---- the request ---- */

static void submit(struct witness *w, const struct merkle_proof *proof)
{
	struct buf body = BUF_INIT;
	struct fetch_order order = { .url = w->url, .type = "text/plain; charset=utf-8", .limit = ANSWER_MAX, .time = TIMEOUT };

	buf_addf(&body, "old %" PRIu64 "\n", w->old);
	for (size_t i = 0; i < proof->n; i++) {
		buf_add_base64(&body, span_of((const char *)proof->path[i].o, MERKLE_SIZE), 0);
		buf_addc(&body, '\n');
	}
	buf_addc(&body, '\n');
	buf_add(&body, buf_span(&w->note));
	order.body = buf_span(&body);
	w->fetch = fetch_start(w->all->fetcher, &order, on_answer, w);
	buf_release(&body);
}

static void on_tiles(void *arg, enum lacking_answer a)
{
	struct witness *w = arg;

	if (w->all->stopped)
		return;
	if (a == LACKING_CAME)
		prove(w);
	else if (a == LACKING_FAILED)
		wait(w, RETRY);
	else
		fail(w, "the database lacks tiles of the ledger; run kepctl fsck");
}

static void prove(struct witness *w)
{
	struct merkle_source source;
	struct merkle_proof proof = { .n = 0 };

	if (!w->fetched)
		tiles_clear(w->tiles);
	source = tiles_source(w->tiles);
	if (w->old == 0 || w->old == w->size || merkle_prove_consistency(&source, w->old, w->size, &proof)) {
		submit(w, &proof);
	} else if (!w->fetched && tiles_lacking(w->tiles) > 0) {
		w->fetched = true;
		lacking_ask(w->all->d->pg, w->tiles, w->size, on_tiles, w);
	} else {
		fail(w, "no proof of consistency can be made; run kepctl fsck");
	}
}

static void begin(struct witness *w, const struct pg_rows *rows)
{
	char digits[24], why[160];
	uint64_t size, old;

	snprintf(digits, sizeof digits, "%.*s", (int)pg_value(rows, 0, 0).n, pg_value(rows, 0, 0).p);
	size = strtoull(digits, NULL, 10);
	snprintf(digits, sizeof digits, "%.*s", (int)pg_value(rows, 0, 2).n, pg_value(rows, 0, 2).p);
	old = strtoull(digits, NULL, 10);
	w->size = size;
	if (old > w->old && old <= size)
		w->old = old;                   /* another host was there */
	if (w->old > size) {
		snprintf(why, sizeof why, "it remembers %" PRIu64 " leaves, which the database no longer has; has an old backup been restored?", w->old);
		alarm_fail(w, "witness-ahead", why);
		return;
	}
	w->fetched = false;
	buf_clear(&w->note);
	pg_bytea(rows, 0, 1, &w->note);
	prove(w);
}

static void on_wanted(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct witness *w = arg;

	if (w->all->stopped)
		return;
	if (a == PG_LOST)
		wait(w, RETRY);
	else if (a == PG_FAILED)
		fail(w, words);
	else if (pg_rows_count(rows) == 0)
		wait(w, pause_spread(w->all->d->conf->witness_interval));
	else
		begin(w, rows);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct witness *w = arg;
	struct pg_params v = { .n = 0 };

	if (!w->all->d->schema || !pg_is_up(w->all->d->pg)) {
		wait(w, RETRY);
		return;
	}
	pg_text(&v, span_str(w->name ? w->name : ""));
	pg_ask(w->all->d->pg, "SELECT size::text, note, old::text FROM kep.witness_wanted($1::text, 1)", &v, false, on_wanted, w);
}

/* ---- life ---- */

bool witness_fits(const struct conf *conf, struct buf *error)
{
	struct span rest = span_str(conf->witness_urls);
	struct cosigners keys;

	buf_clear(error);
	if (!cosigners_read(&keys, conf->witness_keys, error))
		return false;
	while (rest.n) {
		struct span url = span_cut(&rest, ' ');

		if (url.n && !fetch_url_valid(url)) {
			buf_addf(error, "witness_urls: '%.*s' is no URL that begins with http:// or https://", (int)url.n, url.p);
			return false;
		}
	}
	if (*conf->witness_urls && keys.n == 0)
		buf_adds(error, "witness_keys: witness_urls names witnesses, whose signatures cannot be judged without their keys; put these there");
	else if (conf->witness_interval <= 0)
		buf_adds(error, "witness_interval must not be 0");
	return error->n == 0;
}

static void witness_open(struct witnesses *all, struct span url)
{
	struct witness *w = &all->all[all->n++];
	bool slash = url.p[url.n - 1] == '/';

	w->all = all;
	w->url = mem_printf("%.*s%sadd-checkpoint", (int)url.n, url.p, slash ? "" : "/");
	w->host = fetch_url_name(url);
	w->tiles = tiles_new();
	w->timer = evtimer_new(all->d->base, on_timer, w);
	if (!w->timer)
		log_fatal("libevent: no timers");
	wait(w, pause_spread(all->d->conf->witness_interval < RETRY ? all->d->conf->witness_interval : RETRY));
}

struct witnesses *witness_new(struct daemon *d, struct fetcher *fetcher)
{
	struct witnesses *w = mem_new(sizeof *w);
	struct span rest = span_str(d->conf->witness_urls);
	struct buf error = BUF_INIT;

	w->d = d;
	w->fetcher = fetcher;
	if (!cosigners_read(&w->keys, d->conf->witness_keys, &error))
		log_panic("witness: conf that fitted does not fit");
	buf_release(&error);
	w->all = mem_array(strlen(d->conf->witness_urls) / 2 + 1, sizeof *w->all);
	while (rest.n) {
		struct span url = span_cut(&rest, ' ');

		if (url.n)
			witness_open(w, url);
	}
	w->folder = witness_folder_new(d, &w->keys);
	return w;
}

void witness_stop(struct witnesses *w)
{
	w->stopped = true;
	for (size_t i = 0; i < w->n; i++) {
		evtimer_del(w->all[i].timer);
		fetch_cancel(w->all[i].fetch);
		w->all[i].fetch = NULL;
	}
	witness_folder_stop(w->folder);
}

void witness_free(struct witnesses *w)
{
	if (!w)
		return;
	witness_stop(w);
	for (size_t i = 0; i < w->n; i++) {
		event_free(w->all[i].timer);
		tiles_free(w->all[i].tiles);
		buf_release(&w->all[i].note);
		free(w->all[i].url);
		free(w->all[i].host);
		free(w->all[i].name);
	}
	witness_folder_free(w->folder);
	free(w->all);
	free(w);
}
