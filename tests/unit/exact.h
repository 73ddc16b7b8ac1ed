/* exact.h - inputs of tests in memory of exactly their size, with no NUL behind
 * them, so that the sanitizer sees the first octet read too far. */
#ifndef KEP_TESTS_EXACT_H
#define KEP_TESTS_EXACT_H

#include <stdlib.h>

#include "libkep/base.h"

/* free() the copy's p. */
static inline struct span exact(struct span s)
{
	char *p = malloc(s.n ? s.n : 1);

	if (!p)
		abort();
	if (s.n)
		memcpy(p, s.p, s.n);
	return span_of(p, s.n);
}

static inline void exact_free(struct span s)
{
	free((char *)s.p);
}

#endif
