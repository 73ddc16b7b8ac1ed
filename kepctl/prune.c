/* kepctl prune: remove the bodies of evidence whose retention is over. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "kepctl/ctl.h"

struct tally {
	int64_t pruned, held, records;
	int64_t next;                   /* the leaf to go on from */
	bool    more;
};

static int64_t number(const struct pg_rows *rows, size_t column)
{
	char text[24];

	snprintf(text, sizeof text, "%.*s", (int)pg_value(rows, 0, column).n, pg_value(rows, 0, column).p);
	return strtoll(text, NULL, 10);
}

/* One window of the ledger, one transaction; false: it was said why not. */
static bool step(const struct ctl *c, struct db *db, struct tally *t, int *status)
{
	struct pg_params params = { .n = 0 };
	const struct pg_rows *rows;
	char from[24];

	snprintf(from, sizeof from, "%" PRId64, t->next);
	pg_text(&params, span_str(from));
	rows = ctl_ask(c, db, "select pruned, held, next, more, evidence_id is not null from kep.prune($1::bigint, 10000)", &params, status);
	if (!rows)
		return false;
	t->pruned += number(rows, 0);
	t->held += number(rows, 1);
	t->next = number(rows, 2);
	t->more = span_is(pg_value(rows, 0, 3), "t");
	t->records += span_is(pg_value(rows, 0, 4), "t");
	return true;
}

static void say(const struct tally *t)
{
	if (t->pruned)
		printf("bodies of evidence removed: %" PRId64 "; evidence of it recorded: %" PRId64 "\n", t->pruned, t->records);
	else
		puts("nothing to remove: no evidence is older than 20 years and past its retention");
	if (t->held)
		printf("kept under legal hold: %" PRId64 "\n", t->held);
}

/* What was removed before an error stays removed and recorded; the next run goes on. */
int command_prune(const struct ctl *c)
{
	struct tally t = { .more = true };
	int status = EX_OK;
	struct db *db = ctl_connect(c, c->conf->database_operator, &status);

	while (db && t.more && step(c, db, &t, &status))
		;
	if (status == EX_OK || t.pruned)
		say(&t);
	db_close(db);
	return status;
}
