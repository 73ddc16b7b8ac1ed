#include "libkep/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/mem.h"

void buf_init(struct buf *b)
{
	*b = BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = '\0';
}

void buf_release(struct buf *b)
{
	free(b->p);
	buf_init(b);
}

static void make_room(struct buf *b, size_t more)
{
	size_t need = b->n + more + 1;

	if (need <= b->room)
		return;
	b->room = need < 2 * b->room ? 2 * b->room : need < 64 ? 64 : need;
	b->p = mem_grow(b->p, b->room);
}

void buf_add(struct buf *b, struct span s)
{
	make_room(b, s.n);
	if (s.n)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = '\0';
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, span_of(&c, 1));
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, span_str(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	make_room(b, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void buf_drop(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n + 1);
	b->n -= n;
}

const char *buf_str(const struct buf *b)
{
	return b->p ? b->p : "";
}

char *buf_take(struct buf *b)
{
	char *p;

	make_room(b, 0);
	b->p[b->n] = '\0';
	p = b->p;
	buf_init(b);
	return p;
}

void buf_add_base64(struct buf *b, struct span in, size_t width)
{
	static const char sym[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *u = (const unsigned char *)in.p;
	size_t line = 0;

	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		unsigned v = (unsigned)u[i] << 16 | (left > 1 ? (unsigned)u[i + 1] << 8 : 0) | (left > 2 ? u[i + 2] : 0);
		char quad[4] = { sym[v >> 18], sym[v >> 12 & 63], left > 1 ? sym[v >> 6 & 63] : '=', left > 2 ? sym[v & 63] : '=' };

		buf_add(b, span_of(quad, 4));
		line += 4;
		if (width && line >= width) {
			buf_adds(b, "\r\n");
			line = 0;
		}
	}
	if (width && line)
		buf_adds(b, "\r\n");
}
