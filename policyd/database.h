/* database.h - the pipeline connection (sql/pg.h) in the event loop, and what is
 * to be done when it comes: is the schema ours
 * (sql/schema.h)?  then load the directory. */
#ifndef KEP_DATABASE_H
#define KEP_DATABASE_H

#include "policyd/daemon.h"

struct database;

struct database_hooks {
	/* The schema fits and the list of domains is loaded; called again from time to time. */
	void (*fits)(void *arg);
	/* It does not, or we may not use it: words say how to mend it. */
	void (*misfits)(void *arg, const char *words);
	/* NOTIFY kep_outbox. */
	void (*outbox)(void *arg);
};

/* Makes d->pg and d->directory; starts connecting. */
struct database *database_new(struct daemon *d, const struct database_hooks *hooks, void *arg);
/* Answers what is still asked (PG_LOST): all who ask must still be there.
 * d->pg and d->directory are gone afterwards. */
void database_free(struct database *db);

#endif
