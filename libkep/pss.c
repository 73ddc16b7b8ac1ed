#include "libkep/pss.h"

#include "libkep/der.h"

enum { TAG_HASH = 0xa0, TAG_MASK = 0xa1, TAG_SALT = 0xa2, TAG_TRAILER = 0xa3 };

#define SHA_1 SPAN("\x2b\x0e\x03\x02\x1a")
#define MGF_1 SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08")
#define SHA_2 "\x60\x86\x48\x01\x65\x03\x04\x02"

/* 0: none that is known here. */
static int size_of(struct span digest)
{
	static const struct { struct span oid; int size; } rows[] = {
		{ SPAN("\x2b\x0e\x03\x02\x1a"), 20 }, { SPAN(SHA_2 "\x01"), 32 }, { SPAN(SHA_2 "\x02"), 48 }, { SPAN(SHA_2 "\x03"), 64 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_eq(rows[i].oid, digest))
			return rows[i].size;
	return 0;
}

/* The field of a tag, if it is the next: what is inside; nothing: it is left out. */
static bool take(struct span *in, unsigned char tag, struct span *inside)
{
	struct der e;

	*inside = SPAN_NONE;
	if (!in->n || (unsigned char)in->p[0] != tag)
		return true;
	if (!der_next(in, &e))
		return false;
	*inside = e.inside;
	return true;
}

/* An AlgorithmIdentifier and nothing else: its name, and what stands behind that. */
static bool read_algorithm(struct span in, struct span *oid, struct span *parameters)
{
	struct der e, name;

	if (!der_next(&in, &e) || e.tag != DER_SEQUENCE || in.n || !der_next(&e.inside, &name) || name.tag != DER_OBJECT)
		return false;
	*oid = name.inside;
	*parameters = e.inside;
	return true;
}

/* A digest, with NULL behind it or nothing. */
static bool is_digest(struct span in, struct span digest)
{
	struct span oid, parameters;

	return read_algorithm(in, &oid, &parameters) && span_eq(oid, digest) && (parameters.n == 0 || span_eq(parameters, SPAN("\x05\x00")));
}

static bool is_mask(struct span in, struct span digest)
{
	struct span oid, parameters;

	return read_algorithm(in, &oid, &parameters) && span_eq(oid, MGF_1) && is_digest(parameters, digest);
}

/* An INTEGER of at most two octets, not negative; -1: none. */
static int number_of(struct span in)
{
	const unsigned char *p;
	struct der e;

	if (!der_next(&in, &e) || e.tag != DER_INTEGER || in.n || e.inside.n < 1 || e.inside.n > 2)
		return -1;
	p = (const unsigned char *)e.inside.p;
	if (p[0] & 0x80)
		return -1;
	return e.inside.n == 1 ? p[0] : p[0] << 8 | p[1];
}

bool pss_agrees(struct span parameters, struct span digest)
{
	struct span hash, mask, salt, trailer;
	int size = size_of(digest);
	struct der e;

	if (!size || !der_next(&parameters, &e) || e.tag != DER_SEQUENCE || parameters.n)
		return false;
	if (!take(&e.inside, TAG_HASH, &hash) || !take(&e.inside, TAG_MASK, &mask) || !take(&e.inside, TAG_SALT, &salt) ||
	    !take(&e.inside, TAG_TRAILER, &trailer) || e.inside.n)
		return false;
	return (hash.n ? is_digest(hash, digest) : span_eq(digest, SHA_1)) && (mask.n ? is_mask(mask, digest) : span_eq(digest, SHA_1)) &&
	    (salt.n ? number_of(salt) : 20) >= size && (trailer.n ? number_of(trailer) : 1) == 1;
}
