/* migration.h - the numbered files of the schema: NNNN_name.sql in one directory,
 * or in its folder migrations (as in the source tree). */
#ifndef KEP_MIGRATION_H
#define KEP_MIGRATION_H

#include "libkep/buf.h"

struct migration {
	int   number;
	char *name;             /* the file's, without the directory */
};
struct migrations {
	char             *directory;    /* where they were found */
	struct migration *v;
	size_t            n;
};

/* List a directory, by number.  false: *error says why (it cannot be read, it
 * holds none, a number stands twice) and how to mend it. */
bool migrations_list(struct migrations *m, const char *directory, struct buf *error);
void migrations_release(struct migrations *m);
/* The text of one file, appended to *out; false: *error says why. */
bool migration_text(const struct migrations *all, const struct migration *m, struct buf *out, struct buf *error);

#endif
