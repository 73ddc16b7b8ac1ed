/* authority.h - a time-stamp (RFC 3161) for the archive, asked of the authorities of
 * kep.conf (tsa_urls) one after the other until one answers well. */
#ifndef KEP_KEPCTL_AUTHORITY_H
#define KEP_KEPCTL_AUTHORITY_H

#include "kepctl/ctl.h"
#include "libkep/stamp.h"
#include "libkep/strength.h"
#include "libkep/sunset.h"

struct authority {
	struct buf        name;         /* its URL, without name and password */
	struct buf        token;        /* empty: none answered well */
	struct stamp      stamp;
	struct stamp_kept kept;
	struct strength   strength;
	usec              lasts;        /* until the first of its certificates or algorithms ends */
};

/* Over these octets of a digest.  The first that lasts beyond `enough` is taken, else
 * the one that lasts longest; none that ends within the month.  false: *why says of
 * each authority why it did not do; authority_release() in any case. */
bool authority_ask(struct authority *a, const struct conf *conf, const struct trust *tsa, const struct sunsets *sunsets, usec enough,
                   const char *digest, struct span imprint, struct buf *why);
void authority_release(struct authority *a);

#endif
