#include "policyd/trouble.h"

#include "libkep/log.h"

#define REMIND ((usec)60 * 1000000)

static const struct {
	const char *wire;
	bool        alarm;
	const char *words;
} troubles[] = {
#define TROUBLE(name, wire, alarm, words) { wire, alarm, words },
#include "policyd/trouble.def"
#undef TROUBLE
};

const char *trouble_wire(enum trouble_kind kind)
{
	return troubles[kind].wire;
}

bool trouble_is_alarm(enum trouble_kind kind)
{
	return troubles[kind].alarm;
}

bool trouble_found(struct trouble *t, enum trouble_kind kind, struct span details)
{
	bool news = kind != t->kind || !span_eq(details, buf_span(&t->details));

	t->kind = kind;
	if (news) {
		buf_clear(&t->details);
		buf_add(&t->details, details);
	}
	if (news || clock_now() >= t->said + REMIND) {
		t->said = clock_now();
		log_warn("ledger: %swhy=%s %s: %s; receipts wait", troubles[kind].alarm ? "alarm " : "", troubles[kind].wire, buf_str(&t->details),
		    troubles[kind].words);
	}
	return news;
}

void trouble_over(struct trouble *t)
{
	if (t->kind != TROUBLE_NONE)
		log_info("ledger: %s is over", troubles[t->kind].wire);
	t->kind = TROUBLE_NONE;
	buf_clear(&t->details);
}

void trouble_release(struct trouble *t)
{
	buf_release(&t->details);
}
