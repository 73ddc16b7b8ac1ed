/* letterhead.h - what the header of a message says: who writes to whom, when,
 * under which id.  Fields are given one by one, in their order.  Pure.
 *
 * A header is not signed, and the account that answers for the message is From's.
 * So what is shown of From shows no other address (display.h), and Sender and
 * Reply-To, where they stand, are one mailbox, that of From: nobody writes "on
 * behalf of" a KEP account, and answers go to the account that wrote. */
#ifndef KEP_LETTERHEAD_H
#define KEP_LETTERHEAD_H

#include "libkep/header.h"
#include "libkep/reason.h"

struct letterhead {
	enum reason      why;           /* the first one found; REASON_ACCEPTED: none */
	unsigned         seen;          /* which fields there were; letterhead.c knows the bits */
	struct addr      from;          /* empty: none could be read */
	struct addr      sender, reply_to;      /* empty: there is none, or none could be read */
	struct addr_list to;            /* addresses of To and Cc, each once */
	char             message_id[256];       /* "" when absent */
};

void letterhead_init(struct letterhead *l);
void letterhead_clear(struct letterhead *l);
void letterhead_release(struct letterhead *l);
/* One field; To and Cc together hold at most `recipients` addresses. */
void letterhead_field(struct letterhead *l, struct span name, struct span value, size_t recipients);
/* The header is over: Sender and Reply-To agree with From, fields that must be there
 * are (in this order). */
void letterhead_finish(struct letterhead *l);

#endif
