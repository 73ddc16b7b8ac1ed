/* spool.h - one message on its way through the hop.
 *
 * The octets go into a file that has no name (O_TMPFILE; where the file system
 * cannot, one that is unlinked at once), so they are gone with the process and
 * are never stored by us.  While they stream by, the canonical fingerprint is
 * made (digest.h) and the top header block is kept for looking fields up.
 */
#ifndef KEP_SPOOL_H
#define KEP_SPOOL_H

#include "libkep/base.h"
#include "libkep/digest.h"

enum spool_state {
	SPOOL_GOOD,
	SPOOL_NO_ROOM,          /* the file cannot be made or written: spool_error() */
	SPOOL_HEADER_SIZE,      /* the top header block is larger than the limit */
};

struct spool;
/* dir: conf spool_dir.  header_limit: octets of the top header block.  Never
 * NULL; a file that cannot be made is told by spool_state(). */
struct spool *spool_new(const char *dir, size_t header_limit);
void spool_free(struct spool *s);

/* The next octets of the message, line ends CRLF.  Nothing more is kept once the
 * state is not SPOOL_GOOD. */
void spool_add(struct spool *s, struct span octets);
/* The message is whole. */
enum spool_state spool_finish(struct spool *s);

/* All of the following after spool_finish() gave SPOOL_GOOD. */
int      spool_fd(const struct spool *s);       /* borrowed; read with pread() */
uint64_t spool_size(const struct spool *s);
const struct fingerprint *spool_fingerprint(const struct spool *s);
/* How many fields of the top header block have this name; *value is the first
 * one's, trimmed, borrowed.  0 for every name when the block is no header. */
size_t   spool_field(const struct spool *s, const char *name, struct span *value);

/* errno of what made SPOOL_NO_ROOM. */
int      spool_error(const struct spool *s);

#endif
