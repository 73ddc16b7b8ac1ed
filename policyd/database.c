#include "policyd/database.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/directory.h"
#include "sql/schema.h"

#define TICK_SECONDS 5
#define VOID_TICKS 12           /* kep.void_pending() once a minute */

struct database {
	struct daemon *d;
	const struct database_hooks *hooks;
	void          *arg;
	struct event  *watch;           /* the connection's descriptor */
	struct event  *timer;           /* pg_tick() */
	struct event  *tick;
	unsigned       ticks;
	bool           said_down;
};

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	const struct database *db = arg;

	pg_ready(db->d->pg, what & EV_READ, what & EV_WRITE);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	const struct database *db = arg;

	pg_tick(db->d->pg);
}

static void watch(void *arg, int fd, bool readable, bool writable)
{
	struct database *db = arg;
	short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	if (db->watch) {
		if (fd >= 0 && event_get_fd(db->watch) == fd && event_get_events(db->watch) == what)
			return;
		event_free(db->watch);
		db->watch = NULL;
	}
	if (fd < 0 || !(readable || writable))
		return;
	db->watch = event_new(db->d->base, fd, what, on_socket, db);
	if (!db->watch || event_add(db->watch, NULL) != 0)
		log_fatal("libevent: the database's socket cannot be watched");
}

/* As if the socket could be written: behind what else is active in this turn. */
static void turn(void *arg)
{
	const struct database *db = arg;

	event_active(db->watch, EV_WRITE, 0);
}

static void timer(void *arg, unsigned ms)
{
	const struct database *db = arg;
	struct timeval tv = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	event_add(db->timer, &tv);
}

/* ---- the schema ---- */

static void version_came(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct database *db = arg;
	char text[512];
	int schema;

	if (a == PG_LOST)
		return;         /* asked again on the next connection */
	if (a == PG_FAILED) {
		snprintf(text, sizeof text, "the database has no schema of ours, or its user may not use it (%s: %s); "
		    "run kepctl db init, or correct the key database", sqlstate, words);
		db->hooks->misfits(db->arg, text);
		return;
	}
	schema = (int)strtol(pg_value(rows, 0, 0).p, NULL, 10);
	if (schema != SCHEMA_VERSION) {
		snprintf(text, sizeof text, "the schema of the database is of version %d, this program needs version %d; %s", schema, SCHEMA_VERSION,
		    schema < SCHEMA_VERSION ? "run kepctl db upgrade" : "install the release of postkep the database was upgraded for");
		db->hooks->misfits(db->arg, text);
		return;
	}
	db->d->schema = SCHEMA_VERSION;
	directory_renew(db->d->directory);
}

static void on_loaded(void *arg)
{
	struct database *db = arg;

	db->hooks->fits(db->arg);
}

static void state(void *arg, bool up, const char *words)
{
	struct database *db = arg;
	struct pg_params none = { .n = 0 };

	if (up) {
		log_info("database: connected");
		db->said_down = false;
		pg_ask(db->d->pg, "SELECT kep.schema_version()", &none, false, version_came, db);
	} else if (!db->said_down) {
		log_warn("database: not there: %s; KEP mail is answered 451 until it is back", words ? words : "");
		db->said_down = true;
	}
}

static void notify(void *arg, const char *channel, const char *payload)
{
	struct database *db = arg;

	if (strcmp(channel, "kep_directory") == 0)
		directory_renew(db->d->directory);
	else if (strcmp(channel, "kep_outbox") == 0)
		db->hooks->outbox(db->arg);
}

/* ---- housekeeping ---- */

static void voided(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	if (a == PG_FAILED)
		log_warn("messages that never arrived could not be made void: %s: %s", sqlstate, words);
	else if (a == PG_DONE && !span_is(pg_value(rows, 0, 0), "0"))
		log_warn("%.*s recorded messages never reached the queue and are void; kepctl show tells which",
		    (int)pg_value(rows, 0, 0).n, pg_value(rows, 0, 0).p);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct database *db = arg;
	struct pg_params v = { .n = 0 };
	char older[32];

	if (!db->d->schema || !pg_is_up(db->d->pg))
		return;
	directory_tick(db->d->directory);
	if (++db->ticks % VOID_TICKS != 0)
		return;
	snprintf(older, sizeof older, "%" PRId64 " seconds", (int64_t)(db->d->conf->void_after / 1000000));
	pg_text(&v, span_str(older));
	pg_ask(db->d->pg, "SELECT kep.void_pending($1::interval)", &v, true, voided, db);
}

struct database *database_new(struct daemon *d, const struct database_hooks *hooks, void *arg)
{
	static const struct pg_hooks pg_hooks = { watch, timer, state, notify, turn };
	static const struct timeval tick = { .tv_sec = TICK_SECONDS };
	struct database *db = mem_new(sizeof *db);

	db->d = d;
	db->hooks = hooks;
	db->arg = arg;
	db->timer = evtimer_new(d->base, on_timer, db);
	db->tick = event_new(d->base, -1, EV_PERSIST, on_tick, db);
	if (!db->timer || !db->tick || event_add(db->tick, &tick) != 0)
		log_fatal("libevent: no timers");
	d->pg = pg_new(d->conf->database, "kep-policyd", &pg_hooks, db);
	pg_listen(d->pg, "kep_directory");
	pg_listen(d->pg, "kep_outbox");
	d->directory = directory_new(d->conf, d->pg);
	directory_on_loaded(d->directory, on_loaded, db);
	return db;
}

void database_free(struct database *db)
{
	if (!db)
		return;
	pg_free(db->d->pg);
	directory_free(db->d->directory);
	db->d->pg = NULL;
	db->d->directory = NULL;
	if (db->watch)
		event_free(db->watch);
	event_free(db->timer);
	event_free(db->tick);
	free(db);
}
