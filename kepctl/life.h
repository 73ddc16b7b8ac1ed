/* life.h - all that is recorded about a message, as one JSON document.
 *
 *  {"asked":TEXT,
 *   "messages":[{"kep_id":..,"host":..,"queue_id":..,"message_id":..,"sent_at":TIME,"sender":..,"provider":..,
 *      "login":..,"client":..,"from_address":..,"size":N,"canonical":N,"sha256":HEX,"sha512":HEX,"signer":..,
 *      "signer_issuer":..,"signer_serial":..,"signer_identity":..,"signer_certificate":HEX,"signer_digest":..,"state":..,
 *      "facts":[{"recipient_index":N,"recipient":..,"state":..,"sent_at":..,"accepted_at":..,"delivered_at":..,
 *                "read_at":..,"deemed_read_at":..}],
 *      "timeline":[{"at":TIME,"local":TEXT,"what":..,"recipient":..,"outcome":..,"details":..}],
 *      "evidences":[{"evidence_id":..,"outcome":..,"recipient_index":N,"recipient":..,"event_time":..,"reason_code":..,
 *                    "reply":..,"previous":..,"digest":HEX,"body":TEXT}]}],
 *   "refusals":[{"at":..,"local":..,"host":..,"queue_id":..,"why":..,"words":..,"sender":..,"recipients":..,...}],
 *   "attempts":[{"at":..,"local":..,"sender":..,"recipient":..,"why":..,...}]}
 *
 * Times are RFC 3339 in UTC; what is not known is left out.  "attempts" are
 * listed only where there is neither message nor refusal.
 */
#ifndef KEP_LIFE_H
#define KEP_LIFE_H

#include "kepctl/ctl.h"

/* asked: a queue id, a KEP id, an evidence id, or a Message-ID with or without
 * its angle brackets.  NULL: it was said why, and *status is the exit status. */
jdoc *life_read(const struct ctl *c, struct db *db, const char *asked, int *status);

#endif
