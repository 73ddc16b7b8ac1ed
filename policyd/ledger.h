/* ledger.h - the sequencer: evidence becomes leaves of the Merkle tree, and heads of
 * the tree become signed checkpoints.
 *
 * One host at a time does it, under a lease in the database (kep.ledger_extend).
 * Woken by NOTIFY kep_ledger it lengthens the tree, proves in C that the new head is
 * consistent with what it published last - as conf checkpoint_file remembers it,
 * outside the database, and as the database says - has it signed (signer.h: Ed25519
 * note, CMS by the seal), writes the file, and then tells the database, which wakes
 * the outboxes of all hosts.  Under load that is a checkpoint every conf
 * checkpoint_interval; when idle the first evidence gets one at once.
 *
 * Nothing is signed, and nothing added to the tree, while the database's ledger is
 * not consistent with what was published: an alarm is raised, again every minute in
 * the log, and receipts wait.  After each connection that is looked at before
 * anything is added.  A crash at any point leaves a file that is at most one
 * checkpoint ahead of the database, and the next one is consistent with it.
 *
 * It has a database connection of its own: lengthening the tree takes a while, and
 * nobody who waits for an answer shall wait for that.
 */
#ifndef KEP_LEDGER_H
#define KEP_LEDGER_H

#include "policyd/daemon.h"
#include "policyd/origin.h"

struct ledger;

/* d->signer must be attached; d->conf fits (origin.h).  Keeps
 * d->ledger_trouble from now on. */
struct ledger *ledger_new(struct daemon *d);
/* There may be work, or the schema is known now. */
void ledger_kick(struct ledger *l);
/* The end has begun: no new round. */
void ledger_stop(struct ledger *l);
/* Is a round under way? */
bool ledger_busy(const struct ledger *l);
/* Before event_base_free() and signer_free(). */
void ledger_free(struct ledger *l);

/* Name and keys; borrowed. */
const struct origin *ledger_origin(const struct ledger *l);

#endif
