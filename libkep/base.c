#include "libkep/base.h"

bool span_caseeq(struct span a, struct span b)
{
	return a.n == b.n && span_casestarts(a, b);
}

bool span_casestarts(struct span a, struct span b)
{
	if (a.n < b.n)
		return false;
	for (size_t i = 0; i < b.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct span span_cut(struct span *in, char c)
{
	const char *hit = in->n ? memchr(in->p, c, in->n) : NULL;
	struct span head = *in;

	if (!hit) {
		*in = SPAN_NONE;
		return head;
	}
	head.n = (size_t)(hit - in->p);
	in->p += head.n + 1;
	in->n -= head.n + 1;
	return head;
}

/* Length of the sequence that a lead octet opens; 0: not a lead octet. */
static size_t utf8_width(unsigned char c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 0;
}

bool utf8_valid(struct span s)
{
	const unsigned char *u = (const unsigned char *)s.p;

	for (size_t i = 0; i < s.n; ) {
		if (u[i] != 0 && u[i] < 0x80) {
			i++;
			continue;
		}
		size_t w = utf8_width(u[i]);
		if (w == 0 || s.n - i < w)
			return false;
		if ((u[i] == 0xe0 && u[i + 1] < 0xa0) || (u[i] == 0xed && u[i + 1] > 0x9f) ||
		    (u[i] == 0xf0 && u[i + 1] < 0x90) || (u[i] == 0xf4 && u[i + 1] > 0x8f))
			return false;
		for (size_t k = 1; k < w; k++)
			if ((u[i + k] & 0xc0) != 0x80)
				return false;
		i += w;
	}
	return true;
}

void hex_encode(char *out, const void *octets, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *u = octets;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digit[u[i] >> 4];
		out[2 * i + 1] = digit[u[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(void *octets, size_t n, struct span hex)
{
	unsigned char *u = octets;

	if (hex.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(hex.p[2 * i]), lo = hex_value(hex.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		u[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}
