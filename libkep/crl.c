#include "libkep/crl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "libkep/chain.h"
#include "libkep/folder.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/trust.h"

#define POINT_LIMIT 4    /* distribution points of a certificate, and their issuers, that are followed */

static bool complain(struct buf *error, const char *what)
{
	ERR_clear_error();
	buf_clear(error);
	buf_adds(error, what);
	return false;
}

/* false: not a time, or none is there. */
static bool time_of(const ASN1_TIME *t, usec *out)
{
	struct tm tm;

	*out = 0;
	if (!t || !ASN1_TIME_to_tm(t, &tm))
		return false;
	*out = (usec)timegm(&tm) * 1000000;
	return true;
}

/* -- decoding ----------------------------------------------------------------- */

/* The next CRL of PEM or DER octets.  NULL: there is none, or (*bad) a damaged one. */
static X509_CRL *next(BIO *pem, struct span *der, bool *bad)
{
	const unsigned char *p = (const unsigned char *)der->p;
	X509_CRL *crl;

	if (!pem && der->n == 0)
		return NULL;
	if (pem) {
		if (!(crl = PEM_read_bio_X509_CRL(pem, NULL, NULL, NULL)))
			*bad = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
	} else {
		crl = d2i_X509_CRL(NULL, &p, (long)der->n);
		*bad = !crl || p != (const unsigned char *)der->p + der->n;
		*der = SPAN_NONE;
	}
	ERR_clear_error();
	return crl;
}

static BIO *open_pem(struct span octets)
{
	BIO *in;

	if (!octets.n || !memmem(octets.p, octets.n, "-----BEGIN", 10))
		return NULL;
	if (!(in = BIO_new_mem_buf(octets.p, (int)octets.n)))
		log_fatal("out of memory");
	return in;
}

/* -- finding ------------------------------------------------------------------ */

/* Those of one more issuer behind those that were found. */
static STACK_OF(X509_CRL) *join(STACK_OF(X509_CRL) *found, STACK_OF(X509_CRL) *more)
{
	X509_CRL *crl;

	if (!found || !more)
		return found ? found : more;
	while ((crl = sk_X509_CRL_shift(more)))
		if (!sk_X509_CRL_push(found, crl))
			log_fatal("out of memory");
	sk_X509_CRL_free(more);
	return found;
}

/* The CRLs that speak for the certificate at hand.  OpenSSL looks for those of its
 * issuer only; an indirect CRL is issued by whom the certificate names in its
 * distribution points (RFC 5280 section 4.2.1.13, cRLIssuer). */
static STACK_OF(X509_CRL) *find(const X509_STORE_CTX *ctx, const X509_NAME *issuer)
{
	const X509 *x = X509_STORE_CTX_get_current_cert(ctx);
	STACK_OF(X509_CRL) *found = X509_STORE_CTX_get1_crls(ctx, issuer);
	CRL_DIST_POINTS *points = x ? X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL) : NULL;

	for (int i = 0; i < sk_DIST_POINT_num(points) && i < POINT_LIMIT; i++) {
		const GENERAL_NAMES *names = sk_DIST_POINT_value(points, i)->CRLissuer;

		for (int k = 0; k < sk_GENERAL_NAME_num(names) && k < POINT_LIMIT; k++) {
			const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, k);

			if (name->type == GEN_DIRNAME)
				found = join(found, X509_STORE_CTX_get1_crls(ctx, name->d.directoryName));
		}
	}
	CRL_DIST_POINTS_free(points);
	return found;
}

/* -- loading ------------------------------------------------------------------ */

struct loading {
	X509_STORE *store;
	size_t      n;
	usec        until;
};

static bool add(struct loading *l, X509_CRL *crl)
{
	usec until;

	/* OpenSSL would do it for the first message, and look whether it is done without a lock. */
	if (X509_CRL_get_REVOKED(crl))
		sk_X509_REVOKED_sort(X509_CRL_get_REVOKED(crl));

	if (!X509_STORE_add_crl(l->store, crl))
		return false;
	l->n++;
	if (time_of(X509_CRL_get0_nextUpdate(crl), &until) && (l->until == 0 || until < l->until))
		l->until = until;
	return true;
}

static bool add_file(void *arg, const char *file, struct span octets, struct buf *error)
{
	BIO *pem = open_pem(octets);
	bool bad = false, ok = true;
	X509_CRL *crl;
	size_t n = 0;

	while (ok && !bad && (crl = next(pem, &octets, &bad))) {
		ok = !bad && add(arg, crl);
		X509_CRL_free(crl);
		n++;
	}
	BIO_free(pem);
	if (!ok || bad)
		return folder_complain(error, file, "holds a damaged CRL; remove it, or fetch it again with kepctl trust refresh");
	return n > 0 || folder_complain(error, file, "holds no CRL");
}

static bool load(struct x509_store_st *store, const char *path, const char *const *ends, size_t limit, size_t *n, usec *until, struct buf *error)
{
	struct loading l = { .store = store };
	bool ok = folder_each(path, ends, limit, add_file, &l, error);

	ERR_clear_error();
	X509_STORE_set_lookup_crls(store, find);
	*n = l.n;
	*until = l.until;
	return ok;
}

bool crl_load(struct x509_store_st *store, const char *path, size_t limit, size_t *n, usec *until, struct buf *error)
{
	static const char *const ends[] = { ".crl", ".pem", ".der", NULL };

	return load(store, path, ends, limit, n, until, error);
}

bool crl_load_past(struct x509_store_st *store, const char *path, size_t limit, size_t *n, struct buf *error)
{
	static const char *const ends[] = { ".crl", NULL };
	struct stat st;
	usec until;

	*n = 0;
	return (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) || load(store, path, ends, limit, n, &until, error);
}

/* -- judging ------------------------------------------------------------------ */

void crl_release(struct crl *c)
{
	free(c->issuer);
	memset(c, 0, sizeof *c);
}

static X509_CRL *only(struct span octets, struct buf *error)
{
	BIO *pem = open_pem(octets);
	struct span rest = octets;
	bool bad = false;
	X509_CRL *crl = next(pem, &rest, &bad), *second = crl && !bad ? next(pem, &rest, &bad) : NULL;

	BIO_free(pem);
	if (crl && !second && !bad)
		return crl;
	X509_CRL_free(crl);
	X509_CRL_free(second);
	complain(error, second ? "holds more than one CRL" : "is not a CRL");
	return NULL;
}

/* Did this CA, which leads to an anchor, sign it? */
static bool signed_by(X509_CRL *crl, X509 *ca, const struct trust *trust, usec at)
{
	uint32_t usage = X509_get_key_usage(ca);
	EVP_PKEY *key = X509_get0_pubkey(ca);

	return key && usage & KU_CRL_SIGN && X509_CRL_verify(crl, key) == 1 && chain_trusted(trust, ca, at);
}

static bool signed_by_one_of(X509_CRL *crl, const struct trust *trust, usec at, bool *known)
{
	STACK_OF(X509_OBJECT) *all = trust ? X509_STORE_get0_objects(trust_store(trust)) : NULL;
	bool found = false;

	for (int i = 0; i < sk_X509_OBJECT_num(all) && !found; i++) {
		X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (!ca || X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0)
			continue;
		*known = true;
		found = signed_by(crl, ca, trust, at);
	}
	ERR_clear_error();
	return found;
}

char *crl_name(const X509_NAME *name)
{
	unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL, *p;
	long n;

	if (!out)
		log_fatal("out of memory");
	if (X509_NAME_print_ex(out, name, 0, flags) >= 0 && (n = BIO_get_mem_data(out, &p)) >= 0)
		text = mem_span(span_of(p, (size_t)n));
	BIO_free(out);
	return text && utf8_valid(span_str(text)) ? text : (free(text), mem_str("?"));
}

static void fill(X509_CRL *crl, struct crl *out, struct buf *der)
{
	unsigned char *octets = NULL;
	int n = i2d_X509_CRL(crl, &octets);

	if (n < 0)
		log_fatal("out of memory");
	buf_clear(der);
	buf_add(der, span_of((const char *)octets, (size_t)n));
	OPENSSL_free(octets);
	out->issuer = crl_name(X509_CRL_get_issuer(crl));
	time_of(X509_CRL_get0_lastUpdate(crl), &out->this_update);
	time_of(X509_CRL_get0_nextUpdate(crl), &out->next_update);
	out->delta = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
	out->entries = (size_t)(X509_CRL_get_REVOKED(crl) ? sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)) : 0);
}

bool crl_judge(struct span octets, const struct trust *trust, usec at, struct crl *out, struct buf *der, struct buf *error)
{
	X509_CRL *crl = only(octets, error);
	bool known = false, ok = crl && (signed_by_one_of(crl, trust, at, &known) || signed_by_one_of(crl, trust_stamps(trust), at, &known));

	memset(out, 0, sizeof *out);
	if (crl && !ok)
		complain(error, known ? "its signature is not that of the CA it names" :
		    "its issuer is no CA of trust_anchors; put the certificate of that CA there, if you trust it");
	if (ok) {
		fill(crl, out, der);
		ok = out->this_update <= at || complain(error, "it was issued in the future; is the clock of this host right?");
	}
	if (!ok)
		crl_release(out);
	X509_CRL_free(crl);
	return ok;
}

/* -- of one chain ------------------------------------------------------------- */

#define CHAIN_LIMIT 20

struct stack_st_X509 *crl_read_chain(struct span der)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	const unsigned char *p = (const unsigned char *)der.p, *end = p + der.n;
	X509 *x;

	while (chain && p < end && sk_X509_num(chain) < CHAIN_LIMIT && (x = d2i_X509(NULL, &p, end - p)))
		if (!sk_X509_push(chain, x))
			log_fatal("out of memory");
	if (!chain)
		log_fatal("out of memory");
	ERR_clear_error();
	return chain;
}

static bool signed_in(X509_CRL *crl, STACK_OF(X509) *chain)
{
	bool found = false;

	for (int i = 0; i < sk_X509_num(chain) && !found; i++) {
		X509 *ca = sk_X509_value(chain, i);
		EVP_PKEY *key = X509_get0_pubkey(ca);

		found = X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) == 0 && key && X509_get_key_usage(ca) & KU_CRL_SIGN &&
		    X509_CRL_verify(crl, key) == 1;
	}
	ERR_clear_error();
	return found;
}

static bool lists_one(X509_CRL *crl, STACK_OF(X509) *chain)
{
	X509_REVOKED *entry;

	for (int i = 0; i < sk_X509_num(chain); i++)
		if (X509_CRL_get0_by_cert(crl, &entry, sk_X509_value(chain, i)) == 1)
			return true;
	return false;
}

bool crl_of_chain(struct span octets, struct span chain, usec at, struct crl_finding *out, struct buf *der, struct buf *error)
{
	STACK_OF(X509) *certificates = crl_read_chain(chain);
	X509_CRL *crl = only(octets, error);
	bool ok = crl && (signed_in(crl, certificates) || complain(error, "no CA of the chain has signed it"));

	*out = (struct crl_finding){ .revoked = false };
	if (ok) {
		fill(crl, &out->crl, der);
		out->revoked = lists_one(crl, certificates);
		ok = out->crl.next_update == 0 || out->crl.next_update > at || complain(error, "it is stale: its nextUpdate has passed");
	}
	if (!ok)
		crl_release(&out->crl);
	X509_CRL_free(crl);
	sk_X509_pop_free(certificates, X509_free);
	return ok;
}

/* -- where they are ----------------------------------------------------------- */

static bool is_listed(struct span list, struct span url)
{
	while (list.n)
		if (span_eq(span_cut(&list, ' '), url))
			return true;
	return false;
}

bool crl_is_url(struct span url)
{
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] > '~')
			return false;
	return span_casestarts(url, SPAN("http://")) || span_casestarts(url, SPAN("https://"));
}

static void add_url(const GENERAL_NAME *name, struct buf *urls)
{
	struct span url;

	if (name->type != GEN_URI)
		return;
	url = span_of((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
	              (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier));
	if (!crl_is_url(url) || is_listed(buf_span(urls), url))
		return;
	if (urls->n)
		buf_addc(urls, ' ');
	buf_add(urls, url);
}

static void add_points(const X509 *x, int extension, struct buf *urls)
{
	CRL_DIST_POINTS *points = X509_get_ext_d2i(x, extension, NULL, NULL);

	for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
		const DIST_POINT_NAME *at = sk_DIST_POINT_value(points, i)->distpoint;

		for (int k = 0; at && at->type == 0 && k < sk_GENERAL_NAME_num(at->name.fullname); k++)
			add_url(sk_GENERAL_NAME_value(at->name.fullname, k), urls);
	}
	CRL_DIST_POINTS_free(points);
}

static void add_urls(const struct trust *trust, struct buf *urls)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(trust_store(trust));

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		const X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (!x)
			continue;
		add_points(x, NID_crl_distribution_points, urls);
		add_points(x, NID_freshest_crl, urls);
	}
	ERR_clear_error();
}

void crl_urls_of(struct span chain, struct buf *urls)
{
	STACK_OF(X509) *certificates = crl_read_chain(chain);

	for (int i = 0; i + 1 < sk_X509_num(certificates); i++)
		add_points(sk_X509_value(certificates, i), NID_crl_distribution_points, urls);
	sk_X509_pop_free(certificates, X509_free);
	ERR_clear_error();
}

void crl_urls(const struct trust *trust, struct buf *urls)
{
	add_urls(trust, urls);
	if (trust_stamps(trust))
		add_urls(trust_stamps(trust), urls);
}
