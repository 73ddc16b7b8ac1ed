/* sunset.h - algorithms that stop being secure, and when: a list kept by people.
 *
 * One entry a line, or several with commas between:
 *	sha256 2040-01-01
 *	rsa3072 2035-06-30T00:00:00Z    # from here on is remark
 * A digest is sha1, sha256, sha384 or sha512; a key is its kind and bits as
 * strength.h names them (rsa2048, ec256), and stands for all of its kind that are
 * not longer.  What is not listed has no end.  Pure.
 */
#ifndef KEP_SUNSET_H
#define KEP_SUNSET_H

#include "libkep/buf.h"
#include "libkep/clock.h"

#define SUNSETS_MAX 64
#define SUNSET_NAME 16

struct sunsets {
	size_t n;
	struct sunset {
		char     kind[SUNSET_NAME];     /* "sha", "rsa" */
		unsigned bits;
		usec     ends;
	} v[SUNSETS_MAX];
};

/* false: *why (may be NULL) says which entry and what is wrong with it. */
bool sunsets_read(struct span text, struct sunsets *out, struct buf *why);
/* When it ends; INT64_MAX: not that anybody knew. */
usec sunset_of(const struct sunsets *s, struct span algorithm);
/* The first end among blank-separated names; *which (may be NULL) is that name. */
usec sunset_first(const struct sunsets *s, struct span algorithms, struct span *which);

#endif
