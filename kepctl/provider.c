/* kepctl provider: the other providers we exchange KEP mail with. */
#include <stdlib.h>
#include <sysexits.h>

#include "kepctl/ctl.h"
#include "kepctl/list.h"
#include "kepctl/peer.h"
#include "libkep/mem.h"

/* The words of a comma list as an array literal; what they must be, the database knows. */
static void add_words(struct buf *array, struct span words)
{
	struct span *v = mem_array(words.n + 1, sizeof *v);
	size_t n = 0;

	while (words.n) {
		struct span word = span_trim(span_cut(&words, ','));

		if (word.n)
			v[n++] = word;
	}
	pg_array_text(array, v, n);
	free(v);
}

int command_provider_add(const struct ctl *c)
{
	struct buf domains = BUF_INIT, tls = BUF_INIT, relay = BUF_INIT;
	struct pg_params params = { .n = 0 };
	int status;

	add_words(&domains, ctl_value(c, CTL_DOMAIN));
	add_words(&tls, ctl_value(c, CTL_FINGERPRINT));
	if (peer_relay(ctl_value(c, CTL_RELAY), &relay)) {
		pg_text(&params, span_str(c->words[0]));
		pg_text(&params, ctl_value(c, CTL_NUMBER));
		pg_text(&params, buf_span(&domains));
		pg_text(&params, buf_span(&relay));
		pg_text(&params, buf_span(&tls));
		status = ctl_order(c, c->conf->database_operator,
		                   "select kep.provider_add($1::text, $2::text, $3::text[], $4::text, $5::text[])", &params);
	} else {
		status = ctl_fail(EX_DATAERR, "'%s' is no relay host; write HOST:PORT", buf_str(&c->value[CTL_RELAY]));
	}
	buf_release(&domains);
	buf_release(&tls);
	buf_release(&relay);
	return status;
}

/* An order of a provider's name and one word more. */
static int change(const struct ctl *c, const char *sql)
{
	struct pg_params params = { .n = 0 };

	pg_text(&params, span_str(c->words[0]));
	pg_text(&params, span_str(c->words[1]));
	return ctl_order(c, c->conf->database_operator, sql, &params);
}

int command_provider_bind(const struct ctl *c)
{
	return change(c, "select kep.provider_bind($1::text, $2::text)");
}

int command_provider_pin(const struct ctl *c)
{
	return change(c, "select kep.provider_pin($1::text, $2::text)");
}

int command_provider_unpin(const struct ctl *c)
{
	return change(c, "select kep.provider_unpin($1::text, $2::text)");
}

int command_provider_list(const struct ctl *c)
{
	static const struct table_column columns[] = {
		{ "name", TABLE_TEXT }, { "number", TABLE_TEXT }, { "domains", TABLE_LIST }, { "relay", TABLE_TEXT }, { "tls", TABLE_LIST },
	};

	return list_query(c, c->conf->database_operator,
	                  "select name, number, array_to_string(domains, ' '), relay, array_to_string(tls, ' ') "
	                  "from kep.provider_list() order by number, name",
	                  columns, COUNT_OF(columns), "no other provider yet; 'kepctl provider add' registers one");
}
