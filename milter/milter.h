/* milter.h - the one door to libmilter: callbacks translate, session.h decides. */
#ifndef KEP_MILTER_MILTER_H
#define KEP_MILTER_MILTER_H

#include <sys/types.h>

#include "libkep/conf.h"

/* Make the listening socket; conf is borrowed for good.  owner: of a unix socket,
 * (uid_t)-1: unchanged.  To be called before privileges are dropped and before any
 * other thread runs.  false: *error. */
bool milter_open(const struct conf *conf, uid_t owner, struct buf *error);
/* Serve until SIGTERM or SIGINT, which must be blocked in every thread.  false:
 * libmilter gave up. */
bool milter_run(void);
/* After milter_run(): some connection is still open, and a thread of libmilter
 * may be at work for it; the program must end with _exit(2), so that nothing is
 * taken away from under that thread. */
bool milter_busy(void);

#endif
