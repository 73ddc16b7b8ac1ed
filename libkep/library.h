/* library.h - the OpenSSL this process runs with: has it the repairs of CMS and CRL
 * code that strangers' mail can reach?
 *
 * It is asked for its version only, and distributions repair without changing that;
 * so a missing repair is worth a warning, and a refusal only where the configuration
 * says so (require_openssl). */
#ifndef KEP_LIBRARY_H
#define KEP_LIBRARY_H

#include "libkep/buf.h"

/* A version of OpenSSL 3 or later as its own number, 0xMNN00PP0 (OpenSSL_version_num(3)). */
#define LIBRARY_VERSION(major, minor, patch) ((unsigned long)(major) << 28 | (unsigned long)(minor) << 20 | (unsigned long)(patch) << 4)

/* Of the library that is loaded, which need not be the one of the build. */
unsigned long library_version(void);
/* "3.0.22" */
void library_name(unsigned long version, struct buf *out);

/* true: it has all repairs we know.  false: *words says which it lacks and how to mend it. */
bool library_repaired(unsigned long version, struct buf *words);

/* Is it what require_openssl asks for: "" anything, "fixed" all repairs we know, "3.0.20"
 * this version or a later one?  false: *error says why, or that the value cannot be read. */
bool library_suffices(unsigned long version, const char *required, struct buf *error);

#endif
