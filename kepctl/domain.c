/* kepctl domain: the KEP domains. */
#include "kepctl/ctl.h"
#include "kepctl/list.h"

int command_domain_add(const struct ctl *c)
{
	struct pg_params params = { .n = 0 };

	pg_text(&params, span_str(c->words[0]));
	return ctl_order(c, c->conf->database_operator, "select kep.domain_add($1::text)", &params);
}

int command_domain_list(const struct ctl *c)
{
	static const struct table_column columns[] = {
		{ "domain", TABLE_TEXT }, { "kind", TABLE_TEXT }, { "provider", TABLE_TEXT },
	};

	return list_query(c, c->conf->database_operator,
	                  "select domain, case when provider is null then 'ours' else 'other' end, provider from kep.domains() "
	                  "order by provider is not null, provider, domain",
	                  columns, COUNT_OF(columns), "no KEP domain yet; make the first with 'kepctl domain add DOMAIN'");
}
