#include "libkep/addr.h"

enum {
	LOCAL_MAX  = 64,        /* RFC 5321 section 4.5.3.1.1 */
	DOMAIN_MAX = 255,       /* RFC 5321 section 4.5.3.1.2 */
	LABEL_MAX  = 63         /* RFC 1035 section 2.3.4 */
};

_Static_assert(LOCAL_MAX + 1 + DOMAIN_MAX < ADDR_SIZE, "an address and its NUL fit");

static bool is_8bit(char c)
{
	return (unsigned char)c >= 0x80;
}

bool addr_atext(char c)
{
	return ascii_alnum(c) || is_8bit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* The controls U+0080 to U+009F, of text that is known to be UTF-8. */
static bool has_c1(struct span s)
{
	for (size_t i = 1; i < s.n; i++)
		if ((unsigned char)s.p[i - 1] == 0xc2 && (unsigned char)s.p[i] < 0xa0)
			return true;
	return false;
}

static bool local_valid(struct span s)
{
	bool dot = true;        /* a dot may not stand here */

	if (s.n == 0 || s.n > LOCAL_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? dot : !addr_atext(s.p[i]))
			return false;
		dot = s.p[i] == '.';
	}
	return !dot;
}

static bool label_valid(struct span s)
{
	if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alnum(s.p[i]) && !is_8bit(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

static bool domain_valid(struct span s)
{
	if (s.n == 0 || s.n > DOMAIN_MAX || s.p[s.n - 1] == '.')
		return false;
	while (s.n > 0)
		if (!label_valid(span_cut(&s, '.')))
			return false;
	return true;
}

static struct span without_brackets(struct span s)
{
	if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		return span_of(s.p + 1, s.n - 2);
	return s;
}

bool addr_parse(struct addr *a, struct span text)
{
	struct span s = without_brackets(text), domain = s, local;

	*a = (struct addr){ .n = 0 };
	if (s.n == 0)
		return true;
	local = span_cut(&domain, '@');
	if (!local_valid(local) || !domain_valid(domain) || !utf8_valid(s) || has_c1(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		a->text[i] = ascii_lower(s.p[i]);
	a->at = local.n;
	a->n = s.n;
	return true;
}

struct span addr_domain(const struct addr *a)
{
	return addr_empty(a) ? SPAN_NONE : span_of(a->text + a->at + 1, a->n - a->at - 1);
}

/* Octets on their way out of an ORCPT; one too many is an error, never a cut. */
struct decoded {
	char   text[ADDR_SIZE];
	size_t n;
};

static bool put(struct decoded *d, unsigned octet)
{
	if (d->n == sizeof(d->text))
		return false;
	d->text[d->n++] = (char)octet;
	return true;
}

static bool put_utf8(struct decoded *d, unsigned long c)
{
	if (c < 0x80)
		return put(d, (unsigned)c);
	if (c < 0x800)
		return put(d, 0xc0 | (unsigned)(c >> 6)) && put(d, 0x80 | (c & 0x3f));
	if (c < 0x10000)
		return put(d, 0xe0 | (unsigned)(c >> 12)) && put(d, 0x80 | (c >> 6 & 0x3f)) && put(d, 0x80 | (c & 0x3f));
	return put(d, 0xf0 | (unsigned)(c >> 18)) && put(d, 0x80 | (c >> 12 & 0x3f)) && put(d, 0x80 | (c >> 6 & 0x3f)) && put(d, 0x80 | (c & 0x3f));
}

/* RFC 3461 section 4: "+XX" or a printable octet other than '+' and '='. */
static bool decode_xtext(struct decoded *d, struct span in)
{
	for (size_t i = 0; i < in.n; i++) {
		unsigned char octet = (unsigned char)in.p[i];

		if (octet == '+') {
			if (in.n - i < 3 || !hex_decode(&octet, 1, span_of(in.p + i + 1, 2)))
				return false;
			i += 2;
		} else if (octet <= ' ' || octet > '~' || octet == '=') {
			return false;
		}
		if (!put(d, octet))
			return false;
	}
	return true;
}

/* "{1F600}" at the front of *in, two to six digits. */
static bool cut_codepoint(struct span *in, unsigned long *c)
{
	unsigned char octets[4] = { 0 };
	char digits[] = "00000000";
	const char *end = in->n ? memchr(in->p, '}', in->n) : NULL;
	size_t n;

	if (!end || in->p[0] != '{')
		return false;
	n = (size_t)(end - in->p) - 1;
	if (n < 2 || n > 6)
		return false;
	memcpy(digits + 8 - n, in->p + 1, n);
	if (!hex_decode(octets, 4, span_of(digits, 8)))
		return false;
	*c = (unsigned long)octets[1] << 16 | (unsigned long)octets[2] << 8 | octets[3];
	*in = span_of(end + 1, in->n - n - 2);
	return *c != 0 && *c <= 0x10ffff;
}

/* RFC 6533 section 3: "\x{XX}" or an octet other than '\', '+' and '='.  That
 * the outcome is UTF-8 (no surrogates) is seen when it is read as an address. */
static bool decode_utf8_address(struct decoded *d, struct span in)
{
	while (in.n > 0) {
		unsigned long c = (unsigned char)in.p[0];
		bool raw = c != '\\';

		if (c <= ' ' || c == 0x7f || c == '+' || c == '=')
			return false;
		in = span_of(in.p + 1, in.n - 1);
		if (!raw) {
			if (in.n == 0 || in.p[0] != 'x')
				return false;
			in = span_of(in.p + 1, in.n - 1);
			if (!cut_codepoint(&in, &c))
				return false;
		}
		if (!(raw ? put(d, (unsigned)c) : put_utf8(d, c)))
			return false;
	}
	return true;
}

bool addr_parse_orcpt(struct addr *a, struct span orcpt)
{
	static const struct { struct span type; bool (*decode)(struct decoded *, struct span); } types[] = {
		{ SPAN("rfc822"), decode_xtext }, { SPAN("utf-8"), decode_utf8_address },
	};
	struct decoded d = { .n = 0 };
	struct span rest = orcpt, type = span_cut(&rest, ';');

	*a = (struct addr){ .n = 0 };
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (span_caseeq(type, types[i].type))
			return rest.n > 0 && types[i].decode(&d, rest) && addr_parse(a, span_of(d.text, d.n)) && !addr_empty(a);
	return false;
}
