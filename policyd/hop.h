/* hop.h - the LMTP hop: every recipient of KEP mail leaves Postfix's queue here.
 *
 * This is the edge: it joins Postfix's connections (service.h) to LMTP sessions
 * (lmtp.h), takes each message into a spool (spool.h) and hands it to a passage
 * (passage.h), which decides, delivers and records.
 */
#ifndef KEP_HOP_H
#define KEP_HOP_H

#include "policyd/daemon.h"

struct hop;

/* Serve on a bound, listening, non-blocking socket, which the hop owns from here
 * on.  d must live as long as the hop, and d->directory be there; never NULL. */
struct hop *hop_new(struct daemon *d, int listen_fd);
/* The end has begun: no new connections; those without a message close. */
void hop_stop(struct hop *h);
/* Connections, and messages under way that nobody waits for any more. */
size_t hop_busy(const struct hop *h);
/* Closes what is left.  Call it after pg_free(), whose PG_LOST ends the questions,
 * and before event_base_free(). */
void hop_free(struct hop *h);

#endif
