/* crl.h - revocation lists (RFC 5280 section 5): those of the operator's own
 * folder.  A list is believed only when it is signed; that is seen by chain.c
 * each time one is used, and by crl_judge() before one is put into the folder. */
#ifndef KEP_CRL_H
#define KEP_CRL_H

#include "libkep/buf.h"
#include "libkep/clock.h"

struct X509_name_st;
struct x509_store_st;
struct stack_st_X509;
struct trust;

/* Put the CRLs of a file, or of all *.crl, *.pem and *.der files of a folder (PEM
 * or DER, full, delta or indirect), into a store.  limit: octets a file.  *n: how
 * many; *until: when the first of them wants to be replaced, 0: none does.
 * false: *error names the file and what is wrong. */
bool crl_load(struct x509_store_st *store, const char *path, size_t limit, size_t *n, usec *until, struct buf *error);

/* The same with the *.crl of a folder alone, where certificates lie as *.pem; there
 * need be none, and a file that is no folder holds none. */
bool crl_load_past(struct x509_store_st *store, const char *path, size_t limit, size_t *n, struct buf *error);

/* What a CRL says of itself. */
struct crl {
	char  *issuer;          /* RFC 2253 form, for people */
	usec   this_update;
	usec   next_update;     /* 0: it names none */
	bool   delta;
	size_t entries;
};
void crl_release(struct crl *c);

/* Is this (PEM or DER) one CRL, issued by a CA that leads to an anchor of trust (or of its
 * time-stamps) at that time, and signed by it?  true: *out is filled and *der is its DER form.
 * false: *error says what is wrong. */
bool crl_judge(struct span octets, const struct trust *trust, usec at, struct crl *out, struct buf *der, struct buf *error);

/* The CRLs of one chain (DER certificates, one behind the other, from the leaf to
 * the anchor), which was found good before. */
struct crl_finding {
	struct crl crl;         /* crl_release() it */
	bool       revoked;     /* one of the chain's certificates is listed */
};
/* Is this (PEM or DER) one CRL, issued and signed by a certificate of the chain?
 * true: *out is filled and *der is its DER form.  false: *error says what is wrong. */
bool crl_of_chain(struct span octets, struct span chain, usec at, struct crl_finding *out, struct buf *der, struct buf *error);
/* For ocsp.c: the certificates of such a chain; the caller frees them. */
struct stack_st_X509 *crl_read_chain(struct span der);
/* Append, as crl_urls() does, the URLs that the certificates of a chain name, the
 * anchor's left out. */
void crl_urls_of(struct span chain, struct buf *urls);
/* For ocsp.c: a URL of http or https, of printable ASCII and nothing else, as it will
 * be an argument and a log line. */
bool crl_is_url(struct span url);
/* For ocsp.c: a name in RFC 2253 form and UTF-8, for people; the caller frees it. */
char *crl_name(const struct X509_name_st *name);

/* Append, each once and blank-separated, the http and https URLs at which the
 * certificates of the trust store, and of that of time-stamps - nobody else's - say that CRLs are to be had
 * (cRLDistributionPoints, freshestCRL). */
void crl_urls(const struct trust *trust, struct buf *urls);

#endif
