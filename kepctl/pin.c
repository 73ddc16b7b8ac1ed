/* kepctl pin: the certificates that stand for accounts and providers, as the auditor sees them. */
#include "kepctl/ctl.h"
#include "kepctl/list.h"

int command_pin_list(const struct ctl *c)
{
	static const struct table_column columns[] = {
		{ "account", TABLE_TEXT }, { "provider", TABLE_TEXT }, { "certificate", TABLE_TEXT }, { "added_at", TABLE_TEXT },
	};

	return list_query(c, c->conf->database_auditor,
	                  "select account, provider, certificate, to_char(added_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
	                  "from kep.pins order by account, provider, added_at, certificate",
	                  columns, COUNT_OF(columns), "no certificate is pinned");
}
