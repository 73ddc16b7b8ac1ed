/* process.h - another program's output. */
#ifndef KEP_PROCESS_H
#define KEP_PROCESS_H

#include "libkep/buf.h"

/* Run argv[0], looked for in PATH and the sbin directories, with standard input
 * empty, and append what it says: standard output to *out, standard error to
 * *err (both at most 4 MiB).  Returns its exit status; 127: it cannot be run;
 * 128 + N: signal N ended it. */
int process_run(char *const argv[], struct buf *out, struct buf *err);

#endif
