#include "libkep/reason.h"

#include "libkep/log.h"

static const struct reason_words words[] = {
#define REASON(name, wire, code, status, english, turkish) [REASON_##name] = { wire, code, status, english, turkish },
#include "libkep/reason.def"
#undef REASON
};

_Static_assert(COUNT_OF(words) == REASON_COUNT, "reason.def and enum reason agree");

const struct reason_words *reason_words(enum reason r)
{
	if ((unsigned)r >= REASON_COUNT)
		log_panic("reason %d does not exist", (int)r);
	return &words[r];
}

enum reason reason_find(struct span wire)
{
	for (size_t i = 0; i < REASON_COUNT; i++)
		if (span_is(wire, words[i].wire))
			return (enum reason)i;
	return REASON_COUNT;
}
