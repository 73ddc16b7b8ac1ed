/* request.h - one request of Postfix's policy delegation, read out of octets.
 * Source: Postfix SMTPD_POLICY_README, "Protocol description".  Pure. */
#ifndef KEP_REQUEST_H
#define KEP_REQUEST_H

#include "libkep/base.h"

#define REQUEST_SIZE_MAX 16384          /* octets of one request, blank line included */
#define REQUEST_LINE_MAX 8192           /* octets of one line, line end included */
#define REQUEST_ATTRIBUTES_MAX 64

/* The attributes we use; SPAN_NONE when absent.  Others are passed over. */
struct request {
	struct span request, state, context, instance, client, tls, login, sender, recipient, queue_id, recipient_count, size;
};

enum request_read { REQUEST_MORE, REQUEST_WHOLE, REQUEST_REFUSED };

/* Look for a whole request at the front of `in`.
 *   REQUEST_WHOLE    *r is filled (spans into `in`), *used octets belong to it
 *   REQUEST_MORE     it is not all there yet
 *   REQUEST_REFUSED  over a limit, malformed, or not ours; *why says it in words.
 *                    So decided as soon as it is certain: a request without end is
 *                    refused at REQUEST_SIZE_MAX. */
enum request_read request_read(struct span in, struct request *r, size_t *used, const char **why);

#endif
