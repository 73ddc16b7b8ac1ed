/* header.h - what stands inside header fields: mailboxes, parameters, ids, dates.
 *
 * All functions are pure and take the raw value of one field, folded or not
 * (behind the colon).  Strict on purpose: what can be read in two ways is
 * refused (RFC 5322 section 3; obsolete syntax of section 4 is not accepted,
 * except comments and folding white space where section 3 allows them).
 */
#ifndef KEP_HEADER_H
#define KEP_HEADER_H

#include "libkep/addr.h"
#include "libkep/base.h"
#include "libkep/buf.h"

struct addr_list {
	struct addr *v;
	size_t       n, room;
};

void addr_list_release(struct addr_list *l);
/* Append a unless it is there already.  true: appended. */
bool addr_list_add(struct addr_list *l, const struct addr *a);
bool addr_list_has(const struct addr_list *l, const struct addr *a);

/* A mailbox-list (RFC 5322 section 3.4): display names, quoted strings, comments
 * and encoded words may stand around the angle-addr, never inside it.  Groups
 * are refused.  At most `limit` mailboxes.  true: appended to *l. */
bool header_mailboxes(struct span value, size_t limit, struct addr_list *l);
/* Does a mailbox-list begin here that has more than `limit` mailboxes? */
bool header_mailboxes_exceed(struct span value, size_t limit);

/* A media type with parameters (RFC 2045 section 5.1). */
#define HEADER_BOUNDARY_MAX 70
struct media {
	char type[256];                         /* "multipart/signed", lower-case (RFC 6838: 127 octets each half) */
	char boundary[HEADER_BOUNDARY_MAX + 1]; /* "" when absent */
	char protocol[64], micalg[32], smime_type[32];  /* lower-case, "" when absent */
};
/* Content-Type.  false: malformed, a parameter twice, an RFC 2231 form of one of
 * the parameters above, or a value that does not fit. */
bool header_media(struct span value, struct media *m);

/* Content-Transfer-Encoding as a lower-case token.  false: not one token. */
bool header_encoding(struct span value, char out[32]);
/* "<id-left@id-right>" alone (RFC 5322 section 3.6.4), at most 250 octets; *id
 * with the angle brackets, borrowed. */
bool header_message_id(struct span value, struct span *id);
/* A date-time of RFC 5322 section 3.3.  true: *t in microseconds UTC. */
bool header_date(struct span value, int64_t *t);

/* Cut the next field off a header block that ends its lines with CRLF or LF:
 *   1: *name and *value (value with its folding, without the last line end);
 *   0: the blank line (cut off) or the end of the block;  -1: not a field. */
int header_next(struct span *block, struct span *name, struct span *value);

#endif
