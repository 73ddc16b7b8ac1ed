#include "libkep/memo.h"

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
	free(m);
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

static bool seconds(const ASN1_TIME *t, time_t *out)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

/* When all of the chain is valid.  false: one of them does not say. */
static bool find_times(STACK_OF(X509) *chain, time_t *from, time_t *until)
{
	time_t first, last;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		const X509 *x = sk_X509_value(chain, i);

		if (!seconds(X509_get0_notBefore(x), &first) || !seconds(X509_get0_notAfter(x), &last))
			return false;
		*from = i == 0 || first > *from ? first : *from;
		*until = i == 0 || last < *until ? last : *until;
	}
	return sk_X509_num(chain) > 0;
}

void memo_keep(struct memo *m, const unsigned char key[SHA256_SIZE], STACK_OF(X509) *chain)
{
	STACK_OF(X509) *kept = NULL, *old;
	struct entry *e = place_of(m, key);
	time_t from = 0, until = 0;

	if (!find_times(chain, &from, &until))
		return;
	if (!(kept = X509_chain_up_ref(chain)))
		log_fatal("out of memory");
	pthread_mutex_lock(&m->lock);
	old = e->chain;
	memcpy(e->key, key, SHA256_SIZE);
	e->from = from;
	e->until = until;
	e->chain = kept;
	pthread_mutex_unlock(&m->lock);
	sk_X509_pop_free(old, X509_free);
}
