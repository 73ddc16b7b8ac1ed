/* progress.h - how far a long command is, on one line of a terminal's standard error. */
#ifndef KEP_PROGRESS_H
#define KEP_PROGRESS_H

#include "libkep/clock.h"

struct progress {
	const char *what;       /* "leaves" */
	uint64_t    all;
	usec        since, shown;       /* shown is 0 where nobody looks */
};

/* Silent where standard error is no terminal. */
void progress_begin(struct progress *p, const char *what, uint64_t all);
/* Cheap enough for every few thousand. */
void progress_at(struct progress *p, uint64_t done);
/* The line goes away. */
void progress_end(struct progress *p);
/* 1234567 as "1,234,567". */
void progress_number(char out[32], uint64_t n);

#endif
