/* exam.h - is this receipt genuine?  Every check by its name (exam.def), with the
 * answer and words for people.  Offline: octets, a keyring and a time are all.
 *
 * Genuine means that all of them passed.  A receipt without a time-stamp can be
 * genuine; its time is then the provider's word alone, and is said to be.
 *
 * The time at which chains of certificates are judged: the one that is given; else
 * that of the receipt's good time-stamp, since what is under it existed then;
 * else now.
 */
#ifndef KEP_EXAM_H
#define KEP_EXAM_H

#include "libkep/checkpoint.h"
#include "libkep/jdoc.h"
#include "libkep/keyring.h"
#include "libkep/parcel.h"
#include "libkep/signer.h"
#include "libkep/stamp.h"

enum exam_check {
#define EXAM(name, wire, label, passed) EXAM_##name,
#include "libkep/exam.def"
#undef EXAM
	EXAM_CHECKS
};

struct exam_words {
	const char *wire, *label, *passed;
};
const struct exam_words *exam_words(enum exam_check c);

enum exam_state {
	EXAM_NOT_JUDGED,        /* something before it failed, or nobody asked */
	EXAM_PASSED,
	EXAM_ABSENT,            /* there is nothing to judge, and there need not be */
	EXAM_FAILED,
};
/* "not-judged", "passed", "absent", "failed". */
const char *exam_state_name(enum exam_state s);

struct exam_finding {
	enum exam_state state;
	struct buf      words;  /* why it failed, or what was found */
};

enum exam_time { EXAM_GIVEN, EXAM_STAMPED, EXAM_NOW };

struct exam {
	struct exam_finding check[EXAM_CHECKS];
	usec                at;         /* when chains were judged */
	enum exam_time      at_is;
	struct parcel       parcel;
	jdoc               *evidence;   /* NULL: it could not be read */
	struct merkle_hash  leaf;
	uint64_t            index;      /* of the leaf, where LEAF passed */
	struct note         note;       /* borrowed from parcel */
	struct checkpoint   head;       /* borrowed from parcel; origin is SPAN_NONE where there is none */
	struct stamp        stamp;      /* to be believed where STAMP passed */
	struct signer       seal;       /* filled where the signature is good */
};

/* at: 0 where none is given.  exam_release() in any case. */
void exam_receipt(struct exam *x, struct span mail, const struct keyring *k, usec at, usec now);
/* And: is this message the one the evidence is about?  Its digests by the canonical
 * form that the evidence names are made again.  Line ends may be LF. */
void exam_message(struct exam *x, struct span message);
/* Everything passed, but for what is absent or was not asked for. */
bool exam_genuine(const struct exam *x);
void exam_release(struct exam *x);

/* Detached CMS of the seal over octets, by whichever of our digests; also what
 * kepctl fsck asks.  As cms_verify_detached(), and by a seal (keyring.h). */
enum reason exam_sealed(struct span der, struct span octets, const struct keyring *k, usec at, struct signer *out);
/* Append why a seal was refused that was judged as of that time, in words about seals. */
void exam_reason(struct buf *out, enum reason why, usec at);

#endif
