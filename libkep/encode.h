/* encode.h - words of any alphabet in seven-bit mail, and words of strangers made
 * harmless.  Pure; whatever is no UTF-8 is read as '?', octet by octet. */
#ifndef KEP_ENCODE_H
#define KEP_ENCODE_H

#include "libkep/buf.h"

/* Append text as one harmless line: control characters, line and paragraph
 * separators and marks that turn the direction of writing become '?'. */
void encode_plain(struct buf *out, struct span text);

/* Append text, whose lines end with LF, as quoted-printable (RFC 2045 section
 * 6.7) with CRLF; lines of at most 76 characters, none that a mail server would
 * change (no leading dot or "From ", no blank at the end). */
void encode_quoted(struct buf *out, struct span text);

/* Append "Name: text" CRLF; folded encoded words (RFC 2047) where the text is not
 * printable ASCII, looks like an encoded word, or does not fit on one line. */
void encode_field(struct buf *out, const char *name, struct span text);

/* Append "Name: "display" <address>" CRLF; the address is written as it is but
 * for encode_plain(), since encoded words may not stand in it (RFC 6532). */
void encode_mailbox(struct buf *out, const char *name, struct span display, struct span address);

#endif
