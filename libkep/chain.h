/* chain.h - the chain from a certificate up to a trust anchor, judged: RFC 5280
 * section 6 as OpenSSL's strict flags give it, with the CRLs and OCSP responses of the
 * operator's own folder.  Certificates of a message are candidates for the way up; its
 * CRLs are never looked at. */
#ifndef KEP_CHAIN_H
#define KEP_CHAIN_H

#include "libkep/clock.h"
#include "libkep/reason.h"
#include "libkep/trust.h"

struct x509_st;
struct stack_st_X509;
struct x509_store_st;

enum chain_use {
	CHAIN_MAIL,             /* a signer of mail; in PROFILE_PKIX any use */
	CHAIN_STAMP,            /* a time-stamping authority */
};

/* REASON_ACCEPTED: *chain is the chain from leaf to anchor, good at that time (the
 * caller frees it); else *chain is NULL.  Where a chain is wrong in more than one
 * way, what waiting cannot mend comes before a missing CRL.  A good chain is
 * remembered (memo.h).
 *
 * CHAIN_MAIL: each certificate is looked up in the CRLs, the leaf in the OCSP
 * responses, too.  Revoked is who either of them calls so; where the CRL for the leaf
 * is missing or stale, a fresh and good OCSP response stands for it.
 *
 * CHAIN_STAMP: the chain is good at `at`, the time of the stamp; the CRLs are read as
 * of `now`, for certificates that they cover.  One that was revoked later than `at`
 * for a reason that leaves its key safe is good (RFC 3161 section 4). */
enum reason chain_judge(const struct trust *trust, struct x509_st *leaf, struct stack_st_X509 *others, enum chain_use use, usec at, usec now,
                        struct stack_st_X509 **chain);
/* For ocsp.c: may this certificate sign OCSP responses for those of the second
 * certificate of a chain (RFC 6960 section 4.2.2.2)?  That CA issued it, for this
 * use, it is good at that time, and not revoked, unless it says that one need not
 * look (id-pkix-ocsp-nocheck). */
bool chain_responder(const struct trust *trust, struct x509_st *responder, struct stack_st_X509 *chain, usec at);
/* For trust.c: a new store remembers CRLs that are well signed (proven.h).  Only this
 * file verifies with it. */
void chain_prepare(struct x509_store_st *store);
/* Does a CA of the trust store lead to one of its anchors?  Its revocation is not
 * looked at: this is asked of the issuers of new CRLs. */
bool chain_trusted(const struct trust *trust, struct x509_st *ca, usec at);

#endif
