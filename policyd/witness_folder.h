/* witness_folder.h - a folder (conf witness_dir) in which the newest checkpoint lies for
 * whoever fetches it: another machine, a web server, a stick.
 *
 * DIR/checkpoint is the signed note, replaced whole.  Whoever cosigns it may put the
 * note with his line under it back as DIR/NAME.cosigned; it must be a checkpoint
 * that our key signed, and stays there. */
#ifndef KEP_WITNESS_FOLDER_H
#define KEP_WITNESS_FOLDER_H

#include "policyd/cosigner.h"

struct witness_folder;

/* keys must live on.  NULL: witness_dir is empty. */
struct witness_folder *witness_folder_new(struct daemon *d, const struct cosigners *keys);
void witness_folder_stop(struct witness_folder *f);     /* NULL is fine */
/* After database_free(). */
void witness_folder_free(struct witness_folder *f);

#endif
