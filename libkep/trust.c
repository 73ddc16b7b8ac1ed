#include "libkep/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "libkep/chain.h"
#include "libkep/crl.h"
#include "libkep/digest.h"
#include "libkep/folder.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/memo.h"
#include "libkep/ocsp.h"
#include "libkep/proven.h"

#define FILE_LIMIT     (16u << 20)
#define CHAIN_DEPTH    6
#define SECURITY_LEVEL 2        /* 112 bits: RSA of 2048, curves of 224, no SHA-1 */
#define KNOWN_SIZE     512          /* a power of two; about 4 KB each */

/* Certificates that were trusted once, each at the slot of its digest; the next
 * one of a slot drives the last one out. */
struct known {
	pthread_mutex_t lock;
	struct {
		unsigned char digest[SHA256_SIZE];
		X509         *certificate;
	} slots[KNOWN_SIZE];
};

struct trust {
	X509_STORE        *store;
	struct profile     profile;
	struct trust_rules rules;
	size_t             anchors, crls;
	usec               crls_until;
	struct known      *known;
	struct memo       *memo;
	struct proven     *proven;
	struct ocsp       *ocsp;        /* NULL: there are no responses */
	struct trust      *tsa;         /* of time-stamping authorities, or NULL */
};

static bool complain(struct buf *error, const char *file, const char *what)
{
	ERR_clear_error();
	return folder_complain(error, file, what);
}

/* Not self-signed: the store may use it on the way to an anchor, never as one,
 * since X509_V_FLAG_PARTIAL_CHAIN is not set. */
static bool add(struct trust *t, X509 *x, const char *file, struct buf *error)
{
	bool anchor = X509_self_signed(x, 1) == 1;

	if (X509_check_ca(x) == 0)
		return complain(error, file, "holds a certificate that is not of a CA; remove it");
	if (!X509_STORE_add_cert(t->store, x))
		return complain(error, file, "holds a certificate OpenSSL cannot use; remove it");
	t->anchors += anchor;
	return true;
}

static bool add_der(struct trust *t, struct span der, const char *file, struct buf *error)
{
	const unsigned char *p = (const unsigned char *)der.p, *end = p + der.n;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);
	bool ok = x && p == end ? add(t, x, file, error) : complain(error, file, "is neither PEM nor one DER certificate");

	X509_free(x);
	return ok;
}

static bool add_pem(struct trust *t, struct span pem, const char *file, struct buf *error)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
	bool ok = true;
	size_t n = 0;
	X509 *x;

	if (!in)
		log_fatal("out of memory");
	while (ok && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		ok = add(t, x, file, error);
		X509_free(x);
		n++;
	}
	BIO_free(in);
	if (!ok)
		return false;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return complain(error, file, "holds a damaged PEM certificate");
	ERR_clear_error();
	return n > 0 || complain(error, file, "holds no certificate");
}

static bool add_file(void *arg, const char *file, struct span octets, struct buf *error)
{
	bool pem = octets.n && memmem(octets.p, octets.n, "-----BEGIN", 10);

	return pem ? add_pem(arg, octets, file, error) : add_der(arg, octets, file, error);
}

static bool add_anchors(struct trust *t, const char *path, struct buf *error)
{
	static const char *const ends[] = { ".pem", ".crt", ".cer", NULL };

	if (!folder_each(path, ends, FILE_LIMIT, add_file, t, error))
		return false;
	return t->anchors > 0 || complain(error, path, "no self-signed CA certificate there; put the roots of the e-signature issuers in *.pem files");
}

/* -- rules -------------------------------------------------------------------- */

/* One of the words, by its number; false: *error. */
static bool choose(const char *key, const char *value, const char *const *words, unsigned *out, struct buf *error)
{
	for (*out = 0; words[*out]; (*out)++)
		if (strcmp(value, words[*out]) == 0)
			return true;
	buf_clear(error);
	buf_addf(error, "%s = %s; write", key, value);
	for (size_t i = 0; words[i]; i++)
		buf_addf(error, "%s %s", i == 0 ? "" : words[i + 1] ? "," : " or", words[i]);
	return false;
}

/* The way chains are judged lies in the store, and each judgement inherits it. */
static void set_rules(struct trust *t)
{
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(t->store);
	unsigned long flags = X509_V_FLAG_X509_STRICT | X509_V_FLAG_POLICY_CHECK;

	if (t->rules.revocation)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS;
	X509_VERIFY_PARAM_set_flags(param, flags);
	X509_VERIFY_PARAM_set_depth(param, CHAIN_DEPTH);
	X509_VERIFY_PARAM_set_auth_level(param, t->profile.kind == PROFILE_PKIX ? 0 : SECURITY_LEVEL);
}

static bool add_policy(X509_VERIFY_PARAM *param, struct span oid, struct buf *error)
{
	char *text = mem_span(oid);
	ASN1_OBJECT *policy = OBJ_txt2obj(text, 1);
	bool ok = policy && X509_VERIFY_PARAM_add0_policy(param, policy);

	if (!ok)
		complain(error, "chain_policies", "not a list of OIDs in dotted form, separated by blanks");
	free(text);
	return ok;
}

static bool set_policies(struct trust *t, const struct conf *conf, struct buf *error)
{
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(t->store);
	struct span rest = span_str(conf->chain_policies);
	unsigned long flags = (conf->require_policy ? X509_V_FLAG_EXPLICIT_POLICY : 0) |
	    (conf->inhibit_policy_mapping ? X509_V_FLAG_INHIBIT_MAP : 0) | (conf->inhibit_any_policy ? X509_V_FLAG_INHIBIT_ANY : 0);
	/* Without any, OpenSSL would take none as good where a CA asks for one. */
	bool ok = rest.n > 0 || add_policy(param, SPAN("2.5.29.32.0"), error);

	X509_VERIFY_PARAM_set_flags(param, flags);
	while (ok && rest.n) {
		struct span oid = span_cut(&rest, ' ');

		if (oid.n)
			ok = add_policy(param, oid, error);
	}
	return ok;
}

static bool read_rules(struct trust *t, const struct conf *conf, struct buf *error)
{
	static const char *const revocations[] = { "auto", "required", "off", NULL };
	unsigned revocation;

	if (!profile_read(&t->profile, conf, error) || !choose("revocation", conf->revocation, revocations, &revocation, error))
		return false;
	if (revocation == 1 && !*conf->trust_crls)
		return complain(error, "revocation = required", "trust_crls names no folder of CRLs; set it, and fill it with kepctl trust refresh");
	t->rules.revocation = revocation != 2 && (*conf->trust_crls || *conf->trust_ocsp);
	t->rules.crl_grace = conf->crl_grace;
	return true;
}

/* Put the key before what is wrong with it. */
static bool blame(struct buf *error, const char *key)
{
	char *words = buf_take(error);

	buf_addf(error, "%s: %s", key, words);
	free(words);
	return false;
}

static bool add_crls(struct trust *t, const struct conf *conf, struct buf *error)
{
	return !t->rules.revocation || !*conf->trust_crls ||
	    crl_load(t->store, conf->trust_crls, conf->crl_size_limit, &t->crls, &t->crls_until, error) || blame(error, "trust_crls");
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *trust_ocsp_folder(const struct conf *conf)
{
	if (*conf->trust_ocsp)
		return conf->trust_ocsp;
	return *conf->trust_crls && is_folder(conf->trust_crls) ? conf->trust_crls : NULL;
}

static bool add_responses(struct trust *t, const struct conf *conf, struct buf *error)
{
	const char *path = trust_ocsp_folder(conf);

	return !t->rules.revocation || !path || (t->ocsp = ocsp_load(path, conf->crl_grace, error)) || blame(error, "trust_ocsp");
}

/* When what chains are judged by begins and ends to count. */
static void divide(struct trust *t)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(t->store);

	for (int i = 0; t->rules.revocation && i < sk_X509_OBJECT_num(all); i++) {
		const X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
		const X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));

		memo_divide(t->memo, x ? X509_get0_notBefore(x) : X509_CRL_get0_lastUpdate(crl), 0);
		memo_divide(t->memo, x ? X509_get0_notAfter(x) : X509_CRL_get0_nextUpdate(crl), t->rules.crl_grace);
	}
	if (t->ocsp)
		ocsp_divide(t->ocsp, t->memo);
}

/* -- life --------------------------------------------------------------------- */

static struct trust *make(void)
{
	struct trust *t = mem_new(sizeof *t);

	profile_init(&t->profile);
	t->known = mem_new(sizeof *t->known);
	pthread_mutex_init(&t->known->lock, NULL);
	t->memo = memo_new();
	t->proven = proven_new();
	if (!(t->store = X509_STORE_new()))
		log_fatal("out of memory");
	chain_prepare(t->store);
	return t;
}

static struct trust *made(struct trust *t, bool ok)
{
	if (ok)
		return t;
	trust_free(t);
	return NULL;
}

struct trust *trust_load(const char *path, struct buf *error)
{
	struct trust *t = make();

	set_rules(t);
	return made(t, add_anchors(t, path, error));
}

struct trust *trust_load_past(const char *path, struct buf *error)
{
	struct trust *t = make();
	bool ok = add_anchors(t, path, error) && crl_load_past(t->store, path, FILE_LIMIT, &t->crls, error);

	t->rules.past = true;
	t->rules.revocation = t->crls > 0;
	set_rules(t);
	return made(t, ok);
}

static bool add_stamps(struct trust *t, const struct conf *conf, struct buf *error)
{
	struct trust *tsa;

	if (!*conf->tsa_anchors)
		return true;
	if (!(tsa = trust_load(conf->tsa_anchors, error)))
		return blame(error, "tsa_anchors");
	trust_take_stamps(t, tsa);
	return true;
}

struct trust *trust_configure(const struct conf *conf, struct buf *error)
{
	struct trust *t = make();
	bool ok = read_rules(t, conf, error) && set_policies(t, conf, error);

	set_rules(t);
	ok = ok && (add_anchors(t, conf->trust_anchors, error) || blame(error, "trust_anchors")) && add_crls(t, conf, error) &&
	    add_responses(t, conf, error) && add_stamps(t, conf, error);
	if (ok)
		divide(t);
	return made(t, ok);
}

void trust_demand(struct trust *t, const struct profile *p)
{
	t->profile = *p;
	set_rules(t);
}

const struct profile *trust_profile(const struct trust *t)
{
	return &t->profile;
}

void trust_take_stamps(struct trust *t, struct trust *tsa)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(t->store);

	trust_free(t->tsa);
	t->tsa = tsa;
	if (!tsa)
		return;
	tsa->rules = t->rules;
	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));

		if (crl && X509_STORE_add_crl(tsa->store, crl) != 1)
			log_fatal("out of memory");
	}
	set_rules(tsa);
}

const struct trust *trust_stamps(const struct trust *t)
{
	return t->tsa;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	trust_free(t->tsa);
	X509_STORE_free(t->store);
	for (size_t i = 0; i < KNOWN_SIZE; i++)
		X509_free(t->known->slots[i].certificate);
	pthread_mutex_destroy(&t->known->lock);
	free(t->known);
	memo_free(t->memo);
	proven_free(t->proven);
	ocsp_free(t->ocsp);
	free(t);
}

size_t trust_count(const struct trust *t)
{
	return t->anchors;
}

const struct trust_rules *trust_rules(const struct trust *t)
{
	return &t->rules;
}

size_t trust_crls(const struct trust *t, usec *until)
{
	*until = t->crls_until;
	return t->crls;
}

static void say_until(usec until, struct buf *out)
{
	char text[CLOCK_TEXT_SIZE];

	if (until == 0)
		return;
	clock_text(text, until);
	buf_addf(out, ", the first to be replaced by %.19sZ", text);
}

void trust_describe(const struct trust *t, const struct conf *conf, struct buf *out)
{
	buf_clear(out);
	buf_adds(out, conf->trust_anchors);
	if (t->rules.revocation && *conf->trust_crls)
		buf_addf(out, " and %s", conf->trust_crls);
	if (t->rules.revocation && *conf->trust_ocsp)
		buf_addf(out, " and %s", conf->trust_ocsp);
	buf_addf(out, ": %zu trust anchor%s", t->anchors, t->anchors == 1 ? "" : "s");
	if (!t->rules.revocation)
		buf_adds(out, ", revocation is not checked");
	else if (t->crls == 0 && !trust_responses(t))
		buf_adds(out, ", no CRL: every signature is answered 451 until kepctl trust refresh has fetched some");
	else
		buf_addf(out, ", %zu CRL%s", t->crls, t->crls == 1 ? "" : "s");
	say_until(t->crls_until, out);
	if (trust_responses(t))
		buf_addf(out, ", %zu OCSP response%s", trust_responses(t), trust_responses(t) == 1 ? "" : "s");
}

size_t trust_responses(const struct trust *t)
{
	return ocsp_count(t->ocsp);
}

const struct ocsp *trust_ocsp(const struct trust *t)
{
	return t->ocsp;
}

struct proven *trust_proven(const struct trust *t)
{
	return t->proven;
}

struct memo *trust_memo(const struct trust *t)
{
	return t->memo;
}

struct x509_store_st *trust_store(const struct trust *t)
{
	return t->store;
}

static size_t slot_of(const unsigned char *digest)
{
	return (digest[0] | (size_t)digest[1] << 8) & (KNOWN_SIZE - 1);
}

struct x509_st *trust_certificate(const struct trust *t, struct span der)
{
	const unsigned char *p = (const unsigned char *)der.p, *end = p + der.n;
	unsigned char digest[SHA256_SIZE];
	X509 *x = NULL;
	size_t slot;

	digest_sha256(digest, der);
	slot = slot_of(digest);
	pthread_mutex_lock(&t->known->lock);
	if (t->known->slots[slot].certificate && memcmp(t->known->slots[slot].digest, digest, sizeof digest) == 0) {
		x = t->known->slots[slot].certificate;
		X509_up_ref(x);
	}
	pthread_mutex_unlock(&t->known->lock);
	if (x || !(x = d2i_X509(NULL, &p, (long)der.n)) || p == end)
		return x;
	X509_free(x);
	return NULL;
}

void trust_remember(const struct trust *t, struct span der, struct x509_st *certificate)
{
	unsigned char digest[SHA256_SIZE];
	X509 *old = NULL;
	size_t slot;

	digest_sha256(digest, der);
	slot = slot_of(digest);
	pthread_mutex_lock(&t->known->lock);
	if (t->known->slots[slot].certificate != certificate) {
		old = t->known->slots[slot].certificate;
		X509_up_ref(certificate);
		t->known->slots[slot].certificate = certificate;
		memcpy(t->known->slots[slot].digest, digest, sizeof digest);
	}
	pthread_mutex_unlock(&t->known->lock);
	X509_free(old);
}
