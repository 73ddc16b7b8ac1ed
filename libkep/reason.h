/* reason.h - why: the enum and its words (reason.def). */
#ifndef KEP_REASON_H
#define KEP_REASON_H

#include "libkep/base.h"

enum reason {
#define REASON(name, wire, code, status, english, turkish) REASON_##name,
#include "libkep/reason.def"
#undef REASON
	REASON_COUNT
};

struct reason_words {
	const char *wire;       /* "not-signed" */
	int         code;       /* SMTP reply code, 250, 4xx or 5xx */
	const char *status;     /* enhanced status code, RFC 3463 */
	const char *english;
	const char *turkish;    /* UTF-8 */
};

/* Never NULL; r must be below REASON_COUNT. */
const struct reason_words *reason_words(enum reason r);
/* The reason of a wire name; REASON_COUNT: there is none. */
enum reason reason_find(struct span wire);

#endif
