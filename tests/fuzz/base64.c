/* Base64: cuts change nothing, and what was decoded encodes to what was given. */
#include "libkep/base64.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT 100000

static enum base64_answer decode(struct span in, struct cuts *cuts, struct buf *out, bool *whole)
{
	struct base64 d = { .n = 0 };
	enum base64_answer answer = BASE64_GOOD;

	while (answer == BASE64_GOOD && in.n > 0) {
		struct span piece = cuts_take(cuts, &in);

		answer = base64_push(&d, piece, out, LIMIT);
		free((char *)piece.p);
	}
	*whole = answer == BASE64_GOOD && base64_whole(&d);
	return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct buf once = BUF_INIT, again = BUF_INIT, text = BUF_INIT, stripped = BUF_INIT;
	struct cuts cuts = { fuzz_choice(&in) };
	struct base64 d = { .n = 0 };
	enum base64_answer answer = base64_push(&d, in, &once, LIMIT);
	bool whole;

	MUST(decode(in, &cuts, &again, &whole) == answer);
	MUST(once.n <= LIMIT && again.n <= LIMIT);
	if (whole) {
		MUST(base64_whole(&d) && span_eq(buf_span(&once), buf_span(&again)));
		buf_add_base64(&text, buf_span(&once), 0);
		for (size_t i = 0; i < in.n; i++)
			if (in.p[i] != '\r' && in.p[i] != '\n')
				buf_addc(&stripped, in.p[i]);
		MUST(span_eq(buf_span(&text), buf_span(&stripped)));
	}
	buf_release(&once);
	buf_release(&again);
	buf_release(&text);
	buf_release(&stripped);
	return 0;
}
