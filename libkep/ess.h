/* ess.h - the signed reference to the signer's certificate (RFC 5035). */
#ifndef KEP_ESS_H
#define KEP_ESS_H

#include "libkep/base.h"
#include "libkep/reason.h"

struct stack_st_X509;

/* Do the attribute values signing-certificate (v1) and signing-certificate-v2 (v2,
 * DER; an empty one is absent) name the certificates of chain, its first one first?
 * REASON_SIGNER_REFERENCE: they name others, or cannot be read.
 * *strong: there is one that names the first by SHA-256, SHA-384 or SHA-512; v1
 * knows SHA-1 only. */
enum reason ess_check(struct span v1, struct span v2, struct stack_st_X509 *chain, bool *strong);

#endif
