#include "policyd/alarm.h"

#include "libkep/log.h"

static void on_raised(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	if (a != PG_DONE)
		log_warn("an alarm could not be recorded: %s", words ? words : "the database went away");
}

void alarm_raise(struct daemon *d, const char *why, const char *details)
{
	struct pg_params v = { .n = 0 };

	log_warn("alarm why=%s %s", why, details);
	pg_text(&v, span_str(conf_hostname(d->conf)));
	pg_text(&v, span_str(why));
	pg_text(&v, span_str(details));
	pg_ask(d->pg, "SELECT kep.hop_alarm(NULL::uuid, $1::text, $2::text, $3::text)", &v, true, on_raised, NULL);
}
