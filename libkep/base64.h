/* base64.h - strict decoding of base64 (RFC 4648 section 4) while it streams by.
 * Encoding is buf_add_base64(). */
#ifndef KEP_BASE64_H
#define KEP_BASE64_H

#include "libkep/buf.h"

/* All zero at the start. */
struct base64 {
	uint32_t bits;
	unsigned n, padding;    /* characters of the quantum we are in */
	bool     over;          /* behind padding */
};

enum base64_answer { BASE64_GOOD, BASE64_JUNK, BASE64_LONG };

/* Append what `text` decodes to; pieces of any size.  Only the 64 characters,
 * line ends, and padding at the very end (whose unused bits are 0) are accepted:
 * JUNK otherwise.  LONG: *out would hold more than `limit` octets.  After JUNK
 * or LONG the decoder is of no use. */
enum base64_answer base64_push(struct base64 *d, struct span text, struct buf *out, size_t limit);
/* true: the text ended where a base64 text may end. */
static inline bool base64_whole(const struct base64 *d) { return d->n == 0; }

#endif
