/* tsa.h - time-stamps (RFC 3161) on the ledger's checkpoints, from one or more
 * authorities (conf tsa_urls).
 *
 * Each authority is asked on its own every tsa_interval for the newest checkpoint
 * it has not stamped; what is older is covered through consistency.  A token is
 * kept (kep.stamp_add) only when stamp.h says that it is genuine and answers our
 * request, together with its chain and the revocation data of that moment.  An
 * authority that fails is asked again later and later, up to a quarter of an
 * hour; after tsa_alarm of nothing but failures an alarm is recorded.  Nothing
 * waits for an authority: receipts go out without stamps. */
#ifndef KEP_TSA_H
#define KEP_TSA_H

#include "policyd/daemon.h"

struct fetcher;
struct tsa;

/* Is what kep.conf says of authorities in order?  false: *error names the key and
 * how to mend it. */
bool tsa_fits(const struct conf *conf, struct buf *error);
/* conf must fit.  Without tsa_urls it does nothing. */
struct tsa *tsa_new(struct daemon *d, struct fetcher *fetcher);
/* Nothing is begun any more, and no authority is heard. */
void tsa_stop(struct tsa *t);
/* After database_free(), which answers what was asked; before fetcher_free(). */
void tsa_free(struct tsa *t);

#endif
