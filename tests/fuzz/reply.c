/* Replies of SMTP servers: cuts change nothing; code and words stay in bounds. */
#include "policyd/reply.h"
#include "tests/fuzz/fuzz.h"

static enum reply_step read_all(struct reply *r, struct span in, struct cuts *cuts)
{
	enum reply_step step = REPLY_MORE;
	struct buf held = BUF_INIT;

	while (step == REPLY_MORE && in.n > 0) {
		struct span piece = cuts_take(cuts, &in), rest;

		buf_add(&held, piece);
		free((char *)piece.p);
		rest = buf_span(&held);
		step = reply_push(r, &rest);
		buf_drop(&held, held.n - rest.n);
	}
	buf_release(&held);
	return step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size }, rest, id;
	struct reply once = REPLY_INIT, again = REPLY_INIT;
	struct cuts cuts = { fuzz_choice(&in) };
	struct buf line = BUF_INIT;
	char status[REPLY_STATUS_SIZE];
	enum reply_step step;

	rest = in;
	step = reply_push(&once, &rest);
	MUST(rest.n <= in.n);
	MUST(read_all(&again, in, &cuts) == step);
	if (step == REPLY_DONE) {
		MUST(once.code >= 200 && once.code <= 599 && once.lines <= REPLY_LINES_MAX);
		MUST(once.code == again.code && span_eq(buf_span(&once.text), buf_span(&again.text)));
		MUST(!reply_status(&once, status) || status[0] - '0' == reply_class(&once));
		id = reply_queue_id(&once);
		MUST(id.n == 0 || (id.p >= once.text.p && id.p + id.n <= once.text.p + once.text.n));
		reply_write(&line, &once);
		MUST(!memchr(line.p, '\n', line.n));
	}
	reply_release(&once);
	reply_release(&again);
	buf_release(&line);
	return 0;
}
