#include "policyd/dots.h"

/* What stands before the octet that comes next. */
enum { LINE_START, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR };

/* The state behind octet c of plain content. */
static unsigned char follow(struct dots *d, char c)
{
	if (c == '\n' && d->state != AFTER_CR)
		d->bare_lf = true;
	if (c == '\n' && d->state == AFTER_CR)
		return LINE_START;
	return c == '\r' ? AFTER_CR : IN_LINE;
}

/* How many octets of in are content up to the end or the next line's start. */
static size_t run(struct dots *d, struct span in)
{
	const char *lf = memchr(in.p, '\n', in.n);
	size_t n = lf ? (size_t)(lf - in.p) + 1 : in.n;

	if (n > 1)
		d->state = in.p[n - 2] == '\r' ? AFTER_CR : IN_LINE;
	d->state = follow(d, in.p[n - 1]);
	return n;
}

void dots_stuff(struct dots *d, struct span in, struct buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i < in.n; ) {
		if (d->state == LINE_START && in.p[i] == '.') {
			buf_add(out, span_of(in.p + from, i - from));
			buf_addc(out, '.');
			from = i;
		}
		i += run(d, span_of(in.p + i, in.n - i));
	}
	buf_add(out, span_of(in.n ? in.p + from : NULL, in.n - from));
}

void dots_end(struct dots *d, struct buf *out)
{
	buf_adds(out, d->state == LINE_START ? ".\r\n" : "\r\n.\r\n");
	*d = (struct dots){ LINE_START, false };
}

static void skip(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

/* A dot at the start of a line was taken off: what is it? */
static enum dots_step after_dot(struct dots *d, struct span *in, struct span *piece)
{
	bool had_cr = d->state == AFTER_DOT_CR;

	if (had_cr && in->p[0] == '\n') {
		skip(in, 1);
		d->state = LINE_START;
		return DOTS_END;
	}
	if (!had_cr && in->p[0] == '\r') {
		skip(in, 1);
		d->state = AFTER_DOT_CR;
		*piece = SPAN_NONE;
		return DOTS_PIECE;
	}
	*piece = had_cr ? SPAN("\r") : SPAN_NONE;       /* the CR that was held back is content */
	d->state = had_cr ? AFTER_CR : IN_LINE;
	return DOTS_PIECE;
}

enum dots_step dots_next(struct dots *d, struct span *in, struct span *piece)
{
	size_t n = 0;

	if (in->n == 0)
		return DOTS_MORE;
	if (d->state == AFTER_DOT || d->state == AFTER_DOT_CR)
		return after_dot(d, in, piece);
	if (d->state == LINE_START && in->p[0] == '.') {
		skip(in, 1);
		d->state = AFTER_DOT;
		*piece = SPAN_NONE;
		return DOTS_PIECE;
	}
	do
		n += run(d, span_of(in->p + n, in->n - n));
	while (n < in->n && !(d->state == LINE_START && in->p[n] == '.'));
	*piece = span_of(in->p, n);
	skip(in, n);
	return DOTS_PIECE;
}
