/* moment.h - a time of the record, as people read it here. */
#ifndef KEP_MOMENT_H
#define KEP_MOMENT_H

#include "libkep/base.h"

#define MOMENT_SIZE 64

/* Local means TZ of the environment, or else this zone (conf time_zone). */
void moment_init(const char *zone);
/* "2026-11-23T18:45:23.101420Z" as "2026-11-23 21:45:23 +0300"; what is no time as it is. */
void moment_local(char out[MOMENT_SIZE], struct span utc);

#endif
