/* reply.h - one SMTP or LMTP reply: octets in, code and text out.  Pure.
 * Source: RFC 5321 section 4.2, RFC 2034 (enhanced status codes).
 */
#ifndef KEP_REPLY_H
#define KEP_REPLY_H

#include "libkep/base.h"
#include "libkep/buf.h"

#define REPLY_LINE_MAX    2048  /* octets of a line, without its end */
#define REPLY_LINES_MAX   100
#define REPLY_STATUS_SIZE 12    /* "5.123.123" and a NUL */

struct reply {
	int        code;        /* 200 to 599; 0: nothing was read */
	size_t     lines;
	struct buf text;        /* behind the codes; lines joined by LF, control octets as '?' */
};

#define REPLY_INIT ((struct reply){ 0, 0, BUF_INIT })

void reply_clear(struct reply *r);
void reply_release(struct reply *r);

enum reply_step {
	REPLY_MORE,     /* no whole reply yet; the lines there were are cut off *in */
	REPLY_DONE,     /* *r is one whole reply; *in begins behind it */
	REPLY_BAD,      /* not a reply, too long a line, or too many lines */
};
/* Go on reading a reply (cleared before its first octet) from *in.  Lines end in
 * CRLF or LF; a line without its end stays in *in. */
enum reply_step reply_push(struct reply *r, struct span *in);

static inline int reply_class(const struct reply *r) { return r->code / 100; }
/* The enhanced status code the text begins with, if its class is the code's. */
bool reply_status(const struct reply *r, char out[REPLY_STATUS_SIZE]);
/* The word behind "queued as " (Postfix's queue id); SPAN_NONE: there is none. */
struct span reply_queue_id(const struct reply *r);
/* Append "250 2.0.0 text" on one line, lines joined by a blank. */
void reply_write(struct buf *out, const struct reply *r);

#endif
