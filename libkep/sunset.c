#include "libkep/sunset.h"

#include <ctype.h>

/* "rsa2048" is "rsa" and 2048.  false: it is no such name. */
static bool split(struct span name, struct span *kind, unsigned *bits)
{
	size_t n = 0;

	while (n < name.n && isalpha((unsigned char)name.p[n]))
		n++;
	*kind = span_of(name.p, n);
	*bits = 0;
	for (size_t i = n; i < name.n; i++) {
		if (!isdigit((unsigned char)name.p[i]) || i - n >= 6)
			return false;
		*bits = *bits * 10 + (unsigned)(name.p[i] - '0');
	}
	return n > 0 && n < SUNSET_NAME;
}

static bool complain(struct buf *why, struct span entry, const char *words)
{
	if (why) {
		buf_clear(why);
		buf_addf(why, "'%.*s': %s", (int)(entry.n < 60 ? entry.n : 60), entry.p, words);
	}
	return false;
}

static bool read_time(struct span text, usec *t)
{
	struct buf whole = BUF_INIT;
	bool good;

	buf_add(&whole, text);
	if (text.n == 10)
		buf_adds(&whole, "T00:00:00Z");
	good = clock_parse(buf_span(&whole), t);
	buf_release(&whole);
	return good;
}

static bool read_entry(struct span entry, struct sunsets *out, struct buf *why)
{
	struct sunset *s = &out->v[out->n];
	struct span rest = entry, kind, name = span_cut(&rest, ' ');

	if (out->n == SUNSETS_MAX)
		return complain(why, entry, "more entries than are read");
	if (!split(name, &kind, &s->bits))
		return complain(why, entry, "write an algorithm and a time, such as 'sha256 2040-01-01'");
	memset(s->kind, 0, sizeof s->kind);
	memcpy(s->kind, kind.p, kind.n);
	if (!read_time(span_trim(rest), &s->ends))
		return complain(why, entry, "no time behind the algorithm; write 2040-01-01 or 2040-01-01T00:00:00Z");
	out->n++;
	return true;
}

bool sunsets_read(struct span text, struct sunsets *out, struct buf *why)
{
	*out = (struct sunsets){ .n = 0 };
	while (text.n) {
		struct span line = span_cut(&text, '\n'), said = span_cut(&line, '#');

		while (said.n) {
			struct span entry = span_trim(span_cut(&said, ','));

			if (entry.n && !read_entry(entry, out, why))
				return false;
		}
	}
	return true;
}

/* A digest is itself; a key falls with every longer one of its kind. */
static bool falls(const struct sunset *s, struct span kind, unsigned bits)
{
	if (!span_is(kind, s->kind))
		return false;
	return span_is(kind, "sha") ? bits == s->bits : bits <= s->bits;
}

usec sunset_of(const struct sunsets *s, struct span algorithm)
{
	usec first = INT64_MAX;
	struct span kind;
	unsigned bits;

	if (!split(algorithm, &kind, &bits))
		return first;
	for (size_t i = 0; i < s->n; i++)
		if (falls(&s->v[i], kind, bits) && s->v[i].ends < first)
			first = s->v[i].ends;
	return first;
}

usec sunset_first(const struct sunsets *s, struct span algorithms, struct span *which)
{
	usec first = INT64_MAX;

	if (which)
		*which = SPAN_NONE;
	while (algorithms.n) {
		struct span name = span_cut(&algorithms, ' ');
		usec ends = name.n ? sunset_of(s, name) : INT64_MAX;

		if (ends < first) {
			first = ends;
			if (which)
				*which = name;
		}
	}
	return first;
}
