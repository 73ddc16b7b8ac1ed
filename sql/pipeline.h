/* pipeline.h - the inside of the pipeline connection of pg.h.  pg.c speaks to the
 * server; pipeline.c knows nothing of libpq: what is asked, when it is sent and
 * what goes together. */
#ifndef KEP_PIPELINE_H
#define KEP_PIPELINE_H

#include "sql/question.h"

enum {
	BATCH_MAX    = 200,             /* questions in one transaction */
	CHANNELS_MAX = 8,
};

enum state { DOWN, CONNECTING, SETTING_UP, UP };

struct statement {
	const char *sql;
	enum { UNKNOWN, ASKED, PREPARED } state;
};

struct step {
	struct question *question;      /* the one asked, or that needs the preparation; NULL: the setting */
	size_t           statement;
	bool             prepares;
};

struct pg {
	char              *conninfo, *name;
	struct pg_hooks    hooks;
	void              *arg;
	const char        *channels[CHANNELS_MAX];
	size_t             n_channels;

	struct pg_conn    *conn;        /* libpq's PGconn */
	enum state         state;
	unsigned           backoff;
	int64_t            deadline;    /* monotonic ms; 0: none */
	int64_t            timer_at;    /* when the hook will call; 0: it will not */
	int64_t            later_at;    /* monotonic ms when what may wait is sent; 0: nothing waits so */
	int64_t            written_at;  /* monotonic ms of the last durable commit; 0: none */
	struct buf         complaint;   /* the last words given to the state hook */

	struct statement  *statements;  /* of this connection; the index is the name */
	size_t             n_statements;

	struct queue       waiting;
	size_t             eager;       /* of them, not to be sent later */
	struct queue       flight;      /* the batch under way */
	struct step        steps[2 * BATCH_MAX + 1];
	size_t             n_steps, at;
	bool               failed;
	struct question   *guilty;      /* whose step raised the error; NULL: the commit did */
	char               sqlstate[6];
	struct buf         words;
	bool               answering;
};

/* ---- pipeline.c ---- */

/* Monotonic milliseconds. */
int64_t pipeline_now(void);
/* pg_tick() after so long, instead of when it was due before. */
void pipeline_due_in(struct pg *pg, unsigned ms);
/* The index of the prepared statement; a new one is UNKNOWN. */
size_t pipeline_statement(struct pg *pg, const char *sql);
/* Move what goes together from waiting, which is not empty, to flight. */
void pipeline_take(struct pg *pg);
/* One of the questions in flight asks for it. */
bool pipeline_is_durable(const struct pg *pg);

/* ---- pg.c ---- */

void pipeline_connect(struct pg *pg);
/* Everything is answered PG_LOST, and it connects again after the back-off. */
void pipeline_lost(struct pg *pg, const char *words);

#endif
