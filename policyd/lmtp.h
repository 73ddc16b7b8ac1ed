/* lmtp.h - one LMTP server session: octets in, replies and events out.  Pure.
 * Source: RFC 2033, RFC 5321, RFC 2920 (PIPELINING), RFC 3461 (DSN), RFC 6531.
 *
 * The envelope is taken whole and judged later, with the message: every
 * recipient whose address can be read is answered 250, its fate is told behind
 * the dot.  DSN is announced because ORCPT and ENVID identify the delivery; by
 * that we take over the duty to report, which evidence fulfils.
 */
#ifndef KEP_LMTP_H
#define KEP_LMTP_H

#include "libkep/addr.h"
#include "libkep/base.h"
#include "libkep/buf.h"

#define LMTP_LINE_MAX       2048        /* octets of a command, without CRLF; longer: 500 */
#define LMTP_RECIPIENTS_MAX 1000        /* one more: 452 */
#define LMTP_ERRORS_MAX     100         /* refused commands of one session; one more: 421 */

struct lmtp_recipient {
	char       *path;       /* as given, without angle brackets */
	struct addr address;    /* the same, folded */
	char       *orcpt;      /* value of ORCPT as given, or NULL */
	char       *notify;     /* value of NOTIFY as given, or NULL */
};

struct lmtp_envelope {
	char       *sender;     /* as given, without angle brackets; "": the null sender */
	struct addr sender_address;
	bool        eightbit;   /* BODY=8BITMIME */
	bool        utf8;       /* SMTPUTF8 */
	struct lmtp_recipient *recipients;
	size_t      n;
};

struct lmtp_hooks {
	/* 354 was given: a message begins. */
	void (*begin)(void *arg);
	/* Octets of the message, dots removed, line ends CRLF; at most the limit. */
	void (*octets)(void *arg, struct span octets);
	/* The message is whole: call lmtp_answer() for every recipient, now or later. */
	void (*whole)(void *arg);
	/* What began is over: every answer was given, or it was refused by the
	 * session itself (too large, LF without CR).  Called once for each begin,
	 * unless the session is freed before. */
	void (*over)(void *arg);
};

struct lmtp;
/* host: our name in the greeting, must live on.  limit: octets of a message. */
struct lmtp *lmtp_new(const char *host, size_t limit, const struct lmtp_hooks *hooks, void *arg);
void lmtp_free(struct lmtp *s);

/* How many octets of in were used; the rest is to be given again with more
 * behind it.  Nothing is used while lmtp_waiting(). */
size_t lmtp_push(struct lmtp *s, struct span in);
/* Replies to send; the caller drops what it sent.  The greeting is in it first. */
struct buf *lmtp_out(struct lmtp *s);
/* A message is whole and not every recipient has its answer. */
bool lmtp_waiting(const struct lmtp *s);
/* QUIT, or an end forced by errors: close once the replies are sent. */
bool lmtp_done(const struct lmtp *s);
/* Between whole and over; borrowed, valid until over. */
const struct lmtp_envelope *lmtp_envelope(const struct lmtp *s);

/* The fate of recipient i (once each, in any order; they are sent in order).
 * text: enhanced code and words; line ends and control octets become blanks, and
 * it is cut at 480 octets. */
void lmtp_answer(struct lmtp *s, size_t i, int code, struct span text);

#endif
