/* buf.h - owned octets that grow.
 *
 * The text is always followed by a NUL that is not counted, so buf.p may be
 * used as a C string where the octets hold none.  p is never NULL after the
 * first add; buf_str() gives "" for an empty one.
 */
#ifndef KEP_BUF_H
#define KEP_BUF_H

#include "libkep/base.h"

struct buf {
	char  *p;
	size_t n;       /* octets in use */
	size_t room;    /* octets allocated, including the NUL */
};

#define BUF_INIT ((struct buf){ NULL, 0, 0 })

void buf_init(struct buf *b);                        /* no allocation yet */
void buf_clear(struct buf *b);                       /* empty, keeps its memory */
void buf_release(struct buf *b);                     /* memory gone, usable again */
void buf_add(struct buf *b, struct span s);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_drop(struct buf *b, size_t n);              /* the first n octets */
const char *buf_str(const struct buf *b);
static inline struct span buf_span(const struct buf *b) { return (struct span){ b->p, b->n }; }
/* Take the octets out; the caller frees them; b is empty afterwards.  Never NULL. */
char *buf_take(struct buf *b);

/* Base64 (RFC 4648 section 4) without line breaks, or with CRLF after each
 * line of `width` characters when width is not 0. */
void buf_add_base64(struct buf *b, struct span octets, size_t width);

#endif
