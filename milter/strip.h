/* strip.h - header fields of a message that are ours to write, and so are
 * deleted where a stranger wrote them: X-KEP-*, and Authentication-Results that
 * carry our own authserv-id (RFC 8601 section 5).
 *
 * Fields are named as the milter protocol wants it: by name and its n-th
 * occurrence (from 1), names compared without case.
 */
#ifndef KEP_MILTER_STRIP_H
#define KEP_MILTER_STRIP_H

#include "libkep/reason.h"

#define STRIP_NAME_MAX 76       /* octets of a name that is remembered */

struct strip_field {
	char name[STRIP_NAME_MAX + 1];
	int  index;
};

struct strip {
	struct strip_field *v;
	size_t n, room;
	int results;            /* Authentication-Results seen so far */
};

void strip_clear(struct strip *s);
void strip_release(struct strip *s);
/* Look at one field; at most `limit` are remembered.  host: our authserv-id.
 * Not REASON_ACCEPTED: there are more (header-count), or a name is too long
 * (header-size); the message cannot be cleaned and must be refused. */
enum reason strip_look(struct strip *s, const char *host, size_t limit, struct span name, struct span value);

/* Is `host` the authserv-id of an Authentication-Results value?  A value whose
 * authserv-id cannot be read counts as one that claims to be ours. */
bool strip_results_ours(struct span value, const char *host);

#endif
