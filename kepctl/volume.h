/* volume.h - leaves of the ledger that are archived together (0011_archive.sql), read
 * from the database, and the records that are made of them (libkep/archive.h).
 *
 * The data group of a leaf has four objects, the parts of a receipt. */
#ifndef KEP_VOLUME_H
#define KEP_VOLUME_H

#include "kepctl/crown.h"
#include "libkep/archive.h"
#include "libkep/tiles.h"

enum volume_part { VOLUME_EVIDENCE, VOLUME_PROOF, VOLUME_SEAL, VOLUME_STAMP, VOLUME_PARTS };
/* The names of their files. */
extern const char *const volume_files[VOLUME_PARTS];

struct volume {
	const struct ctl *ctl;
	struct db        *db;           /* borrowed, of the auditor */
	int64_t           number, first, checkpoint;
	size_t            size;
	struct buf        note, cms, stamp;
	struct merkle_hash root;        /* of the checkpoint */
	struct tiles     *tiles;
	struct merkle_proof proof;      /* of the leaf before `proved`, in the whole ledger; 0: none was made */
	uint64_t          proved;
	struct archive   *archive;
	size_t            chains;       /* in archive */
	struct buf        certificates; /* of all its archive time-stamps, DER */
	struct buf        why;          /* how it is damaged, in words; where the status is EX_DATAERR */
};

/* Read a volume without its chains.  false: *status is the exit status; EX_DATAERR is
 * a damage, told in why, anything else was said; so below.  volume_release() in any case. */
bool volume_read(struct volume *v, const struct ctl *c, struct db *db, int64_t number, int *status);
/* And all that is archived of it. */
bool volume_chains(struct volume *v, struct crowns *crowns, int *status);
void volume_release(struct volume *v);
/* Say on standard error how it is damaged, where it is. */
void volume_complain(const struct volume *v);

/* Append the hash of each body.  Each must be what the ledger says; one that was
 * removed after its retention is replaced by the hash of its hash in `before`, the
 * hashes of the chain before (of before_size octets each). */
bool volume_bodies(struct volume *v, const char *digest, struct span before, size_t before_size, struct buf *out, int *status);
/* The hashes of bodies that are kept for a chain; their digest. */
const char *volume_hashes(struct volume *v, size_t chain, struct buf *out, int *status);
/* Are they those of the bodies that are there?  *bad is the first leaf that differs. */
bool volume_compare(struct volume *v, const char *digest, struct span hashes, size_t *bad, int *status);
/* Begin a chain with these hashes of bodies. */
bool volume_begin(struct volume *v, const char *digest, struct span hashes, int *status);
/* The objects of a leaf (0 is the first of the volume), appended; not the body. */
bool volume_proof(struct volume *v, size_t leaf, struct buf *out, int *status);
/* The body; empty: it was removed. */
bool volume_evidence(struct volume *v, size_t leaf, struct buf *out, int *status);

#endif
