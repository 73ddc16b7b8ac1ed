/* gate.h - judges one message: octets in, verdict out.
 *
 * One pass, constant memory (the signature part and the lists of addresses are
 * kept, an opaque message up to its limit; nothing else).  No clock, no log, no
 * network, no file: time and trust are given.  kep-milter, kep-milter -t and the
 * fuzzers use the same entry.
 *
 * The verdict is a function of the octets, the limits of conf, what trust was
 * loaded from, and `at` - not of the sizes in which the octets come, whether the
 * header comes raw or field by field, messages judged before, or other threads.
 * (Of a raw header larger than header_size_limit, which is refused, only the front
 * goes into fingerprint, from and to.)  A gate belongs to one thread at a time; a
 * trust may be shared.
 *
 * Accepted means all of this, and the reason (reason.def, kep-reasons(7)) is the
 * first that fails:
 *   the octets can be read in one way only (mime.h), within the limits;
 *   the header names one writer honestly, its recipients, Date and Message-ID
 *     (letterhead.h, display.h);
 *   the root, and nothing but the root, is signed, and hides nothing (part.h);
 *   the signature is one object of one signer over exactly those octets, by a
 *     certificate that trust and its profile accept at `at` (cms.h);
 *   inside an opaque message the same is true of the entity that was signed.
 * It does not mean that the signer is the account's holder: that is the account's
 * to say, and asked with the verdict's signer (docs/ask-protocol.md).  A reason of
 * a 4xx code (trust has no revocation list it could go by) is no judgement of the
 * message, which may be sent again.
 */
#ifndef KEP_GATE_H
#define KEP_GATE_H

#include "libkep/cms.h"
#include "libkep/conf.h"
#include "libkep/digest.h"
#include "libkep/header.h"
#include "libkep/reason.h"

struct verdict {
	enum reason        why;
	size_t             size;        /* octets pushed */
	struct fingerprint fingerprint; /* of the canonical octets, also of a refused message */
	struct addr        from;        /* empty: none could be read */
	struct addr_list   to;          /* addresses of To and Cc, folded, each once */
	char               message_id[256];     /* "" when absent */
	struct signer      signer;      /* filled when why is REASON_ACCEPTED */
};
void verdict_release(struct verdict *v);

struct gate;
/* Limits are copied out of conf. */
struct gate *gate_new(const struct conf *conf);
void gate_free(struct gate *g);
void gate_restart(struct gate *g);
/* From the next message on only the verdict is wanted: no octet is digested for
 * the fingerprint, which stays all zero. */
void gate_without_fingerprint(struct gate *g);
/* Raw octets of the message: header, blank line, body, CRLF line ends. */
void gate_push(struct gate *g, struct span octets);
/* The same for one header field as a milter hears it: line ends inside value
 * may be LF; value starts behind the colon. */
void gate_field(struct gate *g, struct span name, struct span value);
/* The blank line behind the header (call once, before the body). */
void gate_end_of_header(struct gate *g);
/* The message is over: fills *v (release it).  The first reason found stands. */
void gate_finish(struct gate *g, const struct trust *trust, usec at, struct verdict *v);

/* Envelope against header (KEP: no hidden recipients).
 *   submission  true: MAIL FROM must equal From, and every address of To and Cc
 *               must have been offered; false (from another provider): From must
 *               be in a domain of that provider, which the caller checks.
 * accepted must be among To and Cc in both cases. */
enum reason gate_envelope(const struct verdict *v, bool submission, const struct addr *sender,
                          const struct addr_list *accepted, const struct addr_list *offered);

#endif
