#include "libkep/encode.h"

/* Octets of the character at p; 1 for what is no UTF-8. */
static size_t width(struct span s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

	return n <= s.n && utf8_valid(span_of(s.p, n)) ? n : 1;
}

/* C0, DEL, C1; U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. */
static bool harmful(struct span c)
{
	const unsigned char *u = (const unsigned char *)c.p;

	switch (c.n) {
	case 1:
		return u[0] < 0x20 || u[0] >= 0x7f;
	case 2:
		return u[0] == 0xc2 && u[1] < 0xa0;
	case 3:
		return u[0] == 0xe2 && ((u[1] == 0x80 && (u[2] == 0x8e || u[2] == 0x8f || (u[2] >= 0xa8 && u[2] <= 0xae))) ||
		                        (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
	default:
		return false;
	}
}

void encode_plain(struct buf *out, struct span text)
{
	while (text.n) {
		size_t n = width(text);

		if (harmful(span_of(text.p, n)))
			buf_addc(out, '?');
		else
			buf_add(out, span_of(text.p, n));
		text = span_of(text.p + n, text.n - n);
	}
}

/* One line without its end. */
static void quoted_line(struct buf *out, struct span line)
{
	bool from = line.n >= 5 && memcmp(line.p, "From ", 5) == 0;
	size_t column = 0;

	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		bool edge = (i == 0 && (c == '.' || from)) || (i + 1 == line.n && (c == ' ' || c == '\t'));
		bool plain = c != '=' && !edge && ((c >= ' ' && c <= '~') || c == '\t');
		size_t n = plain ? 1 : 3;

		if (column + n > 75) {
			buf_adds(out, "=\r\n");
			column = 0;
		}
		/* What comes behind a soft line break stands at the start of a line, too. */
		if (plain && column == 0 && i && (c == '.' || c == 'F')) {
			plain = false;
			n = 3;
		}
		if (plain)
			buf_addc(out, (char)c);
		else
			buf_addf(out, "=%02X", (unsigned)c);
		column += n;
	}
	buf_adds(out, "\r\n");
}

void encode_quoted(struct buf *out, struct span text)
{
	while (text.n)
		quoted_line(out, span_cut(&text, '\n'));
}

static bool printable(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

/* "=?UTF-8?B?...?=" words of at most 75 characters, one a line, no character cut in two. */
static void encoded_words(struct buf *out, struct span text)
{
	static const size_t octets = 45;        /* 60 characters of base64 */
	bool first = true;

	while (text.n) {
		size_t n = 0, next;

		while (n < text.n && n + (next = width(span_of(text.p + n, text.n - n))) <= octets)
			n += next;
		buf_adds(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
		buf_add_base64(out, span_of(text.p, n), 0);
		buf_adds(out, "?=");
		text = span_of(text.p + n, text.n - n);
		first = false;
	}
}

void encode_field(struct buf *out, const char *name, struct span text)
{
	struct buf plain = BUF_INIT;

	encode_plain(&plain, text);
	buf_adds(out, name);
	if (printable(buf_span(&plain)) && !strstr(buf_str(&plain), "=?") && strlen(name) + 2 + plain.n <= 76) {
		buf_adds(out, ": ");
		buf_add(out, buf_span(&plain));
	} else {
		buf_adds(out, ":\r\n ");
		encoded_words(out, buf_span(&plain));
	}
	buf_adds(out, "\r\n");
	buf_release(&plain);
}

static void phrase(struct buf *out, struct span text)
{
	if (!printable(text) || text.n > 60 || strstr(text.p, "=?")) {
		encoded_words(out, text);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, text.p[i]);
	}
	buf_addc(out, '"');
}

void encode_mailbox(struct buf *out, const char *name, struct span display, struct span address)
{
	struct buf plain = BUF_INIT;

	buf_addf(out, "%s: ", name);
	encode_plain(&plain, display);
	if (plain.n) {
		phrase(out, buf_span(&plain));
		buf_adds(out, "\r\n ");
	}
	buf_addc(out, '<');
	encode_plain(out, address);
	buf_adds(out, ">\r\n");
	buf_release(&plain);
}
