/* dice.h - numbers for property tests that come out the same each time: KEP_SEED
 * names another seed, and the seed is printed so that a failure can be had again. */
#ifndef KEP_TESTS_DICE_H
#define KEP_TESTS_DICE_H

#include <stdio.h>
#include <stdlib.h>

#include "libkep/base.h"

static uint64_t dice_state;

static inline void dice_seed(void)
{
	const char *given = getenv("KEP_SEED");

	dice_state = given ? strtoull(given, NULL, 10) : 20461124;
	printf("# KEP_SEED=%llu\n", (unsigned long long)dice_state);
	dice_state = dice_state * 2 + 1;
}

/* xorshift64* */
static inline uint64_t dice_any(void)
{
	dice_state ^= dice_state >> 12;
	dice_state ^= dice_state << 25;
	dice_state ^= dice_state >> 27;
	return dice_state * 0x2545f4914f6cdd1du;
}

/* 0 to n - 1. */
static inline uint64_t dice(uint64_t n)
{
	return dice_any() % n;
}

/* A number of any magnitude below 2^bits: small ones as often as large ones. */
static inline uint64_t dice_wide(unsigned bits)
{
	return dice_any() >> (64 - bits) >> dice(bits);
}

#endif
