/* attr.h - "name=value" lines of Postfix's policy delegation.
 * Source: Postfix SMTPD_POLICY_README, "Protocol description".  Pure. */
#ifndef KEP_ATTR_H
#define KEP_ATTR_H

#include "libkep/base.h"

/* Cut the next "name=value\n" off the front of *in.
 *   1: got one;  0: blank line, the request is complete (it is cut off);
 *  -1: not a line we accept;  2: no whole line there yet, nothing was cut.
 * *name and *value point into *in; nothing is copied. */
int attr_next(struct span *in, struct span *name, struct span *value);

#endif
