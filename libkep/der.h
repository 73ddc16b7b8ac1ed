/* der.h - tags and lengths of ASN.1 (X.690), and nothing of what they mean.
 *
 * Pure: knows no types, allocates nothing by what a stranger chose, and goes only
 * as deep as it is told.  Tags of one octet and lengths in their shortest form
 * are all that is read; the signatures of mail need no others, and whoever makes
 * them hopes that two readers see two things.
 */
#ifndef KEP_DER_H
#define KEP_DER_H

#include "libkep/buf.h"

enum {
	DER_BOOLEAN = 0x01, DER_INTEGER = 0x02, DER_BITS = 0x03, DER_OCTETS = 0x04, DER_NULL = 0x05, DER_OBJECT = 0x06,
	DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_CONTEXT_0 = 0xa0, DER_CONTEXT_1 = 0xa1
};

struct der {
	unsigned char tag;
	struct span   whole;    /* with tag and length */
	struct span   inside;   /* without end-of-contents octets */
};

/* Cut one element of definite length off the front of *in. */
bool der_next(struct span *in, struct der *e);
/* The same; the length may be indefinite (X.690 section 8.1.3.6), and so may
 * those inside, 32 deep. */
bool ber_next(struct span *in, struct der *e);

/* Are these octets elements of DER all the way down, `depth` deep at most:
 * definite lengths, primitive what must be primitive, INTEGER, BOOLEAN, BIT STRING
 * and OBJECT IDENTIFIER in their one form, the elements of a SET in their order? */
bool der_valid(struct span octets, size_t depth);
/* Do the elements stand in the order of a SET OF (X.690 section 11.6)? */
bool der_sorted(struct span elements);

/* Append tag and length of an element of n octets. */
void   der_add_head(struct buf *out, unsigned char tag, size_t n);
size_t der_head_size(size_t n);

#endif
