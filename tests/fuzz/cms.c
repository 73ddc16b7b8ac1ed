/* CMS objects, detached and opaque: none is accepted over a content that nobody
 * signed, nor what OpenSSL would refuse. */
#include "libkep/cms.h"
#include "libkep/outline.h"
#include "tests/fuzz/trusted.h"

static void give_certificates(CMS_ContentInfo *cms, const struct outline *o)
{
	for (size_t i = 0; i < o->n_certificates; i++) {
		const unsigned char *p = (const unsigned char *)o->certificates[i].p;
		X509 *x = d2i_X509(NULL, &p, (long)o->certificates[i].n);

		MUST(x != NULL);
		CMS_add1_cert(cms, x);          /* refused where it is there already */
		X509_free(x);
	}
}

/* The reference: OpenSSL on the same object and content.  Only revocation lists
 * are left out, since we never look at a stranger's, and it would decode them. */
static bool openssl_accepts(struct span der, const struct span *content, const struct trusted *t)
{
	BIO *in = content ? BIO_new_mem_buf(content->n ? content->p : "", (int)content->n) : NULL;
	struct buf rest = BUF_INIT;
	CMS_ContentInfo *cms;
	struct outline o;
	const unsigned char *p;
	bool good;

	MUST(outline_read(&o, der) == REASON_ACCEPTED);
	outline_rest(&o, &rest);
	p = (const unsigned char *)rest.p;
	MUST((cms = d2i_CMS_ContentInfo(NULL, &p, (long)rest.n)));
	give_certificates(cms, &o);
	good = CMS_verify(cms, NULL, t->store, in, NULL, CMS_BINARY | CMS_NOCRL) == 1;
	CMS_ContentInfo_free(cms);
	buf_release(&rest);
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
