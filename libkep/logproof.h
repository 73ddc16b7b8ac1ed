/* logproof.h - that an evidence is in the log, in one text (C2SP tlog-proof, version 1).
 *
 *	c2sp.org/tlog-proof@v1
 *	[extra BASE64]
 *	index INDEX
 *	BASE64(hash) for each hash of the path, from the leaf upwards
 *	(empty line)
 *	the signed checkpoint, as it is
 */
#ifndef KEP_LOGPROOF_H
#define KEP_LOGPROOF_H

#include "libkep/checkpoint.h"

#define LOGPROOF_MAX (NOTE_MAX + 16384)         /* octets of a proof we read */

struct logproof {
	uint64_t            index;
	struct merkle_proof path;
	struct span         extra;              /* base64, authenticated by nothing; SPAN_NONE: none */
	struct span         checkpoint;         /* the signed note; borrowed, not parsed */
};

/* false: *why (may be NULL) says in words.  The checkpoint is not looked into: checkpoint_open(). */
bool logproof_parse(struct span text, struct logproof *out, struct buf *why);
/* Append the text; without extra. */
void logproof_write(struct buf *out, uint64_t index, const struct merkle_proof *path, struct span checkpoint);

/* Everything of a proof, in the order in which it is looked at. */
enum logproof_verdict {
	LOGPROOF_GOOD,
	LOGPROOF_MALFORMED,             /* the proof or its checkpoint is no such text */
	LOGPROOF_UNSIGNED,              /* as checkpoint_open() */
	LOGPROOF_FORGED,
	LOGPROOF_NOT_INCLUDED,          /* the path does not lead from the leaf to the root */
};
/* Does this proof show that a leaf with these octets is in a log of one of these keys?
 * *proof, *note, *head (borrowed from text): filled as far as it came. */
enum logproof_verdict logproof_verify(struct span text, struct span leaf, const struct vkey *keys, size_t n,
                                      struct logproof *proof, struct note *note, struct checkpoint *head, struct buf *why);

#endif
