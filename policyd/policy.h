/* policy.h - Postfix's policy delegation: who may write to whom, at RCPT, and the
 * attempt on record before the message comes.
 *
 * RCPT    the decision (directory.h); for KEP mail the attempt (attempt.h) is
 *         written.  An accepted one is answered DUNNO at once, since the answer to
 *         END-OF-MESSAGE waits for it; a refused one when it is durable.
 * DATA    ties the attempts of the instance to the queue id; answered at once.
 * END-OF-MESSAGE  is answered when every write of the instance is committed.
 *
 * Ordinary mail touches the database nowhere.  What belongs to KEP mail is told
 * from the sender's domain alone, so a new connection in the middle of a message
 * needs no memory of the old one; every write may come twice.
 *
 * In trouble there is no answer: a warning, and the connection is closed
 * (SMTPD_POLICY_README), so that Postfix asks once more and then says 451.
 *
 * With policy_context=inject (our own mail on its way out) nothing is judged and
 * nothing written: RCPT is answered FILTER kepout:RELAY for a recipient of another
 * provider that has a relay host, DUNNO for all others.
 */
#ifndef KEP_POLICY_H
#define KEP_POLICY_H

#include "policyd/daemon.h"
#include "policyd/service.h"

#define POLICY_SECONDS 15       /* longest wait; above the patience of sql/pg.c, below the timeout in main.cf */
#define POLICY_RELAY_TRANSPORT "kepout"

/* The service's hooks; their arg is the struct daemon. */
extern const struct service_hooks policy_hooks;

#endif
