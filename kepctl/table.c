#include "kepctl/table.h"

#include <ctype.h>
#include <stdlib.h>

#include "kepctl/paint.h"
#include "libkep/mem.h"

void table_init(struct table *t, const struct table_column *columns, size_t width)
{
	*t = (struct table){ columns, width, NULL, NULL, 0, 0 };
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		buf_release(&t->cells[i]);
	free(t->cells);
	free(t->none);
	table_init(t, t->columns, t->width);
}

void table_cell(struct table *t, struct span value)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = mem_grow(t->cells, t->room * sizeof *t->cells);
		t->none = mem_grow(t->none, t->room * sizeof *t->none);
	}
	buf_init(&t->cells[t->n]);
	buf_add(&t->cells[t->n], value);
	t->none[t->n++] = value.p == NULL;
}

/* U+0300 to U+036F: 0xCC 0x80 to 0xCD 0xAF. */
static bool combines(const unsigned char *c, size_t n)
{
	return n >= 2 && (c[0] == 0xcc || (c[0] == 0xcd && c[1] < 0xb0));
}

size_t table_text_width(struct span text)
{
	const unsigned char *c = (const unsigned char *)text.p;
	size_t width = 0;

	for (size_t i = 0; i < text.n; i++)
		if ((c[i] & 0xc0) != 0x80 && !combines(c + i, text.n - i))
			width++;
	return width;
}

static void put(FILE *out, struct span text, size_t width, bool last)
{
	paint_text(out, text);
	for (size_t w = table_text_width(text); !last && w < width + 2; w++)
		fputc(' ', out);
}

static struct span heading(const struct table_column *c, char text[64])
{
	size_t n = 0;

	for (; n < 63 && c->key[n]; n++)
		text[n] = c->key[n] == '_' ? ' ' : (char)toupper((unsigned char)c->key[n]);
	return span_of(text, n);
}

void table_print(const struct table *t, FILE *out)
{
	size_t *widest = mem_array(t->width, sizeof *widest);
	char text[64];

	for (size_t i = 0; i < t->n; i++) {
		size_t w = table_text_width(buf_span(&t->cells[i]));

		widest[i % t->width] = w > widest[i % t->width] ? w : widest[i % t->width];
	}
	paint(out, PAINT_BOLD);
	for (size_t i = 0; i < t->width; i++) {
		struct span h = heading(&t->columns[i], text);

		widest[i] = h.n > widest[i] ? h.n : widest[i];
		put(out, h, widest[i], i + 1 == t->width);
	}
	paint(out, PAINT_PLAIN);
	fputc('\n', out);
	for (size_t i = 0; i < t->n; i++) {
		bool last = (i + 1) % t->width == 0;

		put(out, t->none[i] ? SPAN("-") : buf_span(&t->cells[i]), widest[i % t->width], last);
		if (last)
			fputc('\n', out);
	}
	free(widest);
}

static void set_list(jdoc *row, const char *key, struct span words)
{
	jdoc *list = jdoc_array();

	while (words.n) {
		struct span word = span_cut(&words, ' ');

		if (word.n)
			jdoc_push_text(list, word);
	}
	jdoc_set(row, key, list);
}

static void set_cell(jdoc *row, const struct table_column *c, const struct buf *cell, bool none)
{
	if (c->kind == TABLE_LIST)
		set_list(row, c->key, buf_span(cell));
	else if (c->kind == TABLE_COUNT && !none)
		jdoc_set_int(row, c->key, strtoll(buf_str(cell), NULL, 10));
	else if (!none)
		jdoc_set_text(row, c->key, span_str(buf_str(cell)));
}

jdoc *table_json(const struct table *t)
{
	jdoc *all = jdoc_array();

	for (size_t i = 0; i + t->width <= t->n; i += t->width) {
		jdoc *row = jdoc_object();

		for (size_t k = 0; k < t->width; k++)
			set_cell(row, &t->columns[k], &t->cells[i + k], t->none[i + k]);
		jdoc_push(all, row);
	}
	return all;
}
