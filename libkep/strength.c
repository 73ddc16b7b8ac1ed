#include "libkep/strength.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <time.h>

#include "libkep/der.h"
#include "libkep/outline.h"

void strength_release(struct strength *s)
{
	buf_release(&s->algorithms);
}

static bool has(const struct buf *list, struct span name)
{
	struct span rest = buf_span(list);

	while (rest.n)
		if (span_eq(span_cut(&rest, ' '), name))
			return true;
	return false;
}

static void add(struct strength *s, const char *name)
{
	if (!*name || has(&s->algorithms, span_str(name)))
		return;
	if (s->algorithms.n)
		buf_addc(&s->algorithms, ' ');
	buf_adds(&s->algorithms, name);
}

/* "sha256" of NID_sha256; an algorithm that hashes within itself has no name. */
static void add_digest(struct strength *s, int nid)
{
	const char *known = nid == NID_undef ? NULL : OBJ_nid2sn(nid);
	char name[16] = "";

	for (size_t i = 0; known && known[i] && i + 1 < sizeof name; i++)
		name[i] = (char)tolower((unsigned char)known[i]);
	add(s, name);
}

static void add_key(struct strength *s, X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	const char *kind = !key ? "" : EVP_PKEY_is_a(key, "EC") ? "ec" : EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS") ? "rsa" : "";
	struct buf name = BUF_INIT;

	if (*kind) {
		buf_addf(&name, "%s%d", kind, EVP_PKEY_get_bits(key));
		add(s, buf_str(&name));
	}
	buf_release(&name);
}

static bool read_certificate(struct span der, struct strength *s)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);
	int digest = NID_undef;
	struct tm tm;
	bool good = x && ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm);

	if (good) {
		usec ends = (usec)timegm(&tm) * 1000000;

		s->ends = ends < s->ends ? ends : s->ends;
		add_key(s, x);
		if (X509_self_signed(x, 0) != 1 && X509_get_signature_info(x, &digest, NULL, NULL, NULL))
			add_digest(s, digest);
	}
	X509_free(x);
	ERR_clear_error();
	return good;
}

/* digestAlgorithms has exactly one, that of the signer (outline.h). */
static bool read_token(struct span token, struct strength *s)
{
	struct outline o;
	struct der set, algorithm, oid;
	const unsigned char *p;
	struct span in;
	ASN1_OBJECT *object;

	if (outline_read(&o, token) != REASON_ACCEPTED)
		return false;
	in = o.digests;
	if (!ber_next(&in, &set) || !(in = set.inside, ber_next(&in, &algorithm)) || !(in = algorithm.inside, der_next(&in, &oid)))
		return false;
	p = (const unsigned char *)oid.whole.p;
	object = d2i_ASN1_OBJECT(NULL, &p, (long)oid.whole.n);
	add_digest(s, OBJ_obj2nid(object));
	ASN1_OBJECT_free(object);
	ERR_clear_error();
	return true;
}

bool strength_read(struct span token, struct span chain, struct strength *out)
{
	bool good = chain.n > 0;
	struct der e;

	*out = (struct strength){ .ends = INT64_MAX, .algorithms = BUF_INIT };
	good = good && read_token(token, out);
	while (good && chain.n)
		good = der_next(&chain, &e) && read_certificate(e.whole, out);
	if (!good)
		strength_release(out);
	return good;
}
