#include "kepctl/stamped.h"

#include "libkep/clock.h"

/* The URL as kep.stamps has it: without user name and password. */
static void add_name(struct buf *out, struct span url)
{
	const char *scheme = memmem(url.p, url.n, "://", 3);
	size_t head = scheme ? (size_t)(scheme - url.p) + 3 : 0, at = head;

	for (size_t i = head; i < url.n && !strchr("/?#", url.p[i]); i++)
		if (url.p[i] == '@')
			at = i + 1;
	buf_add(out, span_of(url.p, head));
	buf_add(out, span_of(url.p + at, url.n - at));
}

/* waiting: since when a checkpoint has no stamp of this authority; last: its last one. */
static void judge(const struct conf *conf, const char *name, struct span waiting, struct span last, struct findings *f)
{
	usec since = 0;
	bool late = waiting.n && clock_parse(waiting, &since) && since < clock_now() - conf->tsa_alarm;

	if (late)
		findings_add(f, FINDING_WRONG, "tsa_urls", "look for 'tsa:' in the log of kep-policyd; write to the authority",
		             "%s has stamped no checkpoint since %.19sZ", name, waiting.p);
	else if (last.n)
		findings_add(f, FINDING_OK, "tsa_urls", NULL, "%s stamped at %.19sZ", name, last.p);
	else
		findings_add(f, FINDING_OK, "tsa_urls", NULL, "%s has not stamped yet, nor was it needed for long", name);
}

static void check_one(const struct conf *conf, struct db *db, struct span url, struct findings *f)
{
	struct buf name = BUF_INIT, error = BUF_INIT;
	struct pg_params v = { .n = 0 };
	const struct pg_rows *rows;

	add_name(&name, url);
	pg_text(&v, buf_span(&name));
	rows = db_ask(db, "with s as (select coalesce(max(size), 0) as size, max(gen_time) as last from kep.stamps where tsa = $1) "
	              "select kep.time_text((select min(c.at) from kep.checkpoints as c where c.size > s.size)), kep.time_text(s.last) from s", &v, &error);
	if (rows && pg_rows_count(rows) == 1)
		judge(conf, buf_str(&name), pg_value(rows, 0, 0), pg_value(rows, 0, 1), f);
	buf_release(&name);
	buf_release(&error);
}

void stamped_check(const struct conf *conf, struct db *db, struct findings *findings)
{
	struct span rest = span_str(conf->tsa_urls);

	while (rest.n) {
		struct span url = span_cut(&rest, ' ');

		if (url.n)
			check_one(conf, db, url, findings);
	}
}
