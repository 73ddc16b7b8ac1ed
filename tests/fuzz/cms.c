/* CMS objects, detached and opaque: none is accepted over a content that nobody
 * signed, nor what OpenSSL would refuse. */
#include <openssl/cms.h>
#include <openssl/err.h>

#include "libkep/cms.h"
#include "tests/fuzz/trusted.h"

/* The reference: OpenSSL on the same object and content. */
static bool openssl_accepts(struct span der, const struct span *content, const struct trusted *t)
{
	BIO *in = content ? BIO_new_mem_buf(content->n ? content->p : "", (int)content->n) : NULL;
	const unsigned char *p = (const unsigned char *)der.p;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.n);
	bool good = cms && CMS_verify(cms, NULL, trust_store(t->trust), in, NULL, CMS_BINARY | CMS_NOCRL) == 1;

	CMS_ContentInfo_free(cms);
	BIO_free(in);
	ERR_clear_error();
	return good;
}

static void try_detached(struct span der, struct span content, bool signed_by_us, const struct trusted *t)
{
	static const char *const names[] = { "sha256", "sha384", "sha512" };
	unsigned char value[SHA512_SIZE];
	struct signer signer;

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct digest *d = digest_new(names[i]);
		enum reason why;
		size_t n;

		digest_add(d, content);
		n = digest_finish(d, value);
		digest_free(d);
		why = cms_verify_detached(der, names[i], value, n, t->trust, t->at, &signer);
		MUST(why != REASON_ACCEPTED || (signed_by_us && signer.subject && openssl_accepts(der, &content, t)));
		MUST(why == REASON_ACCEPTED || !signer.subject);
		signer_release(&signer);
	}
}

static void try_opaque(struct span der, const struct trusted *t)
{
	struct buf content = BUF_INIT;
	struct signer signer;
	enum reason why = cms_verify_opaque(der, t->trust, t->at, &content, &signer);

	MUST(why != REASON_ACCEPTED || (span_eq(buf_span(&content), buf_span(&t->content)) && openssl_accepts(der, NULL, t)));
	MUST(why == REASON_ACCEPTED || (content.n == 0 && !signer.subject));
	signer_release(&signer);
	buf_release(&content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct trusted *t = trusted();
	struct span in = { (const char *)data, size };

	try_detached(in, buf_span(&t->content), true, t);
	try_detached(in, SPAN("a content that was never signed"), false, t);
	try_opaque(in, t);
	return 0;
}
