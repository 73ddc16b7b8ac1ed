/* renew.h - a file fetched from elsewhere that takes the place of the one before it. */
#ifndef KEP_KEPCTL_RENEW_H
#define KEP_KEPCTL_RENEW_H

#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/jdoc.h"

enum renew_state { RENEW_FAILED, RENEW_UNCHANGED, RENEW_REPLACED, RENEW_ADDED };

/* "failed", "unchanged", ... */
const char *renew_word(enum renew_state state);
/* Put octets in the place of a file: whole and durable, then renamed, so that readers
 * see the old or the new.  RENEW_FAILED: *error says why, and the old one stays. */
enum renew_state renew_put(const char *file, struct span octets, struct buf *error);
/* A time of a row of JSON; 0: none. */
void renew_time(jdoc *row, const char *key, usec at);

#endif
