/* header.c - recursive descent over one field at a time.
 *
 * Every take_* function eats its piece off the front of *in and says whether it
 * was there; on false the place of *in is of no meaning and the caller gives up.
 *
 * Where the RFCs leave more than one reading we take none:
 *   - folding white space holds one line end at most, and octets behind it (a
 *     line of blanks alone ends the header for some readers);
 *   - Content-Type and Content-Transfer-Encoding carry no comments and no white
 *     space around '/' and '=', an unquoted value is a token, a ';' is followed
 *     by a parameter;
 *   - in a date the day of the week, when given, is the right one (RFC 5322
 *     section 3.3), and the zone is numeric.
 */
#include "libkep/header.h"

#include <stdlib.h>
#include <time.h>

#include "libkep/mem.h"

enum {
	COMMENT_DEPTH  = 8,
	PARAMETERS_MAX = 32,    /* of one Content-Type */
	MESSAGE_ID_MAX = 250
};

void addr_list_release(struct addr_list *l)
{
	free(l->v);
	*l = (struct addr_list){ NULL, 0, 0 };
}

bool addr_list_has(const struct addr_list *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (addr_eq(&l->v[i], a))
			return true;
	return false;
}

bool addr_list_add(struct addr_list *l, const struct addr *a)
{
	if (addr_list_has(l, a))
		return false;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 4;
		l->v = mem_grow(l->v, l->room * sizeof(l->v[0]));
	}
	l->v[l->n++] = *a;
	return true;
}

/* Octets. */

static void skip(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

static bool at(const struct span *in, char c)
{
	return in->n > 0 && in->p[0] == c;
}

static bool take(struct span *in, char c)
{
	if (!at(in, c))
		return false;
	skip(in, 1);
	return true;
}

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* VCHAR of RFC 5234, with the octets of UTF-8 (RFC 6532 section 3.1). */
static bool is_visible(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c != 0x7f;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_token(char c)
{
	return is_visible(c) && (unsigned char)c < 0x80 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct span take_while(struct span *in, bool (*is)(char))
{
	struct span got = { in->p, 0 };

	while (got.n < in->n && is(in->p[got.n]))
		got.n++;
	skip(in, got.n);
	return got;
}

/* CRLF or LF; none there is fine. */
static bool take_line_end(struct span *in)
{
	if (in->n >= 2 && in->p[0] == '\r' && in->p[1] == '\n')
		skip(in, 2);
	else if (!take(in, '\n'))
		return false;
	return true;
}

/* Folding white space, none is fine.  false: a line end that does not fold, or
 * a line of blanks alone. */
static bool take_fws(struct span *in)
{
	take_while(in, is_wsp);
	if (!take_line_end(in))
		return true;
	return take_while(in, is_wsp).n > 0 && in->n > 0 && !at(in, '\r') && !at(in, '\n');
}

/* quoted-pair, behind its backslash. */
static bool take_quoted_pair(struct span *in)
{
	if (in->n == 0 || (!is_visible(in->p[0]) && !is_wsp(in->p[0])))
		return false;
	skip(in, 1);
	return true;
}

/* "(" ... ")", nested. */
static bool take_comment(struct span *in)
{
	size_t depth = 0;

	do {
		if (!take_fws(in) || in->n == 0)
			return false;
		if (take(in, '(')) {
			if (++depth > COMMENT_DEPTH)
				return false;
		} else if (take(in, ')')) {
			depth--;
		} else if (take(in, '\\')) {
			if (!take_quoted_pair(in))
				return false;
		} else if (is_visible(in->p[0])) {
			skip(in, 1);
		} else {
			return false;
		}
	} while (depth > 0);
	return true;
}

/* Comments and folding white space, none is fine. */
static bool take_cfws(struct span *in)
{
	if (!take_fws(in))
		return false;
	while (at(in, '('))
		if (!take_comment(in) || !take_fws(in))
			return false;
	return true;
}

/* A quoted-string; its octets, unquoted and unfolded, are appended to *out when
 * that is not NULL. */
static bool take_quoted(struct span *in, struct buf *out)
{
	if (!take(in, '"'))
		return false;
	while (!take(in, '"')) {
		struct span from = *in;

		if (!take_fws(in) || in->n == 0)
			return false;
		for (; from.p < in->p; skip(&from, 1))
			if (out && is_wsp(from.p[0]))
				buf_addc(out, from.p[0]);
		if (at(in, '"'))
			continue;
		if (at(in, '\\')) {
			skip(in, 1);
			if (in->n == 0)
				return false;
		}
		if (out)
			buf_addc(out, in->p[0]);
		if (!take_quoted_pair(in))
			return false;
	}
	return true;
}

/* Mailboxes. */

static bool is_addr_spec(char c)
{
	return addr_atext(c) || c == '.' || c == '@';
}

static bool is_inside_brackets(char c)
{
	return c != '>';
}

static bool take_angle_addr(struct span *in, struct addr *a)
{
	struct span text;

	if (!take(in, '<'))
		return false;
	text = take_while(in, is_inside_brackets);
	return text.n > 0 && take(in, '>') && !at(&text, '<') && addr_parse(a, text);
}

/* mailbox = name-addr / addr-spec, with the comments around it. */
static bool take_mailbox(struct span *in, struct addr *a)
{
	for (bool named = false; ; named = true) {
		struct span run;

		if (!take_cfws(in) || in->n == 0)
			return false;
		if (at(in, '<'))
			return take_angle_addr(in, a) && take_cfws(in);
		if (at(in, '"')) {
			if (!take_quoted(in, NULL))
				return false;
			continue;
		}
		run = take_while(in, is_addr_spec);
		if (run.n > 0 && memchr(run.p, '@', run.n))
			return !named && addr_parse(a, run) && take_cfws(in);
		if (run.n == 0 || memchr(run.p, '.', run.n))
			return false;
	}
}

bool header_mailboxes(struct span value, size_t limit, struct addr_list *l)
{
	size_t before = l->n, count = 0;
	bool good = utf8_valid(value);
	struct addr a;

	while (good) {
		good = count++ < limit && take_mailbox(&value, &a);
		if (!good)
			break;
		addr_list_add(l, &a);
		if (value.n == 0)
			return true;
		good = take(&value, ',');
	}
	l->n = before;
	return false;
}

bool header_mailboxes_exceed(struct span value, size_t limit)
{
	struct addr a;

	for (size_t count = 0; take_mailbox(&value, &a); ) {
		if (++count > limit)
			return true;
		if (!take(&value, ','))
			break;
	}
	return false;
}

/* Content-Type and Content-Transfer-Encoding. */

/* Lower-case copy with a NUL.  false: s does not fit, or is empty. */
static bool put_lower(char *out, size_t size, struct span s)
{
	if (s.n == 0 || s.n >= size || memchr(s.p, '\0', s.n))
		return false;
	for (size_t i = 0; i < s.n; i++)
		out[i] = ascii_lower(s.p[i]);
	out[s.n] = '\0';
	return true;
}

static bool is_bchar(char c)
{
	return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c != '\0' && strchr("'()+_,-./:=? ", c));
}

/* RFC 2046 section 5.1.1: 1 to 70 bchars, the last one no space. */
static bool put_boundary(char *out, size_t size, struct span s)
{
	struct span rest = s;

	if (s.n == 0 || s.n >= size || s.p[s.n - 1] == ' ' || take_while(&rest, is_bchar).n != s.n)
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

#define PARAMETER(name, member, put) { SPAN(name), offsetof(struct media, member), sizeof(((struct media *)0)->member), put }
static const struct parameter {
	struct span name;
	size_t      offset, size;
	bool      (*put)(char *out, size_t size, struct span value);
} parameters[] = {
	PARAMETER("boundary",   boundary,   put_boundary),
	PARAMETER("protocol",   protocol,   put_lower),
	PARAMETER("micalg",     micalg,     put_lower),
	PARAMETER("smime-type", smime_type, put_lower),
};

/* The parameter of this name; NULL: one that does not concern us. */
static const struct parameter *find_parameter(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(parameters); i++)
		if (span_caseeq(name, parameters[i].name))
			return &parameters[i];
	return NULL;
}

/* false: RFC 2231 continuation or charset form of a parameter we go by. */
static bool keep_parameter(struct media *m, struct span name, struct span value)
{
	const struct parameter *known = find_parameter(name);

	if (known)
		return known->put((char *)m + known->offset, known->size, value);
	return !find_parameter(span_cut(&name, '*'));
}

static bool take_value(struct span *in, struct buf *value)
{
	struct span token;

	buf_clear(value);
	if (at(in, '"'))
		return take_quoted(in, value);
	token = take_while(in, is_token);
	buf_add(value, token);
	return token.n > 0;
}

static bool seen_before(const struct span *names, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_caseeq(names[i], name))
			return true;
	return false;
}

static bool take_parameters(struct span *in, struct media *m, struct buf *value)
{
	struct span names[PARAMETERS_MAX];

	for (size_t n = 0; take(in, ';'); n++) {
		if (n == PARAMETERS_MAX || !take_fws(in))
			return false;
		names[n] = take_while(in, is_token);
		if (names[n].n == 0 || seen_before(names, n, names[n]) || !take(in, '=') || !take_value(in, value))
			return false;
		if (!keep_parameter(m, names[n], buf_span(value)) || !take_fws(in))
			return false;
	}
	return in->n == 0;
}

static bool take_type(struct span *in, struct media *m)
{
	struct span type = take_while(in, is_token), subtype;

	if (type.n == 0 || !take(in, '/'))
		return false;
	subtype = take_while(in, is_token);
	return subtype.n > 0 && put_lower(m->type, sizeof(m->type), span_of(type.p, type.n + 1 + subtype.n));
}

bool header_media(struct span value, struct media *m)
{
	struct buf text = BUF_INIT;
	bool good;

	*m = (struct media){ .type = "" };
	good = utf8_valid(value) && take_fws(&value) && take_type(&value, m) && take_fws(&value) && take_parameters(&value, m, &text);
	if (!good)
		*m = (struct media){ .type = "" };
	buf_release(&text);
	return good;
}

bool header_encoding(struct span value, char out[32])
{
	struct span token;

	out[0] = '\0';
	if (!take_fws(&value))
		return false;
	token = take_while(&value, is_token);
	return take_fws(&value) && value.n == 0 && put_lower(out, 32, token);
}

/* Message-ID. */

static bool is_dot_atom(char c)
{
	return addr_atext(c) || c == '.';
}

static bool is_dtext(char c)
{
	return is_visible(c) && !strchr("[]\\", c);
}

static bool take_dot_atom(struct span *in)
{
	struct span s = take_while(in, is_dot_atom);

	for (size_t i = 1; i < s.n; i++)
		if (s.p[i] == '.' && s.p[i - 1] == '.')
			return false;
	return s.n > 0 && s.p[0] != '.' && s.p[s.n - 1] != '.';
}

static bool take_id_right(struct span *in)
{
	if (!take(in, '['))
		return take_dot_atom(in);
	take_while(in, is_dtext);
	return take(in, ']');
}

bool header_message_id(struct span value, struct span *id)
{
	*id = SPAN_NONE;
	if (!utf8_valid(value) || !take_cfws(&value))
		return false;
	const char *start = value.p;
	if (!take(&value, '<') || !take_dot_atom(&value) || !take(&value, '@') || !take_id_right(&value) || !take(&value, '>'))
		return false;
	struct span got = { start, (size_t)(value.p - start) };
	if (!take_cfws(&value) || value.n > 0 || got.n > MESSAGE_ID_MAX)
		return false;
	*id = got;
	return true;
}

/* Date. */

static bool take_number(struct span *in, size_t least, size_t most, int *out)
{
	size_t n = 0;

	for (*out = 0; n < most && in->n > 0 && is_digit(in->p[0]); n++) {
		*out = *out * 10 + (in->p[0] - '0');
		skip(in, 1);
	}
	return n >= least && !(in->n > 0 && is_digit(in->p[0]));
}

/* A name of three letters; its index in a row of such names. */
static bool take_name(struct span *in, const char *names, int *out)
{
	if (in->n < 3)
		return false;
	for (int i = 0; names[3 * i]; i++)
		if (span_caseeq(span_of(in->p, 3), span_of(names + 3 * i, 3))) {
			skip(in, 3);
			*out = i;
			return true;
		}
	return false;
}

/* At least one blank. */
static bool take_gap(struct span *in)
{
	size_t before = in->n;

	return take_fws(in) && in->n < before;
}

/* [ day-of-week "," ] day month year; *weekday stays as it is when absent. */
static bool take_day(struct span *in, struct tm *tm, int *weekday)
{
	if (!take_fws(in))
		return false;
	if (in->n > 0 && !is_digit(in->p[0]) && !(take_name(in, "SunMonTueWedThuFriSat", weekday) && take(in, ',') && take_fws(in)))
		return false;
	if (!take_number(in, 1, 2, &tm->tm_mday) || !take_gap(in) || !take_name(in, "JanFebMarAprMayJunJulAugSepOctNovDec", &tm->tm_mon) ||
	    !take_gap(in) || !take_number(in, 4, 4, &tm->tm_year))
		return false;
	tm->tm_year -= 1900;
	return tm->tm_year >= 0;
}

static bool take_time(struct span *in, struct tm *tm)
{
	if (!take_number(in, 2, 2, &tm->tm_hour) || !take(in, ':') || !take_number(in, 2, 2, &tm->tm_min))
		return false;
	if (take(in, ':') && !take_number(in, 2, 2, &tm->tm_sec))
		return false;
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* "+0300"; seconds east of Greenwich. */
static bool take_zone(struct span *in, int *seconds)
{
	bool west = at(in, '-');
	int hhmm;

	if (!west && !at(in, '+'))
		return false;
	skip(in, 1);
	if (!take_number(in, 4, 4, &hhmm) || hhmm % 100 >= 60)
		return false;
	*seconds = (west ? -60 : 60) * (hhmm / 100 * 60 + hhmm % 100);
	return true;
}

/* Is this the day tm holds (timegm() moves 31 April to 1 May), and the weekday? */
static bool same_day(time_t t, const struct tm *tm, int weekday)
{
	struct tm real;

	t -= tm->tm_sec == 60;  /* a leap second belongs to the minute before */
	gmtime_r(&t, &real);
	return real.tm_mday == tm->tm_mday && real.tm_mon == tm->tm_mon && (weekday < 0 || real.tm_wday == weekday);
}

bool header_date(struct span value, int64_t *t)
{
	struct tm tm = { .tm_mday = 0 }, copy;
	int weekday = -1, zone = 0;
	time_t local;

	*t = 0;
	if (!take_day(&value, &tm, &weekday) || !take_gap(&value) || !take_time(&value, &tm) ||
	    !take_gap(&value) || !take_zone(&value, &zone) || !take_cfws(&value) || value.n > 0)
		return false;
	copy = tm;
	local = timegm(&copy);
	if (!same_day(local, &tm, weekday))
		return false;
	*t = ((int64_t)local - zone) * 1000000;
	return true;
}

/* Fields. */

static bool is_ftext(char c)
{
	return c > ' ' && c <= '~' && c != ':';
}

int header_next(struct span *block, struct span *name, struct span *value)
{
	struct span in = *block;
	size_t n = 0;

	if (in.n == 0)
		return 0;
	if (take_line_end(&in)) {
		*block = in;
		return 0;
	}
	*name = take_while(&in, is_ftext);
	if (name->n == 0 || !take(&in, ':'))
		return -1;
	do {
		const char *end = memchr(in.p + n, '\n', in.n - n);

		n = end ? (size_t)(end - in.p) + 1 : in.n;
	} while (n < in.n && is_wsp(in.p[n]));
	*block = span_of(in.p + n, in.n - n);
	if (n > 0 && in.p[n - 1] == '\n')
		n -= n > 1 && in.p[n - 2] == '\r' ? 2 : 1;
	*value = span_of(in.p, n);
	return 1;
}
