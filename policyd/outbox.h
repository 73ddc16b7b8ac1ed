/* outbox.h - receipts on their way to the parties.
 *
 * kep.outbox_take() leases due rows whose evidence a checkpoint covers; each becomes
 * a job: proved to be in the ledger (merkle.h), composed (receipt.h), sealed (signer.h), stored as fixed octets, injected through conf inject_socket
 * (smtp.h), marked sent with the queue id of the reply.  What fails comes back
 * after a pause that doubles up to an hour.  A crash can send a receipt twice,
 * with the same octets, never zero times; what this host held when it died is due
 * at once when it starts again.  No receipt begets a receipt.  What is not the
 * evidence that was entered in the ledger raises an alarm and is not sent.
 */
#ifndef KEP_OUTBOX_H
#define KEP_OUTBOX_H

#include "policyd/daemon.h"

struct outbox;

/* d->signer must be attached to the loop, d->ledger be there.  Looks for due receipts every 5 seconds
 * and whenever it is kicked; never NULL. */
struct outbox *outbox_new(struct daemon *d);
/* There may be work: call it on NOTIFY kep_outbox and when the database came. */
void outbox_kick(struct outbox *o);
/* The end has begun: nothing more is taken. */
void outbox_stop(struct outbox *o);
/* Receipts under way. */
size_t outbox_busy(const struct outbox *o);
/* Leases of what is left run out by themselves.  Call it after pg_free(), whose
 * PG_LOST ends the questions, and before event_base_free() and signer_free(). */
void outbox_free(struct outbox *o);

#endif
