/* outcome.h - the nine outcomes: the enum and its words (outcome.def). */
#ifndef KEP_OUTCOME_H
#define KEP_OUTCOME_H

#include "libkep/base.h"

enum outcome {
#define OUTCOME(name, code, event, rem_type, rem_event, tr_label, en_label, tr, en) OUTCOME_##name,
#include "libkep/outcome.def"
#undef OUTCOME
	OUTCOME_COUNT
};

struct outcome_words {
	const char *code;               /* "D.1", EN 319 522-1 table 1 */
	const char *event;              /* "ContentConsignment" */
	const char *rem_type;           /* root element of TS 102 640-2 */
	const char *rem_event;          /* behind http:uri.etsi.org/02640/Event# */
	const char *turkish_label, *english_label;
	const char *turkish, *english;  /* one sentence each, UTF-8 */
};

/* Never NULL; o must be below OUTCOME_COUNT. */
const struct outcome_words *outcome_words(enum outcome o);
/* The outcome of a code such as "D.1"; OUTCOME_COUNT: there is none. */
enum outcome outcome_find(struct span code);

#endif
