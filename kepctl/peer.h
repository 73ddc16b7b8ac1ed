/* peer.h - the relay host of another provider.  Pure. */
#ifndef KEP_PEER_H
#define KEP_PEER_H

#include "libkep/buf.h"

/* "HOST:PORT" or "[HOST]:PORT" becomes "[host]:port", a nexthop that Postfix
 * takes without an MX lookup.  Appended to *out; false: not that. */
bool peer_relay(struct span text, struct buf *out);

#endif
