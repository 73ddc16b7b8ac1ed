#include "libkep/base64.h"

/* The value of a character; -1: it has none. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters are there.  false: bits that padding leaves over are not 0. */
static bool end_quantum(struct base64 *d, char octets[3], size_t *n)
{
	uint32_t bits = d->bits;

	octets[0] = (char)(bits >> 16);
	octets[1] = (char)(bits >> 8);
	octets[2] = (char)bits;
	*n = 3 - d->padding;
	d->over = d->padding > 0;
	d->n = d->padding = 0;
	d->bits = 0;
	return *n == 3 || (bits & (*n == 2 ? 0xffu : 0xffffu)) == 0;
}

static bool take(struct base64 *d, char c)
{
	int value = value_of(c);

	if (d->over)
		return false;
	if (c == '=' && d->n >= 2) {
		value = 0;
		d->padding++;
	} else if (value < 0 || d->padding > 0) {
		return false;
	}
	d->bits = d->bits << 6 | (uint32_t)value;
	d->n++;
	return true;
}

enum base64_answer base64_push(struct base64 *d, struct span text, struct buf *out, size_t limit)
{
	char block[768];
	size_t have = 0, n;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\r' || text.p[i] == '\n')
			continue;
		if (!take(d, text.p[i]))
			return BASE64_JUNK;
		if (d->n < 4)
			continue;
		if (!end_quantum(d, block + have, &n))
			return BASE64_JUNK;
		have += n;
		if (out->n + have > limit)
			return BASE64_LONG;
		if (have + 3 > sizeof(block)) {
			buf_add(out, span_of(block, have));
			have = 0;
		}
	}
	buf_add(out, span_of(block, have));
	return BASE64_GOOD;
}
