/* Revocation lists fetched from outside: none is believed that our PKI did not
 * sign (it signed none). */
#include "libkep/crl.h"
#include "tests/fuzz/trusted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct trusted *t = trusted();
	struct buf der = BUF_INIT, error = BUF_INIT;
	struct crl c;

	MUST(!crl_judge(span_of((const char *)data, size), t->trust, t->at, &c, &der, &error));
	MUST(error.n > 0);
	buf_release(&der);
	buf_release(&error);
	return 0;
}
