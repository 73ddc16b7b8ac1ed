/* fake_policyd.h - a database and a peer for the sessions of kep-policyd, without
 * a socket.  Stands in for sql/pg.c and policyd/service.c.
 *
 * Domains: hs01.kep.test (ours); hs02.kep.test of HS02, certificates AA:BB and
 * CC:DD, relay [192.0.2.2]:26; hs03.kep.test of HS03, no certificate, no relay.
 * Accounts: ali@, veli@ (login "veli"), askida@ (suspended), kapali@ (closed), all
 * in hs01.kep.test.
 */
#ifndef KEP_TESTS_FAKE_POLICYD_H
#define KEP_TESTS_FAKE_POLICYD_H

#include "libkep/buf.h"
#include "policyd/daemon.h"

struct fake {
	bool        up;                 /* the database is there */
	const char *fail;               /* part of the statements that fail */
	struct buf  asked;              /* what was asked, one line a statement: NAME(VALUE|VALUE..); !: durable, ~: later */
	size_t      waiting;
	bool        writing;            /* pg_is_writing() */
	struct buf  written;            /* to the peer */
	bool        closed, finished;   /* the peer */
	unsigned    deadline;
};
extern struct fake fake;

/* A daemon with conf track_domain evt.hs01.kep.test, hostname mx1.hs01.kep.test;
 * the directory is loaded when `up`. */
struct daemon *fake_start(bool up);
void fake_end(struct daemon *d);
/* Answer everything that is asked, and what is asked then. */
void fake_answer(void);
/* The next `n` only. */
void fake_answer_some(size_t n);
/* Lose the connection: everything is answered PG_LOST. */
void fake_lose(void);
/* Forget what was asked and written. */
void fake_forget(void);

#endif
