#include "libkep/trust.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "libkep/digest.h"
#include "libkep/log.h"
#include "libkep/mem.h"

#define FILE_LIMIT (16u << 20)
#define KNOWN_SIZE 512          /* a power of two; about 4 KB each */

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
	X509_STORE   *store;
	size_t        anchors;
	struct known *known;
	struct profile profile;
};

static bool complain(struct buf *error, const char *file, const char *what)
{
	ERR_clear_error();
	buf_clear(error);
	buf_addf(error, "%s: %s", file, what);
	return false;
}

static bool slurp(const char *file, struct buf *text, struct buf *error)
{
	FILE *f = fopen(file, "re");
	char block[16384];
	size_t n;
	bool ok;

	if (!f)
		return complain(error, file, strerror(errno));
	while ((n = fread(block, 1, sizeof block, f)) > 0 && text->n <= FILE_LIMIT)
		buf_add(text, span_of(block, n));
	ok = !ferror(f);
	fclose(f);
	if (!ok)
		return complain(error, file, "cannot be read");
	return text->n <= FILE_LIMIT || complain(error, file, "larger than 16 MB; keep only the CAs that issue e-signatures");
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

static bool add_file(struct trust *t, const char *file, struct buf *error)
{
	struct buf text = BUF_INIT;
	bool ok = slurp(file, &text, error);

	if (ok)
		ok = text.n && memmem(text.p, text.n, "-----BEGIN", 10) ? add_pem(t, buf_span(&text), file, error)
		                                                       : add_der(t, buf_span(&text), file, error);
	buf_release(&text);
	return ok;
}

static int wanted(const struct dirent *e)
{
	static const char *const ends[] = { ".pem", ".crt", ".cer" };
	struct span name = span_str(e->d_name);

	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (name.n > 4 && e->d_name[0] != '.' && span_caseeq(span_of(name.p + name.n - 4, 4), span_str(ends[i])))
			return 1;
	return 0;
}

static bool add_directory(struct trust *t, const char *path, struct buf *error)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, wanted, alphasort);
	bool ok = n >= 0 || complain(error, path, strerror(errno));

	for (int i = 0; i < n; i++) {
		char *file = mem_printf("%s/%s", path, entries[i]->d_name);
		struct stat st;

		if (ok && stat(file, &st) != 0)
			ok = complain(error, file, strerror(errno));
		else if (ok && S_ISREG(st.st_mode))
			ok = add_file(t, file, error);
		free(file);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

struct trust *trust_load(const char *path, struct buf *error)
{
	struct trust *t = mem_new(sizeof *t);
	struct stat st;
	bool ok;

	profile_init(&t->profile);
	t->known = mem_new(sizeof *t->known);
	pthread_mutex_init(&t->known->lock, NULL);
	if (!(t->store = X509_STORE_new()))
		log_fatal("out of memory");
	if (stat(path, &st) != 0)
		ok = complain(error, path, strerror(errno));
	else
		ok = S_ISDIR(st.st_mode) ? add_directory(t, path, error) : add_file(t, path, error);
	if (ok && t->anchors == 0)
		ok = complain(error, path, "no self-signed CA certificate there; put the roots of the e-signature issuers in *.pem files");
	if (ok)
		return t;
	trust_free(t);
	return NULL;
}

void trust_demand(struct trust *t, const struct profile *p)
{
	t->profile = *p;
}

const struct profile *trust_profile(const struct trust *t)
{
	return &t->profile;
}

/* Put the key before what is wrong with it. */
static void blame(struct buf *error, const char *key)
{
	char *words = buf_take(error);

	buf_addf(error, "%s: %s", key, words);
	free(words);
}

struct trust *trust_configure(const struct conf *conf, struct buf *error)
{
	struct profile p;
	struct trust *t;

	if (!profile_read(&p, conf, error))
		return NULL;
	t = trust_load(conf->trust_anchors, error);
	if (t)
		trust_demand(t, &p);
	else
		blame(error, "trust_anchors");
	return t;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	X509_STORE_free(t->store);
	for (size_t i = 0; i < KNOWN_SIZE; i++)
		X509_free(t->known->slots[i].certificate);
	pthread_mutex_destroy(&t->known->lock);
	free(t->known);
	free(t);
}

size_t trust_count(const struct trust *t)
{
	return t->anchors;
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
