/* mem.h - allocation that cannot fail.
 *
 * Out of memory ends the program with a fatal log line; no caller checks.  A
 * size that a stranger chooses is compared with a limit before it comes here.
 */
#ifndef KEP_MEM_H
#define KEP_MEM_H

#include "libkep/base.h"

/* Zeroed memory; free with free(3). */
void *mem_new(size_t n);
/* n elements of size octets, zeroed; the product is checked for overflow. */
void *mem_array(size_t n, size_t size);
/* As realloc(3); fresh octets are not zeroed. */
void *mem_grow(void *p, size_t n);
/* A NUL-terminated copy; NULL gives NULL. */
char *mem_str(const char *s);
/* A NUL-terminated copy of a span (octets after an embedded NUL are kept). */
char *mem_span(struct span s);
/* sprintf into fresh memory. */
char *mem_printf(const char *fmt, ...) PRINTF(1, 2);

#endif
