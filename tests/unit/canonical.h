/* canonical.h - is a text canonical JSON of ours?  A second answer, out of the
 * definition (RFC 8785, RFC 8259) alone: it shares nothing with libkep/jdoc.c. */
#ifndef KEP_TESTS_CANONICAL_H
#define KEP_TESTS_CANONICAL_H

#include "libkep/base.h"

#define CANONICAL_DEPTH 2048    /* as deep as our parser goes */

struct canonical {
	const unsigned char *p, *end;
	unsigned             depth;
};

static inline bool canonical_value(struct canonical *c);

static inline bool canonical_word(struct canonical *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

static inline int canonical_hex(unsigned char d)
{
	return d >= '0' && d <= '9' ? d - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : -1;
}

/* One character of a string; 0: there is none that may stand here so. */
static inline uint32_t canonical_character(struct canonical *c)
{
	static const char letters[] = "btnfr\"\\", octets[] = "\b\t\n\f\r\"\\";
	uint32_t u = *c->p++;

	if (u == '\\') {
		const char *at = c->p < c->end && *c->p ? strchr(letters, *c->p) : NULL;

		if (at) {
			c->p++;
			return (uint32_t)octets[at - letters];
		}
		if (!canonical_word(c, "u00") || c->end - c->p < 2 || canonical_hex(c->p[0]) < 0 || canonical_hex(c->p[1]) < 0)
			return 0;
		u = (uint32_t)(canonical_hex(c->p[0]) * 16 + canonical_hex(c->p[1]));
		c->p += 2;
		return u >= 0x20 || memchr(octets, (int)u, 5) ? 0 : u;
	}
	if (u < 0x20)
		return 0;
	if (u >= 0x80) {
		unsigned more = u >= 0xf0 ? 3 : u >= 0xe0 ? 2 : 1;
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

		if (u < 0xc0 || u > 0xf7 || c->end - c->p < more)
			return 0;
		u &= 0x3fu >> more;
		for (unsigned i = 0; i < more; i++) {
			if (*c->p >> 6 != 2)
				return 0;
			u = u << 6 | (*c->p++ & 63);
		}
		if (u < least[more] || u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
			return 0;
	}
	return u;
}

/* A string; `units` (NULL: not wanted) gets its UTF-16, `n` how many. */
static inline bool canonical_text(struct canonical *c, uint16_t *units, size_t *n)
{
	uint32_t u;

	if (!canonical_word(c, "\""))
		return false;
	while (c->p < c->end && *c->p != '"') {
		if (!(u = canonical_character(c)))
			return false;
		if (units && u >= 0x10000)
			units[(*n)++] = (uint16_t)(0xd7c0 + (u >> 10));
		if (units)
			units[(*n)++] = (uint16_t)(u >= 0x10000 ? 0xdc00 + (u & 0x3ff) : u);
	}
	return canonical_word(c, "\"");
}

static inline bool canonical_number(struct canonical *c)
{
	bool minus = canonical_word(c, "-");
	const unsigned char *first = c->p;
	uint64_t n = 0;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - first < 17)
		n = 10 * n + (uint64_t)(*c->p++ - '0');
	return c->p > first && n < (UINT64_C(1) << 53) && (*first != '0' ? true : c->p == first + 1 && !minus);
}

/* Is the key behind the one before it? */
static inline bool canonical_behind(const uint16_t *a, size_t n, const uint16_t *b, size_t m)
{
	for (size_t i = 0; i < n && i < m; i++)
		if (a[i] != b[i])
			return a[i] < b[i];
	return n < m;
}

/* From `key` on, which begins where c stands: the same string again, into units. */
static inline void canonical_units(struct canonical c, uint16_t *units, size_t *n)
{
	*n = 0;
	canonical_text(&c, units, n);
}

static inline bool canonical_object(struct canonical *c)
{
	static uint16_t a[65536], b[65536];
	struct canonical before = *c, here;
	size_t n, m;

	if (canonical_word(c, "}"))
		return true;
	for (bool first = true;; first = false) {
		here = *c;
		if (!canonical_text(c, NULL, NULL))
			return false;
		if (!first) {
			canonical_units(before, a, &n);
			canonical_units(here, b, &m);
			if (!canonical_behind(a, n, b, m))
				return false;
		}
		before = here;
		if (!canonical_word(c, ":") || !canonical_value(c))
			return false;
		if (canonical_word(c, "}"))
			return true;
		if (!canonical_word(c, ","))
			return false;
	}
}

static inline bool canonical_array(struct canonical *c)
{
	if (canonical_word(c, "]"))
		return true;
	do
		if (!canonical_value(c))
			return false;
	while (canonical_word(c, ","));
	return canonical_word(c, "]");
}

static inline bool canonical_value(struct canonical *c)
{
	bool good = false;

	if (c->p == c->end || ++c->depth > CANONICAL_DEPTH)
		return false;
	if (*c->p == '"')
		good = canonical_text(c, NULL, NULL);
	else if (*c->p == '{' || *c->p == '[')
		good = *c->p++ == '{' ? canonical_object(c) : canonical_array(c);
	else
		good = canonical_word(c, "true") || canonical_word(c, "false") || canonical_number(c);
	c->depth--;
	return good;
}

/* Of at most 65535 octets. */
static inline bool canonical_says(struct span text)
{
	struct canonical c = { (const unsigned char *)text.p, (const unsigned char *)text.p + text.n, 0 };

	return text.n > 0 && text.n < 65536 && *c.p == '{' && canonical_value(&c) && c.p == c.end;
}

#endif
