/* spool.h - one message on its way through the hop.
 *
 * A message of at most SPOOL_MEMORY octets stays in memory; the octets of a
 * larger one go into a file that has no name (O_TMPFILE; where the file system
 * cannot, one that is unlinked at once).  Both are gone with the process: content
 * is never stored by us.  While they stream by, the canonical fingerprint is made
 * (digest.h) and the top header block is kept for looking fields up.
 */
#ifndef KEP_SPOOL_H
#define KEP_SPOOL_H

#include "libkep/base.h"
#include "libkep/digest.h"

#define SPOOL_MEMORY ((size_t)64 << 10)

enum spool_state {
	SPOOL_GOOD,
	SPOOL_NO_ROOM,          /* the file cannot be made or written: spool_error() */
	SPOOL_HEADER_SIZE,      /* the top header block is larger than the limit */
};

struct spool;
/* dir: conf spool_dir, must live on.  header_limit: octets of the top header
 * block.  Never NULL. */
struct spool *spool_new(const char *dir, size_t header_limit);
void spool_free(struct spool *s);

/* The next octets of the message, line ends CRLF.  Nothing more is kept once the
 * state is not SPOOL_GOOD. */
void spool_add(struct spool *s, struct span octets);
/* The message is whole. */
enum spool_state spool_finish(struct spool *s);

/* All of the following after spool_finish() gave SPOOL_GOOD. */
int      spool_fd(const struct spool *s);       /* borrowed; read with pread(); -1: in memory */
struct span spool_memory(const struct spool *s);        /* the message, when it is there */
uint64_t spool_size(const struct spool *s);
/* The first n octets (n not above the size) copied to out.  false: errno. */
bool     spool_read(const struct spool *s, char *out, size_t n);
const struct fingerprint *spool_fingerprint(const struct spool *s);
/* How many fields of the top header block have this name; *value is the first
 * one's, trimmed, borrowed.  0 for every name when the block is no header. */
size_t   spool_field(const struct spool *s, const char *name, struct span *value);

/* errno of what made SPOOL_NO_ROOM. */
int      spool_error(const struct spool *s);

#endif
