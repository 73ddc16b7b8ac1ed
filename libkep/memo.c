#include "libkep/memo.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "libkep/log.h"
#include "libkep/mem.h"

#define MEMO_SIZE 512           /* a power of two */

struct entry {
	unsigned char   key[SHA256_SIZE];
	time_t          from, until;    /* from <= t < until, as OpenSSL judges it */
	STACK_OF(X509) *chain;          /* NULL: empty */
};

struct memo {
	time_t         *moments;        /* in no order: kept seldom, recalled often */
	size_t          n_moments, room;
	pthread_mutex_t lock;
	struct entry    entries[MEMO_SIZE];
};

struct memo *memo_new(void)
{
	struct memo *m = mem_new(sizeof *m);

	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void memo_free(struct memo *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < MEMO_SIZE; i++)
		sk_X509_pop_free(m->entries[i].chain, X509_free);
	pthread_mutex_destroy(&m->lock);
	free(m->moments);
	free(m);
}

static bool seconds(const ASN1_TIME *t, time_t *out)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

static void add_moment(struct memo *m, time_t t)
{
	if (m->n_moments == m->room) {
		m->room = m->room ? 2 * m->room : 64;
		m->moments = mem_grow(m->moments, m->room * sizeof *m->moments);
	}
	m->moments[m->n_moments++] = t;
}

void memo_divide(struct memo *m, const ASN1_TIME *time, usec later)
{
	time_t t;

	if (!seconds(time, &t))
		return;
	add_moment(m, t);
	add_moment(m, t + (time_t)(later / 1000000));
}

static bool add_certificate(struct digest *d, const X509 *x)
{
	unsigned char value[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(x, EVP_sha256(), value, &n) != 1)
		return false;
	digest_add(d, span_of((const char *)value, n));
	return true;
}

bool memo_key(unsigned char key[SHA256_SIZE], unsigned use, unsigned kind, X509 *leaf, STACK_OF(X509) *others)
{
	unsigned char numbers[2] = { (unsigned char)use, (unsigned char)kind };
	struct digest *d = digest_new("sha256");
	bool good;

	digest_add(d, span_of((const char *)numbers, sizeof numbers));
	good = add_certificate(d, leaf);
	for (int i = 0; good && i < sk_X509_num(others); i++)
		good = add_certificate(d, sk_X509_value(others, i));
	digest_finish(d, key);
	digest_free(d);
	return good;
}

static struct entry *place_of(struct memo *m, const unsigned char key[SHA256_SIZE])
{
	return &m->entries[(key[0] | (size_t)key[1] << 8) & (MEMO_SIZE - 1)];
}

STACK_OF(X509) *memo_recall(struct memo *m, const unsigned char key[SHA256_SIZE], usec at)
{
	STACK_OF(X509) *chain = NULL;
	time_t t = (time_t)(at / 1000000);
	struct entry *e = place_of(m, key);

	pthread_mutex_lock(&m->lock);
	if (e->chain && memcmp(e->key, key, SHA256_SIZE) == 0 && e->from <= t && t < e->until &&
	    !(chain = X509_chain_up_ref(e->chain)))
		log_fatal("out of memory");
	pthread_mutex_unlock(&m->lock);
	return chain;
}

/* What begins or ends at b does so at b itself, as OpenSSL judges it. */
static void narrow(struct entry *e, time_t at, time_t b)
{
	if (b <= at)
		e->from = b > e->from ? b : e->from;
	else
		e->until = b < e->until ? b : e->until;
}

/* false: one of them does not say when it is valid. */
static bool narrow_to(struct entry *e, time_t at, STACK_OF(X509) *certificates)
{
	time_t first, last;

	for (int i = 0; i < sk_X509_num(certificates); i++) {
		const X509 *x = sk_X509_value(certificates, i);

		if (!seconds(X509_get0_notBefore(x), &first) || !seconds(X509_get0_notAfter(x), &last))
			return false;
		narrow(e, at, first);
		narrow(e, at, last);
	}
	return true;
}

/* The span of time around `at` in which nothing changes. */
static bool find_times(const struct memo *m, struct entry *e, time_t at, STACK_OF(X509) *others)
{
	if (!narrow_to(e, at, e->chain) || !narrow_to(e, at, others))
		return false;
	for (size_t i = 0; i < m->n_moments; i++)
		narrow(e, at, m->moments[i]);
	return true;
}

void memo_keep(struct memo *m, const unsigned char key[SHA256_SIZE], STACK_OF(X509) *chain, STACK_OF(X509) *others, usec at)
{
	struct entry fresh = { .from = LONG_MIN, .until = LONG_MAX, .chain = chain }, *e = place_of(m, key);
	STACK_OF(X509) *old;

	if (!find_times(m, &fresh, (time_t)(at / 1000000), others))
		return;
	if (!(fresh.chain = X509_chain_up_ref(chain)))
		log_fatal("out of memory");
	memcpy(fresh.key, key, SHA256_SIZE);
	pthread_mutex_lock(&m->lock);
	old = e->chain;
	*e = fresh;
	pthread_mutex_unlock(&m->lock);
	sk_X509_pop_free(old, X509_free);
}
