/* table.h - rows of text, printed in columns or as JSON.
 *
 * Columns are as wide as their widest cell, counted in characters of UTF-8, not
 * in octets; the last one is not padded.  Control characters become '?'.
 */
#ifndef KEP_TABLE_H
#define KEP_TABLE_H

#include <stdio.h>

#include "libkep/buf.h"
#include "libkep/jdoc.h"

enum table_kind {
	TABLE_TEXT,     /* JSON: a string; absent where the cell is SPAN_NONE */
	TABLE_COUNT,    /* JSON: a whole number */
	TABLE_LIST,     /* words with blanks between; JSON: an array of strings */
};

struct table_column {
	const char     *key;            /* of JSON; its heading too, '_' as blank */
	enum table_kind kind;
};

struct table {
	const struct table_column *columns;
	size_t       width;             /* columns */
	struct buf  *cells;             /* owned; row by row */
	bool        *none;              /* the cell was SPAN_NONE */
	size_t       n, room;
};

void table_init(struct table *t, const struct table_column *columns, size_t width);
void table_release(struct table *t);
/* The next cell; rows fill from left to right. */
void table_cell(struct table *t, struct span value);
void table_print(const struct table *t, FILE *out);
/* An array of objects, one a row; the caller owns it. */
jdoc *table_json(const struct table *t);

/* Columns a text takes on a terminal: characters, without combining marks. */
size_t table_text_width(struct span text);

#endif
