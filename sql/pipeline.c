/* pipeline.c - what is asked, when it is sent and what goes together; see pipeline.h. */
#include "sql/pipeline.h"

#include <time.h>

#include "libkep/log.h"
#include "libkep/mem.h"

enum {
	WAITING_MAX = 100000,
	LATER_MS    = 200,
	WRITING_MS  = 1000,
};

/* ---- time ---- */

int64_t pipeline_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One timer for back-off, patience and what may wait.  It is let run when its
 * time moves away, so a batch costs no call of the hook. */
static void wake_at(struct pg *pg, int64_t at)
{
	int64_t left = at - pipeline_now();

	if (pg->timer_at == 0 || pg->timer_at > at) {
		pg->timer_at = at;
		pg->hooks.timer(pg->arg, left > 0 ? (unsigned)left : 0);
	}
}

void pipeline_due_in(struct pg *pg, unsigned ms)
{
	pg->deadline = pipeline_now() + ms;
	wake_at(pg, pg->deadline);
}

/* ---- a batch ---- */

size_t pipeline_statement(struct pg *pg, const char *sql)
{
	for (size_t i = 0; i < pg->n_statements; i++)
		if (pg->statements[i].sql == sql)
			return i;
	pg->statements = mem_grow(pg->statements, (pg->n_statements + 1) * sizeof(*pg->statements));
	pg->statements[pg->n_statements] = (struct statement){ sql, UNKNOWN };
	return pg->n_statements++;
}

/* One that is asked again goes alone. */
void pipeline_take(struct pg *pg)
{
	do {
		pg->eager -= !pg->waiting.head->later;
		queue_push(&pg->flight, queue_pop(&pg->waiting));
	} while (pg->waiting.head != NULL && pg->flight.n < BATCH_MAX && !pg->flight.head->alone && !pg->waiting.head->alone);
	if (pg->waiting.head == NULL)
		pg->later_at = 0;
}

bool pipeline_is_durable(const struct pg *pg)
{
	for (const struct question *x = pg->flight.head; x != NULL; x = x->next)
		if (x->durable)
			return true;
	return false;
}

/* ---- asking ---- */

void pg_listen(struct pg *pg, const char *channel)
{
	if (pg->n_channels == CHANNELS_MAX)
		log_panic("pg_listen: more than %d channels", CHANNELS_MAX);
	pg->channels[pg->n_channels++] = channel;
}

/* The question, queued; NULL: it was answered at once. */
static struct question *enqueue(struct pg *pg, const char *sql, const struct pg_params *params, pg_answered *answered, void *arg)
{
	struct question *x;

	if (pg->state != UP || pg_waiting(pg) >= WAITING_MAX) {
		answered(arg, PG_LOST, NULL, "08003", pg->state == UP ? "too many questions wait for the database" : "the database is not connected");
		return NULL;
	}
	x = question_new(sql, params);
	if (x == NULL) {
		answered(arg, PG_FAILED, NULL, "22021", "a value holds a NUL octet or is too long for the database");
		return NULL;
	}
	x->answered = answered;
	x->arg = arg;
	queue_push(&pg->waiting, x);
	return x;
}

/* Not sent from here: what else this turn of the loop asks shall share the transaction. */
static void send_soon(struct pg *pg)
{
	if (pg->flight.head == NULL && !pg->answering)
		pg->hooks.turn(pg->arg);
}

void pg_ask(struct pg *pg, const char *sql, const struct pg_params *params, bool durable, pg_answered *answered, void *arg)
{
	struct question *x = enqueue(pg, sql, params, answered, arg);

	if (x == NULL)
		return;
	x->durable = durable;
	if (pg->eager++ == 0)
		send_soon(pg);
}

void pg_ask_later(struct pg *pg, const char *sql, const struct pg_params *params, pg_answered *answered, void *arg)
{
	struct question *x = enqueue(pg, sql, params, answered, arg);

	if (x == NULL)
		return;
	x->later = true;
	if (pg->later_at == 0) {
		pg->later_at = pipeline_now() + LATER_MS;
		wake_at(pg, pg->later_at);
	}
}

/* What could wait has waited long enough. */
static void send_later(struct pg *pg)
{
	pg->later_at = 0;
	if (pg->state != UP || pg->waiting.head == NULL)
		return;
	for (struct question *x = pg->waiting.head; x != NULL; x = x->next)
		x->later = false;
	pg->eager = pg->waiting.n;
	send_soon(pg);
}

bool pg_is_writing(const struct pg *pg)
{
	return pg->state == UP && pg->written_at != 0 && pipeline_now() - pg->written_at <= WRITING_MS;
}

void pg_tick(struct pg *pg)
{
	int64_t now = pipeline_now();

	pg->timer_at = 0;
	if (pg->later_at != 0 && now >= pg->later_at)
		send_later(pg);
	if (pg->later_at != 0)
		wake_at(pg, pg->later_at);
	if (pg->deadline == 0)
		return;
	if (now < pg->deadline)
		wake_at(pg, pg->deadline);
	else if (pg->state == DOWN)
		pipeline_connect(pg);
	else
		pipeline_lost(pg, "the database did not answer for 10 seconds");
}

bool pg_is_up(const struct pg *pg)
{
	return pg->state == UP;
}

size_t pg_waiting(const struct pg *pg)
{
	return pg->waiting.n + pg->flight.n;
}
