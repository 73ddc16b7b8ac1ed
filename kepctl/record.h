/* record.h - evidence records (RFC 4998) on the command line. */
#ifndef KEP_RECORD_H
#define KEP_RECORD_H

#include "kepctl/ctl.h"

/* kepctl verify --evidence-record: do the files stand under the record?  A receipt
 * stands for the evidence in it, and is itself judged as of the record's first time;
 * the parts that kepctl renew --export wrote are judged so, too. */
int record_verify(const struct ctl *c);
/* kepctl renew --export DIR EVIDENCE: the record of an evidence, and the data it is about. */
int record_export(const struct ctl *c);

#endif
