/* mime.c - lines first, then what they mean.
 *
 * The octets are cut into lines; a line is judged by its first 1000 octets at
 * most, so that nothing depends on how they were pushed.  Lines that mean
 * nothing are not handed over one by one: they gather in a run (m->run) that
 * goes to the hooks when it ends or when the pushed octets do.  The CRLF behind
 * a run is held back, since it belongs to a boundary line that may follow.
 */
#include "libkep/mime.h"

#include <stdlib.h>

#include "libkep/buf.h"
#include "libkep/mem.h"

enum { WHOLE_LINE = MIME_LINE_MAX + 2 };

/* An open multipart.  The place of one inside another is its index in m->level. */
struct level {
	char   boundary[HEADER_BOUNDARY_MAX + 1];
	size_t n;
	size_t index;           /* of the part we are in; 0: still in the preamble */
};

/* The header block we are in. */
struct block {
	size_t       octets, count;
	unsigned     seen;      /* bits of once[] */
	struct buf   field;     /* the field that may still be continued */
	struct media media;
	char         encoding[32];
};

enum state { HEADER, LEAF, PREAMBLE, EPILOGUE };

struct mime {
	struct mime_limits limits;
	struct mime_hooks  hooks;
	void              *arg;

	enum reason   why;
	enum state    state;
	struct block  block;
	struct level *level;    /* limits.depth of them */
	size_t        open;     /* in use */
	size_t        parts, children;

	char          line[WHOLE_LINE];         /* a line whose end is not there yet */
	size_t        held;
	struct span   run;      /* lines to hand over, without the last one's CRLF */
	bool          child_crlf, leaf_crlf;    /* held back behind the last run */
};

struct mime *mime_new(const struct mime_limits *limits, const struct mime_hooks *hooks, void *arg)
{
	struct mime *m = mem_new(sizeof(*m));

	m->limits = *limits;
	m->hooks = *hooks;
	m->arg = arg;
	m->level = mem_array(limits->depth, sizeof(m->level[0]));
	mime_restart(m);
	return m;
}

void mime_free(struct mime *m)
{
	if (!m)
		return;
	buf_release(&m->block.field);
	free(m->level);
	free(m);
}

size_t mime_children(const struct mime *m)
{
	return m->children;
}

static void begin_header(struct mime *m)
{
	struct block *b = &m->block;

	m->state = HEADER;
	b->octets = b->count = 0;
	b->seen = 0;
	buf_clear(&b->field);
	b->media = (struct media){ .type = "text/plain" };
	strcpy(b->encoding, "7bit");
}

void mime_restart(struct mime *m)
{
	m->why = REASON_ACCEPTED;
	m->open = m->parts = m->children = m->held = 0;
	m->run = SPAN_NONE;
	m->child_crlf = m->leaf_crlf = false;
	begin_header(m);
}

/* Handing over. */

static struct mime_place here(const struct mime *m)
{
	struct mime_place place = { m->open, 0, 0 };

	if (m->open) {
		place.index = m->level[m->open - 1].index;
		place.top = m->level[0].index;
	}
	return place;
}

static void give_child(struct mime *m, size_t top, struct span octets)
{
	if (top && octets.n && m->hooks.child)
		m->hooks.child(m->arg, top, octets);
}

static void give_leaf(struct mime *m, const struct mime_place *place, struct span octets)
{
	if (m->state == LEAF && octets.n && m->hooks.leaf)
		m->hooks.leaf(m->arg, place, octets);
}

static void flush(struct mime *m)
{
	struct mime_place place = here(m);

	if (!m->run.p)
		return;
	if (m->child_crlf)
		give_child(m, place.top, SPAN("\r\n"));
	give_child(m, place.top, m->run);
	if (m->leaf_crlf)
		give_leaf(m, &place, SPAN("\r\n"));
	give_leaf(m, &place, m->run);
	m->child_crlf = true;
	m->leaf_crlf = m->state == LEAF;
	m->run = SPAN_NONE;
}

/* A line that goes where the ones before it went. */
static void pass(struct mime *m, struct span line)
{
	if (m->run.p && m->run.p + m->run.n + 2 == line.p) {
		m->run.n += 2 + line.n;
		return;
	}
	flush(m);
	m->run = line;
}

/* Header blocks. */

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static bool all_blank(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_wsp(s.p[i]))
			return false;
	return true;
}

static bool has_controls(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

static enum reason take_type(struct mime *m, struct span value)
{
	return header_media(value, &m->block.media) ? REASON_ACCEPTED : REASON_MIME_SYNTAX;
}

static enum reason take_encoding(struct mime *m, struct span value)
{
	return header_encoding(value, m->block.encoding) ? REASON_ACCEPTED : REASON_MIME_SYNTAX;
}

/* Fields that may stand once in any header, and what we do with them. */
static const struct {
	struct span name;
	enum reason (*take)(struct mime *m, struct span value);
} once[] = {
	{ SPAN("Content-Type"),              take_type },
	{ SPAN("Content-Transfer-Encoding"), take_encoding },
	{ SPAN("Content-Disposition"),       NULL },
	{ SPAN("Content-ID"),                NULL },
	{ SPAN("Content-Description"),       NULL },
};

static enum reason take_field(struct mime *m, struct span name, struct span value)
{
	struct mime_place place = here(m);

	if (m->hooks.field)
		m->hooks.field(m->arg, &place, name, value);
	for (size_t i = 0; i < COUNT_OF(once); i++) {
		if (!span_caseeq(name, once[i].name))
			continue;
		if (m->block.seen & 1u << i)
			return REASON_FIELD_TWICE;
		m->block.seen |= 1u << i;
		return once[i].take ? once[i].take(m, value) : REASON_ACCEPTED;
	}
	return REASON_ACCEPTED;
}

/* No line continues the field that was gathered. */
static enum reason end_field(struct mime *m)
{
	struct span text = buf_span(&m->block.field), name, value;
	enum reason why = REASON_ACCEPTED;

	if (text.n > 0)
		why = header_next(&text, &name, &value) == 1 ? take_field(m, name, value) : REASON_HEADER_SYNTAX;
	buf_clear(&m->block.field);
	return why;
}

/* Is one of the two the beginning of the other? */
static bool collide(const struct level *l, struct span boundary)
{
	return memcmp(l->boundary, boundary.p, l->n < boundary.n ? l->n : boundary.n) == 0;
}

static enum reason open_multipart(struct mime *m)
{
	struct span boundary = span_str(m->block.media.boundary);
	const char *encoding = m->block.encoding;
	struct level *l;

	if (strcmp(encoding, "7bit") != 0 && strcmp(encoding, "8bit") != 0 && strcmp(encoding, "binary") != 0)
		return REASON_MIME_ENCODING;
	if (m->open == m->limits.depth)
		return REASON_MIME_DEPTH;
	if (boundary.n == 0)
		return REASON_MIME_BOUNDARY;
	for (size_t i = 0; i < m->open; i++)
		if (collide(&m->level[i], boundary))
			return REASON_MIME_BOUNDARY;
	l = &m->level[m->open++];
	memcpy(l->boundary, boundary.p, boundary.n + 1);
	l->n = boundary.n;
	l->index = 0;
	m->state = PREAMBLE;
	return REASON_ACCEPTED;
}

static enum reason end_header(struct mime *m)
{
	enum reason why = end_field(m);
	struct mime_place place = here(m);

	if (why != REASON_ACCEPTED)
		return why;
	flush(m);
	if (m->hooks.header)
		m->hooks.header(m->arg, &place, &m->block.media, m->block.encoding);
	if (span_casestarts(span_str(m->block.media.type), SPAN("multipart/")))
		return open_multipart(m);
	m->state = LEAF;
	return REASON_ACCEPTED;
}

/* A line that does not begin with a blank: the field before it is over. */
static enum reason begin_field(struct mime *m, struct span line)
{
	enum reason why = end_field(m);
	struct span name, value;

	if (why != REASON_ACCEPTED)
		return why;
	if (header_next(&line, &name, &value) != 1)
		return REASON_HEADER_SYNTAX;
	return ++m->block.count > m->limits.header_count ? REASON_HEADER_COUNT : REASON_ACCEPTED;
}

static enum reason header_line(struct mime *m, struct span line)
{
	struct buf *field = &m->block.field;
	enum reason why = REASON_ACCEPTED;

	m->block.octets += line.n + 2;
	if (m->block.octets > m->limits.header_size)
		return REASON_HEADER_SIZE;
	pass(m, line);
	if (line.n == 0)
		return end_header(m);
	if (has_controls(line))
		return REASON_HEADER_SYNTAX;
	if (!utf8_valid(line))
		return REASON_HEADER_8BIT;
	if (!is_wsp(line.p[0]))
		why = begin_field(m, line);
	else if (field->n == 0 || all_blank(line))
		why = REASON_HEADER_SYNTAX;
	buf_add(field, line);
	buf_adds(field, "\r\n");
	return why;
}

/* Boundary lines. */

/* The multipart whose boundary line this may be; m->open: none.  No boundary is
 * the beginning of another, so there is one at most. */
static size_t find_level(const struct mime *m, struct span line)
{
	size_t i = m->open;

	if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
		return i;
	for (i = 0; i < m->open; i++)
		if (line.n - 2 >= m->level[i].n && memcmp(line.p + 2, m->level[i].boundary, m->level[i].n) == 0)
			break;
	return i;
}

static enum reason next_part(struct mime *m, size_t k)
{
	m->level[k].index++;
	m->children += k == 0;
	begin_header(m);
	return ++m->parts > m->limits.parts ? REASON_MIME_PARTS : REASON_ACCEPTED;
}

static enum reason close_multipart(struct mime *m, size_t k)
{
	if (m->state == PREAMBLE)
		return REASON_MIME_BOUNDARY;    /* no part at all */
	m->open = k;
	m->state = EPILOGUE;
	return REASON_ACCEPTED;
}

static enum reason boundary_line(struct mime *m, size_t k, struct span line)
{
	size_t n = 2 + m->level[k].n;
	struct span rest = { line.p + n, line.n - n };
	bool closing = rest.n >= 2 && memcmp(rest.p, "--", 2) == 0;
	enum reason why;

	if (m->state == HEADER)
		return REASON_HEADER_SYNTAX;
	if (!all_blank(closing ? span_of(rest.p + 2, rest.n - 2) : rest))
		return REASON_MIME_BOUNDARY;
	if (k + 1 < m->open)
		return REASON_MIME_UNCLOSED;
	flush(m);
	m->leaf_crlf = false;
	m->child_crlf = m->child_crlf && k > 0;
	why = closing ? close_multipart(m, k) : next_part(m, k);
	if (k > 0)
		pass(m, line);          /* inside a child of the message it is octets like all others */
	return why;
}

/* Lines. */

static enum reason take_line(struct mime *m, struct span line)
{
	size_t k = find_level(m, line);

	if (k < m->open)
		return boundary_line(m, k, line);
	if (m->state == HEADER)
		return header_line(m, line);
	if (m->state == EPILOGUE && line.n > 0)
		return REASON_MIME_EPILOGUE;
	pass(m, line);
	return REASON_ACCEPTED;
}

static struct span front(struct span in)
{
	return span_of(in.p, in.n < WHOLE_LINE ? in.n : WHOLE_LINE);
}

/* Octets of the faultless line at the front, with its CRLF; 0: there is none. */
static size_t clean_line(struct span in)
{
	const char *lf = memchr(in.p, '\n', in.n);
	size_t n = lf ? (size_t)(lf - in.p) : 0;

	if (n == 0 || in.p[n - 1] != '\r' || memchr(in.p, '\r', n - 1) || memchr(in.p, '\0', n - 1))
		return 0;
	return n + 1;
}

/* What is wrong with the front, by its first wrong octet; REASON_ACCEPTED: only
 * that the line has not ended yet. */
static enum reason line_fault(struct span in)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\0')
			return REASON_NUL_OCTET;
		if (in.p[i] == '\n')
			return REASON_BARE_LF;
		if (in.p[i] == '\r' && i + 1 < in.n)
			return REASON_BARE_CR;
	}
	return in.n < WHOLE_LINE ? REASON_ACCEPTED : REASON_LINE_LENGTH;
}

/* Octets of the body lines at the front that can mean nothing but themselves, so
 * that most of a message is looked at twice and no more; sound has no NUL. */
static size_t plain_lines(const struct mime *m, struct span sound)
{
	const char *p = sound.p, *end = p + sound.n;

	if (m->state != LEAF)
		return 0;
	while (p < end && *p != '-') {
		const char *lf = memchr(p, '\n', (size_t)(end - p) < WHOLE_LINE ? (size_t)(end - p) : WHOLE_LINE);

		if (!lf || lf == p || lf[-1] != '\r' || memchr(p, '\r', (size_t)(lf - p) - 1))
			break;
		p = lf + 1;
	}
	return (size_t)(p - sound.p);
}

/* Take all whole lines off the front of *in. */
static enum reason take_lines(struct mime *m, struct span *in)
{
	const char *nul = in->n ? memchr(in->p, '\0', in->n) : NULL;
	enum reason why = REASON_ACCEPTED;

	while (why == REASON_ACCEPTED && in->n > 0) {
		size_t n = plain_lines(m, span_of(in->p, nul ? (size_t)(nul - in->p) : in->n));

		if (n > 0) {
			pass(m, span_of(in->p, n - 2));
		} else if ((n = clean_line(front(*in))) > 0) {
			why = take_line(m, span_of(in->p, n - 2));
		} else {
			why = line_fault(front(*in));
			break;
		}
		*in = span_of(in->p + n, in->n - n);
	}
	flush(m);
	return why;
}

/* Add to the held line up to its end, and take it if that is there. */
static enum reason complete_held(struct mime *m, struct span *in)
{
	size_t room = WHOLE_LINE - m->held, n = in->n < room ? in->n : room;
	const char *lf = memchr(in->p, '\n', n);
	struct span line;

	if (lf)
		n = (size_t)(lf - in->p) + 1;
	memcpy(m->line + m->held, in->p, n);
	m->held += n;
	*in = span_of(in->p + n, in->n - n);
	if (!lf && n < room)
		return REASON_ACCEPTED;
	line = span_of(m->line, m->held);
	m->held = 0;
	return take_lines(m, &line);
}

enum reason mime_push(struct mime *m, struct span octets)
{
	if (m->why == REASON_ACCEPTED && m->held > 0 && octets.n > 0)
		m->why = complete_held(m, &octets);
	if (m->why == REASON_ACCEPTED)
		m->why = take_lines(m, &octets);
	if (m->why == REASON_ACCEPTED && octets.n > 0) {
		memcpy(m->line, octets.p, octets.n);
		m->held = octets.n;
	}
	return m->why;
}

/* The last line, where the message does not end with CRLF. */
static enum reason take_rest(struct mime *m)
{
	struct span line = { m->line, m->held };
	enum reason why = line_fault(line);

	if (why == REASON_ACCEPTED && line.p[line.n - 1] == '\r')
		why = REASON_BARE_CR;
	if (why == REASON_ACCEPTED && line.n > MIME_LINE_MAX)
		why = REASON_LINE_LENGTH;
	if (why == REASON_ACCEPTED)
		why = take_line(m, line);
	flush(m);
	m->leaf_crlf = false;
	m->held = 0;
	return why;
}

enum reason mime_finish(struct mime *m)
{
	struct mime_place place = here(m);

	if (m->why == REASON_ACCEPTED && m->held > 0)
		m->why = take_rest(m);
	if (m->why == REASON_ACCEPTED && m->state == HEADER)
		m->why = end_header(m);
	if (m->why == REASON_ACCEPTED && m->open > 0)
		m->why = REASON_MIME_UNCLOSED;
	if (m->why == REASON_ACCEPTED && m->leaf_crlf)
		give_leaf(m, &place, SPAN("\r\n"));
	m->leaf_crlf = false;
	return m->why;
}
