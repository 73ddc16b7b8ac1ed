/* hop.h - the LMTP hop: every recipient of KEP mail leaves Postfix's queue here.
 *
 * This is the edge: it accepts Postfix's connections, moves octets between them
 * and the LMTP sessions (lmtp.h), takes each message into a spool (spool.h) and
 * hands it to a passage (passage.h), which decides, delivers and records.
 */
#ifndef KEP_HOP_H
#define KEP_HOP_H

#include "policyd/daemon.h"

struct hop;

/* Serve on a bound, listening, non-blocking socket, which the hop owns from here
 * on.  d must live as long as the hop; never NULL. */
struct hop *hop_new(struct daemon *d, int listen_fd);
/* Closes every connection.  Call it before pg_free() and event_base_free(). */
void hop_free(struct hop *h);

#endif
