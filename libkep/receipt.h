/* receipt.h - the mail that carries one evidence to a party.
 *
 * Two steps, because the seal's key lives in another process:
 *   receipt_content()  the multipart/mixed entity that is signed
 *   receipt_mail()     header + multipart/signed around that entity and its p7s
 * Both are pure and give the same octets for the same input, with CRLF line ends.
 *
 * The parts of the entity, in this order, all but the first with the file name
 * that stands here in Content-Disposition and base64:
 *   (text/plain)         in Turkish, then English, the five facts
 *   evidence.json        application/json: the canonical JSON; the leaf's data
 *   evidence.tlog-proof  application/octet-stream: C2SP tlog-proof of that leaf,
 *                        with the signed checkpoint
 *   checkpoint.p7s       application/octet-stream: detached CAdES-B by the seal over
 *                        the text of that checkpoint (note.h), DER
 *   timestamp.tst        application/vnd.etsi.timestamp-token: RFC 3161 token over
 *                        the same text, DER; only where there is one
 *
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
	struct span ledger;             /* its origin, and the leaf's number in it, for the reader */
	uint64_t    index;
	struct span proof;              /* the texts and octets of the parts above */
	struct span checkpoint;
	struct span stamp;              /* SPAN_NONE: none yet */
};

#define RECEIPT_EVIDENCE   "evidence.json"
#define RECEIPT_PROOF      "evidence.tlog-proof"
#define RECEIPT_CHECKPOINT "checkpoint.p7s"
#define RECEIPT_STAMP      "timestamp.tst"

/* Message-ID of the receipt of an evidence: "<ID.kep@DOMAIN>"; deterministic. */
void receipt_message_id(struct buf *out, struct span evidence_id, struct span domain);
/* Append the entity to sign.  false: evidence is not one we wrote.  A part whose
 * octets are SPAN_NONE is left out. */
bool receipt_content(struct buf *out, const struct receipt *r);
/* Append the whole mail.  content: as made above; p7s: DER of its signature. */
bool receipt_mail(struct buf *out, const struct receipt *r, struct span content, struct span p7s);

#endif
