/* witnesses.h - what witnesses of the ledger signed, for kepctl fsck. */
#ifndef KEP_WITNESSES_H
#define KEP_WITNESSES_H

#include "kepctl/audit.h"
#include "kepctl/ctl.h"
#include "libkep/keyring.h"

/* Hold every cosignature of the database against its checkpoint.  An exit status;
 * what is wrong is in *a, and lines of witnesses whose keys we do not have are counted there. */
int witnesses_audit(const struct ctl *c, struct db *db, const struct keyring *k, struct audit *a);

#endif
