#include "libkep/der.h"

enum { INDEFINITE_DEPTH = 32, CONSTRUCTED = 0x20 };

struct head {
	unsigned char tag;
	size_t        size, n;          /* of the head, of what is inside */
	bool          indefinite;       /* n is 0 */
};

/* false: long tags, lengths not in their shortest form, or more than there is. */
static bool read_head(struct span in, struct head *h)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t octets;

	if (in.n < 2 || p[0] == 0 || (p[0] & 0x1f) == 0x1f)
		return false;
	*h = (struct head){ .tag = p[0], .size = 2, .n = p[1], .indefinite = p[1] == 0x80 };
	if (h->indefinite) {
		h->n = 0;
		return p[0] & CONSTRUCTED;
	}
	if (p[1] > 0x80) {
		octets = p[1] & 0x7f;
		h->size += octets;
		if (octets > 4 || h->size > in.n || p[2] == 0)
			return false;
		h->n = 0;
		for (size_t i = 2; i < h->size; i++)
			h->n = h->n << 8 | p[i];
		if (h->n < 0x80)
			return false;
	}
	return h->n <= in.n - h->size;
}

static void skip(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

/* Skip the elements up to the end-of-contents octets, and these.  One pass over
 * the octets, however deep they are nested. */
static bool skip_indefinite(struct span *in)
{
	struct head h;

	for (size_t open = 1; open > 0; ) {
		if (in->n >= 2 && in->p[0] == 0 && in->p[1] == 0) {
			open--;
			skip(in, 2);
			continue;
		}
		if (!read_head(*in, &h) || (h.indefinite && ++open > INDEFINITE_DEPTH))
			return false;
		skip(in, h.size + h.n);
	}
	return true;
}

static bool next(struct span *in, struct der *e, bool indefinite)
{
	struct span rest = *in;
	struct head h;

	if (!read_head(*in, &h) || (h.indefinite && !indefinite))
		return false;
	skip(&rest, h.size + h.n);
	if (h.indefinite && !skip_indefinite(&rest))
		return false;
	e->tag = h.tag;
	e->whole = span_of(in->p, in->n - rest.n);
	e->inside = span_of(in->p + h.size, e->whole.n - h.size - (h.indefinite ? 2 : 0));
	*in = rest;
	return true;
}

bool der_next(struct span *in, struct der *e)
{
	return next(in, e, false);
}

bool ber_next(struct span *in, struct der *e)
{
	return next(in, e, true);
}

/* -- values ------------------------------------------------------------------- */

static bool integer_valid(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	return s.n == 1 || (s.n > 1 && !(p[0] == 0x00 && p[1] < 0x80) && !(p[0] == 0xff && p[1] >= 0x80));
}

static bool bits_valid(struct span s)
{
	unsigned unused = s.n > 0 ? (unsigned char)s.p[0] : 8;

	if (unused > 7 || (s.n == 1 && unused > 0))
		return false;
	return ((unsigned char)s.p[s.n - 1] & ((1u << unused) - 1)) == 0 || s.n == 1;
}

static bool object_valid(struct span s)
{
	bool first = true;      /* octet of an arc */

	for (size_t i = 0; i < s.n; i++) {
		if (first && (unsigned char)s.p[i] == 0x80)
			return false;
		first = (unsigned char)s.p[i] < 0x80;
	}
	return s.n > 0 && first;
}

/* EXTERNAL, EMBEDDED PDV, SEQUENCE and SET are constructed, nothing else is. */
static bool form_valid(const struct der *e)
{
	unsigned number = e->tag & 0x1f;

	return !(e->tag & CONSTRUCTED) == (number != 8 && number != 11 && number != 16 && number != 17);
}

static bool value_valid(const struct der *e)
{
	switch (e->tag) {
	case DER_BOOLEAN: return e->inside.n == 1 && (e->inside.p[0] == 0 || (unsigned char)e->inside.p[0] == 0xff);
	case DER_INTEGER: return integer_valid(e->inside);
	case DER_BITS:    return bits_valid(e->inside);
	case DER_NULL:    return e->inside.n == 0;
	case DER_OBJECT:  return object_valid(e->inside);
	case DER_SET:     return der_sorted(e->inside);
	default:          return true;
	}
}

bool der_valid(struct span octets, size_t depth)
{
	struct der e;

	while (octets.n) {
		if (!der_next(&octets, &e))
			return false;
		if (e.tag < 0x40 && !(form_valid(&e) && value_valid(&e)))
			return false;
		if (e.tag & CONSTRUCTED && !(depth > 0 && der_valid(e.inside, depth - 1)))
			return false;
	}
	return true;
}

bool der_sorted(struct span elements)
{
	struct der e, before = { .whole = SPAN_NONE };

	for (; elements.n; before = e) {
		size_t n;
		int order;

		if (!der_next(&elements, &e))
			return false;
		n = before.whole.n < e.whole.n ? before.whole.n : e.whole.n;
		order = n ? memcmp(before.whole.p, e.whole.p, n) : 0;
		if (order > 0 || (order == 0 && before.whole.n > e.whole.n))
			return false;
	}
	return true;
}

/* -- making ------------------------------------------------------------------- */

void der_add_head(struct buf *out, unsigned char tag, size_t n)
{
	buf_addc(out, (char)tag);
	if (n >= 0x80) {
		size_t octets = der_head_size(n) - 2;

		buf_addc(out, (char)(0x80 | octets));
		for (size_t i = octets - 1; i > 0; i--)
			buf_addc(out, (char)(n >> (8 * i)));
	}
	buf_addc(out, (char)n);
}

size_t der_head_size(size_t n)
{
	return n > 0xffffff ? 6 : n > 0xffff ? 5 : n > 0xff ? 4 : n >= 0x80 ? 3 : 2;
}
