#include "policyd/attempt.h"

#include "libkep/buf.h"

static void field(struct buf *b, struct span s)
{
	const char length[4] = { (char)(s.n >> 24), (char)(s.n >> 16), (char)(s.n >> 8), (char)s.n };

	buf_add(b, span_of(length, sizeof length));
	buf_add(b, s);
}

void attempt_fingerprint(unsigned char out[SHA256_SIZE], const struct attempt *a)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "kep-attempt-1\n");
	field(&b, a->host);
	field(&b, a->instance);
	field(&b, a->client);
	field(&b, a->tls);
	field(&b, a->login);
	field(&b, a->sender);
	field(&b, a->recipient);
	digest_sha256(out, buf_span(&b));
	buf_release(&b);
}
