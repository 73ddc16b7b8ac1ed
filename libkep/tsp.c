#include "libkep/tsp.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <time.h>

#include "libkep/der.h"
#include "libkep/log.h"

#define WORDS_LIMIT 200         /* octets of a TSA's own words */

static const struct kind {
	int         nid;
	const char *name;
	size_t      n;
} kinds[] = {
	{ NID_sha256, "sha256", 32 }, { NID_sha384, "sha384", 48 }, { NID_sha512, "sha512", 64 },
};

/* -- TSTInfo ------------------------------------------------------------------ */

static bool read_imprint(TS_MSG_IMPRINT *m, struct stamp *out)
{
	const ASN1_OBJECT *oid;
	ASN1_OCTET_STRING *octets = TS_MSG_IMPRINT_get_msg(m);

	X509_ALGOR_get0(&oid, NULL, NULL, TS_MSG_IMPRINT_get_algo(m));
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (OBJ_obj2nid(oid) == kinds[i].nid && (size_t)ASN1_STRING_length(octets) == kinds[i].n) {
			out->digest = kinds[i].name;
			out->n = kinds[i].n;
			memcpy(out->imprint, ASN1_STRING_get0_data(octets), out->n);
			return true;
		}
	return false;
}

/* A number that is not negative, big-endian; 0 is one octet. */
static bool read_number(const ASN1_INTEGER *number, unsigned char out[TSP_NUMBER_OCTETS], size_t *n)
{
	*n = (size_t)ASN1_STRING_length(number);
	if (ASN1_STRING_type(number) != V_ASN1_INTEGER || *n == 0 || *n > TSP_NUMBER_OCTETS)
		return false;
	memcpy(out, ASN1_STRING_get0_data(number), *n);
	return true;
}

static bool read_numbers(const TS_TST_INFO *info, struct stamp *out)
{
	const ASN1_INTEGER *nonce = TS_TST_INFO_get_nonce(info);
	unsigned char serial[TSP_NUMBER_OCTETS];
	size_t n;

	if (!read_number(TS_TST_INFO_get_serial(info), serial, &n) || (nonce && !read_number(nonce, out->nonce, &out->n_nonce)))
		return false;
	hex_encode(out->serial, serial, n);
	return true;
}

static int64_t part(const ASN1_INTEGER *number)
{
	int64_t value = 0;

	return number && ASN1_INTEGER_get_int64(&value, number) == 1 && value > 0 && value < 1000000 ? value : 0;
}

static usec read_accuracy(TS_ACCURACY *a)
{
	return a ? (usec)(part(TS_ACCURACY_get_seconds(a)) * 1000000 + part(TS_ACCURACY_get_millis(a)) * 1000 + part(TS_ACCURACY_get_micros(a))) : 0;
}

static bool read_rest(TS_TST_INFO *info, struct stamp *out)
{
	int n = OBJ_obj2txt(out->policy, (int)sizeof out->policy, TS_TST_INFO_get_policy_id(info), 1);
	struct tm tm;

	if (n <= 0 || n >= (int)sizeof out->policy || !ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &tm))
		return false;
	out->time = (usec)timegm(&tm) * 1000000;
	out->accuracy = read_accuracy(TS_TST_INFO_get_accuracy(info));
	return read_numbers(info, out);
}

bool tsp_read(struct span content, struct stamp *out)
{
	const unsigned char *p = (const unsigned char *)content.p;
	TS_TST_INFO *info = d2i_TS_TST_INFO(NULL, &p, (long)content.n);
	bool good = info && (const char *)p == content.p + content.n && TS_TST_INFO_get_version(info) == 1;

	*out = (struct stamp){ .digest = NULL };
	good = good && read_imprint(TS_TST_INFO_get_msg_imprint(info), out) && read_rest(info, out);
	if (!good)
		*out = (struct stamp){ .digest = NULL };
	TS_TST_INFO_free(info);
	ERR_clear_error();
	return good;
}

/* -- request ------------------------------------------------------------------ */

static const struct kind *kind_of(const char *digest, size_t n)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (strcmp(kinds[i].name, digest) == 0 && kinds[i].n == n)
			return &kinds[i];
	return NULL;
}

/* nid of the digest -> AlgorithmIdentifier without parameters, as RFC 5754 has it. */
static void add_imprint(struct buf *out, const struct kind *kind, struct span imprint)
{
	struct buf algorithm = BUF_INIT;
	unsigned char oid[16], *p = oid;
	int n = i2d_ASN1_OBJECT(OBJ_nid2obj(kind->nid), NULL);

	if (n <= 0 || n > (int)sizeof oid || i2d_ASN1_OBJECT(OBJ_nid2obj(kind->nid), &p) != n)
		log_fatal("OpenSSL does not know %s", kind->name);
	der_add_head(&algorithm, DER_SEQUENCE, (size_t)n);
	buf_add(&algorithm, span_of((const char *)oid, (size_t)n));
	der_add_head(out, DER_SEQUENCE, algorithm.n + der_head_size(imprint.n) + imprint.n);
	buf_add(out, buf_span(&algorithm));
	der_add_head(out, DER_OCTETS, imprint.n);
	buf_add(out, imprint);
	buf_release(&algorithm);
}

static bool add_policy(struct buf *out, const char *policy)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(policy, 1);
	unsigned char *der = NULL;
	int n = oid ? i2d_ASN1_OBJECT(oid, &der) : -1;

	if (n > 0)
		buf_add(out, span_of((const char *)der, (size_t)n));
	OPENSSL_free(der);
	ASN1_OBJECT_free(oid);
	ERR_clear_error();
	return n > 0;
}

static void add_nonce(struct buf *out, struct span nonce)
{
	while (nonce.n > 1 && nonce.p[0] == 0)
		nonce = span_of(nonce.p + 1, nonce.n - 1);
	if (nonce.n == 0)
		return;
	der_add_head(out, DER_INTEGER, nonce.n + (nonce.p[0] & 0x80 ? 1 : 0));
	if (nonce.p[0] & 0x80)
		buf_addc(out, '\0');
	buf_add(out, nonce);
}

bool tsp_request(const struct tsp_question *q, struct buf *der)
{
	const struct kind *kind = kind_of(q->digest, q->imprint.n);
	struct buf inside = BUF_INIT;
	bool good = kind != NULL;

	buf_add(&inside, SPAN("\x02\x01\x01"));
	if (good)
		add_imprint(&inside, kind, q->imprint);
	good = good && (!q->policy || !*q->policy || add_policy(&inside, q->policy));
	add_nonce(&inside, q->nonce);
	buf_add(&inside, SPAN("\x01\x01\xff"));
	if (good) {
		der_add_head(der, DER_SEQUENCE, inside.n);
		buf_add(der, buf_span(&inside));
	}
	buf_release(&inside);
	return good;
}

void tsp_nonce(unsigned char nonce[TSP_NONCE_SIZE])
{
	if (RAND_bytes(nonce, TSP_NONCE_SIZE) != 1)
		log_fatal("OpenSSL has no random numbers");
	nonce[0] = (unsigned char)((nonce[0] & 0x7f) | 0x01);
}

/* -- response ----------------------------------------------------------------- */

enum { GRANTED, GRANTED_WITH_MODS };

static bool expect(struct span *in, unsigned char tag, struct der *e)
{
	return ber_next(in, e) && e->tag == tag;
}

static bool not_one(struct buf *why)
{
	buf_clear(why);
	buf_adds(why, "no answer of RFC 3161 came back; is this the URL of a time-stamping authority?");
	return false;
}

static void add_status(struct buf *why, unsigned status)
{
	static const char *const words[] = {
		"granted", "granted with changes", "rejected", "to be fetched later", "a revocation is near", "revoked",
	};

	if (status < COUNT_OF(words))
		buf_adds(why, words[status]);
	else
		buf_addf(why, "status %u", status);
}

/* PKIFreeText: UTF8Strings of whoever answered. */
static void add_text(struct buf *why, struct span texts)
{
	struct der e;
	size_t room = WORDS_LIMIT;

	while (room > 0 && ber_next(&texts, &e)) {
		buf_adds(why, ": '");
		for (size_t i = 0; i < e.inside.n && room > 0; i++, room--)
			buf_addc(why, e.inside.p[i] >= ' ' && e.inside.p[i] <= '~' ? e.inside.p[i] : '?');
		buf_addc(why, '\'');
	}
}

/* PKIFailureInfo, RFC 3161 section 2.4.2. */
static void add_failures(struct buf *why, struct span bits)
{
	static const struct { unsigned bit; const char *words; } rows[] = {
		{ 0, "it does not know the digest (see tsa_digest)" }, { 2, "it does not support such requests" }, { 5, "it cannot read the request" },
		{ 14, "its clock is not available" }, { 15, "it does not stamp under that policy (see tsa_policy)" },
		{ 16, "it does not know an extension" }, { 17, "it cannot tell what was asked for" }, { 25, "it has failed" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].bit / 8 + 1 < bits.n && (unsigned char)bits.p[rows[i].bit / 8 + 1] & (0x80u >> rows[i].bit % 8))
			buf_addf(why, ", %s", rows[i].words);
}

static void say_failure(struct buf *why, unsigned status, struct span rest)
{
	struct der e;

	buf_clear(why);
	buf_adds(why, "the time-stamping authority answers: ");
	add_status(why, status);
	while (ber_next(&rest, &e)) {
		if (e.tag == DER_SEQUENCE)
			add_text(why, e.inside);
		else if (e.tag == DER_BITS)
			add_failures(why, e.inside);
	}
}

bool tsp_response(struct span der, struct span *token, struct buf *why)
{
	struct der all, info, status, e;
	unsigned number;

	*token = SPAN_NONE;
	if (!expect(&der, DER_SEQUENCE, &all) || der.n || !expect(&all.inside, DER_SEQUENCE, &info) ||
	    !expect(&info.inside, DER_INTEGER, &status) || status.inside.n != 1)
		return not_one(why);
	number = (unsigned char)status.inside.p[0];
	if (number != GRANTED && number != GRANTED_WITH_MODS) {
		say_failure(why, number, info.inside);
		return false;
	}
	if (!expect(&all.inside, DER_SEQUENCE, &e) || all.inside.n)
		return not_one(why);
	*token = e.whole;
	return true;
}
