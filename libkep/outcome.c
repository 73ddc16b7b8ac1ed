#include "libkep/outcome.h"

#include "libkep/log.h"

static const struct outcome_words words[] = {
#define OUTCOME(name, code, event, rem_type, rem_event, tr_label, en_label, tr, en) \
	[OUTCOME_##name] = { code, event, rem_type, rem_event, tr_label, en_label, tr, en },
#include "libkep/outcome.def"
#undef OUTCOME
};

_Static_assert(COUNT_OF(words) == OUTCOME_COUNT, "outcome.def and enum outcome agree");

const struct outcome_words *outcome_words(enum outcome o)
{
	if ((unsigned)o >= OUTCOME_COUNT)
		log_panic("outcome %d does not exist", (int)o);
	return &words[o];
}

enum outcome outcome_find(struct span code)
{
	for (size_t i = 0; i < OUTCOME_COUNT; i++)
		if (span_is(code, words[i].code))
			return (enum outcome)i;
	return OUTCOME_COUNT;
}
