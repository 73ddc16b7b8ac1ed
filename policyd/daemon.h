/* daemon.h - what every part of kep-policyd is handed: one loop, one database
 * connection, one configuration.  Made by main.c, lives as long as the process. */
#ifndef KEP_DAEMON_H
#define KEP_DAEMON_H

#include "libkep/conf.h"
#include "sql/pg.h"

struct event_base;
struct directory;
struct signer_child;
struct ledger;

struct daemon {
	const struct conf   *conf;
	struct event_base   *base;
	struct pg           *pg;
	struct directory    *directory;         /* domains and accounts, cached (directory.h) */
	struct signer_child *signer;            /* the private keys live there (signer.h) */
	struct ledger       *ledger;            /* what covers evidence (ledger.h) */
	const char          *ledger_trouble;    /* why no checkpoint is signed; NULL: all is well */
	int                  schema;            /* version of the database's schema; 0: not known to fit (database.h) */
};

#endif
