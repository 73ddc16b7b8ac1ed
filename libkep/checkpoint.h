/* checkpoint.h - the head of a log at one size, as a signed note says it (C2SP tlog-checkpoint).
 *
 *	ORIGIN LF SIZE LF BASE64(root) LF [other lines]
 *
 * These octets, the note's text, are what the key of the log and the seal sign and
 * what is time-stamped.
 */
#ifndef KEP_CHECKPOINT_H
#define KEP_CHECKPOINT_H

#include "libkep/merkle.h"
#include "libkep/note.h"

struct checkpoint {
	struct span        origin;      /* borrowed from what was parsed */
	uint64_t           size;        /* leaves */
	struct merkle_hash root;
	struct span        extension;   /* the other lines; SPAN_NONE: none, as in all of ours */
};

/* The text of a note.  false: *why (may be NULL) says in words. */
bool checkpoint_parse(struct span text, struct checkpoint *out, struct buf *why);
/* Append the text; the extension is left out. */
void checkpoint_write(struct buf *out, struct span origin, uint64_t size, const struct merkle_hash *root);

enum checkpoint_verdict {
	CHECKPOINT_GOOD,
	CHECKPOINT_MALFORMED,           /* no note, or no checkpoint in it */
	CHECKPOINT_UNSIGNED,            /* no key of ours of that origin signed it */
	CHECKPOINT_FORGED,              /* a signature by a key of ours is not good */
};
/* A signed checkpoint: parsed, and signed by a key of type VKEY_ED25519 whose name is
 * the origin; lines of other keys we know must be good, too.  *note and *out are
 * borrowed from octets and filled whenever the answer is not MALFORMED; *why (may be NULL) in words. */
enum checkpoint_verdict checkpoint_open(struct span octets, const struct vkey *keys, size_t n, struct note *note,
                                        struct checkpoint *out, struct buf *why);

#endif
