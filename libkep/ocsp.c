#include "libkep/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "libkep/chain.h"
#include "libkep/crl.h"
#include "libkep/digest.h"
#include "libkep/folder.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/memo.h"
#include "libkep/trust.h"

#define AHEAD  ((usec)300 * 1000000)    /* the clocks of responders against ours */
#define OTHERS 10                       /* certificates above a signer's in its file */

/* What one response says of one certificate. */
struct entry {
	OCSP_BASICRESP  *basic;
	OCSP_SINGLERESP *single;
	ASN1_INTEGER    *serial;
};

struct ocsp {
	OCSP_BASICRESP **all;
	size_t           n_all;
	struct entry    *entries;       /* by serial number */
	size_t           n;
	usec             grace;
};

static bool complain(struct buf *error, const char *what)
{
	ERR_clear_error();
	buf_clear(error);
	buf_adds(error, what);
	return false;
}

static void *made(void *p)
{
	if (!p)
		log_fatal("out of memory");
	return p;
}

/* -- decoding ----------------------------------------------------------------- */

static OCSP_BASICRESP *decode(struct span octets, struct buf *error)
{
	const unsigned char *p = (const unsigned char *)octets.p;
	OCSP_RESPONSE *response = octets.n > 0 && octets.n <= OCSP_SIZE_LIMIT ? d2i_OCSP_RESPONSE(NULL, &p, (long)octets.n) : NULL;
	OCSP_BASICRESP *basic = NULL;
	int status = response ? OCSP_response_status(response) : 0;

	if (!response || p != (const unsigned char *)octets.p + octets.n)
		complain(error, "is not an OCSP response");
	else if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		buf_addf(error, "the responder does not answer: %s", OCSP_response_status_str(status));
	else if (!(basic = OCSP_response_get1_basic(response)))
		complain(error, "is not a basic OCSP response");
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return basic;
}

static struct entry entry_of(OCSP_BASICRESP *basic, int i)
{
	struct entry e = { .basic = basic, .single = OCSP_resp_get0(basic, i) };

	OCSP_id_get0_info(NULL, NULL, NULL, &e.serial, (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(e.single));
	return e;
}

static bool time_of(const ASN1_TIME *t, usec *out)
{
	struct tm tm;

	*out = 0;
	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = (usec)timegm(&tm) * 1000000;
	return true;
}

/* -- judging ------------------------------------------------------------------ */

static bool is_strong_digest(int nid)
{
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

static int digest_of_pss(const X509_ALGOR *algorithm)
{
	RSA_PSS_PARAMS *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
	int nid = p && p->hashAlgorithm ? OBJ_obj2nid(p->hashAlgorithm->algorithm) : NID_undef;

	RSA_PSS_PARAMS_free(p);
	return nid;
}

static bool is_strong(const OCSP_BASICRESP *basic)
{
	const X509_ALGOR *algorithm = OCSP_resp_get0_tbs_sigalg(basic);
	int digest = NID_undef, nid = OBJ_obj2nid(algorithm->algorithm);

	if (nid == NID_rsassaPss)
		return is_strong_digest(digest_of_pss(algorithm));
	return OBJ_find_sigid_algs(nid, &digest, NULL) == 1 && is_strong_digest(digest);
}

static bool is_understood(const struct entry *e)
{
	return OCSP_BASICRESP_get_ext_by_critical(e->basic, 1, -1) < 0 && OCSP_SINGLERESP_get_ext_by_critical(e->single, 1, -1) < 0;
}

/* RFC 6960 section 4.1.1: the CA by the digests of its name and key.  SHA-1 only
 * finds here, and proves nothing. */
static bool is_about(const struct entry *e, const X509 *x, const X509 *issuer)
{
	static const int known[] = { NID_sha1, NID_sha256, NID_sha384, NID_sha512 };
	OCSP_CERTID *theirs = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(e->single), *ours = NULL;
	ASN1_OBJECT *digest;
	bool same = false;

	if (OCSP_id_get0_info(NULL, &digest, NULL, NULL, theirs) != 1)
		return false;
	for (size_t i = 0; i < COUNT_OF(known) && !ours; i++)
		if (OBJ_obj2nid(digest) == known[i])
			ours = made(OCSP_cert_to_id(EVP_get_digestbynid(known[i]), x, issuer));
	same = ours && OCSP_id_cmp(ours, theirs) == 0;
	OCSP_CERTID_free(ours);
	return same;
}

/* NULL: it is signed by the CA above x, or for it; else what is wrong. */
static const char *fault_of(const struct entry *e, const struct trust *trust, STACK_OF(X509) *chain, usec at)
{
	X509 *issuer = sk_X509_value(chain, 1), *signer = NULL;
	STACK_OF(X509) *known = made(sk_X509_new_null());
	const char *fault = NULL;

	if (!sk_X509_push(known, issuer))
		log_fatal("out of memory");
	if (!is_understood(e))
		fault = "a critical extension of it is not known here";
	else if (!is_strong(e->basic))
		fault = "it is signed with a weak digest";
	else if (OCSP_resp_get0_signer(e->basic, &signer, known) != 1)
		fault = "the certificate of its responder is missing";
	else if (X509_cmp(signer, issuer) != 0 && !chain_responder(trust, signer, chain, at))
		fault = "its responder was not authorised by the CA that issued the certificate";
	else if (OCSP_basic_verify(e->basic, known, NULL, OCSP_NOVERIFY) != 1)
		fault = "its signature is wrong";
	sk_X509_free(known);
	ERR_clear_error();
	return fault;
}

/* When it begins and ends to count; false: it does not say. */
static bool times_of(const struct entry *e, usec grace, int *status, usec *begin, usec *end)
{
	ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
	usec first, last;

	*status = OCSP_single_get0_status(e->single, NULL, NULL, &this_update, &next_update);
	if (!time_of(this_update, &first))
		return false;
	if (!time_of(next_update, &last) && next_update)
		return false;
	*begin = first - AHEAD;
	*end = (next_update ? last : first) + grace;
	return true;
}

static enum ocsp_word word_of(int status, bool fresh)
{
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		return OCSP_REVOKED;
	return status == V_OCSP_CERTSTATUS_GOOD && fresh ? OCSP_GOOD : OCSP_SILENT;
}

/* -- the folder --------------------------------------------------------------- */

static void add(struct ocsp *o, OCSP_BASICRESP *basic)
{
	int more = OCSP_resp_count(basic);

	o->all = mem_grow(o->all, (o->n_all + 1) * sizeof *o->all);
	o->all[o->n_all++] = basic;
	o->entries = mem_grow(o->entries, (o->n + (size_t)more + 1) * sizeof *o->entries);
	for (int i = 0; i < more; i++)
		o->entries[o->n++] = entry_of(basic, i);
}

static bool add_file(void *arg, const char *file, struct span octets, struct buf *error)
{
	struct buf why = BUF_INIT;
	OCSP_BASICRESP *basic = decode(octets, &why);

	if (!basic) {
		buf_adds(&why, "; remove the file, or fetch it again with kepctl trust refresh");
		folder_complain(error, file, buf_str(&why));
	} else {
		add(arg, basic);
	}
	buf_release(&why);
	return basic != NULL;
}

static int compare(const void *a, const void *b)
{
	return ASN1_INTEGER_cmp(((const struct entry *)a)->serial, ((const struct entry *)b)->serial);
}

struct ocsp *ocsp_load(const char *path, usec grace, struct buf *error)
{
	static const char *const ends[] = { ".ors", NULL };
	struct ocsp *o = mem_new(sizeof *o);

	o->grace = grace;
	if (!folder_each(path, ends, OCSP_SIZE_LIMIT, add_file, o, error)) {
		ocsp_free(o);
		return NULL;
	}
	if (o->n)
		qsort(o->entries, o->n, sizeof *o->entries, compare);
	return o;
}

void ocsp_free(struct ocsp *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n_all; i++)
		OCSP_BASICRESP_free(o->all[i]);
	free(o->all);
	free(o->entries);
	free(o);
}

size_t ocsp_count(const struct ocsp *o)
{
	return o ? o->n_all : 0;
}

void ocsp_divide(const struct ocsp *o, struct memo *m)
{
	for (size_t i = 0; i < o->n; i++) {
		const STACK_OF(X509) *certificates = OCSP_resp_get0_certs(o->entries[i].basic);
		ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;

		OCSP_single_get0_status(o->entries[i].single, NULL, NULL, &this_update, &next_update);
		memo_divide(m, this_update, -AHEAD);
		memo_divide(m, next_update ? next_update : this_update, o->grace);
		for (int k = 0; k < sk_X509_num(certificates); k++) {
			memo_divide(m, X509_get0_notBefore(sk_X509_value(certificates, k)), 0);
			memo_divide(m, X509_get0_notAfter(sk_X509_value(certificates, k)), 0);
		}
	}
}

/* The first entry that is not below this number. */
static size_t first_of(const struct ocsp *o, const ASN1_INTEGER *serial)
{
	size_t low = 0, high = o->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ASN1_INTEGER_cmp(o->entries[middle].serial, serial) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum ocsp_word ocsp_ask(const struct ocsp *o, const struct trust *trust, STACK_OF(X509) *chain, usec at)
{
	usec newest = INT64_MIN, second = at / 1000000 * 1000000, begin, end;
	enum ocsp_word word = OCSP_SILENT;
	const ASN1_INTEGER *serial;
	const X509 *x, *issuer;
	int status;

	if (!o || o->n == 0 || sk_X509_num(chain) < 2)
		return OCSP_SILENT;
	x = sk_X509_value(chain, 0);
	issuer = sk_X509_value(chain, 1);
	serial = X509_get0_serialNumber(x);
	for (size_t i = first_of(o, serial); i < o->n && ASN1_INTEGER_cmp(o->entries[i].serial, serial) == 0; i++) {
		const struct entry *e = &o->entries[i];

		if (!times_of(e, o->grace, &status, &begin, &end) || begin <= newest || begin > second || !is_about(e, x, issuer) ||
		    fault_of(e, trust, chain, at))
			continue;
		newest = begin;
		word = word_of(status, second < end);
	}
	return word;
}

/* -- asking ------------------------------------------------------------------- */

struct ocsp_inquiry {
	STACK_OF(X509) *chain;
	char           *url, *subject;
	char            certificate[2 * SHA256_SIZE + 1];
	struct buf      request;
};

/* The certificate, and those behind it. */
static X509 *read_signer(struct span octets, STACK_OF(X509) *others)
{
	const unsigned char *p = (const unsigned char *)octets.p;
	X509 *x = NULL, *more;
	BIO *in;

	if (!octets.n)
		return NULL;
	if (!memmem(octets.p, octets.n, "-----BEGIN", 10)) {
		x = d2i_X509(NULL, &p, (long)octets.n);
		if (x && p != (const unsigned char *)octets.p + octets.n) {
			X509_free(x);
			x = NULL;
		}
	} else {
		in = made(BIO_new_mem_buf(octets.p, (int)octets.n));
		x = PEM_read_bio_X509(in, NULL, NULL, NULL);
		while (x && sk_X509_num(others) < OTHERS && (more = PEM_read_bio_X509(in, NULL, NULL, NULL)))
			if (!sk_X509_push(others, more))
				log_fatal("out of memory");
		BIO_free(in);
	}
	ERR_clear_error();
	return x;
}

static char *url_of(X509 *x)
{
	STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(x);
	char *found = NULL;

	for (int i = 0; i < sk_OPENSSL_STRING_num(urls) && !found; i++)
		if (crl_is_url(span_str(sk_OPENSSL_STRING_value(urls, i))))
			found = mem_str(sk_OPENSSL_STRING_value(urls, i));
	X509_email_free(urls);
	return found;
}

/* The number and the CA by SHA-1, which every responder understands; no nonce, as
 * large responders sign beforehand (RFC 5019). */
static void make_request(struct ocsp_inquiry *q)
{
	OCSP_REQUEST *request = made(OCSP_REQUEST_new());
	OCSP_CERTID *id = made(OCSP_cert_to_id(EVP_sha1(), sk_X509_value(q->chain, 0), sk_X509_value(q->chain, 1)));
	unsigned char *der = NULL;
	int n;

	made(OCSP_request_add0_id(request, id));
	if ((n = i2d_OCSP_REQUEST(request, &der)) <= 0)
		log_fatal("out of memory");
	buf_add(&q->request, span_of((const char *)der, (size_t)n));
	OPENSSL_free(der);
	OCSP_REQUEST_free(request);
}

static void describe(struct ocsp_inquiry *q, X509 *x)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(x, EVP_sha256(), digest, &n) != 1 || n != SHA256_SIZE)
		log_fatal("out of memory");
	hex_encode(q->certificate, digest, n);
	q->subject = crl_name(X509_get_subject_name(x));
}

static bool lead(struct ocsp_inquiry *q, X509 *x, STACK_OF(X509) *others, const struct trust *trust, usec at, struct buf *error)
{
	enum reason why = chain_judge(trust, x, others, CHAIN_MAIL, at, at, &q->chain);

	if (why != REASON_ACCEPTED)
		return complain(error, reason_words(why)->english);
	return sk_X509_num(q->chain) > 1 || complain(error, "is a certificate of trust_anchors, and of no signer");
}

struct ocsp_inquiry *ocsp_inquire(struct span octets, const struct trust *trust, usec at, struct buf *error)
{
	struct ocsp_inquiry *q = mem_new(sizeof *q);
	STACK_OF(X509) *others = made(sk_X509_new_null());
	X509 *x = read_signer(octets, others);
	bool ok = x ? lead(q, x, others, trust, at, error) : complain(error, "is not a certificate");

	if (ok && !(q->url = url_of(x)))
		ok = complain(error, "names no OCSP responder at an http or https URL; remove the file, its CRL tells whether it was revoked");
	if (ok) {
		make_request(q);
		describe(q, x);
	} else {
		ocsp_inquiry_free(q);
	}
	sk_X509_pop_free(others, X509_free);
	X509_free(x);
	ERR_clear_error();
	return ok ? q : NULL;
}

struct ocsp_inquiry *ocsp_inquire_chain(struct span chain)
{
	struct ocsp_inquiry *q = mem_new(sizeof *q);
	X509 *leaf;

	q->chain = crl_read_chain(chain);
	leaf = sk_X509_num(q->chain) > 1 ? sk_X509_value(q->chain, 0) : NULL;
	if (leaf && (q->url = url_of(leaf))) {
		make_request(q);
		describe(q, leaf);
		return q;
	}
	ocsp_inquiry_free(q);
	ERR_clear_error();
	return NULL;
}

void ocsp_inquiry_free(struct ocsp_inquiry *q)
{
	if (!q)
		return;
	sk_X509_pop_free(q->chain, X509_free);
	free(q->url);
	free(q->subject);
	buf_release(&q->request);
	free(q);
}

const char *ocsp_url(const struct ocsp_inquiry *q)
{
	return q->url;
}

const char *ocsp_subject(const struct ocsp_inquiry *q)
{
	return q->subject;
}

const char *ocsp_certificate(const struct ocsp_inquiry *q)
{
	return q->certificate;
}

struct span ocsp_request(const struct ocsp_inquiry *q)
{
	return buf_span(&q->request);
}

/* What a response says of the certificate, if it is to be believed. */
static bool judge(const struct ocsp_inquiry *q, const struct entry *e, const struct trust *trust, usec grace, usec at,
                  struct ocsp_answer *out, struct buf *error)
{
	const char *fault = fault_of(e, trust, q->chain, at);
	ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
	usec begin, end;
	int status;

	if (fault)
		return complain(error, fault);
	if (!times_of(e, grace, &status, &begin, &end))
		return complain(error, "its times cannot be read");
	if (begin > at)
		return complain(error, "it was issued in the future; is the clock of this host right?");
	if (end <= at)
		return complain(error, "it is stale: its nextUpdate has passed");
	if (status != V_OCSP_CERTSTATUS_GOOD && status != V_OCSP_CERTSTATUS_REVOKED)
		return complain(error, "the responder does not know this certificate");
	OCSP_single_get0_status(e->single, NULL, NULL, &this_update, &next_update);
	time_of(this_update, &out->this_update);
	time_of(next_update, &out->next_update);
	out->word = word_of(status, true);
	return true;
}

bool ocsp_judge(const struct ocsp_inquiry *q, struct span octets, const struct trust *trust, usec grace, usec at,
                struct ocsp_answer *out, struct buf *error)
{
	OCSP_BASICRESP *basic = (buf_clear(error), decode(octets, error));
	bool found = false, ok = false;

	memset(out, 0, sizeof *out);
	for (int i = 0; basic && i < OCSP_resp_count(basic) && !found; i++) {
		struct entry e = entry_of(basic, i);

		found = is_about(&e, sk_X509_value(q->chain, 0), sk_X509_value(q->chain, 1));
		ok = found && judge(q, &e, trust, grace, at, out, error);
	}
	if (basic && !found)
		complain(error, "tells nothing of this certificate");
	OCSP_BASICRESP_free(basic);
	return ok;
}
