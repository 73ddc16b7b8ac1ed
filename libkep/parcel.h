/* parcel.h - a receipt (receipt.h) taken apart again, from the octets of its mail.
 *
 * The mail is cut by the strict splitter (mime.h), so that nobody else reads it in
 * another way: the root is multipart/signed of two children, the first of them a
 * multipart/mixed whose leaves are the readable text and the parts below, known by
 *	Content-Disposition: attachment; filename="NAME"
 * and all in base64.  Other leaves are left alone: the seal covers them, too.
 * The header of the mail is signed by nobody and nothing is taken from it.
 *
 * Pure; judges nothing.
 */
#ifndef KEP_PARCEL_H
#define KEP_PARCEL_H

#include "libkep/buf.h"
#include "libkep/digest.h"

#define PARCEL_MAIL_MAX ((size_t)16 << 20)      /* octets of a mail that can be a receipt */
#define PARCEL_PART_MAX ((size_t)4 << 20)       /* octets of a part, decoded */

enum parcel_part {
	PARCEL_EVIDENCE,        /* evidence.json: the canonical JSON */
	PARCEL_PROOF,           /* evidence.tlog-proof (logproof.h) */
	PARCEL_SEALED,          /* checkpoint.p7s: CMS of the seal over the checkpoint's text */
	PARCEL_STAMP,           /* timestamp.tst: the token over the same octets; may be absent */
	PARCEL_PARTS
};
/* The name of its file. */
const char *parcel_name(enum parcel_part part);

struct parcel {
	struct buf    part[PARCEL_PARTS];       /* empty: there is none */
	struct buf    signature;                /* smime.p7s, DER */
	const char   *digest;                   /* that micalg names: "sha256" | "sha384" | "sha512" */
	unsigned char value[SHA512_SIZE];       /* of what is signed */
	size_t        n;
};

/* Append `in` with its line ends as CRLF, where none of them is: mail programs and
 * mailboxes keep LF alone.  Octets that hold a CRLF are not touched. */
void parcel_line_ends(struct buf *out, struct span in);

/* mail with CRLF line ends.  false: it is no receipt, and *why says in words.
 * parcel_release() in any case. */
bool parcel_open(struct parcel *p, struct span mail, struct buf *why);
void parcel_release(struct parcel *p);

#endif
