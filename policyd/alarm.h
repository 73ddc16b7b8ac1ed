/* alarm.h - what should not happen and did, for the log and the view kep.alarms. */
#ifndef KEP_ALARM_H
#define KEP_ALARM_H

#include "policyd/daemon.h"

/* why: a short name such as time-stamp-missing.  The same words twice are one row. */
void alarm_raise(struct daemon *d, const char *why, const char *details);

#endif
