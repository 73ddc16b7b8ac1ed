/* question.h - one question to the database on its way: a copy of what was asked,
 * and the queues it waits in.  Knows nothing of libpq. */
#ifndef KEP_QUESTION_H
#define KEP_QUESTION_H

#include "sql/pg.h"

struct question {
	struct question *next;
	const char      *sql;           /* a literal, borrowed for ever */
	pg_answered     *answered;
	void            *arg;
	void            *rows;          /* what came back, held until the commit is known; pg.c's */
	bool             durable;
	bool             later;         /* need not be sent for its own sake */
	bool             alone;         /* asked again: in a transaction of its own */
	size_t           n;             /* parameters, each followed by a NUL */
	const char      *values[PG_PARAMS_MAX];
	int              lengths[PG_PARAMS_MAX];
	int              formats[PG_PARAMS_MAX];
	char             octets[];
};

/* A copy of everything; free(3) it.  NULL: a text holds a NUL octet, which
 * PostgreSQL does not take, or a value is longer than 1 GiB. */
struct question *question_new(const char *sql, const struct pg_params *params);

struct queue {
	struct question *head, *tail;
	size_t           n;
};

void queue_push(struct queue *q, struct question *x);           /* at the end */
struct question *queue_pop(struct queue *q);                    /* NULL: empty */
/* All of `first` comes before what is in q; first is empty afterwards. */
void queue_join(struct queue *q, struct queue *first);

#endif
