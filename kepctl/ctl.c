#include "kepctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

struct span ctl_value(const struct ctl *c, enum ctl_option option)
{
	return c->given[option] ? span_str(buf_str(&c->value[option])) : SPAN_NONE;
}

int ctl_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("kepctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

/* What an SQLSTATE means for the person at the keyboard; the longest prefix that fits stands first. */
static const struct { const char *state; int status; const char *mend; } sql_errors[] = {
	{ "KE",    EX_DATAERR,     NULL },
	{ "3F000", EX_CONFIG,      "the database holds no schema of ours: run 'kepctl db init'" },
	{ "42P01", EX_CONFIG,      "the schema is older than this program: run 'kepctl db upgrade'" },
	{ "42883", EX_CONFIG,      "the schema is older than this program: run 'kepctl db upgrade'" },
	{ "42501", EX_NOPERM,      "the role of this connection may not do that; see database_* in kep.conf(5)" },
	{ "22",    EX_DATAERR,     NULL },
	{ "23",    EX_DATAERR,     NULL },
	{ "08",    EX_UNAVAILABLE, "the connection to PostgreSQL was lost; look whether it runs, and try again" },
};

int ctl_fail_sql(const struct ctl *c, const struct buf *error)
{
	const char *words = buf_str(error);

	for (size_t i = 0; i < COUNT_OF(sql_errors); i++)
		if (strncmp(words, sql_errors[i].state, strlen(sql_errors[i].state)) == 0) {
			/* Our own errors speak for themselves. */
			ctl_fail(0, "%s", i == 0 && strlen(words) > 7 ? words + 7 : words);
			if (sql_errors[i].mend)
				ctl_fail(0, "%s", sql_errors[i].mend);
			return sql_errors[i].status;
		}
	return ctl_fail(EX_SOFTWARE, "%s", words);
}

struct db *ctl_connect(const struct ctl *c, const char *conninfo, int *status)
{
	struct buf error = BUF_INIT;
	struct db *db = db_open(conninfo, "kepctl", &error);

	if (!db)
		*status = ctl_fail(EX_UNAVAILABLE, "%s", buf_str(&error));
	if (!db && strstr(buf_str(&error), "database \"") && strstr(buf_str(&error), "does not exist"))
		ctl_fail(0, "make the database first, as the superuser of PostgreSQL: createdb -E UTF8 -T template0 NAME; then 'kepctl db init'");
	buf_release(&error);
	return db;
}

const struct pg_rows *ctl_ask(const struct ctl *c, struct db *db, const char *sql, const struct pg_params *params, int *status)
{
	static const struct pg_params none;
	struct buf error = BUF_INIT;
	const struct pg_rows *rows = db_ask(db, sql, params ? params : &none, &error);

	if (!rows)
		*status = ctl_fail_sql(c, &error);
	buf_release(&error);
	return rows;
}

int ctl_order(const struct ctl *c, const char *conninfo, const char *sql, const struct pg_params *params)
{
	int status = EX_OK;
	struct db *db = ctl_connect(c, conninfo, &status);

	if (db)
		ctl_ask(c, db, sql, params, &status);
	db_close(db);
	return status;
}

int ctl_json(jdoc *d, int status)
{
	struct buf out = BUF_INIT;

	jdoc_write(&out, d);
	puts(buf_str(&out));
	buf_release(&out);
	jdoc_free(d);
	return status;
}
