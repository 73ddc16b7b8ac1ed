/* kepctl hold: legal holds, which keep messages beyond their retention. */
#include "kepctl/ctl.h"
#include "kepctl/list.h"

static int turn(const struct ctl *c, const char *sql)
{
	struct pg_params params = { .n = 0 };

	pg_text(&params, span_str(c->words[0]));
	pg_text(&params, ctl_value(c, CTL_REASON));
	return ctl_order(c, c->conf->database_operator, sql, &params);
}

int command_hold_add(const struct ctl *c)
{
	return turn(c, "select kep.hold_add($1::text, $2::text)");
}

int command_hold_remove(const struct ctl *c)
{
	return turn(c, "select kep.hold_remove($1::text, $2::text)");
}

int command_hold_list(const struct ctl *c)
{
	static const struct table_column columns[] = {
		{ "what", TABLE_TEXT }, { "since", TABLE_TEXT }, { "by", TABLE_TEXT }, { "reason", TABLE_TEXT },
	};

	return list_query(c, c->conf->database_operator,
	                  "select what, kep.time_text(at), actor, reason from kep.hold_list() order by at, what",
	                  columns, COUNT_OF(columns), "no legal hold; 'kepctl hold add MESSAGE|ADDRESS --reason TEXT' puts one on");
}
