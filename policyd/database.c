#include "policyd/database.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/cable.h"
#include "policyd/directory.h"
#include "policyd/keeper.h"
#include "sql/schema.h"

#define TICK_SECONDS 5
#define VOID_TICKS 12           /* kep.void_pending() once a minute */
#define DOMAINS_MAX ((size_t)16 << 20)  /* octets of domain_file */

struct database {
	struct daemon *d;
	const struct database_hooks *hooks;
	void          *arg;
	struct cable  *cable;
	struct event  *tick;
	unsigned       ticks;
	bool           said_down;
	struct keeper *keeper;          /* of the list of domains; NULL: it is not kept */
	struct buf     kept, keeping;   /* what the file holds; what is being written */
};

/* ---- the list of domains in a file ---- */

static void keep(struct database *db)
{
	struct buf text = BUF_INIT;

	directory_write(db->d->directory, &text);
	if (!db->keeper || db->keeping.n || span_eq(buf_span(&text), buf_span(&db->kept))) {
		buf_release(&text);
		return;
	}
	db->keeping = text;
	keeper_put(db->keeper, buf_span(&text));
}

static void on_kept(void *arg, bool ok, const char *words)
{
	struct database *db = arg;

	if (!ok)
		log_warn("domain_file: %s; without it ordinary mail waits when kep-policyd starts while the database is down", words);
	buf_release(&db->kept);
	db->kept = db->keeping;         /* one that failed is tried again when the list is another one */
	db->keeping = (struct buf)BUF_INIT;
}

static void recall(struct database *db)
{
	const char *file = db->d->conf->domain_file;
	struct buf text = BUF_INIT;
	enum keeper_found found;

	if (!*file)
		return;
	db->keeper = keeper_new(db->d->base, file, on_kept, db);
	found = keeper_read(file, DOMAINS_MAX, &text);
	if (found == KEEPER_READ && !directory_recall(db->d->directory, buf_span(&text)))
		log_warn("domain_file: %s is not a list of domains of ours; it is written anew when the database is there", file);
	else if (found == KEEPER_READ)
		db->kept = text;
	else if (found == KEEPER_UNREADABLE)
		log_warn("domain_file: %s", buf_str(&text));
	if (db->kept.p != text.p)
		buf_release(&text);
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

	keep(db);
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

static void notify(void *arg, const char *channel)
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
	static const struct cable_hooks cable_hooks = { state, notify };
	static const struct timeval tick = { .tv_sec = TICK_SECONDS };
	struct database *db = mem_new(sizeof *db);

	db->d = d;
	db->hooks = hooks;
	db->arg = arg;
	db->tick = event_new(d->base, -1, EV_PERSIST, on_tick, db);
	if (!db->tick || event_add(db->tick, &tick) != 0)
		log_fatal("libevent: no timers");
	db->cable = cable_new(d->base, d->conf->database, "kep-policyd", &cable_hooks, db);
	d->pg = cable_pg(db->cable);
	pg_listen(d->pg, "kep_directory");
	pg_listen(d->pg, "kep_outbox");
	d->directory = directory_new(d->conf, d->pg);
	directory_on_loaded(d->directory, on_loaded, db);
	recall(db);
	return db;
}

void database_free(struct database *db)
{
	if (!db)
		return;
	cable_free(db->cable);
	keeper_free(db->keeper);
	buf_release(&db->kept);
	buf_release(&db->keeping);
	directory_free(db->d->directory);
	db->d->pg = NULL;
	db->d->directory = NULL;
	event_free(db->tick);
	free(db);
}
