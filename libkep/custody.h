/* custody.h - was this data in keeping without a gap, and since when: an evidence
 * record judged as RFC 4998 sections 4.3 and 5.3 say; and the imprints of its renewals.
 *
 * Where section 5.2 step 4 and its figure 4 differ, the step is taken: the data's
 * hash stands first, the hash of the older chains behind it, unsorted.  That is what
 * published records of several makers hold.
 *
 * What a time-stamp token says, and whether it is genuine at a time, is asked of a
 * callback (custody_token.h has the one for RFC 3161), so this file is pure.
 */
#ifndef KEP_CUSTODY_H
#define KEP_CUSTODY_H

#include "libkep/clock.h"
#include "libkep/digest.h"
#include "libkep/ers.h"

struct custody_token {
	usec          time;             /* genTime */
	const char   *digest;           /* of the imprint; NULL: none of ours */
	unsigned char imprint[SHA512_SIZE];
	size_t        n;
};

struct custody_rules {
	/* Is this token genuine, and was what proves it still good at that time (0: at
	 * its own)?  Whatever it says is in *out; *why (may be NULL) says why not. */
	bool (*judge)(void *arg, struct span token, usec at, struct custody_token *out, struct buf *why);
	/* When a hash algorithm stops being secure; INT64_MAX: no end is known. */
	usec (*ends)(void *arg, const char *digest);
	void  *arg;
	usec   now;                     /* the time it is judged at */
};

struct custody {
	usec        since;              /* genTime of the first time-stamp */
	usec        renewed;            /* of the last one */
	const char *digest;             /* of the last chain */
	size_t      chain, stamp;       /* where it broke, counted from 0; with ERS_GOOD the last ones */
	size_t      others;             /* hashes in the first list besides those of the data: other members of its group, or other data */
	struct buf  why;                /* what the callback said */
};
void custody_release(struct custody *c);

/* Do these n data objects (at least one) stand under the record?  The first verdict
 * of ers.def that does not hold, chain by chain; *out (release it) says where. */
enum ers_verdict custody_judge(const struct ers *e, const struct span *objects, size_t n, const struct custody_rules *rules, struct custody *out);

/* What a hash-tree renewal hashes for a data object: H(H(data) || H(sequence)), from
 * both hashes.  All of hashtree_size(digest) octets. */
void custody_renewed(const char *digest, const unsigned char *data, const unsigned char *sequence, unsigned char *out);
/* H(octets); its size. */
size_t custody_hash(const char *digest, struct span octets, unsigned char *out);

#endif
