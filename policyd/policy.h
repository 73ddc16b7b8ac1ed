/* policy.h - Postfix's policy delegation: who may write to whom, at RCPT, and the
 * attempt on record before the message comes.
 *
 * RCPT    the decision (directory.h); for KEP mail the attempt (attempt.h) is
 *         written.  An accepted one is answered DUNNO at once, since no submission
 *         is taken without it; a refused one when it is durable.
 * DATA    answered at once, and remembered: END-OF-MESSAGE writes one row for both.
 *         Where none comes, DATA is written for itself.
 * END-OF-MESSAGE  ties the attempts of the instance to the queue id.  Answered when
 *         every write of the instance is committed; or at once where a durable
 *         commit of the last second shows that the store takes writes.  Then they go
 *         with the submission, which is asked behind them and fails without them.
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
