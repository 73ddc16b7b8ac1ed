/* folder.h - the files of a folder, or one file, read whole. */
#ifndef KEP_FOLDER_H
#define KEP_FOLDER_H

#include "libkep/buf.h"

/* One file.  false: it is of no use, and *error says why; nothing more is read. */
typedef bool folder_file(void *arg, const char *file, struct span octets, struct buf *error);

/* "FILE: what is wrong" into *error; always false. */
bool folder_complain(struct buf *error, const char *file, const char *what);
/* The octets of one file, at most limit of them.  false: *error. */
bool folder_read(const char *file, size_t limit, struct buf *octets, struct buf *error);
/* Hand over the file `path`, or in the order of their names every regular file of
 * the folder `path` that ends in one of `ends` (NULL at the end; case does not
 * matter) and does not begin with '.'.  A file that is removed meanwhile is left
 * out.  false: *error names file and reason. */
bool folder_each(const char *path, const char *const *ends, size_t limit, folder_file *hear, void *arg, struct buf *error);
/* A number that becomes another one when the file `path`, or a file of the
 * folder, is changed, replaced, added or removed; their content is not read. */
uint64_t folder_mark(const char *path);

#endif
