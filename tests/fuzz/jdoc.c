/* JSON: what was read is written in canonical form, and that form is stable. */
#include "libkep/jdoc.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf why = BUF_INIT, once = BUF_INIT, again = BUF_INIT;
	jdoc *d = jdoc_parse(span_of((const char *)data, size), 20000, &why), *e;

	MUST(d || why.n > 0);
	if (d) {
		jdoc_write(&once, d);
		e = jdoc_parse(buf_span(&once), once.n, &why);
		MUST(e != NULL);
		jdoc_write(&again, e);
		MUST(span_eq(buf_span(&once), buf_span(&again)));
		jdoc_free(e);
	}
	jdoc_free(d);
	buf_release(&why);
	buf_release(&once);
	buf_release(&again);
	return 0;
}
