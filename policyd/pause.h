/* pause.h - how long to wait before something is tried again. */
#ifndef KEP_PAUSE_H
#define KEP_PAUSE_H

#include "libkep/clock.h"

/* `first` doubled for every failure, at most `most`; then anything from the half of
 * it up, so that those who failed together do not come back together. */
usec pause_backoff(usec first, usec most, unsigned failures);
/* `every`, a tenth more or less. */
usec pause_spread(usec every);

#endif
