/* dsn.h - what a delivery status notification says.  Pure.
 * Source: RFC 3464 (message/delivery-status), RFC 3462.
 */
#ifndef KEP_DSN_H
#define KEP_DSN_H

#include "libkep/addr.h"
#include "libkep/base.h"
#include "libkep/buf.h"

#define DSN_MESSAGE_MAX    ((size_t)256 << 10)  /* octets of a notification that are looked at */
#define DSN_PART_MAX       ((size_t)128 << 10)  /* octets of its message/delivery-status part */
#define DSN_RECIPIENTS_MAX 1000
#define DSN_VALUE_MAX      1000                 /* octets of a value; what is longer is cut */

/* Texts are unfolded, of printable UTF-8, "" when the field is absent. */
struct dsn_recipient {
	struct addr original;   /* Original-Recipient, empty when absent */
	struct addr final;      /* Final-Recipient */
	char       *action;     /* "failed", "delayed", "delivered", "relayed", "expanded" in lower-case */
	char       *status;     /* "5.3.0" */
	char       *diagnostic; /* Diagnostic-Code */
};

struct dsn {
	char                 *envelope_id;      /* Original-Envelope-Id */
	char                 *reporter;         /* Reporting-MTA */
	struct dsn_recipient *recipients;
	size_t                n;
};

/* Append the first message/delivery-status part of a multipart/report to *part.
 * message: the notification with its header, or as much as the limit allows.
 * false: there is none. */
bool dsn_find(struct span message, struct buf *part);
/* Read that part.  false: it names no recipient, or not in this form (*d is
 * empty).  dsn_release() what was read. */
bool dsn_read(struct dsn *d, struct span part);
void dsn_release(struct dsn *d);

#endif
