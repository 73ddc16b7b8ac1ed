/* pg.h - PostgreSQL; the one door to libpq.
 *
 * Two ways to ask.
 *
 * A struct pg is a pipeline connection for a daemon: questions are queued, and
 * what arrives while one transaction is under way goes into the next one
 * (natural batching, no timers); what is asked in one turn of the loop goes
 * together.  An answer is given only after the COMMIT of its transaction is
 * known; so an answer PG_DONE means durable.  When one question of a batch
 * raises an error the batch is rolled back, the others are asked again together
 * and the guilty one after them alone, so that only it fails; every question must
 * therefore be repeatable, and the order of questions under way is not promised.
 * When the connection is lost, every question that was sent or queued is answered
 * PG_LOST ("perhaps written").  It connects again by itself, with back-off from
 * 0.1 s to 5 s.
 *
 * A struct db is a plain blocking connection for kepctl.
 */
#ifndef KEP_PG_H
#define KEP_PG_H

#include "libkep/base.h"
#include "libkep/buf.h"

/* ---- rows ---- */

/* The rows of one answer; borrowed, valid during the callback (or until the
 * next db_ask).  Values are text. */
struct pg_rows;
size_t      pg_rows_count(const struct pg_rows *r);
size_t      pg_rows_width(const struct pg_rows *r);
const char *pg_rows_name(const struct pg_rows *r, size_t column);
/* The column of that name; out of range, so reading as empty: there is none. */
static inline size_t pg_column(const struct pg_rows *r, const char *name)
{
	size_t c = 0;

	while (c < pg_rows_width(r) && strcmp(pg_rows_name(r, c), name) != 0)
		c++;
	return c;
}
/* "" and *n = 0 for NULL; out of range gives the same. */
struct span pg_value(const struct pg_rows *r, size_t row, size_t column);
bool        pg_is_null(const struct pg_rows *r, size_t row, size_t column);
/* bytea column decoded from its hexadecimal text, appended to *out. */
bool        pg_bytea(const struct pg_rows *r, size_t row, size_t column, struct buf *out);

/* ---- parameters: text ($n::type in the statement), SPAN_NONE is NULL ---- */

#define PG_PARAMS_MAX 32
struct pg_params {
	struct span v[PG_PARAMS_MAX];
	bool        binary[PG_PARAMS_MAX];      /* bytea given as raw octets */
	size_t      n;
};
static inline void pg_text(struct pg_params *p, struct span s) { p->v[p->n++] = s; }
static inline void pg_octets(struct pg_params *p, struct span s) { p->binary[p->n] = true; p->v[p->n++] = s; }

/* Append a PostgreSQL array literal {"a","b"} of texts. */
void pg_array_text(struct buf *out, const struct span *v, size_t n);

/* ---- the pipeline connection ---- */

enum pg_answer { PG_DONE, PG_FAILED, PG_LOST };

/* Called once for every question.  PG_DONE: rows; PG_FAILED: sqlstate and words
 * of the error (rows NULL); PG_LOST: the outcome is unknown or nothing was sent. */
typedef void pg_answered(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words);

struct pg;
struct pg_hooks {
	/* Wait for these on fd (-1: none): call pg_ready() when they come. */
	void (*watch)(void *arg, int fd, bool readable, bool writable);
	/* Call pg_tick() after so many milliseconds; a later call replaces an earlier one. */
	void (*timer)(void *arg, unsigned ms);
	/* The connection came (true) or went. */
	void (*state)(void *arg, bool up, const char *words);
	/* A NOTIFY arrived on a channel given to pg_listen(). */
	void (*notify)(void *arg, const char *channel, const char *payload);
	/* Call pg_ready(pg, false, true) at the end of this turn of the loop. */
	void (*turn)(void *arg);
};

/* Starts connecting with the first turn of the loop.  conninfo is copied; fallback
 * application_name is `name`.  A host name in it is looked up while everything
 * waits: give hostaddr, or a unix socket. */
struct pg *pg_new(const char *conninfo, const char *name, const struct pg_hooks *hooks, void *arg);
/* Unanswered questions are answered PG_LOST.  Not from within a callback. */
void pg_free(struct pg *pg);
/* LISTEN after every (re)connect; call before the loop runs.  channel is a literal. */
void pg_listen(struct pg *pg, const char *channel);
/* sql is a string literal (its address names the prepared statement).  durable
 * false: the batch may commit with synchronous_commit = off if all of its
 * questions say so.  At most 100,000 questions wait; beyond that, or while the
 * connection is down, the answer PG_LOST comes at once, from within the call; so
 * does PG_FAILED for a text that holds a NUL octet. */
void pg_ask(struct pg *pg, const char *sql, const struct pg_params *params, bool durable, pg_answered *answered, void *arg);
/* A write that nobody waits for: not durable by itself.  It goes with the next
 * batch somebody waits for, before what was asked after it, or without one after
 * 0.2 s: about as much as synchronous_commit = off may lose in a crash. */
void pg_ask_later(struct pg *pg, const char *sql, const struct pg_params *params, pg_answered *answered, void *arg);
/* A durable question that gave rows was committed within the last second: the
 * store takes writes. */
bool pg_is_writing(const struct pg *pg);
void pg_ready(struct pg *pg, bool readable, bool writable);
void pg_tick(struct pg *pg);
bool pg_is_up(const struct pg *pg);
size_t pg_waiting(const struct pg *pg);         /* questions not answered yet */

/* ---- the blocking connection ---- */

struct db;
/* NULL: *error says why and how to mend it. */
struct db *db_open(const char *conninfo, const char *name, struct buf *error);
void db_close(struct db *db);
/* One statement with parameters.  NULL: *error is "SQLSTATE: words".  The rows
 * live until the next db_ask() or db_close(). */
const struct pg_rows *db_ask(struct db *db, const char *sql, const struct pg_params *params, struct buf *error);
/* Several statements without parameters, in one transaction unless they say
 * otherwise (migrations). */
bool db_run(struct db *db, const char *statements, struct buf *error);

/* One row of db_copy(); v is in PostgreSQL's binary form (bytea: the octets; text:
 * its octets; bigint: eight, the highest first; boolean: one), borrowed; p is NULL
 * for NULL.  false: enough, the rest is not wanted. */
typedef bool db_row(void *arg, const struct span *v, size_t n);
/* Hand over the rows of a query without parameters as they come (COPY), keeping
 * none of them.  false: *error is "SQLSTATE: words"; a row that said enough is no
 * error.  From within row another struct db may be asked, not this one. */
bool db_copy(struct db *db, const char *query, db_row *row, void *arg, struct buf *error);

#endif
