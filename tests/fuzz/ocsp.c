/* OCSP responses fetched from outside, and certificates of signers: of one signer our
 * PKI says "good" and nothing else. */
#include "libkep/ocsp.h"
#include "tests/fuzz/trusted.h"

static struct ocsp_inquiry *inquiry(const struct trusted *t)
{
	static struct ocsp_inquiry *q;
	struct buf error = BUF_INIT, pem = BUF_INIT;
	char *file;

	if (q)
		return q;
	trusted_read(file = mem_printf("%s/responder/asker.pem", getenv("KEP_FUZZ_PKI")), &pem);
	q = ocsp_inquire(buf_span(&pem), t->trust, t->at, &error);
	MUST(q != NULL);
	free(file);
	buf_release(&pem);
	return q;
}

static void read_signer(const struct trusted *t, struct span in)
{
	struct buf error = BUF_INIT;
	struct ocsp_inquiry *q = ocsp_inquire(in, t->trust, t->at, &error);

	MUST(q || error.n > 0);
	ocsp_inquiry_free(q);
	buf_release(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct trusted *t = trusted();
	struct span in = span_of((const char *)data, size);
	struct buf error = BUF_INIT;
	struct ocsp_answer answer;

	if (fuzz_choice(&in) & 1)
		read_signer(t, in);
	else if (ocsp_judge(inquiry(t), in, t->trust, 0, t->at, &answer, &error))
		MUST(answer.word == OCSP_GOOD && answer.next_update > t->at);
	else
		MUST(error.n > 0);
	buf_release(&error);
	return 0;
}
