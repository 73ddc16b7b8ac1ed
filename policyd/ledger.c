#include "policyd/ledger.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/clock.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/cable.h"
#include "policyd/keeper.h"
#include "policyd/lacking.h"
#include "policyd/published.h"
#include "policyd/signer.h"
#include "policyd/trouble.h"

#define EXTEND_MAX   "2000"                     /* leaves of one transaction */
#define LEASE        "10 seconds"
#define PARTITIONS   "1"                        /* made ahead of the one in use ... */
#define PARTITIONS_EVERY (600 * SECOND)         /* ... looked at so often */
#define SECOND       ((usec)1000000)
#define IDLE         (5 * SECOND)               /* a look without being woken */
#define SOON         (SECOND / 20)              /* somebody's transaction may still hide what we were woken for */
#define LOOKS        5                          /* such looks, each after twice the pause */

struct ledger {
	struct daemon   *d;
	struct cable    *cable;
	struct pg       *pg;
	struct keeper   *keeper;
	struct event    *timer;
	struct origin    origin;

	struct published file;          /* what this host published last */
	bool             file_good;     /* file is known to be what the file says */
	struct published last;          /* the newest in the database */
	struct head      now;           /* of the tree in the database */
	bool             looked;        /* since the connection came the tree was found consistent; before, nothing is added */

	bool             running, stopped, woken;
	unsigned         looks;         /* left, before we wait to be woken */
	bool             held, more;    /* what the database answered in this round */
	size_t           added;
	unsigned         open;          /* questions of this step without answer */
	bool             failed;        /* one of them had none */
	usec             began_at, published_at, partitions_at;
	struct tiles    *tiles;
	struct buf       text, note, cms;

	struct trouble   trouble;
};

static void round_begin(struct ledger *l);
static void ask_extend(struct ledger *l);
static void judge(struct ledger *l);

/* ---- trouble ---- */

static void on_alarmed(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	if (a == PG_FAILED)
		log_warn("ledger: the alarm could not be recorded: %s", words);
}

static void raise_alarm(struct ledger *l)
{
	struct pg_params v = { .n = 0 };

	pg_text(&v, span_str(conf_hostname(l->d->conf)));
	pg_text(&v, span_str(trouble_wire(l->trouble.kind)));
	pg_text(&v, buf_span(&l->trouble.details));
	pg_ask(l->pg, "SELECT kep.hop_alarm(NULL::uuid, $1::text, $2::text, $3::text)", &v, true, on_alarmed, l);
}

/* While it is not what was published nothing is added to it, either. */
static void complain(struct ledger *l, enum trouble_kind kind, const char *words)
{
	uint64_t published = l->file.head.size > l->last.head.size ? l->file.head.size : l->last.head.size;
	struct buf details = BUF_INIT;

	buf_addf(&details, "entries=%" PRIu64 " published=%" PRIu64, l->now.size, published);
	if (words && *words)
		buf_addf(&details, " (%s)", words);
	l->d->ledger_trouble = trouble_wire(kind);
	l->looked &= !trouble_is_alarm(kind);
	if (trouble_found(&l->trouble, kind, buf_span(&details)) && trouble_is_alarm(kind))
		raise_alarm(l);
	buf_release(&details);
}

static void all_is_well(struct ledger *l)
{
	trouble_over(&l->trouble);
	l->d->ledger_trouble = NULL;
}

/* ---- rounds ---- */

static void wait_for(struct ledger *l, usec pause)
{
	const struct timeval tv = { (time_t)(pause / SECOND), (suseconds_t)(pause % SECOND) };

	event_add(l->timer, &tv);
}

static usec interval_left(const struct ledger *l)
{
	usec interval = l->d->conf->checkpoint_interval, past = clock_now() - l->published_at;

	return past < 0 || past >= interval ? 0 : interval - past;
}

/* Not before the next checkpoint may be made, and not at every NOTIFY anew. */
static usec earliest(const struct ledger *l)
{
	usec left = interval_left(l), past = clock_now() - l->began_at;

	return left > SOON || past < 0 || past >= SOON ? left : SOON - past;
}

/* What woke us may not have been seen yet (a transaction that began earlier hides
 * it), so we look a few times more, each time after twice the pause. */
static usec next_look(struct ledger *l)
{
	usec soon, soonest = earliest(l);

	if (l->woken || l->added > 0)
		l->looks = LOOKS;
	l->woken = false;
	if (!l->held || l->trouble.kind != TROUBLE_NONE || l->looks == 0)
		return IDLE;
	soon = l->added > 0 ? 0 : SOON << (LOOKS - l->looks);
	l->looks--;
	return soon > soonest ? soon : soonest;
}

static void round_end(struct ledger *l)
{
	l->running = false;
	if (!l->stopped && pg_is_up(l->pg))
		wait_for(l, next_look(l));
}

static void round_fail(struct ledger *l, enum trouble_kind t, const char *words)
{
	complain(l, t, words);
	round_end(l);
}

/* One question of a step has its answer.  true: it was the last. */
static bool step_done(struct ledger *l, const char *what, enum pg_answer a, const char *words)
{
	if (a == PG_FAILED)
		log_warn("ledger: %s: %s", what, words);
	l->failed |= a != PG_DONE;
	return --l->open == 0;
}

/* ---- publish: file first, then the database ---- */

static void on_added(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct ledger *l = arg;
	bool taken = a == PG_DONE && span_is(pg_value(rows, 0, 0), "t");

	if (taken) {
		all_is_well(l);
		log_debug("ledger: checkpoint entries=%" PRIu64, l->now.size);
	} else if (a == PG_FAILED && strncmp(sqlstate, "KE", 2) == 0) {
		complain(l, TROUBLE_REFUSED, words);
	} else if (a == PG_FAILED) {
		log_warn("ledger: kep.checkpoint_add: %s", words);
	}
	round_end(l);
}

static void add_checkpoint(struct ledger *l)
{
	struct pg_params v = { .n = 0 };
	char size[24];

	snprintf(size, sizeof size, "%" PRIu64, l->now.size);
	pg_text(&v, span_str(conf_hostname(l->d->conf)));
	pg_text(&v, span_str(size));
	pg_octets(&v, span_of((const char *)l->now.root.o, MERKLE_SIZE));
	pg_octets(&v, buf_span(&l->note));
	pg_octets(&v, buf_span(&l->cms));
	pg_ask(l->pg, "SELECT kep.checkpoint_add($1::text, $2::bigint, $3::bytea, $4::bytea, $5::bytea)", &v, true, on_added, l);
}

static void on_kept(void *arg, bool ok, const char *words)
{
	struct ledger *l = arg;
	struct buf why = BUF_INIT;

	if (!ok) {
		round_fail(l, TROUBLE_UNWRITABLE, words);
	} else if (!published_read(&l->file, buf_span(&l->note), buf_span(&l->origin.name), l->origin.keys, l->origin.n, &why)) {
		round_fail(l, TROUBLE_UNSIGNED, buf_str(&why));
	} else {
		l->published_at = clock_now();
		add_checkpoint(l);
	}
	buf_release(&why);
}

/* Both signatures are there.  What we publish must be good in our own eyes first. */
static void publish(struct ledger *l)
{
	struct published made = { .known = false };
	struct buf why = BUF_INIT;

	if (l->failed)
		round_fail(l, TROUBLE_UNSIGNED, "no signature");
	else if (!published_read(&made, buf_span(&l->note), buf_span(&l->origin.name), l->origin.keys, 1, &why) || !head_eq(&made.head, &l->now))
		round_fail(l, TROUBLE_UNSIGNED, buf_str(&why));
	else
		keeper_put(l->keeper, buf_span(&l->note));
	published_release(&made);
	buf_release(&why);
}

/* ---- sign ---- */

static void on_noted(void *arg, struct span signature)
{
	struct ledger *l = arg;

	l->failed |= signature.n == 0;
	buf_clear(&l->note);
	note_start(&l->note, buf_span(&l->text));
	note_sign(&l->note, &l->origin.keys[0], signature);
	if (--l->open == 0)
		publish(l);
}

static void on_sealed(void *arg, struct span der)
{
	struct ledger *l = arg;

	l->failed |= der.n == 0;
	buf_clear(&l->cms);
	buf_add(&l->cms, der);
	if (--l->open == 0)
		publish(l);
}

static void sign(struct ledger *l)
{
	buf_clear(&l->text);
	checkpoint_write(&l->text, buf_span(&l->origin.name), l->now.size, &l->now.root);
	l->open = 2;
	l->failed = false;
	signer_ask(l->d->signer, SIGNER_NOTE, buf_span(&l->text), on_noted, l);
	signer_ask(l->d->signer, SIGNER_SEAL, buf_span(&l->text), on_sealed, l);
}

/* ---- judge ---- */

static void on_lacking(void *arg, enum lacking_answer a)
{
	struct ledger *l = arg;

	if (a == LACKING_CAME)
		judge(l);
	else if (a == LACKING_GONE)
		round_fail(l, TROUBLE_TILES_MISSING, NULL);
	else
		round_end(l);
}

static void on_partitions(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	if (a == PG_FAILED)
		log_warn("ledger: kep.ledger_partitions: %s", words);
}

/* Ahead of need, so that no checkpoint waits for it. */
static void make_partitions(struct ledger *l)
{
	struct pg_params v = { .n = 0 };

	if (l->partitions_at && clock_now() < l->partitions_at + PARTITIONS_EVERY)
		return;
	l->partitions_at = clock_now();
	pg_text(&v, SPAN(PARTITIONS));
	pg_ask(l->pg, "SELECT kep.ledger_partitions($1::int)", &v, true, on_partitions, l);
}

/* The tree keeps what was published.  Sign, if there is more than was published. */
static void found_good(struct ledger *l)
{
	bool first = !l->looked;

	l->looked = true;
	make_partitions(l);
	if (l->now.size > l->last.head.size) {
		sign(l);
		return;
	}
	all_is_well(l);
	if (first)
		ask_extend(l);
	else
		round_end(l);
}

static void judge(struct ledger *l)
{
	static const enum trouble_kind why[] = {
		[PUBLISHED_BEHIND] = TROUBLE_BEHIND, [PUBLISHED_FORKED] = TROUBLE_FORKED, [PUBLISHED_WRONG_ROOT] = TROUBLE_WRONG_ROOT,
	};
	enum published_judgement j = published_judge(&l->file, &l->now, l->tiles);

	if (j == PUBLISHED_KEPT || j == PUBLISHED_LACKING) {
		enum published_judgement k = published_judge(&l->last, &l->now, l->tiles);

		j = k == PUBLISHED_KEPT ? j : k;
	}
	if (j == PUBLISHED_KEPT)
		found_good(l);
	else if (j == PUBLISHED_LACKING)
		lacking_ask(l->pg, l->tiles, l->now.size, on_lacking, l);
	else
		round_fail(l, why[j], NULL);
}

/* ---- lengthen the tree, and ask what was published by others ---- */

static void extended_all(struct ledger *l)
{
	if (l->failed || !l->held) {
		round_end(l);
	} else if (l->more && l->looked && interval_left(l) > 0) {
		ask_extend(l);
	} else {
		l->woken |= l->more && l->looked;
		tiles_clear(l->tiles);
		judge(l);
	}
}

static void on_extended(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct ledger *l = arg;
	struct buf root = BUF_INIT;
	bool last;

	if (a == PG_DONE) {
		l->held = span_is(pg_value(rows, 0, 0), "t");
		l->now.size = strtoull(pg_value(rows, 0, 1).p, NULL, 10);
		if (pg_bytea(rows, 0, 2, &root) && root.n == MERKLE_SIZE)
			memcpy(l->now.root.o, root.p, MERKLE_SIZE);
		else
			l->failed = true;
		l->added += strtoull(pg_value(rows, 0, 3).p, NULL, 10);
		l->more = span_is(pg_value(rows, 0, 4), "t");
	}
	last = step_done(l, "kep.ledger_extend", a, words);
	buf_release(&root);
	if (last)
		extended_all(l);
}

static void on_last(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct ledger *l = arg;
	struct buf note = BUF_INIT, why = BUF_INIT;
	bool last = step_done(l, "kep.checkpoint_last", a, words), foreign = false;

	if (a == PG_DONE && pg_rows_count(rows) == 0) {
		published_clear(&l->last);
	} else if (a == PG_DONE) {
		pg_bytea(rows, 0, 0, &note);
		if (!span_eq(buf_span(&note), buf_span(&l->last.note)))
			foreign = !published_read(&l->last, buf_span(&note), buf_span(&l->origin.name), l->origin.keys, l->origin.n, &why);
	}
	if (foreign) {
		complain(l, TROUBLE_FOREIGN, buf_str(&why));
		l->failed = true;
	}
	if (last)
		extended_all(l);
	buf_release(&note);
	buf_release(&why);
}

static void ask_extend(struct ledger *l)
{
	struct pg_params v = { .n = 0 }, none = { .n = 0 };

	pg_text(&v, span_str(conf_hostname(l->d->conf)));
	pg_text(&v, SPAN(LEASE));
	pg_text(&v, l->looked ? SPAN(EXTEND_MAX) : SPAN("0"));
	l->open = 2;
	l->failed = false;
	pg_ask(l->pg, "SELECT held, size, root, added, more FROM kep.ledger_extend($1::text, $2::interval, $3::int)", &v, true, on_extended, l);
	pg_ask(l->pg, "SELECT note FROM kep.checkpoint_last()", &none, true, on_last, l);
}

/* ---- the file ---- */

/* What the file says is taken once; what we publish ourselves is known better here. */
static bool file_read(struct ledger *l)
{
	struct buf octets = BUF_INIT, why = BUF_INIT;

	if (l->file_good)
		return true;
	switch (keeper_read(l->d->conf->checkpoint_file, NOTE_MAX, &octets)) {
	case KEEPER_ABSENT:
		l->file_good = true;
		log_info("ledger: %s is not there: this host has published no checkpoint yet", l->d->conf->checkpoint_file);
		break;
	case KEEPER_UNREADABLE:
		complain(l, TROUBLE_UNREADABLE, buf_str(&octets));
		break;
	case KEEPER_READ:
		l->file_good = published_read(&l->file, buf_span(&octets), buf_span(&l->origin.name), l->origin.keys, l->origin.n, &why);
		if (!l->file_good)
			complain(l, TROUBLE_FILE_FOREIGN, buf_str(&why));
		break;
	}
	buf_release(&octets);
	buf_release(&why);
	return l->file_good;
}

static void round_begin(struct ledger *l)
{
	if (l->running || l->stopped || !l->d->schema || !pg_is_up(l->pg))
		return;
	event_del(l->timer);
	l->running = true;
	l->began_at = clock_now();
	l->woken = false;
	l->added = 0;
	l->held = false;
	if (file_read(l))
		ask_extend(l);
	else
		round_end(l);
}

/* ---- what wakes us ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	round_begin(arg);
}

void ledger_kick(struct ledger *l)
{
	usec pause = earliest(l);

	l->woken = true;
	if (l->running || l->stopped)
		return;
	l->looks = LOOKS;
	if (l->trouble.kind != TROUBLE_NONE && evtimer_pending(l->timer, NULL))
		return;                 /* looked at from time to time */
	if (pause > 0)
		wait_for(l, pause);
	else
		round_begin(l);
}

static void on_notify(void *arg, const char *channel)
{
	ledger_kick(arg);
}

/* A connection may lead to another copy of the database than the one before. */
static void on_state(void *arg, bool up, const char *words)
{
	struct ledger *l = arg;

	l->looked = false;
	published_clear(&l->last);
	if (up)
		ledger_kick(l);
}

/* ---- life ---- */

struct ledger *ledger_new(struct daemon *d)
{
	static const struct cable_hooks hooks = { on_state, on_notify };
	struct ledger *l = mem_new(sizeof *l);

	l->d = d;
	origin_init(&l->origin, d->conf, signer_public(d->signer));
	published_clear(&l->file);
	published_clear(&l->last);
	l->tiles = tiles_new();
	l->timer = evtimer_new(d->base, on_timer, l);
	if (!l->timer)
		log_fatal("libevent: no timers");
	l->keeper = keeper_new(d->base, d->conf->checkpoint_file, on_kept, l);
	l->cable = cable_new(d->base, d->conf->database, "kep-policyd ledger", &hooks, l);
	l->pg = cable_pg(l->cable);
	pg_listen(l->pg, "kep_ledger");
	return l;
}

void ledger_stop(struct ledger *l)
{
	l->stopped = true;
	event_del(l->timer);
}

bool ledger_busy(const struct ledger *l)
{
	return l->running;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	l->stopped = true;
	cable_free(l->cable);
	keeper_free(l->keeper);
	event_free(l->timer);
	tiles_free(l->tiles);
	published_release(&l->file);
	published_release(&l->last);
	origin_release(&l->origin);
	buf_release(&l->text);
	buf_release(&l->note);
	buf_release(&l->cms);
	trouble_release(&l->trouble);
	free(l);
}

const struct origin *ledger_origin(const struct ledger *l)
{
	return &l->origin;
}
