#include "milter/strip.h"

#include <stdlib.h>

#include "libkep/mem.h"

void strip_clear(struct strip *s)
{
	s->n = 0;
	s->results = 0;
}

void strip_release(struct strip *s)
{
	free(s->v);
	*s = (struct strip){ 0 };
}

static enum reason remember(struct strip *s, size_t limit, struct span name, int index)
{
	if (name.n > STRIP_NAME_MAX)
		return REASON_HEADER_SIZE;
	if (s->n >= limit)
		return REASON_HEADER_COUNT;
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 8;
		s->v = mem_grow(s->v, s->room * sizeof *s->v);
	}
	memcpy(s->v[s->n].name, name.p, name.n);
	s->v[s->n].name[name.n] = '\0';
	s->v[s->n++].index = index;
	return REASON_ACCEPTED;
}

/* Which occurrence of its name the next field of that name is. */
static int occurrence(const struct strip *s, struct span name)
{
	int index = 1;

	for (size_t i = 0; i < s->n; i++)
		index += span_caseeq(span_str(s->v[i].name), name);
	return index;
}

enum reason strip_look(struct strip *s, const char *host, size_t limit, struct span name, struct span value)
{
	if (span_casestarts(name, SPAN("X-KEP-")))
		return remember(s, limit, name, occurrence(s, name));
	if (!span_caseeq(name, SPAN("Authentication-Results")))
		return REASON_ACCEPTED;
	s->results++;
	return strip_results_ours(value, host) ? remember(s, limit, name, s->results) : REASON_ACCEPTED;
}

static void drop(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

/* Cut white space and comments, which may nest.  false: a comment has no end. */
static bool skip_comments(struct span *in)
{
	int depth = 0;

	for (; in->n; drop(in, 1)) {
		char c = in->p[0];

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0 && in->n > 1)
			drop(in, 1);
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return true;
	}
	return depth == 0;
}

/* A quoted string's content without its quotes; quoted pairs stay as they are,
 * which no host name has.  false: it has no end. */
static bool quoted(struct span in, struct span *text)
{
	for (size_t i = 1; i < in.n; i++) {
		if (in.p[i] == '"') {
			*text = span_of(in.p + 1, i - 1);
			return memchr(text->p, '\\', text->n) == NULL;
		}
		if (in.p[i] == '\\')
			i++;
	}
	return false;
}

bool strip_results_ours(struct span value, const char *host)
{
	struct span id;
	size_t n = 0;

	if (!skip_comments(&value) || value.n == 0)
		return true;
	if (value.p[0] == '"')
		return !quoted(value, &id) || span_caseeq(id, span_str(host));
	while (n < value.n && !memchr(" \t\r\n;(", value.p[n], 6))
		n++;
	id = span_of(value.p, n);
	return span_caseeq(id, span_str(host));
}
