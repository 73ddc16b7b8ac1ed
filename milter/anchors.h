/* anchors.h - the trust store in use, exchanged as a whole while messages are
 * being judged.  Thread-safe.
 *
 * A store is counted: who takes one keeps it until it is given back, also when
 * a newer one has come meanwhile.
 */
#ifndef KEP_MILTER_ANCHORS_H
#define KEP_MILTER_ANCHORS_H

#include "libkep/conf.h"
#include "libkep/trust.h"

struct anchors;                 /* one loaded store */

/* Load what conf says and make it the store in use.  false: *error, and the store in use
 * stays. */
bool anchors_load(const struct conf *conf, struct buf *error);
/* The store in use; NULL: none was loaded yet. */
struct anchors *anchors_take(void);
void anchors_give(struct anchors *a);           /* NULL is fine */
const struct trust *anchors_trust(const struct anchors *a);
/* Let go of the store in use (at the end of the program). */
void anchors_drop(void);

#endif
