#include "libkep/display.h"

#include "libkep/base64.h"
#include "libkep/buf.h"

enum { BLANKS_MAX = 16 };

static bool charset_known(struct span s)
{
	static const struct span begins[] = { SPAN("iso-8859-"), SPAN("windows-125"), SPAN("cp125") };

	s = span_cut(&s, '*');          /* a language may follow, RFC 2231 section 5 */
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	if (span_caseeq(s, SPAN("utf-8")) || span_caseeq(s, SPAN("us-ascii")))
		return true;
	for (size_t i = 0; i < COUNT_OF(begins); i++)
		if (span_casestarts(s, begins[i]))
			return true;
	return false;
}

static bool decode_q(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		unsigned char octet = (unsigned char)in.p[i];

		if (octet == '=') {
			if (in.n - i < 3 || !hex_decode(&octet, 1, span_of(in.p + i + 1, 2)))
				return false;
			i += 2;
		}
		buf_addc(out, in.p[i] == '_' && octet == '_' ? ' ' : (char)octet);
	}
	return true;
}

static bool decode_b(struct span in, struct buf *out)
{
	struct base64 b = { .n = 0 };

	return base64_push(&b, in, out, out->n + in.n) == BASE64_GOOD && base64_whole(&b);
}

/* Behind the "=?" of an encoded word. */
static bool take_word(struct span *in, struct buf *out)
{
	struct span rest = *in, charset = span_cut(&rest, '?'), encoding = span_cut(&rest, '?'), text = span_cut(&rest, '?');

	if (!rest.p || rest.n == 0 || rest.p[0] != '=' || !charset_known(charset))
		return false;
	*in = span_of(rest.p + 1, rest.n - 1);
	if (span_caseeq(encoding, SPAN("q")))
		return decode_q(text, out);
	return span_caseeq(encoding, SPAN("b")) && decode_b(text, out);
}

/* The field unfolded, its encoded words decoded. */
static bool decode(struct span in, struct buf *out)
{
	while (in.n > 0) {
		if (in.n >= 2 && in.p[0] == '=' && in.p[1] == '?') {
			in = span_of(in.p + 2, in.n - 2);
			if (!take_word(&in, out))
				return false;
			continue;
		}
		if (in.p[0] != '\r' && in.p[0] != '\n')
			buf_addc(out, in.p[0]);
		in = span_of(in.p + 1, in.n - 1);
	}
	return true;
}

static bool begins(struct span s, struct span with)
{
	return s.n >= with.n && memcmp(s.p, with.p, with.n) == 0;
}

/* Does a character stand here that is not what it looks like, or is not seen? */
static bool is_trick(struct span s)
{
	static const struct { struct span lead; unsigned char first, last; } ranges[] = {
		{ SPAN("\xe2\x80"), 0x8b, 0x8f },       /* zero width, marks of direction */
		{ SPAN("\xe2\x80"), 0xa8, 0xae },       /* line ends, embeddings and overrides of direction */
		{ SPAN("\xe2\x81"), 0xa0, 0xaf },       /* joiners, isolates */
		{ SPAN("\xef\xbb"), 0xbf, 0xbf },       /* byte order mark */
		{ SPAN("\xef\xbc"), 0xa0, 0xa0 },       /* full-width @ */
		{ SPAN("\xef\xb9"), 0xab, 0xab },       /* small @ */
	};

	if (((unsigned char)s.p[0] < ' ' && s.p[0] != '\t') || s.p[0] == 0x7f)
		return true;
	for (size_t i = 0; i < COUNT_OF(ranges); i++)
		if (s.n >= 3 && begins(s, ranges[i].lead) && (unsigned char)s.p[2] >= ranges[i].first && (unsigned char)s.p[2] <= ranges[i].last)
			return true;
	return false;
}

static bool ends_address(char c)
{
	return strchr(" \t<>()[],;:\"", c) != NULL;
}

/* The run of octets around the '@' at index `at` is the address. */
static bool is_address(struct span text, size_t at, const struct addr *a)
{
	size_t start = at, end = at;
	struct addr shown;

	while (start > 0 && !ends_address(text.p[start - 1]))
		start--;
	while (end < text.n && !ends_address(text.p[end]))
		end++;
	return addr_parse(&shown, span_of(text.p + start, end - start)) && addr_eq(&shown, a);
}

static bool text_honest(struct span text, const struct addr *a)
{
	size_t blanks = 0;

	for (size_t i = 0; i < text.n; i++) {
		blanks = text.p[i] == ' ' || text.p[i] == '\t' ? blanks + 1 : 0;
		if (blanks > BLANKS_MAX || is_trick(span_of(text.p + i, text.n - i)))
			return false;
		if (text.p[i] == '@' && !is_address(text, i, a))
			return false;
	}
	return true;
}

bool display_honest(struct span value, const struct addr *a)
{
	struct buf text = BUF_INIT;
	bool honest = decode(value, &text) && text_honest(buf_span(&text), a);

	buf_release(&text);
	return honest;
}
