/* fuzz.h - what every fuzz target uses: octets of the input as numbers, cuts, and
 * a word before abort().  Each target is one LLVMFuzzerTestOneInput(). */
#ifndef KEP_TESTS_FUZZ_H
#define KEP_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "libkep/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what) ((what) ? (void)0 : must_failed(#what, __FILE__, __LINE__))

static inline void must_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: this must hold: %s\n", file, line, what);
	abort();
}

/* Cut the first octet off: a number that libFuzzer chooses. */
static inline unsigned fuzz_choice(struct span *in)
{
	unsigned c = in->n ? (unsigned char)in->p[0] : 0;

	if (in->n)
		*in = span_of(in->p + 1, in->n - 1);
	return c;
}

/* Where to cut: sizes from 1 to a few hundred octets, small ones more often. */
struct cuts {
	uint32_t state;
};

static inline size_t cuts_next(struct cuts *c)
{
	static const size_t most[] = { 1, 2, 3, 16, 80, 512, 1000, 5000 };

	c->state = c->state * 1664525 + 1013904223;
	return 1 + (c->state >> 16) % most[(c->state >> 8) % COUNT_OF(most)];
}

/* The next piece of *in as a copy of exactly its size, so that the sanitizer sees
 * an octet read too far; free its p. */
static inline struct span cuts_take(struct cuts *c, struct span *in)
{
	size_t n = cuts_next(c);
	char *copy;

	n = n < in->n ? n : in->n;
	copy = malloc(n ? n : 1);
	MUST(copy != NULL);
	if (n)
		memcpy(copy, in->p, n);
	*in = span_of(in->p + n, in->n - n);
	return span_of(copy, n);
}

#endif
