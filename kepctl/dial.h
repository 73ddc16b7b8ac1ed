/* dial.h - a short talk with a server that speaks lines: does it live?
 *
 * Every call has one deadline, so a server that accepts and says nothing (a
 * Postfix whose smtpd dies at start) is told from one that answers.
 */
#ifndef KEP_DIAL_H
#define KEP_DIAL_H

#include "libkep/buf.h"

struct dial;

/* Connect to "unix:PATH", "/PATH", "inet:HOST:PORT" or "inet:PORT@HOST" (milter).
 * NULL: *error says what went wrong, in words that fit behind the address. */
struct dial *dial_open(const char *address, int timeout_ms, struct buf *error);
void dial_close(struct dial *d);
/* Send a line; the CRLF is added for SMTP, a bare LF where `lf`.  false: it went away. */
bool dial_say(struct dial *d, const char *line, bool lf);
/* The next line without its line end, at most 64 KiB.  false: *error says why. */
bool dial_hear(struct dial *d, struct buf *line, struct buf *error);
/* All lines of one SMTP reply, joined with '\n'; its code, or 0 and *error. */
int dial_reply(struct dial *d, struct buf *lines, struct buf *error);

#endif
