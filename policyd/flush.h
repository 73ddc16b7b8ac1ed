/* flush.h - run conf postqueue once, so that a transport Postfix suspended while
 * we were away wakes up.  No shell: the command is split at blanks and must begin
 * with an absolute path. */
#ifndef KEP_FLUSH_H
#define KEP_FLUSH_H

#include "libkep/buf.h"

struct event_base;
struct flush;

/* Is it a command we run?  "" is fine (none).  false: *error. */
bool flush_fits(const char *command, struct buf *error);
/* Start it; its end is logged when it failed.  NULL: nothing to run, or it could
 * not be started (logged). */
struct flush *flush_start(struct event_base *base, const char *command);
/* Forgets the child; it goes on. */
void flush_free(struct flush *f);

#endif
