/* decide.h - who may write to whom: the one decision, without the looking up.
 * Used by the policy service and the ask socket through directory.h.  Pure. */
#ifndef KEP_DECIDE_H
#define KEP_DECIDE_H

#include "libkep/base.h"
#include "libkep/reason.h"

/* Whose an address is. */
enum party {
	PARTY_NULL,             /* the null sender */
	PARTY_ORDINARY,         /* not KEP */
	PARTY_TRACK,            /* in conf track_domain: bounces and notifications come back there */
	PARTY_PROVIDER,         /* in a domain of another registered provider */
	PARTY_OURS,             /* in one of our KEP domains, account not looked up (yet) */
	PARTY_ACTIVE,           /* ours: an active account */
	PARTY_INACTIVE,         /* ours: suspended or closed */
	PARTY_NO_ACCOUNT,       /* ours: there is no such account */
	PARTY_UNREADABLE,       /* in a KEP domain, but not an address we accept (addr.h) */
};

enum login { LOGIN_NONE, LOGIN_RIGHT, LOGIN_WRONG };

/* The client's TLS certificate: registered for the sender's provider, not so, or
 * not known to who asks (the milter). */
enum tls { TLS_UNKNOWN, TLS_REGISTERED, TLS_OTHER };

/* Belongs to the closed system. */
bool decide_is_kep(enum party p);

/* May this one send at all?  A sender of PARTY_OURS must have been looked up.
 * Null and ordinary senders are REASON_ACCEPTED here. */
enum reason decide_sender(enum party sender, enum login login, enum tls tls);

/* Must a recipient of PARTY_OURS be looked up before decide_rcpt()? */
bool decide_needs_account(enum party sender);

/* May this sender, accepted above, write to this recipient?
 * closed_host: the whole server is KEP-only. */
enum reason decide_rcpt(enum party sender, enum party rcpt, bool closed_host);

#endif
