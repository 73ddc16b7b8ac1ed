/* receipt.h - the mail that carries one evidence to a party.
 *
 * Two steps, because the seal's key lives in another process:
 *   receipt_content()  the multipart/mixed entity that is signed: readable text
 *                      in Turkish, then English, with the five facts; evidence.json
 *   receipt_mail()     header + multipart/signed around that entity and its p7s
 * Both are pure and give the same octets for the same input, with CRLF line ends.
 * Header values that come from strangers can carry no CR, LF or NUL and are
 * written as RFC 2047 encoded words where they are not printable ASCII.
 */
#ifndef KEP_RECEIPT_H
#define KEP_RECEIPT_H

#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/jdoc.h"

struct receipt {
	struct span evidence;           /* the canonical JSON, as stored */
	struct span from;               /* address of conf receipt_from */
	struct span to;                 /* address of the party */
	struct span provider;           /* display name of From */
	struct span domain;             /* right of '@' in our Message-ID */
	const char *time_zone;          /* for the readable times */
};

/* Message-ID of the receipt of an evidence: "<ID.kep@DOMAIN>"; deterministic. */
void receipt_message_id(struct buf *out, struct span evidence_id, struct span domain);
/* Append the entity to sign.  false: evidence is not one we wrote. */
bool receipt_content(struct buf *out, const struct receipt *r);
/* Append the whole mail.  content: as made above; p7s: DER of its signature. */
bool receipt_mail(struct buf *out, const struct receipt *r, struct span content, struct span p7s);

#endif
