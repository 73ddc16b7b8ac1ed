/* stock.h - the archive looked through: kepctl fsck's part of it. */
#ifndef KEP_STOCK_H
#define KEP_STOCK_H

#include "kepctl/audit.h"
#include "kepctl/ctl.h"
#include "libkep/keyring.h"

/* Every volume: it stands behind the one before, the hashes that are kept are those of
 * the bodies, each archive time-stamp is about what it should, and (with keys) the
 * record of its first leaf proves, at that time.  An exit status. */
int stock_audit(const struct ctl *c, struct db *db, const struct keyring *keys, usec now, struct audit *a);

#endif
