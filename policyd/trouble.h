/* trouble.h - why no checkpoint is signed: said once, and then every minute. */
#ifndef KEP_TROUBLE_H
#define KEP_TROUBLE_H

#include "libkep/buf.h"
#include "libkep/clock.h"

enum trouble_kind {
#define TROUBLE(name, wire, alarm, words) TROUBLE_##name,
#include "policyd/trouble.def"
#undef TROUBLE
};

/* All zero: there is none. */
struct trouble {
	enum trouble_kind kind;
	struct buf        details;      /* "entries=7 published=9", and words of who found it */
	usec              said;
};

/* "ledger-behind"; "" for none. */
const char *trouble_wire(enum trouble_kind kind);
/* Is the stored ledger not what was published? */
bool trouble_is_alarm(enum trouble_kind kind);
/* It was found (again).  true: for the first time, or with other details. */
bool trouble_found(struct trouble *t, enum trouble_kind kind, struct span details);
void trouble_over(struct trouble *t);
void trouble_release(struct trouble *t);

#endif
