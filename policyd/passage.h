/* passage.h - one message on its way through the hop, from the dot to the last answer.
 *
 * What arrives decides the way (architecture section 3, steps 4 and 5):
 *   a report    a recipient in conf track_domain: what it says is recorded
 *   a receipt   X-KEP-Evidence, sender receipt+UUID@track_domain: known to the
 *               outbox, it is delivered; no evidence is made of it
 *   a message   X-KEP-ID: opened, compared, accepted, delivered or relayed, and
 *               each result recorded before it is told
 *   a bounce    null sender and none of these: delivered as it is
 *   else        550
 * Where the record or the next server cannot be reached the answer is 4xx and
 * Postfix keeps the message: it may be delivered twice then, never lost.
 */
#ifndef KEP_PASSAGE_H
#define KEP_PASSAGE_H

#include "policyd/daemon.h"
#include "policyd/lmtp.h"
#include "policyd/spool.h"

struct smtp;
struct passage;
struct shipment;

/* What all passages share. */
struct courier {
	struct daemon   *d;
	struct smtp     *mailbox;       /* conf mailbox_lmtp */
	struct smtp     *inject;        /* conf inject_socket */
	struct passage  *passages;      /* those under way */
	struct shipment *shipments;
};

struct passage_hooks {
	/* The fate of recipient i, in any order. */
	void (*answer)(void *arg, size_t i, int code, struct span text);
	/* Every recipient has its answer, nothing is under way, the passage is gone. */
	void (*done)(void *arg);
};

/* The message is whole.  Envelope and spool are borrowed until done(), which may
 * come from within the call. */
void passage_start(struct courier *c, const struct lmtp_envelope *envelope, const struct spool *spool,
                   const struct passage_hooks *hooks, void *arg);
/* At the end of the process, when neither the database nor a mail server can
 * answer any more: all passages go, without answers and without done(). */
void passage_free_all(struct courier *c);

#endif
