/* evidence.h - one immutable record, and its canonical JSON.
 *
 * The JSON (RFC 8785) is what is stored, digested and mailed.  Form
 * "kep-evidence-1"; members in this order only because they sort so:
 *
 *  {"event":"ContentConsignment","event_time":"2026-11-23T18:45:23.101420Z",
 *   "form":"kep-evidence-1","id":UUID,
 *   "issuer":{"host":..,"provider":..},
 *   "message":{"canonical":1,"kep_id":UUID,"message_id":"<..>","queue_id":..,"sent_at":TIME,"sha256":HEX,"sha512":HEX,"size":N},
 *   "outcome":"D.1","previous":UUID,
 *   "reason":{"code":"RD01","text":".."},
 *   "recipient":1,
 *   "recipients":[{"address":..,"index":1},..],
 *   "sender":{"address":..,"cades":"B","certificate_sha256":HEX,"identity":..,"login":..,"signer":..}}
 *
 * "previous" is absent from the first evidence of a message, "recipient" from
 * those that concern all of them, "identity", "login" and "cades" (the level of the signature) where there is none.
 */
#ifndef KEP_EVIDENCE_H
#define KEP_EVIDENCE_H

#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/digest.h"
#include "libkep/outcome.h"

#define EVIDENCE_FORM "kep-evidence-1"

struct evidence {
	char          id[37];
	enum outcome  outcome;
	usec          event_time;
	struct span   provider, host;                   /* issuer */
	struct span   kep_id, message_id, queue_id;     /* message */
	usec          sent_at;
	uint64_t      size;
	struct fingerprint fingerprint;
	struct span   sender, login, signer, identity;  /* sender; signer: the certificate's subject */
	struct span   cades;                            /* "none", "B", "T" */
	unsigned char certificate[SHA256_SIZE];
	const struct span *recipients;                  /* all of them, in index order */
	size_t        n_recipients;
	size_t        recipient;                        /* 1-based; 0: concerns all */
	struct span   reason_code, reason_text;         /* "RD01" (EN 319 522-2 tables 7-12) */
	struct span   previous;                         /* id, or SPAN_NONE */
};

/* Append the canonical JSON of e to *out. */
void evidence_write(struct buf *out, const struct evidence *e);

#endif
