#include "kepctl/list.h"

#include <stdio.h>
#include <sysexits.h>

static void fill(struct table *t, const struct pg_rows *rows)
{
	for (size_t i = 0; i < pg_rows_count(rows); i++)
		for (size_t k = 0; k < t->width; k++)
			table_cell(t, pg_is_null(rows, i, k) ? SPAN_NONE : pg_value(rows, i, k));
}

int list_query(const struct ctl *c, const char *conninfo, const char *sql,
               const struct table_column *columns, size_t width, const char *empty)
{
	int status = EX_OK;
	struct db *db = ctl_connect(c, conninfo, &status);
	const struct pg_rows *rows = db ? ctl_ask(c, db, sql, NULL, &status) : NULL;
	struct table t;

	table_init(&t, columns, width);
	if (rows)
		fill(&t, rows);
	if (rows && c->json)
		ctl_json(table_json(&t), EX_OK);
	else if (rows && t.n)
		table_print(&t, stdout);
	else if (rows)
		puts(empty);
	table_release(&t);
	db_close(db);
	return status;
}
