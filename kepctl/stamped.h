/* stamped.h - do the authorities of tsa_urls stamp the ledger's checkpoints? */
#ifndef KEP_KEPCTL_STAMPED_H
#define KEP_KEPCTL_STAMPED_H

#include "kepctl/finding.h"
#include "libkep/conf.h"
#include "sql/pg.h"

/* One finding for each of them; db: as auditor. */
void stamped_check(const struct conf *conf, struct db *db, struct findings *findings);

#endif
