/* shipment.h - one onward transaction of a passage: the same octets to some of
 * its legs.  It holds the passage until every leg has heard.
 */
#ifndef KEP_SHIPMENT_H
#define KEP_SHIPMENT_H

#include "policyd/leg.h"

struct shipment;

/* What the server said about one leg.  Comes for every leg of the shipment. */
typedef void shipment_told(struct leg *l, const struct smtp_recipient *r);

/* sender and params (of MAIL) are copied. */
struct shipment *shipment_new(struct passage *p, struct span sender, struct span params, shipment_told *told);
/* To the address of the leg's RCPT; params (of RCPT) are copied. */
void shipment_add(struct shipment *s, struct leg *l, struct span params);
size_t shipment_legs(const struct shipment *s);
/* It is sent and frees itself; without legs it is only freed. */
void shipment_send(struct shipment *s, struct smtp *to);
/* At the end of the process, when no mail server answers any more. */
void shipment_free_all(struct courier *c);

#endif
