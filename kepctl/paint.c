#include "kepctl/paint.h"

#include <stdlib.h>
#include <unistd.h>

static bool wanted(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && term && strcmp(term, "dumb") != 0 && !(no && *no);
}

void paint(FILE *out, enum paint how)
{
	static const char *const codes[] = { "0", "1", "2", "32", "33", "31" };

	if (wanted(out))
		fprintf(out, "\033[%sm", codes[how]);
}

/* C0, DEL, and the C1 controls, which UTF-8 writes as 0xC2 0x80 to 0xC2 0x9F. */
static bool control(const unsigned char *c, size_t n)
{
	return c[0] < 0x20 || c[0] == 0x7f || (c[0] == 0xc2 && n > 1 && c[1] < 0xa0);
}

void paint_text(FILE *out, struct span text)
{
	bool utf8 = utf8_valid(text);

	for (size_t i = 0; i < text.n; i++) {
		const unsigned char *c = (const unsigned char *)text.p + i;

		if (control(c, text.n - i)) {
			fputc('?', out);
			i += *c == 0xc2;
		} else {
			fputc(!utf8 && *c >= 0x80 ? '?' : *c, out);
		}
	}
}
