/* question.c - see question.h. */
#include "sql/question.h"

#include "libkep/mem.h"

#define VALUE_MAX ((size_t)1 << 30)     /* MaxAllocSize of PostgreSQL */

static bool params_fit(const struct pg_params *params, size_t *octets)
{
	*octets = 0;
	for (size_t i = 0; i < params->n; i++) {
		struct span v = params->v[i];

		if (v.n >= VALUE_MAX || (!params->binary[i] && v.n > 0 && memchr(v.p, 0, v.n) != NULL))
			return false;
		*octets += v.n + 1;
	}
	return true;
}

struct question *question_new(const char *sql, const struct pg_params *params)
{
	static const struct pg_params none;
	struct question *x;
	size_t octets;
	char *to;

	if (params == NULL)
		params = &none;
	if (params->n > PG_PARAMS_MAX || !params_fit(params, &octets))
		return NULL;
	x = mem_new(sizeof(*x) + octets);
	x->sql = sql;
	x->n = params->n;
	to = x->octets;
	for (size_t i = 0; i < params->n; i++) {
		struct span v = params->v[i];

		if (v.p == NULL)
			continue;
		memcpy(to, v.p, v.n);
		x->values[i] = to;
		x->lengths[i] = (int)v.n;
		x->formats[i] = params->binary[i];
		to += v.n + 1;
	}
	return x;
}

void queue_push(struct queue *q, struct question *x)
{
	x->next = NULL;
	if (q->tail != NULL)
		q->tail->next = x;
	else
		q->head = x;
	q->tail = x;
	q->n++;
}

struct question *queue_pop(struct queue *q)
{
	struct question *x = q->head;

	if (x == NULL)
		return NULL;
	q->head = x->next;
	if (q->head == NULL)
		q->tail = NULL;
	q->n--;
	x->next = NULL;
	return x;
}

void queue_join(struct queue *q, struct queue *first)
{
	if (first->tail == NULL)
		return;
	first->tail->next = q->head;
	if (q->tail == NULL)
		q->tail = first->tail;
	q->head = first->head;
	q->n += first->n;
	*first = (struct queue){ NULL, NULL, 0 };
}
