/* digest.h - message digests, and the canonical octets of a message.
 *
 * Canonical form 1 ("kep-canonical-1"): of the header only these fields, in the
 * order they stand, each as its octets NAME ":" VALUE CRLF with the folding it
 * came with (a line end inside is CRLF): From, Sender, Reply-To, To, Cc,
 * Subject, Date, Message-ID, In-Reply-To, References, MIME-Version, every
 * Content-*, every X-TR-REM-*; then CRLF; then all octets of the body.  What
 * mail servers add on the way (Received, Return-Path, X-KEP-ID, DKIM ...) is
 * left out, so the form can be made again from the copy in any mailbox.
 */
#ifndef KEP_DIGEST_H
#define KEP_DIGEST_H

#include "libkep/base.h"

#define CANONICAL_VERSION 1
#define SHA256_SIZE 32
#define SHA384_SIZE 48
#define SHA512_SIZE 64

/* One running digest. */
struct digest;
struct digest *digest_new(const char *name);    /* "sha256", "sha384", "sha512"; "sha1" for conformance tests only */
void digest_free(struct digest *d);
void digest_restart(struct digest *d);
void digest_add(struct digest *d, struct span octets);
/* The size of the digest written to out (at most SHA512_SIZE). */
size_t digest_finish(struct digest *d, unsigned char *out);
/* One shot. */
void digest_sha256(unsigned char out[SHA256_SIZE], struct span octets);
/* Of n pieces, one behind the other; quick for small ones. */
void digest_sha256_of(unsigned char out[SHA256_SIZE], const struct span *pieces, size_t n);

/* Both digests of the canonical octets of one message. */
struct fingerprint {
	unsigned char sha256[SHA256_SIZE];
	unsigned char sha512[SHA512_SIZE];
};
struct canon;
struct canon *canon_new(void);
void canon_free(struct canon *c);
void canon_restart(struct canon *c);
/* A header field, in order; value as behind the colon, line ends inside as CRLF
 * or LF.  Fields that are not in the list are passed over. */
void canon_field(struct canon *c, struct span name, struct span value);
/* Octets of the body; the first call ends the header. */
void canon_body(struct canon *c, struct span octets);
void canon_finish(struct canon *c, struct fingerprint *out);

#endif
