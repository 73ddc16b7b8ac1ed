/* smtp.h - our one small SMTP and LMTP client, on libevent.
 * Source: RFC 5321, RFC 2033, RFC 2920 (PIPELINING), RFC 6152 (8BITMIME), RFC
 * 6531 (SMTPUTF8), RFC 3461 (DSN).
 *
 * A service is one server; it holds at most so many connections, gives each mail
 * to a free one, and keeps it for the next mail for a while.  Mails beyond that
 * wait in the order they came.  A mail that finds a kept connection dead before
 * a single reply is tried once more on a fresh one.
 */
#ifndef KEP_SMTP_H
#define KEP_SMTP_H

#include "libkep/base.h"
#include "libkep/buf.h"
#include "libkep/clock.h"
#include "policyd/reply.h"

struct event_base;
struct smtp;

struct smtp_options {
	const char *key;                /* the configuration key, for messages */
	const char *where;              /* its value: unix:PATH or inet:HOST:PORT */
	const char *hello;              /* our name; must live on */
	bool        lmtp;               /* LHLO, and one reply a recipient behind the dot */
	size_t      connections;        /* most at a time */
	usec        timeout;            /* longest wait for one reply, or for room to write */
	usec        idle;               /* how long a free connection is kept */
};

/* NULL: *error says what is wrong with `where`. */
struct smtp *smtp_new(struct event_base *base, const struct smtp_options *o, struct buf *error);
/* Mails that are under way are forgotten: their done() is never called. */
void smtp_free(struct smtp *s);

enum smtp_fate {
	SMTP_OPEN,              /* not known yet */
	SMTP_REPLIED,           /* reply is the server's word on this recipient */
	SMTP_UNREACHABLE,       /* nothing was delivered: no connection, or it broke before the dot; reply.text says how */
	SMTP_LOST,              /* the connection broke behind the dot: perhaps delivered; reply.text says how */
};

struct smtp_recipient {
	struct span    path;    /* without angle brackets; borrowed until done */
	struct span    params;  /* "NOTIFY=FAILURE ORCPT=rfc822;x@y", sent if the server knows DSN; borrowed */
	enum smtp_fate fate;
	struct reply   reply;
};

/* One mail; filled in by the caller, who keeps it until done() is called. */
struct smtp_mail {
	struct span sender;     /* without angle brackets; borrowed until done */
	struct span params;     /* "RET=HDRS ENVID=x", sent if the server knows DSN; borrowed */
	bool        eightbit, utf8;     /* BODY=8BITMIME and SMTPUTF8, sent if the server knows them */
	struct smtp_recipient *recipients;      /* at least one */
	size_t      n;
	int         fd;         /* the content, size octets from the start; -1: in memory */
	uint64_t    size;
	struct span content;    /* the content when fd is -1; borrowed until done */
	/* Every recipient has its fate.  May free the mail. */
	void      (*done)(struct smtp_mail *m, void *arg);
	void       *arg;

	struct smtp_mail *next; /* private */
	bool        again;      /* private */
};

/* Content must have CRLF line ends.  Never calls done() from within. */
void smtp_send(struct smtp *s, struct smtp_mail *m);
/* Free the recipients and their replies. */
void smtp_mail_release(struct smtp_mail *m);

#endif
