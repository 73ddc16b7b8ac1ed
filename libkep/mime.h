/* mime.h - strict streaming MIME splitter on raw octets.
 *
 * Push the octets of one message in chunks of any size; hooks hear of header
 * fields and octets as they pass.  Memory is constant: one line, one header
 * field, one boundary a level.  The verdict does not depend on the chunk sizes.
 *
 * Strict: CRLF line ends only, no NUL, lines of at most 998 octets without CRLF
 * (RFC 5322 section 2.1.1), a boundary that is a prefix of (or equal to) one of
 * an enclosing multipart is refused, a multipart must be closed, behind the last
 * closing boundary only blank lines may stand, a multipart carries no transfer
 * encoding other than 7bit, 8bit or binary (RFC 2045, RFC 2046 section 5.1).
 * A preamble is passed over.  message/rfc822 is a leaf.  The last line of a
 * message may lack its CRLF.
 *
 * A line that begins with "--" and the boundary of an open multipart, and goes
 * on with anything but blanks, or "--" and blanks, is refused (mime-boundary):
 * some readers take it for a boundary line and some do not.  A boundary line
 * inside a header is refused (header-syntax), also right behind the fields of a
 * part that has no blank line; so is a header line of blanks alone, or with
 * control octets other than HTAB.  In one header Content-Type, -Transfer-Encoding,
 * -Disposition, -ID and -Description stand once at most (field-twice).
 */
#ifndef KEP_MIME_H
#define KEP_MIME_H

#include "libkep/base.h"
#include "libkep/header.h"
#include "libkep/reason.h"

#define MIME_LINE_MAX 998

struct mime_limits {
	size_t header_size;     /* octets of one header block */
	size_t header_count;    /* fields of one header block */
	size_t depth;           /* nested multiparts */
	size_t parts;           /* leaves and multiparts, all told */
};

/* Where in the tree something stands: the message itself has depth 0; `index`
 * counts from 1 among its siblings (0 for the message). */
struct mime_place {
	size_t depth;
	size_t index;
	size_t top;             /* index of the child of the message we are inside; 0: none */
};

struct mime_hooks {
	/* One field of the header at `place`; value raw, without its last CRLF. */
	void (*field)(void *arg, const struct mime_place *place, struct span name, struct span value);
	/* The header at `place` is complete; m is its Content-Type ("text/plain" when absent),
	 * encoding its Content-Transfer-Encoding, lower-case ("7bit" when absent). */
	void (*header)(void *arg, const struct mime_place *place, const struct media *m, const char *encoding);
	/* Octets of a direct child of the message, header included, exactly as they
	 * lie between the boundary line and the CRLF that belongs to the next
	 * boundary line (RFC 2046 section 5.1.1): what a signature covers. */
	void (*child)(void *arg, size_t top, struct span octets);
	/* Decoded by nobody: body octets of a leaf, in order. */
	void (*leaf)(void *arg, const struct mime_place *place, struct span octets);
};

struct mime;
struct mime *mime_new(const struct mime_limits *limits, const struct mime_hooks *hooks, void *arg);
void mime_free(struct mime *m);
void mime_restart(struct mime *m);
/* REASON_ACCEPTED so far, or the reason that stays for ever: the first one found
 * in the order of the octets. */
enum reason mime_push(struct mime *m, struct span octets);
/* The message is over. */
enum reason mime_finish(struct mime *m);
size_t mime_children(const struct mime *m);     /* direct children of the message */

#endif
