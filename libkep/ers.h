/* ers.h - the Evidence Record Syntax of RFC 4998: an EvidenceRecord read and written
 * as DER.  What it proves is judged in custody.h.
 *
 * Pure, and knows nothing of time-stamp tokens but that each is a ContentInfo; all
 * spans are borrowed from what was read.  The structure must be DER; inside tokens
 * and attributes nothing is looked at here.
 */
#ifndef KEP_ERS_H
#define KEP_ERS_H

#include "libkep/buf.h"

#define ERS_SIZE_MAX    (8u << 20)      /* octets of a record */
#define ERS_CHAINS_MAX  32
#define ERS_STAMPS_MAX  200             /* of all chains together */
#define ERS_LISTS_MAX   128             /* partial hash trees of one archive time-stamp */

enum ers_verdict {
#define ERS(name, wire, english) ERS_##name,
#include "libkep/ers.def"
#undef ERS
	ERS_VERDICTS
};

struct ers_words {
	const char *wire;       /* "record-root" */
	const char *english;
};
/* Never NULL; v must be below ERS_VERDICTS. */
const struct ers_words *ers_words(enum ers_verdict v);

struct ers_stamp {              /* ArchiveTimeStamp */
	const char *digest;     /* "sha256" | "sha384" | "sha512"; NULL: absent, the token's counts */
	struct span attributes; /* inside of [1]; SPAN_NONE: absent */
	bool        reduced;    /* there is a reducedHashtree */
	struct span lists;      /* inside of it: PartialHashtrees */
	struct span token;      /* timeStamp: a ContentInfo, with its head */
};

struct ers_chain {
	struct span whole;      /* ArchiveTimeStampChain, with its head */
	size_t      first, n;   /* of ers.stamps */
};

struct ers {
	struct span      algorithms;    /* inside of digestAlgorithms */
	struct span      crypto_infos;  /* inside of [0]; SPAN_NONE: absent */
	size_t           n_chains, n_stamps;
	struct ers_chain chains[ERS_CHAINS_MAX];
	struct ers_stamp stamps[ERS_STAMPS_MAX];
};

/* ERS_GOOD: *out is filled, and there is at least one stamp in each of at least one
 * chain; every list holds at least one hash, and none is empty.  Else one of
 * MALFORMED, SIZE, VERSION, ENCRYPTED, EMPTY, DIGEST_UNKNOWN. */
enum ers_verdict ers_read(struct span der, struct ers *out);
/* Does digestAlgorithms name it? */
bool ers_lists(const struct ers *e, const char *digest);
/* Cut the next PartialHashtree off *lists, then its hashes one by one off *list. */
bool ers_next_list(struct span *lists, struct span *list);
bool ers_next_hash(struct span *list, struct span *hash);

/* -- writing; everything is appended */

/* An AlgorithmIdentifier, without parameters (RFC 5754 section 2). */
void ers_add_algorithm(struct buf *out, const char *digest);
/* A PartialHashtree of hashes (of size octets each, in that order). */
void ers_add_list(struct buf *out, struct span hashes, size_t size);
/* An ArchiveTimeStamp; lists are PartialHashtrees, empty: no reducedHashtree. */
void ers_add_stamp(struct buf *out, const char *digest, struct span lists, struct span token);
/* An ArchiveTimeStampChain of ArchiveTimeStamps, an ArchiveTimeStampSequence of chains. */
void ers_add_sequence(struct buf *out, struct span elements);
/* The EvidenceRecord; digests are names, each once.  crypto_infos are Attributes (RFC
 * 5652), empty: none. */
void ers_add_record(struct buf *out, const char *const *digests, size_t n, struct span crypto_infos, struct span sequence);
/* An Attribute with one value, for crypto_infos: the OBJECT IDENTIFIER's octets, the value in DER. */
void ers_add_attribute(struct buf *out, struct span oid, struct span value);

#endif
