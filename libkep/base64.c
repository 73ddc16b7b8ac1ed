#include "libkep/base64.h"

/* The values of the characters from the space on; -1: it has none. */
static const signed char values[96] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
	-1,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1,
	-1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};

static int value_of(char c)
{
	return c >= ' ' && (unsigned char)c < 0x80 ? values[c - ' '] : -1;
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

/* Four characters without line break or padding, at the beginning of a quantum:
 * what nearly all are.  false: nothing is taken. */
static bool take_quantum(const struct base64 *d, struct span text, char octets[3])
{
	int v[4];

	if (text.n < 4 || d->n > 0 || d->over)
		return false;
	for (size_t i = 0; i < 4; i++)
		if ((v[i] = value_of(text.p[i])) < 0)
			return false;
	octets[0] = (char)(v[0] << 2 | v[1] >> 4);
	octets[1] = (char)(v[1] << 4 | v[2] >> 2);
	octets[2] = (char)(v[2] << 6 | v[3]);
	return true;
}

enum base64_answer base64_push(struct base64 *d, struct span text, struct buf *out, size_t limit)
{
	char block[768];
	size_t have = 0, n;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\r' || text.p[i] == '\n')
			continue;
		if (take_quantum(d, span_of(text.p + i, text.n - i), block + have)) {
			n = 3;
			i += 3;
		} else {
			if (!take(d, text.p[i]))
				return BASE64_JUNK;
			if (d->n < 4)
				continue;
			if (!end_quantum(d, block + have, &n))
				return BASE64_JUNK;
		}
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
