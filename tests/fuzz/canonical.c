/* Canonical JSON: two readers that share nothing say the same of any octets. */
#include "libkep/jdoc.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of((const char *)data, size);
	struct buf why = BUF_INIT, again = BUF_INIT;
	bool good = jdoc_canonical(text, size, &why);
	jdoc *d;

	MUST(good == canonical_says(text));
	MUST(good == (why.n == 0));
	if (good) {
		d = jdoc_parse(text, size, NULL);
		MUST(d != NULL);
		jdoc_write(&again, d);
		MUST(span_eq(text, buf_span(&again)));
		jdoc_free(d);
	}
	buf_release(&why);
	buf_release(&again);
	return 0;
}
