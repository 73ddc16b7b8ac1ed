/* keeper.h - one small file, replaced whole and durably, without stopping the loop.
 *
 * A thread of its own writes: fsync(2) takes as long as the disk likes, and the
 * loop has clients that wait.  A file is either the old one or the new one, also
 * after a crash: written beside it, fsync, rename, fsync of the directory.  Its
 * mode is 0644.
 */
#ifndef KEP_KEEPER_H
#define KEP_KEEPER_H

#include "libkep/base.h"
#include "libkep/buf.h"

struct event_base;
struct keeper;

/* ok false: words say why, and the old file is there still. */
typedef void keeper_done(void *arg, bool ok, const char *words);

/* path is copied; never NULL. */
struct keeper *keeper_new(struct event_base *base, const char *path, keeper_done *done, void *arg);
/* Waits for the write under way; done() is not called any more. */
void keeper_free(struct keeper *k);
/* Replace the file (octets are copied); done() comes from the loop.  One at a time:
 * not before the last done(). */
void keeper_put(struct keeper *k, struct span octets);

enum keeper_found { KEEPER_READ, KEEPER_ABSENT, KEEPER_UNREADABLE };
/* Read a file of at most `limit` octets now.  UNREADABLE: *out is words. */
enum keeper_found keeper_read(const char *path, size_t limit, struct buf *out);

#endif
