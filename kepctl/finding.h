/* finding.h - what the doctor found: one level, one thing, why, and how to mend it. */
#ifndef KEP_FINDING_H
#define KEP_FINDING_H

#include "libkep/buf.h"
#include "libkep/jdoc.h"

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_WRONG };

struct finding {
	enum finding_level level;
	char              *what;        /* "database", "postfix smtpd_milters" */
	char              *words;
	char              *mend;        /* a command, or words; NULL where it is well */
};
struct findings {
	struct finding *v;
	size_t          n, room;
};

void findings_release(struct findings *f);
/* mend: how, NULL for none; copied.  The words are printf's. */
void findings_add(struct findings *f, enum finding_level level, const char *what, const char *mend, const char *fmt, ...) PRINTF(5, 6);
/* The worst level; FINDING_OK when there are none. */
enum finding_level findings_worst(const struct findings *f);
/* A line a finding on standard output, and one more for the mending. */
void findings_print(const struct findings *f);
jdoc *findings_json(const struct findings *f);

#endif
