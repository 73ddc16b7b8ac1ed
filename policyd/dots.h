/* dots.h - the dots of SMTP's DATA (RFC 5321 section 4.5.2), both ways.  Pure.
 *
 * A line begins behind CRLF and nowhere else, so a message can end only at
 * CRLF "." CRLF.  An LF without CR is content; it is remembered, because two
 * servers that read it differently would not see the same message.
 */
#ifndef KEP_DOTS_H
#define KEP_DOTS_H

#include "libkep/base.h"
#include "libkep/buf.h"

struct dots {
	unsigned char state;    /* private; zero at the start of a message */
	bool          bare_lf;  /* an LF without CR was seen */
};

/* Append in to *out with a dot put before each dot that begins a line. */
void dots_stuff(struct dots *d, struct span in, struct buf *out);
/* Append the end: CRLF if the last line lacks it, then "." CRLF. */
void dots_end(struct dots *d, struct buf *out);

enum dots_step {
	DOTS_MORE,      /* *in is used up, the message goes on */
	DOTS_PIECE,     /* *piece is content, borrowed from *in or constant */
	DOTS_END,       /* the message is over; *in begins behind the final CRLF */
};
/* Take the next piece of a stuffed message off the front of *in. */
enum dots_step dots_next(struct dots *d, struct span *in, struct span *piece);

#endif
