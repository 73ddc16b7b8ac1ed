/* ctl.h - what every command is handed, and how a command speaks.
 *
 * A command returns its exit status (sysexits(3)); what went wrong has been said
 * on standard error by then, with the way to mend it.
 */
#ifndef KEP_CTL_H
#define KEP_CTL_H

#include "libkep/conf.h"
#include "libkep/jdoc.h"
#include "sql/pg.h"

enum ctl_option {
#define OPTION(name, text, placeholder, repeats, help) CTL_##name,
#include "kepctl/options.def"
#undef OPTION
	CTL_OPTIONS
};

struct ctl {
	const struct conf *conf;
	const char        *file;                        /* the configuration that was read */
	const char        *conf_error;                  /* why it could not be; NULL but for check */
	bool               json;
	char             **words;                       /* behind the command, NULL at the end */
	struct buf         value[CTL_OPTIONS];          /* of an option; repeated ones joined with "," */
	bool               given[CTL_OPTIONS];
};

/* One function a row of commands.def. */
typedef int ctl_command(const struct ctl *c);
#define COMMAND(group, name, function, ...) ctl_command command_##function;
#include "kepctl/commands.def"
#undef COMMAND

/* The value of an option; SPAN_NONE when it was not given. */
struct span ctl_value(const struct ctl *c, enum ctl_option option);

/* "kepctl: WORDS" on standard error; returns status. */
int ctl_fail(int status, const char *fmt, ...) PRINTF(2, 3);
/* The same for an error of sql/pg.h; the status fits its SQLSTATE. */
int ctl_fail_sql(const struct ctl *c, const struct buf *error);

/* A connection; NULL: it was said why, and *status is the exit status. */
struct db *ctl_connect(const struct ctl *c, const char *conninfo, int *status);
/* One question.  NULL: it was said why, and *status is the exit status. */
const struct pg_rows *ctl_ask(const struct ctl *c, struct db *db, const char *sql, const struct pg_params *params, int *status);
/* Connect, ask a question whose rows do not matter, close; an exit status. */
int ctl_order(const struct ctl *c, const char *conninfo, const char *sql, const struct pg_params *params);

/* Write a document and a line end to standard output, and free it; returns status. */
int ctl_json(jdoc *d, int status);

#endif
