/* tsp.h - what a time-stamp says (RFC 3161): TSTInfo read, nothing judged. */
#ifndef KEP_TSP_H
#define KEP_TSP_H

#include "libkep/base.h"
#include "libkep/clock.h"

struct stamp {
	const char   *digest;           /* "sha256" | "sha384" | "sha512" */
	unsigned char imprint[64];
	size_t        n;                /* octets of it */
	usec          time;             /* genTime, to the second */
};

/* Read a TSTInfo, the eContent of a token.  false: it is none, of another version,
 * or its imprint is of another digest. */
bool tsp_read(struct span content, struct stamp *out);

#endif
