#include "policyd/pause.h"

#include <sys/random.h>

/* Anything from 0 to n. */
static usec below(usec n)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = (uint64_t)clock_now();
	return n > 0 ? (usec)(random % ((uint64_t)n + 1)) : 0;
}

usec pause_backoff(usec first, usec most, unsigned failures)
{
	usec pause = first < most ? first : most;

	while (failures-- > 0 && pause < most)
		pause = pause < most / 2 ? pause * 2 : most;
	return pause / 2 + below(pause - pause / 2);
}

usec pause_spread(usec every)
{
	return every - every / 10 + below(every / 5);
}
