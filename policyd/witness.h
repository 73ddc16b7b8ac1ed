/* witness.h - witnesses of the ledger: somebody else who remembers the largest head
 * of ours he saw, sees to it that the next one is consistent with it, and signs it.
 *
 * Witnesses at conf witness_urls are asked over HTTP (C2SP tlog-witness,
 * add-checkpoint) for a cosignature on the newest checkpoint, with the proof that
 * it is consistent with the one they know.  A witness that knows more than our
 * database, or says that our proof is wrong, raises an alarm: the database has been
 * set back, or the ledger is forked.  For whoever has no such service, the newest
 * checkpoint also lies as a file in conf witness_dir (witness_folder.h).
 *
 * Nothing waits for witnesses. */
#ifndef KEP_WITNESS_H
#define KEP_WITNESS_H

#include "policyd/daemon.h"

struct fetcher;
struct witnesses;

/* Is what kep.conf says of witnesses in order?  false: *error. */
bool witness_fits(const struct conf *conf, struct buf *error);
/* conf must fit, d->ledger be there.  Without witness_urls and witness_dir it does nothing. */
struct witnesses *witness_new(struct daemon *d, struct fetcher *fetcher);
/* Nothing is begun any more, and no witness is heard. */
void witness_stop(struct witnesses *w);
/* After database_free(), before fetcher_free(). */
void witness_free(struct witnesses *w);

#endif
