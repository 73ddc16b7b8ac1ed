/* strength.h - what a time-stamp token rests on: keys, digests, and how long its
 * certificates last.  Only read, never judged; ask after stamp_verify() said good. */
#ifndef KEP_STRENGTH_H
#define KEP_STRENGTH_H

#include "libkep/buf.h"
#include "libkep/clock.h"

struct strength {
	usec       ends;                /* the first notAfter of the chain */
	struct buf algorithms;          /* blank-separated, each once: "sha256 ec256 rsa4096", as in sunset.h */
};
void strength_release(struct strength *s);

/* token, and its chain from the signer to the anchor as stamp_kept has it: DER, one
 * certificate behind the other.  The digest under an anchor's own signature counts
 * for nothing.  false: they cannot be read. */
bool strength_read(struct span token, struct span chain, struct strength *out);

#endif
