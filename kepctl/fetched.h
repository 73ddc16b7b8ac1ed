/* fetched.h - a file fetched from elsewhere that takes the place of the one before it. */
#ifndef KEP_KEPCTL_FETCHED_H
#define KEP_KEPCTL_FETCHED_H

#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/jdoc.h"

enum fetched_state { FETCHED_FAILED, FETCHED_UNCHANGED, FETCHED_REPLACED, FETCHED_ADDED };

/* "failed", "unchanged", ... */
const char *fetched_word(enum fetched_state state);
/* Put octets in the place of a file: whole and durable, then renamed, so that readers
 * see the old or the new.  FETCHED_FAILED: *error says why, and the old one stays. */
enum fetched_state fetched_put(const char *file, struct span octets, struct buf *error);
/* A time of a row of JSON; 0: none. */
void fetched_time(jdoc *row, const char *key, usec at);

#endif
