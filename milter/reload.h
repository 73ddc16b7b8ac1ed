#include "libkep/conf.h"

/* reload.h - SIGHUP, SIGUSR1, or a change of the files read trust anchors and CRLs
 * again.
 *
 * libmilter waits for SIGHUP in a thread of its own and takes it for "stop".
 * A signal sent to the process goes to its first thread when that one takes it,
 * so the first thread keeps SIGHUP open, with a handler, and nothing else; the
 * milter runs in another one.  SIGUSR1, which libmilter leaves alone, does the
 * same where this order of delivery should not hold (it is Linux's; POSIX leaves
 * it open).
 */
#ifndef KEP_MILTER_RELOAD_H
#define KEP_MILTER_RELOAD_H

/* Call in the first thread, before any other thread is made: blocks HUP, USR1,
 * TERM and INT here and so in every thread to come. */
void reload_prepare(void);
/* Start the thread that reloads what conf says (borrowed for good) into anchors.h, and
 * open SIGHUP in this, the first thread. */
void reload_start(const struct conf *conf);
/* What is in use and where it came from, for the log. */
void reload_describe(const struct conf *conf, struct buf *out);
/* Call first in each thread that is made after reload_start(): a new thread has
 * the open SIGHUP of the one that made it. */
void reload_shield(void);

#endif
