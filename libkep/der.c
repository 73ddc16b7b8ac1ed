#include "libkep/der.h"

enum { INTEGER = 0x02, OBJECT = 0x06, SEQUENCE = 0x30, SET = 0x31, CONTEXT_0 = 0xa0 };

struct element {
	unsigned char tag;
	struct span   inside;
};

/* Cut one element off the front of *in.  false: long tags, indefinite lengths,
 * lengths not in their shortest form, or more than there is. */
static bool next(struct span *in, struct element *e)
{
	const unsigned char *p = (const unsigned char *)in->p;
	size_t head = 2, n;

	if (in->n < 2 || (p[0] & 0x1f) == 0x1f)
		return false;
	n = p[1];
	if (n >= 0x80) {
		size_t octets = n & 0x7f;

		head += octets;
		if (octets < 1 || octets > 4 || head > in->n || p[2] == 0)
			return false;
		n = 0;
		for (size_t i = 2; i < head; i++)
			n = n << 8 | p[i];
		if (n < 0x80)
			return false;
	}
	if (n > in->n - head)
		return false;
	e->tag = p[0];
	e->inside = span_of(in->p + head, n);
	*in = span_of(in->p + head + n, in->n - head - n);
	return true;
}

static bool expect(struct span *in, unsigned char tag, struct element *e)
{
	return next(in, e) && e->tag == tag;
}

/* Go into an element that must be all there is. */
static bool enter(struct span *in, unsigned char tag)
{
	struct element e;

	if (!expect(in, tag, &e) || in->n)
		return false;
	*in = e.inside;
	return true;
}

static void add_head(struct buf *out, unsigned char tag, size_t n)
{
	buf_addc(out, (char)tag);
	if (n >= 0x80) {
		size_t octets = n > 0xffffff ? 4 : n > 0xffff ? 3 : n > 0xff ? 2 : 1;

		buf_addc(out, (char)(0x80 | octets));
		for (size_t i = octets - 1; i > 0; i--)
			buf_addc(out, (char)(n >> (8 * i)));
	}
	buf_addc(out, (char)n);
}

static size_t head_size(size_t n)
{
	return n > 0xffffff ? 6 : n > 0xffff ? 5 : n > 0xff ? 4 : n >= 0x80 ? 3 : 2;
}

static bool list_certificates(struct span set, struct span *certificates, size_t limit, size_t *n)
{
	struct element e;

	for (*n = 0; set.n; (*n)++) {
		const char *start = set.p;

		if (!expect(&set, SEQUENCE, &e))
			return false;
		if (*n < limit)
			certificates[*n] = span_of(start, (size_t)(set.p - start));
	}
	return true;
}

bool der_cut_certificates(struct span der, struct span *certificates, size_t limit, size_t *n, struct buf *rest)
{
	struct span in = der, type, before, signed_data;
	struct element e;
	size_t size;

	if (!enter(&in, SEQUENCE))
		return false;
	type = in;
	if (!expect(&in, OBJECT, &e))
		return false;
	type.n -= in.n;
	if (!enter(&in, CONTEXT_0) || !enter(&in, SEQUENCE))
		return false;
	signed_data = before = in;
	if (!expect(&in, INTEGER, &e) || !expect(&in, SET, &e) || !expect(&in, SEQUENCE, &e))
		return false;
	before.n -= in.n;
	if (!expect(&in, CONTEXT_0, &e) || !list_certificates(e.inside, certificates, limit, n))
		return false;
	size = signed_data.n - (size_t)(in.p - signed_data.p) + before.n;
	add_head(rest, SEQUENCE, type.n + head_size(head_size(size) + size) + head_size(size) + size);
	buf_add(rest, type);
	add_head(rest, CONTEXT_0, head_size(size) + size);
	add_head(rest, SEQUENCE, size);
	buf_add(rest, before);
	buf_add(rest, in);
	return true;
}
