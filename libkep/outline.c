#include "libkep/outline.h"

#include "libkep/der.h"
#include "libkep/pss.h"

enum { KEY_ID = 0x80, ATTRIBUTE_DEPTH = 16 };

#define PKCS_9 "\x2a\x86\x48\x86\xf7\x0d\x01\x09"
#define PKCS_7 "\x2a\x86\x48\x86\xf7\x0d\x01\x07"

/* What is read of the one SignerInfo, for the judgements behind it. */
struct signer_info {
	size_t      n;                  /* SignerInfos there are */
	int         set_version, version;
	bool        by_key_id;
	struct span digest, only_digest;        /* the SignerInfo's; the first of digestAlgorithms */
	size_t      n_digests;
	struct span algorithm;          /* of the signature */
	struct span parameters;         /* of that algorithm */
	bool        signed_der, signed_twice, countersigned;
	size_t      n_signed, n_unsigned;
};

static bool expect(struct span *in, unsigned char tag, struct der *e)
{
	return ber_next(in, e) && e->tag == tag;
}

static bool begins(struct span in, unsigned char tag)
{
	return in.n > 0 && (unsigned char)in.p[0] == tag;
}

/* -- types of ContentInfo -------------------------------------------------------- */

static enum reason type_reason(struct span oid)
{
	static const struct { struct span oid; enum reason why; } types[] = {
		{ SPAN(PKCS_7 "\x02"),                 REASON_ACCEPTED },
		{ SPAN(PKCS_7 "\x03"),                 REASON_ENCRYPTED_CONTENT },      /* enveloped */
		{ SPAN(PKCS_7 "\x06"),                 REASON_ENCRYPTED_CONTENT },      /* encrypted */
		{ SPAN(PKCS_9 "\x10\x01\x17"),         REASON_ENCRYPTED_CONTENT },      /* authEnveloped */
		{ SPAN(PKCS_9 "\x10\x01\x09"),         REASON_COMPRESSED_CONTENT },
	};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (span_eq(oid, types[i].oid))
			return types[i].why;
	return REASON_NOT_SIGNED_DATA;
}

/* -- reading ------------------------------------------------------------------ */

/* AlgorithmIdentifier: its OBJECT IDENTIFIER, and the whole of what stands behind it. */
static bool read_algorithm(struct span *in, struct span *oid, struct span *parameters)
{
	struct der e, name;

	if (!expect(in, DER_SEQUENCE, &e) || !expect(&e.inside, DER_OBJECT, &name))
		return false;
	*oid = name.inside;
	*parameters = e.inside;
	return e.inside.n == 0 || (ber_next(&e.inside, &name) && e.inside.n == 0);
}

/* A version of one octet. */
static bool read_version(struct span *in, int *version)
{
	struct der e;

	if (!expect(in, DER_INTEGER, &e) || e.inside.n != 1)
		return false;
	*version = e.inside.p[0];
	return true;
}

static enum reason read_digests(struct span set, struct signer_info *s)
{
	struct span oid, parameters;

	for (s->n_digests = 0; set.n; s->n_digests++) {
		if (!read_algorithm(&set, &oid, &parameters))
			return REASON_SIGNATURE_DER;
		if (s->n_digests == 0)
			s->only_digest = oid;
	}
	return REASON_ACCEPTED;
}

/* EncapsulatedContentInfo: a type, and perhaps one OCTET STRING. */
static enum reason read_content(struct span in)
{
	struct der e, octets;

	if (!expect(&in, DER_OBJECT, &e))
		return REASON_SIGNATURE_DER;
	if (in.n == 0)
		return REASON_ACCEPTED;
	if (!expect(&in, DER_CONTEXT_0, &e) || !ber_next(&e.inside, &octets) || (octets.tag & ~0x20) != DER_OCTETS)
		return REASON_SIGNATURE_DER;
	return in.n || e.inside.n ? REASON_SIGNATURE_TRAILING : REASON_ACCEPTED;
}

static enum reason read_certificates(struct span set, struct outline *o)
{
	struct der e;

	for (o->n_certificates = 0; set.n; o->n_certificates++) {
		if (!der_next(&set, &e) || e.tag != DER_SEQUENCE)
			return REASON_SIGNATURE_DER;
		if (o->n_certificates == OUTLINE_CERTIFICATES || e.whole.n > OUTLINE_CERTIFICATE_SIZE)
			return REASON_SIGNATURE_SIZE;
		o->certificates[o->n_certificates] = e.whole;
	}
	return REASON_ACCEPTED;
}

/* Attribute types, as they stand. */
static enum reason read_attributes(struct span set, struct span *oids, size_t *n)
{
	struct der e, oid, values;

	for (*n = 0; set.n; (*n)++) {
		if (!expect(&set, DER_SEQUENCE, &e) || !expect(&e.inside, DER_OBJECT, &oid) || !expect(&e.inside, DER_SET, &values) || e.inside.n)
			return REASON_SIGNATURE_DER;
		if (*n == OUTLINE_ATTRIBUTES)
			return REASON_SIGNATURE_SIZE;
		oids[*n] = oid.inside;
	}
	return REASON_ACCEPTED;
}

static bool any_twice(const struct span *oids, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (span_eq(oids[i], oids[k]))
				return true;
	return false;
}

static enum reason read_signed(struct span *in, struct outline *o, struct signer_info *s)
{
	struct span oids[OUTLINE_ATTRIBUTES], before = *in;
	struct der e;
	enum reason why;

	if (!begins(*in, DER_CONTEXT_0))
		return REASON_ACCEPTED;
	if (!ber_next(in, &e))
		return REASON_SIGNATURE_DER;
	if ((why = read_attributes(e.inside, oids, &s->n_signed)) != REASON_ACCEPTED)
		return why;
	s->signed_der = der_next(&before, &e) && der_sorted(e.inside) && der_valid(e.inside, ATTRIBUTE_DEPTH);
	s->signed_twice = any_twice(oids, s->n_signed);
	o->attributes = e.inside;
	return REASON_ACCEPTED;
}

static enum reason read_unsigned(struct span *in, struct signer_info *s)
{
	struct span oids[OUTLINE_ATTRIBUTES];
	struct der e;
	enum reason why;

	if (!begins(*in, DER_CONTEXT_1))
		return REASON_ACCEPTED;
	if (!ber_next(in, &e))
		return REASON_SIGNATURE_DER;
	why = read_attributes(e.inside, oids, &s->n_unsigned);
	for (size_t i = 0; why == REASON_ACCEPTED && i < s->n_unsigned; i++)
		s->countersigned = s->countersigned || span_eq(oids[i], SPAN(PKCS_9 "\x06"));
	return why;
}

static enum reason read_info(struct span in, struct outline *o, struct signer_info *s)
{
	struct span parameters;
	struct der e;
	enum reason why;

	if (!read_version(&in, &s->version) || !ber_next(&in, &e) || (e.tag != DER_SEQUENCE && e.tag != KEY_ID))
		return REASON_SIGNATURE_DER;
	s->by_key_id = e.tag == KEY_ID;
	if (!read_algorithm(&in, &s->digest, &parameters))
		return REASON_SIGNATURE_DER;
	if ((why = read_signed(&in, o, s)) != REASON_ACCEPTED)
		return why;
	if (!read_algorithm(&in, &s->algorithm, &s->parameters) || !expect(&in, DER_OCTETS, &e))
		return REASON_SIGNATURE_DER;
	if ((why = read_unsigned(&in, s)) != REASON_ACCEPTED)
		return why;
	return in.n ? REASON_SIGNATURE_TRAILING : REASON_ACCEPTED;
}

/* The first one is read; how many there are is judged later. */
static enum reason read_infos(struct span set, struct outline *o, struct signer_info *s)
{
	struct der e;
	enum reason why = REASON_ACCEPTED;

	for (s->n = 0; set.n && why == REASON_ACCEPTED && s->n < 2; s->n++) {
		if (!expect(&set, DER_SEQUENCE, &e))
			return REASON_SIGNATURE_DER;
		if (s->n == 0)
			why = read_info(e.inside, o, s);
	}
	return why;
}

static enum reason read_signed_data(struct span in, struct outline *o, struct signer_info *s)
{
	struct span before = in;
	struct der e;
	enum reason why;

	if (!read_version(&in, &s->set_version))
		return REASON_SIGNATURE_DER;
	o->version = span_of(before.p, before.n - in.n);
	if (!expect(&in, DER_SET, &e))
		return REASON_SIGNATURE_DER;
	o->digests = e.whole;
	if ((why = read_digests(e.inside, s)) != REASON_ACCEPTED)
		return why;
	if (!expect(&in, DER_SEQUENCE, &e))
		return REASON_SIGNATURE_DER;
	o->content = e.whole;
	if ((why = read_content(e.inside)) != REASON_ACCEPTED)
		return why;
	if (begins(in, DER_CONTEXT_0) && (!ber_next(&in, &e) || (why = read_certificates(e.inside, o)) != REASON_ACCEPTED))
		return why == REASON_ACCEPTED ? REASON_SIGNATURE_DER : why;
	if (begins(in, DER_CONTEXT_1)) {
		if (!ber_next(&in, &e))
			return REASON_SIGNATURE_DER;
		o->revocations = e.inside;
	}
	if (!expect(&in, DER_SET, &e))
		return REASON_SIGNATURE_DER;
	o->signers = e.whole;
	if ((why = read_infos(e.inside, o, s)) != REASON_ACCEPTED)
		return why;
	return in.n ? REASON_SIGNATURE_TRAILING : REASON_ACCEPTED;
}

/* -- judging ------------------------------------------------------------------ */

/* RFC 5652 section 5.3: 1 names the certificate by issuer and serial number, 3 by
 * key identifier; section 5.1: 3 at least where a SignerInfo has it. */
static bool versions_agree(const struct signer_info *s)
{
	if (s->version != (s->by_key_id ? 3 : 1))
		return false;
	return s->set_version == 3 || s->set_version == 4 || s->set_version == 5 || (s->set_version == 1 && s->version == 1);
}

/* A signature algorithm that says its digest must say the SignerInfo's, and one that
 * nobody knows must not stand there: OpenSSL goes by the key and looks at neither. */
static bool algorithm_agrees(const struct signer_info *s)
{
#define SHA_2     "\x60\x86\x48\x01\x65\x03\x04\x02"
#define SHA_2_DSA "\x60\x86\x48\x01\x65\x03\x04\x03"
	static const struct { struct span algorithm, digest; } rows[] = {
		{ SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"), SPAN_NONE },            /* rsaEncryption: says none */
		{ SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), SPAN(SHA_2 "\x01") },   /* sha256WithRSAEncryption */
		{ SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), SPAN(SHA_2 "\x02") },
		{ SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), SPAN(SHA_2 "\x03") },
		{ SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e"), SPAN(SHA_2 "\x04") },
		{ SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"), SPAN("\x2a\x86\x48\x86\xf7\x0d\x02\x05") },     /* md5WithRSAEncryption */
		{ SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"), SPAN("\x2b\x0e\x03\x02\x1a") },                 /* sha1WithRSAEncryption */
		{ SPAN("\x2a\x86\x48\xce\x3d\x04\x01"),         SPAN("\x2b\x0e\x03\x02\x1a") },                 /* ecdsa-with-SHA1 */
		{ SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x01"),     SPAN(SHA_2 "\x04") },   /* ecdsa-with-SHA224 */
		{ SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x02"),     SPAN(SHA_2 "\x01") },
		{ SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x03"),     SPAN(SHA_2 "\x02") },
		{ SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x04"),     SPAN(SHA_2 "\x03") },
		/* DSA keys are refused with the certificate, not here. */
		{ SPAN("\x2a\x86\x48\xce\x38\x04\x01"),         SPAN_NONE },            /* id-dsa */
		{ SPAN("\x2a\x86\x48\xce\x38\x04\x03"),         SPAN("\x2b\x0e\x03\x02\x1a") },                 /* dsa-with-sha1 */
		{ SPAN(SHA_2_DSA "\x02"),                         SPAN(SHA_2 "\x01") },
	};

	if (span_eq(s->algorithm, SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a")))      /* RSASSA-PSS */
		return pss_agrees(s->parameters, s->digest);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_eq(s->algorithm, rows[i].algorithm))
			return !rows[i].digest.p || span_eq(s->digest, rows[i].digest);
	return false;
}

static enum reason judge(const struct signer_info *s)
{
	if (s->n != 1)
		return s->n ? REASON_TWO_SIGNERS : REASON_NO_SIGNER;
	if (!versions_agree(s))
		return REASON_SIGNATURE_VERSION;
	if (s->n_digests != 1 || !span_eq(s->digest, s->only_digest))
		return REASON_DIGEST_ALGORITHMS;
	if (!algorithm_agrees(s))
		return REASON_SIGNATURE_ALGORITHM;
	if (s->n_signed && !s->signed_der)
		return REASON_SIGNED_ATTRIBUTES_DER;
	if (s->signed_twice)
		return REASON_SIGNED_ATTRIBUTES;
	return s->countersigned ? REASON_COUNTERSIGNATURE : REASON_ACCEPTED;
}

enum reason outline_read(struct outline *o, struct span der)
{
	struct signer_info s = { .n = 0 };
	struct der outer, e, data;
	enum reason why;

	*o = (struct outline){ .n_certificates = 0 };
	if (der.n > OUTLINE_SIZE)
		return REASON_SIGNATURE_SIZE;
	if (!expect(&der, DER_SEQUENCE, &outer) || !expect(&outer.inside, DER_OBJECT, &e))
		return REASON_SIGNATURE_DER;
	o->type = e.whole;
	if ((why = type_reason(e.inside)) != REASON_ACCEPTED)
		return why;
	if (!expect(&outer.inside, DER_CONTEXT_0, &e) || !expect(&e.inside, DER_SEQUENCE, &data))
		return REASON_SIGNATURE_DER;
	if (der.n || outer.inside.n || e.inside.n)
		return REASON_SIGNATURE_TRAILING;
	why = read_signed_data(data.inside, o, &s);
	return why == REASON_ACCEPTED ? judge(&s) : why;
}

void outline_rest(const struct outline *o, struct buf *rest)
{
	size_t size = o->version.n + o->digests.n + o->content.n + o->signers.n;
	size_t explicit = der_head_size(size) + size;

	der_add_head(rest, DER_SEQUENCE, o->type.n + der_head_size(explicit) + explicit);
	buf_add(rest, o->type);
	der_add_head(rest, DER_CONTEXT_0, explicit);
	der_add_head(rest, DER_SEQUENCE, size);
	buf_add(rest, o->version);
	buf_add(rest, o->digests);
	buf_add(rest, o->content);
	buf_add(rest, o->signers);
}
