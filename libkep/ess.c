#include "libkep/ess.h"

#include <openssl/err.h>
#include <openssl/ess.h>

#include "libkep/der.h"

/* The first element inside one of a tag. */
static bool enter(struct span in, unsigned char tag, struct der *first)
{
	struct der e;
	struct span inside;

	if (!der_next(&in, &e) || e.tag != tag)
		return false;
	inside = e.inside;
	return der_next(&inside, first);
}

static bool is_strong_digest(struct span algorithm)
{
	/* 2.16.840.1.101.3.4.2.1, .2 and .3: SHA-256, SHA-384, SHA-512 */
	static const char sha2[] = "\x60\x86\x48\x01\x65\x03\x04\x02";
	struct der oid;

	return enter(algorithm, DER_SEQUENCE, &oid) && oid.tag == DER_OBJECT && oid.inside.n == sizeof sha2 &&
	    memcmp(oid.inside.p, sha2, sizeof sha2 - 1) == 0 && oid.inside.p[8] >= 1 && oid.inside.p[8] <= 3;
}

/* SigningCertificateV2 ::= SEQUENCE { certs SEQUENCE OF ESSCertIDv2, ... }
 * ESSCertIDv2 ::= SEQUENCE { hashAlgorithm DEFAULT sha256, certHash OCTET STRING, ... } */
static bool is_strong(struct span v2)
{
	struct der certs, id, first;

	return enter(v2, DER_SEQUENCE, &certs) && enter(certs.whole, DER_SEQUENCE, &id) && enter(id.whole, DER_SEQUENCE, &first) &&
	    (first.tag == DER_OCTETS || is_strong_digest(first.whole));
}

enum reason ess_check(struct span v1, struct span v2, struct stack_st_X509 *chain, bool *strong)
{
	const unsigned char *p1 = (const unsigned char *)v1.p, *p2 = (const unsigned char *)v2.p;
	ESS_SIGNING_CERT *one = v1.n ? d2i_ESS_SIGNING_CERT(NULL, &p1, (long)v1.n) : NULL;
	ESS_SIGNING_CERT_V2 *two = v2.n ? d2i_ESS_SIGNING_CERT_V2(NULL, &p2, (long)v2.n) : NULL;
	bool good = (v1.n == 0 || (one && (const char *)p1 == v1.p + v1.n)) && (v2.n == 0 || (two && (const char *)p2 == v2.p + v2.n));

	if (good && (one || two))
		good = OSSL_ESS_check_signing_certs(one, two, chain, 1) == 1;
	ESS_SIGNING_CERT_free(one);
	ESS_SIGNING_CERT_V2_free(two);
	ERR_clear_error();
	*strong = good && v2.n && is_strong(v2);
	return good ? REASON_ACCEPTED : REASON_SIGNER_REFERENCE;
}
