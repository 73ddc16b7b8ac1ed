/* staple.h - OCSP responses for the signers of ocsp_signers, fetched before their mail
 * comes. */
#ifndef KEP_KEPCTL_STAPLE_H
#define KEP_KEPCTL_STAPLE_H

#include "kepctl/ctl.h"
#include "libkep/trust.h"

struct staple_count {
	size_t asked, failed;
};

/* Ask about each signer, and keep what is believed in trust_ocsp_folder().  rows: of
 * JSON; NULL: print.  An exit status: where the signers cannot be read at all, it has
 * been said why. */
int staple_refresh(const struct ctl *c, const struct trust *trust, jdoc *rows, struct staple_count *count);

#endif
