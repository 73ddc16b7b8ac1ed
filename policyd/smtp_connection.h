/* smtp_connection.h - one connection of an SMTP or LMTP client (smtp.h): opens,
 * says hello, gives one mail after the other.  Only smtp*.c include this.
 */
#ifndef KEP_SMTP_CONNECTION_H
#define KEP_SMTP_CONNECTION_H

#include "policyd/dots.h"
#include "policyd/endpoint.h"
#include "policyd/smtp.h"

struct bufferevent;
struct event;

enum phase { GREETING, HELLO, ENVELOPE, CONTENT, DOT, IDLE };

struct capabilities {
	bool pipelining, eightbit, utf8, dsn, size;
};

struct connection {
	struct smtp        *smtp;
	struct connection  *next;
	struct bufferevent *bev;
	struct event       *timer;
	enum phase          phase;
	struct capabilities offers;
	struct reply        reply;      /* being read */
	bool                dirty;      /* a transaction was left open: RSET first */
	bool                spent;      /* not to be used for another mail */
	bool                used;       /* a mail went over it before this one */
	bool                gone;       /* closed; the service frees it */

	struct smtp_mail   *mail;       /* NULL: none */
	size_t              sent;       /* commands of the envelope written */
	size_t              heard;      /* replies to them read */
	size_t              accepted;   /* recipients the server took */
	size_t              answered;   /* in LMTP: recipients looked at for replies behind the dot */
	uint64_t            offset;     /* of the content */
	struct dots         dots;
};

/* The service: what its connections share. */
struct smtp {
	struct smtp_options o;
	struct endpoint     to;
	struct event_base  *base;
	struct event       *kick;       /* made active when a connection went or is free, or a mail waits */
	struct connection  *connections;
	size_t              n;
	struct smtp_mail   *first, **last;      /* waiting */
};

/* Begin to connect, for this mail.  NULL: errno. */
struct connection *connection_new(struct smtp *s, struct smtp_mail *m);
void connection_free(struct connection *c);
/* The next mail, when the phase is IDLE. */
void connection_give(struct connection *c, struct smtp_mail *m);

/* The fate of one recipient, and of all that have none yet. */
void smtp_settle(struct smtp_recipient *r, enum smtp_fate fate, int code, struct span text);
void smtp_settle_open(struct smtp_mail *m, enum smtp_fate fate, int code, struct span text);
/* To the front of those that wait, or to the end. */
void smtp_wait_first(struct smtp *s, struct smtp_mail *m);
void smtp_wait_last(struct smtp *s, struct smtp_mail *m);

#endif
