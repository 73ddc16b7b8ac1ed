/* The gate on whole messages: the same verdict and fingerprint whatever the cuts,
 * and nothing accepted that was not signed, or that OpenSSL refuses. */
#include "libkep/gate.h"
#include "tests/fuzz/trusted.h"

static void judge(struct gate *g, struct span in, struct cuts *cuts, const struct trusted *t, struct verdict *v)
{
	gate_restart(g);
	while (cuts && in.n > 0) {
		struct span piece = cuts_take(cuts, &in);

		gate_push(g, piece);
		free((char *)piece.p);
	}
	if (!cuts)
		gate_push(g, in);
	gate_finish(g, t->trust, t->at, v);
}

static bool same_signer(const struct signer *a, const struct signer *b)
{
	return memcmp(a->certificate, b->certificate, sizeof(a->certificate)) == 0 && !a->subject == !b->subject;
}

static bool same_addresses(const struct addr_list *a, const struct addr_list *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (!addr_eq(&a->v[i], &b->v[i]))
			return false;
	return a->n == b->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gate *a, *b;
	static struct conf conf;
	const struct trusted *t = trusted();
	struct span in = { (const char *)data, size };
	struct verdict once, again;
	struct cuts cuts;

	if (!a) {
		conf_init(&conf);
		a = gate_new(&conf);
		b = gate_new(&conf);
	}
	cuts.state = fuzz_choice(&in);
	judge(a, in, NULL, t, &once);
	judge(b, in, &cuts, t, &again);
	MUST(once.why == again.why && once.size == in.n && again.size == in.n);
	MUST(memcmp(&once.fingerprint, &again.fingerprint, sizeof(once.fingerprint)) == 0);
	MUST(addr_eq(&once.from, &again.from) && same_addresses(&once.to, &again.to));
	MUST(same_signer(&once.signer, &again.signer) && strcmp(once.message_id, again.message_id) == 0);
	if (once.why == REASON_ACCEPTED) {
		MUST(!addr_empty(&once.from) && once.signer.subject);
		/* (opaque ones hold it in base64, in lines of any length) */
		MUST(memmem(in.p, in.n, t->content.p, t->content.n) || !memmem(in.p, in.n, "multipart", 9));
	}
	verdict_release(&once);
	verdict_release(&again);
	return 0;
}
