#include "libkep/proven.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "libkep/mem.h"

#define PROVEN_SIZE 256         /* a power of two */

struct entry {
	X509_CRL *crl;          /* NULL: empty; held, so that no other list has its place in memory */
	X509     *ca;
	time_t    from, until;
};

struct proven {
	pthread_mutex_t lock;
	struct entry    entries[PROVEN_SIZE];
};

struct proven *proven_new(void)
{
	struct proven *p = mem_new(sizeof *p);

	pthread_mutex_init(&p->lock, NULL);
	return p;
}

static void entry_release(struct entry *e)
{
	X509_CRL_free(e->crl);
	X509_free(e->ca);
}

void proven_free(struct proven *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < PROVEN_SIZE; i++)
		entry_release(&p->entries[i]);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct entry *place_of(struct proven *p, const X509_CRL *crl)
{
	uintptr_t n = (uintptr_t)crl;

	return &p->entries[(n >> 4 ^ n >> 12) & (PROVEN_SIZE - 1)];
}

bool proven_knows(struct proven *p, const X509_CRL *crl, const X509 *ca, usec at)
{
	const struct entry *e = place_of(p, crl);
	time_t t = (time_t)(at / 1000000);
	bool known;

	pthread_mutex_lock(&p->lock);
	known = e->crl == crl && e->from <= t && t < e->until && X509_cmp(e->ca, ca) == 0;
	pthread_mutex_unlock(&p->lock);
	return known;
}

static bool seconds(const ASN1_TIME *t, time_t *out)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

/* Is the CA the one that the list names by more than its name? */
static bool is_named(const X509_CRL *crl, const X509 *ca)
{
	AUTHORITY_KEYID *id = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
	bool named = id && X509_check_akid(ca, id) == X509_V_OK;

	AUTHORITY_KEYID_free(id);
	return named && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca)) == 0;
}

static bool is_plain(const X509_CRL *crl)
{
	return X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) < 0 && X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0;
}

void proven_keep(struct proven *p, X509_CRL *crl, X509 *ca)
{
	struct entry fresh = { .crl = crl, .ca = ca }, old, *e = place_of(p, crl);

	if (!is_plain(crl) || !is_named(crl, ca) || !seconds(X509_CRL_get0_lastUpdate(crl), &fresh.from) ||
	    !seconds(X509_CRL_get0_nextUpdate(crl), &fresh.until))
		return;
	X509_CRL_up_ref(crl);
	X509_up_ref(ca);
	pthread_mutex_lock(&p->lock);
	old = *e;
	*e = fresh;
	pthread_mutex_unlock(&p->lock);
	entry_release(&old);
}
