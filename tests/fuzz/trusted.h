/* trusted.h - for the targets that judge signatures: anchors that trust the
 * test PKI in $KEP_FUZZ_PKI, and the contents that were ever signed with it.
 * Whatever else is accepted is a forgery. */
#ifndef KEP_TESTS_FUZZ_TRUSTED_H
#define KEP_TESTS_FUZZ_TRUSTED_H

#include "libkep/clock.h"
#include "libkep/mem.h"
#include "libkep/trust.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/oracle.h"

struct trusted {
	struct trust *trust;
	X509_STORE   *store;            /* the same, for OpenSSL alone */
	usec          at;
	struct buf    content;          /* of every detached or opaque signature of the PKI */
};

static inline void trusted_read(const char *file, struct buf *out)
{
	FILE *f = fopen(file, "re");
	char block[4096];
	size_t n;

	MUST(f != NULL);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(out, span_of(block, n));
	fclose(f);
}

static inline const struct trusted *trusted(void)
{
	static struct trusted t;
	const char *pki = getenv("KEP_FUZZ_PKI");
	struct buf error = BUF_INIT;
	char *file;

	if (t.trust)
		return &t;
	if (!pki) {
		fputs("set KEP_FUZZ_PKI to a directory made by tests/pki with --samples\n", stderr);
		exit(69);
	}
	t.trust = trust_load(file = mem_printf("%s/trust", pki), &error);
	free(file);
	MUST(t.trust != NULL);
	t.store = oracle_store(file = mem_printf("%s/trust/ca.pem", pki));
	free(file);
	trusted_read(file = mem_printf("%s/samples/content", pki), &t.content);
	free(file);
	t.at = clock_now();
	return &t;
}

#endif
