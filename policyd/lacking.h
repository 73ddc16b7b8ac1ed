/* lacking.h - asking the database for the tiles a proof lacks (libkep/tiles.h). */
#ifndef KEP_LACKING_H
#define KEP_LACKING_H

#include "libkep/tiles.h"
#include "sql/pg.h"

enum lacking_answer {
	LACKING_CAME,           /* all of them are in tiles now */
	LACKING_GONE,           /* the database does not have them all, or other ones than before */
	LACKING_FAILED,         /* it did not answer; said in the log */
};
typedef void lacking_done(void *arg, enum lacking_answer a);

/* Ask for what lacks in tiles (at least one), as of a tree of that size.  tiles and
 * arg must live until done(), which may come from within the call when the
 * database is not there. */
void lacking_ask(struct pg *pg, struct tiles *tiles, uint64_t size, lacking_done *done, void *arg);

#endif
