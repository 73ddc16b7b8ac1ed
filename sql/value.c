/* value.c - values that libpq has no words for; see pg.h.  Knows nothing of libpq. */
#include "sql/pg.h"

bool pg_bytea(const struct pg_rows *r, size_t row, size_t column, struct buf *out)
{
	struct span text = pg_value(r, row, column);
	char octets[512];

	if (text.n < 2 || text.n % 2 != 0 || text.p[0] != '\\' || text.p[1] != 'x')
		return false;
	for (size_t at = 2; at < text.n;) {
		size_t n = text.n - at < 2 * sizeof(octets) ? text.n - at : 2 * sizeof(octets);

		if (!hex_decode(octets, n / 2, span_of(text.p + at, n)))
			return false;
		buf_add(out, span_of(octets, n / 2));
		at += n;
	}
	return true;
}

void pg_array_text(struct buf *out, const struct span *v, size_t n)
{
	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i == 0 ? "\"" : ",\"");
		for (size_t k = 0; k < v[i].n; k++) {
			if (v[i].p[k] == '"' || v[i].p[k] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, v[i].p[k]);
		}
		buf_addc(out, '"');
	}
	buf_addc(out, '}');
}
