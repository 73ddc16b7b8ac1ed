/* proven.h - CRLs that were found well signed by a CA, so that the next signer of
 * that CA need not have them digested again: the list of a large CA has megabytes.
 *
 * Only the plain case is remembered: a full list without issuingDistributionPoint,
 * that names its CA by the key identifier it has, within its times.  For that OpenSSL
 * would come to the same answer each time, and does the work for all others.
 * The size is fixed, thread-safe. */
#ifndef KEP_PROVEN_H
#define KEP_PROVEN_H

#include "libkep/clock.h"

struct proven;
struct X509_crl_st;
struct x509_st;

struct proven *proven_new(void);
void proven_free(struct proven *p);
/* Was this list found good before, for certificates of this CA, and is it current at
 * that time? */
bool proven_knows(struct proven *p, const struct X509_crl_st *crl, const struct x509_st *ca, usec at);
/* OpenSSL found it good, for a certificate issued by this CA. */
void proven_keep(struct proven *p, struct X509_crl_st *crl, struct x509_st *ca);

#endif
