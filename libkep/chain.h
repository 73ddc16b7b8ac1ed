/* chain.h - the chain from a certificate up to a trust anchor, judged: RFC 5280
 * section 6 as OpenSSL's strict flags give it, with the CRLs of the operator's own
 * folder.  Certificates of a message are candidates for the way up; its CRLs are
 * never looked at. */
#ifndef KEP_CHAIN_H
#define KEP_CHAIN_H

#include "libkep/clock.h"
#include "libkep/reason.h"
#include "libkep/trust.h"

struct x509_st;
struct stack_st_X509;

enum chain_use {
	CHAIN_MAIL,             /* a signer of mail; in PROFILE_PKIX any use */
	CHAIN_STAMP,            /* a time-stamping authority */
};

/* REASON_ACCEPTED: *chain is the chain from leaf to anchor, good at that time (the
 * caller frees it); else *chain is NULL.  Where a chain is wrong in more than one
 * way, what waiting cannot mend comes before a missing CRL.  Where no CRLs are
 * looked at, a good chain is remembered (memo.h). */
enum reason chain_judge(const struct trust *trust, struct x509_st *leaf, struct stack_st_X509 *others, enum chain_use use, usec at,
                        struct stack_st_X509 **chain);
/* Does a CA of the trust store lead to one of its anchors?  Its revocation is not
 * looked at: this is asked of the issuers of new CRLs. */
bool chain_trusted(const struct trust *trust, struct x509_st *ca, usec at);

#endif
