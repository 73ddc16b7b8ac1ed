/* cable.h - a pipeline connection (sql/pg.h) in the event loop. */
#ifndef KEP_CABLE_H
#define KEP_CABLE_H

#include "sql/pg.h"

struct event_base;
struct cable;

struct cable_hooks {
	/* The connection came (true) or went. */
	void (*state)(void *arg, bool up, const char *words);
	/* A NOTIFY on a channel given to pg_listen(). */
	void (*notify)(void *arg, const char *channel);
};

/* Starts connecting with the first turn of the loop; never NULL.  hooks and arg must live on. */
struct cable *cable_new(struct event_base *base, const char *conninfo, const char *name, const struct cable_hooks *hooks, void *arg);
struct pg *cable_pg(const struct cable *c);
/* Answers what is still asked (PG_LOST): all who ask must still be there. */
void cable_free(struct cable *c);

#endif
