/* LMTP sessions: whatever the cuts, the same replies and the same message. */
#include "policyd/lmtp.h"
#include "tests/fuzz/fuzz.h"

struct session {
	struct lmtp *lmtp;
	struct buf   heard, out;
	int          open;
};

static void hear_begin(void *arg)
{
	struct session *s = arg;

	MUST(s->open++ == 0);
	buf_adds(&s->heard, "\nbegin\n");
}

static void hear_octets(void *arg, struct span octets)
{
	struct session *s = arg;

	MUST(s->open == 1);
	buf_add(&s->heard, octets);
}

static void hear_whole(void *arg)
{
	struct session *s = arg;
	const struct lmtp_envelope *e = lmtp_envelope(s->lmtp);

	MUST(s->open == 1 && e->n > 0 && e->n <= LMTP_RECIPIENTS_MAX && e->sender);
	buf_addf(&s->heard, "\nwhole %s", e->sender);
	for (size_t i = 0; i < e->n; i++)
		buf_addf(&s->heard, " %s %s %s", e->recipients[i].path, e->recipients[i].orcpt ? e->recipients[i].orcpt : "-",
		    e->recipients[i].notify ? e->recipients[i].notify : "-");
}

static void hear_over(void *arg)
{
	struct session *s = arg;

	MUST(--s->open == 0);
}

static const struct lmtp_hooks hooks = { hear_begin, hear_octets, hear_whole, hear_over };

/* Answers come last recipient first: they are sent in order. */
static void answer(struct session *s)
{
	while (lmtp_waiting(s->lmtp))
		for (size_t i = lmtp_envelope(s->lmtp)->n; i-- > 0; )
			lmtp_answer(s->lmtp, i, 250, SPAN("2.0.0 taken\r\nover"));
}

static void take_replies(struct session *s)
{
	buf_add(&s->out, buf_span(lmtp_out(s->lmtp)));
	buf_drop(lmtp_out(s->lmtp), lmtp_out(s->lmtp)->n);
}

/* What was not used comes again, with more behind it. */
static void talk(struct session *s, struct span in, struct cuts *cuts)
{
	struct buf held = BUF_INIT;

	s->lmtp = lmtp_new("mx.test", 2000, &hooks, s);
	while (in.n > 0 && !lmtp_done(s->lmtp)) {
		struct span piece = cuts ? cuts_take(cuts, &in) : in;
		size_t used;

		buf_add(&held, piece);
		do {
			used = lmtp_push(s->lmtp, buf_span(&held));
			MUST(used <= held.n);
			buf_drop(&held, used);
			take_replies(s);
			answer(s);
		} while (used > 0 && held.n > 0 && !lmtp_done(s->lmtp));
		MUST(held.n <= LMTP_LINE_MAX + 2 || lmtp_done(s->lmtp));
		if (cuts)
			free((char *)piece.p);
		else
			break;
	}
	take_replies(s);
	lmtp_free(s->lmtp);
	buf_release(&held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct session once = { .open = 0 }, again = { .open = 0 };
	struct cuts cuts = { fuzz_choice(&in) };

	talk(&once, in, NULL);
	talk(&again, in, &cuts);
	MUST(span_eq(buf_span(&once.out), buf_span(&again.out)));
	MUST(span_eq(buf_span(&once.heard), buf_span(&again.heard)));
	buf_release(&once.out);
	buf_release(&once.heard);
	buf_release(&again.out);
	buf_release(&again.heard);
	return 0;
}
