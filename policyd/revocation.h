/* revocation.h - whether the certificates of a chain are revoked, asked where they
 * say it can be: the OCSP responder of the leaf, the CRLs of all but the anchor; so
 * that the answers can be kept with what the chain proves. */
#ifndef KEP_REVOCATION_H
#define KEP_REVOCATION_H

#include "policyd/daemon.h"

struct fetcher;
struct trust;
struct gathering;
struct revocation;

/* Answers are remembered for an hour, or until their nextUpdate. */
struct revocation *revocation_new(struct daemon *d, struct fetcher *fetcher);
/* Nothing may be on its way. */
void revocation_free(struct revocation *r);

struct gathered {
	struct span answers;            /* CertificateList and OCSPResponse, DER, one behind the other; borrowed */
	bool        revoked;            /* one of the certificates is listed; words say where */
	const char *words;              /* or what could not be had, once an outage; NULL: nothing to say */
};
typedef void revocation_gathered(void *arg, const struct gathered *g);

/* trust: the anchors, which must live until the answer.  chain: DER certificates, one behind the other, from the leaf to the anchor, found
 * good before (copied).  answered is called once, from the loop, never from within;
 * the handle is gone then. */
struct gathering *revocation_gather(struct revocation *r, const struct trust *trust, struct span chain, revocation_gathered *answered, void *arg);
/* Nobody hears of it any more; NULL is fine. */
void revocation_cancel(struct gathering *g);

#endif
