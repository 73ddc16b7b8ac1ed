/* TSTInfo of a time-stamp: what was read stays in bounds. */
#include "libkep/tsp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stamp s;

	if (tsp_read(span_of((const char *)data, size), &s))
		MUST(s.digest && s.n >= 32 && s.n <= sizeof(s.imprint) && s.time % 1000000 == 0);
	return 0;
}
