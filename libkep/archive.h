/* archive.h - the evidence records of a volume: many data groups that are archived
 * together and share their time-stamps (RFC 4998 sections 4.2 and 5.2).
 *
 *	top        o            one time-stamp for many volumes
 *	          / \
 *	volume   o   o          the tree over the groups of a volume
 *	        / \
 *	group  o   o            the joined hashes of a group's data objects
 *
 * A chain begins with a hash of every data object of every group; the time-stamps
 * that follow in it stand over the token before.  What is kept of a chain is enough
 * to write the record of any group, and to begin the next chain.  Pure.
 */
#ifndef KEP_ARCHIVE_H
#define KEP_ARCHIVE_H

#include "libkep/ers.h"
#include "libkep/digest.h"

struct archive;

/* A volume of so many groups, each of so many (at least two) data objects. */
struct archive *archive_new(size_t groups, size_t members);
void archive_free(struct archive *a);

/* Begin the first chain, or (a hash-tree renewal) the next one, once the one before
 * has a time-stamp.  At most ERS_CHAINS_MAX. */
void archive_begin(struct archive *a, const char *digest);
/* The hashes of the next group's data objects, in any order but always the same. */
void archive_group(struct archive *a, const unsigned char *hashes);
/* After all groups: the root of the volume, a leaf of the tree above.  Its size. */
size_t archive_root(struct archive *a, unsigned char *out);
/* A time-stamp: the first one of the chain, or a renewal of the last.  path is what
 * the volume's leaf lacks to the root that was stamped (hashtree_path()). */
void archive_stamp(struct archive *a, struct span path, struct span token);
/* The hash of the last token, by the chain's digest: the leaf of a renewal.  Its size. */
size_t archive_last(const struct archive *a, unsigned char *out);
/* The digest of the last chain; NULL: there is none. */
const char *archive_digest(const struct archive *a);

/* Append the EvidenceRecord of a group; crypto_infos as in ers_add_record(). */
void archive_record(struct archive *a, size_t group, struct span crypto_infos, struct buf *out);

#endif
