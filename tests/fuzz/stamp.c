/* Time-stamps: answers of authorities, and tokens.  Nothing is good but what the authorities
 * of the PKI stamped, and that says what they stamped. */
#include "libkep/digest.h"
#include "libkep/stamp.h"
#include "tests/fuzz/trusted.h"

static struct trust *authorities(void)
{
	static struct trust *t;
	struct buf error = BUF_INIT;
	char *file;

	if (t)
		return t;
	trusted();
	t = trust_load(file = mem_printf("%s/tsa/ca.pem", getenv("KEP_FUZZ_PKI")), &error);
	MUST(t != NULL);
	free(file);
	return t;
}

static struct span stamped(void)
{
	static struct buf content;
	char *file;

	if (!content.n) {
		trusted_read(file = mem_printf("%s/stamps/content", getenv("KEP_FUZZ_PKI")), &content);
		free(file);
	}
	return buf_span(&content);
}

static void try_token(struct span token)
{
	struct stamp_want want = { .data = stamped() }, other = { .data = SPAN("what nobody stamped") }, any = { .digest = NULL };
	struct stamp_kept kept = { BUF_INIT, BUF_INIT };
	struct stamp s;
	enum stamp_verdict v = stamp_verify(token, &any, authorities(), &s, &kept);

	MUST(v < STAMP_VERDICTS && *stamp_words(v)->wire);
	MUST(v != STAMP_GOOD || (s.digest && s.n >= 32 && kept.chain.n > 0 && s.n_nonce <= sizeof s.nonce && *s.serial && *s.policy));
	MUST(v == STAMP_GOOD || (kept.chain.n == 0 && kept.revocation.n == 0));
	stamp_kept_release(&kept);
	MUST(stamp_verify(token, &other, authorities(), &s, NULL) != STAMP_GOOD);
	/* Asking for more makes nothing good. */
	MUST(v == STAMP_GOOD || stamp_verify(token, &want, authorities(), &s, NULL) != STAMP_GOOD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size }, token;
	struct buf why = BUF_INIT;

	authorities();
	try_token(in);
	if (tsp_response(in, &token, &why)) {
		MUST(token.n > 0 && token.p >= in.p && token.p + token.n <= in.p + in.n);
		try_token(token);
	} else {
		MUST(why.n > 0 && why.n < 1000 && token.n == 0);
		for (size_t i = 0; i < why.n; i++)
			MUST(why.p[i] >= ' ' && why.p[i] <= '~');
	}
	buf_release(&why);
	return 0;
}
