/* letterhead.h - what the header of a message says: who writes to whom, when,
 * under which id.  Fields are given one by one, in their order.  Pure. */
#ifndef KEP_LETTERHEAD_H
#define KEP_LETTERHEAD_H

#include "libkep/header.h"
#include "libkep/reason.h"

struct letterhead {
	enum reason      why;           /* the first one found; REASON_ACCEPTED: none */
	unsigned         seen;          /* which fields there were; letterhead.c knows the bits */
	struct addr      from;          /* empty: none could be read */
	struct addr_list to;            /* addresses of To and Cc, each once */
	char             message_id[256];       /* "" when absent */
};

void letterhead_init(struct letterhead *l);
void letterhead_clear(struct letterhead *l);
void letterhead_release(struct letterhead *l);
/* One field; To and Cc together hold at most `recipients` addresses. */
void letterhead_field(struct letterhead *l, struct span name, struct span value, size_t recipients);
/* The header is over: fields that must be there are. */
void letterhead_finish(struct letterhead *l);

#endif
