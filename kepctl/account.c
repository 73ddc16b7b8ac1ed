/* kepctl account: who may send and receive. */
#include "kepctl/ctl.h"
#include "kepctl/list.h"

int command_account_add(const struct ctl *c)
{
	struct pg_params params = { .n = 0 };

	pg_text(&params, span_str(c->words[0]));
	pg_text(&params, ctl_value(c, CTL_LOGIN));
	pg_text(&params, ctl_value(c, CTL_TCKN));
	pg_text(&params, ctl_value(c, CTL_HOLDER));
	return ctl_order(c, c->conf->database_operator, "select kep.account_add($1::text, $2::text, $3::text, $4::text)", &params);
}

static int change(const struct ctl *c, const char *sql, struct span second)
{
	struct pg_params params = { .n = 0 };

	pg_text(&params, span_str(c->words[0]));
	pg_text(&params, second);
	return ctl_order(c, c->conf->database_operator, sql, &params);
}

int command_account_suspend(const struct ctl *c)
{
	return change(c, "select kep.account_suspend($1::text, $2::text)", ctl_value(c, CTL_REASON));
}

int command_account_resume(const struct ctl *c)
{
	return change(c, "select kep.account_resume($1::text, $2::text)", c->given[CTL_REASON] ? ctl_value(c, CTL_REASON) : SPAN("resumed"));
}

int command_account_pin(const struct ctl *c)
{
	return change(c, "select kep.account_pin($1::text, $2::text)", span_str(c->words[1]));
}

int command_account_unpin(const struct ctl *c)
{
	return change(c, "select kep.account_unpin($1::text, $2::text)", span_str(c->words[1]));
}

int command_account_list(const struct ctl *c)
{
	static const struct table_column columns[] = {
		{ "address", TABLE_TEXT }, { "state", TABLE_TEXT }, { "login", TABLE_TEXT }, { "tckn", TABLE_TEXT }, { "holder", TABLE_TEXT },
	};

	return list_query(c, c->conf->database_operator,
	                  "select address, state, login, identity, holder from kep.account_list() order by address",
	                  columns, COUNT_OF(columns), "no account yet; open the first with 'kepctl account add ADDRESS'");
}
