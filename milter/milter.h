/* milter.h - the one door to libmilter: callbacks translate, session.h decides. */
#ifndef KEP_MILTER_MILTER_H
#define KEP_MILTER_MILTER_H

#include <sys/types.h>

#include "libkep/conf.h"

/* Make the listening socket; conf is borrowed for good.  owner: of a unix socket,
 * (uid_t)-1: unchanged.  To be called before privileges are dropped and before any
 * other thread runs.  false: *error. */
bool milter_open(const struct conf *conf, uid_t owner, struct buf *error);
/* Serve until SIGTERM or SIGINT, which must be blocked in every thread.  Threads
 * of libmilter may still be at work afterwards: end the program with _exit(2).
 * false: libmilter gave up. */
bool milter_run(void);

#endif
