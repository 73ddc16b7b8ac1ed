/* Policy requests of Postfix: a beginning never says more than the whole, and a
 * whole request stays what it is whatever stands behind it. */
#include "policyd/request.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct cuts cuts = { fuzz_choice(&in) };
	const char *why = NULL;
	struct request whole, part;
	size_t used = 0, again = 0;
	enum request_read step = request_read(in, &whole, &used, &why), earlier = REQUEST_MORE;

	MUST(step != REQUEST_REFUSED || why);
	MUST(step != REQUEST_WHOLE || (used > 0 && used <= in.n && used <= REQUEST_SIZE_MAX));
	MUST(step != REQUEST_MORE || in.n < REQUEST_SIZE_MAX);
	for (size_t n = cuts_next(&cuts); n < in.n && earlier == REQUEST_MORE; n += cuts_next(&cuts))
		earlier = request_read(span_of(in.p, n), &part, &again, &why);
	MUST(earlier == REQUEST_MORE || earlier == step);
	MUST(earlier != REQUEST_WHOLE || (again == used && span_eq(part.recipient, whole.recipient)));
	return 0;
}
