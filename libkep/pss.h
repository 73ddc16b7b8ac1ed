/* pss.h - the parameters of an RSASSA-PSS signature (RFC 4055 section 3.1), by their
 * octets.  OpenSSL takes any digest for the mask and any salt. */
#ifndef KEP_PSS_H
#define KEP_PSS_H

#include "libkep/base.h"

/* Do they name one digest throughout, that of `digest` (the octets of its OBJECT
 * IDENTIFIER; SHA-1 or SHA-2), for the hash and for the MGF1 mask, a salt at least as
 * long as it, and the one trailer there is?  What they leave out is SHA-1 and a salt
 * of 20. */
bool pss_agrees(struct span parameters, struct span digest);

#endif
