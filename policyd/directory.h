/* directory.h - who is who: domains and accounts, cached, and the one decision.
 *
 * The list of domains is loaded when the database comes, kept for as long as the
 * process lives, and loaded again on NOTIFY kep_directory and every minute; a copy in
 * a file (conf domain_file) serves a process that starts without the database.  So
 * ordinary mail for ordinary domains is decided without the database.  Accounts
 * are asked for when needed and remembered for a minute; everything remembered
 * of them is forgotten on NOTIFY kep_directory and when the connection is new.
 * No libevent here.
 */
#ifndef KEP_DIRECTORY_H
#define KEP_DIRECTORY_H

#include "libkep/addr.h"
#include "libkep/conf.h"
#include "libkep/reason.h"
#include "policyd/decide.h"
#include "sql/pg.h"

#define DIRECTORY_ACCOUNTS_MAX 100000
#define DIRECTORY_AGE ((usec)60 * 1000000)

struct directory;
/* Asks nothing yet.  conf and pg must outlive it. */
struct directory *directory_new(const struct conf *conf, struct pg *pg);
/* Call after pg_free(), which answers what is still asked. */
void directory_free(struct directory *d);

/* The list of domains as it was when the process ran last, from directory_write():
 * it serves until the database gives its own.  false: the text is none. */
bool directory_recall(struct directory *d, struct span text);
/* Append the list of domains as text. */
void directory_write(const struct directory *d, struct buf *out);
/* Have this called each time the list of domains was loaded. */
void directory_on_loaded(struct directory *d, void (*loaded)(void *arg), void *arg);

/* Forget the accounts and load the domains again: the connection is new, or
 * NOTIFY kep_directory came. */
void directory_renew(struct directory *d);
/* Call every few seconds: loads the domains again when it is time. */
void directory_tick(struct directory *d);
/* The list of domains has been loaded at least once, or recalled. */
bool directory_loaded(const struct directory *d);
size_t directory_domains(const struct directory *d);

/* Whose address is this?  Never asks the database, so never PARTY_ACTIVE and
 * its like: PARTY_OURS.  *a is the folded address, empty when it is unreadable.
 * All is PARTY_ORDINARY while nothing is loaded: look at directory_loaded(). */
enum party directory_party(const struct directory *d, struct span address, struct addr *a);
/* Both addresses are in domains of one and the same other provider. */
bool directory_same_provider(const struct directory *d, struct span a, struct span b);
/* Next hop "[HOST]:PORT" for a recipient of another provider; SPAN_NONE: none. */
struct span directory_relay(const struct directory *d, struct span rcpt);

/* One decision to take, in memory of the caller, which must stay until
 * it is answered (there is no calling it off). */
struct decision {
	/* asked; the octets must stay as well */
	struct span sender, login;
	struct span tls;                /* fingerprint of the client's certificate, "" without one */
	bool        tls_known;          /* false: who asks cannot know (TLS_UNKNOWN) */
	struct span rcpt;
	bool        with_rcpt;          /* false: may the sender send at all? */
	void      (*answered)(void *arg);
	void       *arg;
	/* the answer */
	enum reason why;                /* REASON_UNAVAILABLE: the database is needed and not there */
	bool        kep;                /* accepted: mail of the closed system; else: a party of it is concerned */
	enum party  sender_party, rcpt_party;
	struct addr sender_addr, rcpt_addr;     /* folded; empty when null or unreadable */
	/* ours */
	struct directory *directory;
	uint64_t    age;
	bool        login_right;
};

/* answered() comes from within the call when everything is remembered. */
void directory_decide(struct directory *d, struct decision *q);

#endif
