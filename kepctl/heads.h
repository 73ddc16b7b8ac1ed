/* heads.h - the checkpoints of the database, and those kept outside it, held against
 * the roots of the leaves as these stream by; and the time-stamps on them. */
#ifndef KEP_HEADS_H
#define KEP_HEADS_H

#include "kepctl/audit.h"
#include "kepctl/ctl.h"
#include "libkep/keyring.h"
#include "libkep/merkle.h"

#define HEADS_SKEW ((usec)300 * 1000000)        /* clocks that differ by less agree */

struct heads;
/* k: NULL when there are no keys to judge signatures by.  Borrows all of them. */
struct heads *heads_new(const struct ctl *c, struct db *db, const struct keyring *k, struct audit *a);
void heads_free(struct heads *h);
/* Take a checkpoint from outside: a signed note, or a tlog-proof that holds one.
 * Before the leaves stream.  false: *error names the file and why. */
bool heads_publish(struct heads *h, const char *file, struct buf *error);
/* EX_OK, or the exit status after it was said what went wrong. */
int heads_status(const struct heads *h);

/* The next size at which heads_reached() wants to be called; UINT64_MAX: none. */
uint64_t heads_due(struct heads *h);
void heads_reached(struct heads *h, const struct merkle_range *leaves);
/* Evidence at the next place was recorded by then, at the latest; INT64_MAX: not known. */
usec heads_before(struct heads *h);
/* No more leaves come: there are that many. */
void heads_end(struct heads *h, uint64_t size);
/* The time-stamps, each beside its checkpoint. */
void heads_stamps(struct heads *h);
/* Time of the newest checkpoint, 0: there is none. */
usec heads_newest(const struct heads *h);

#endif
