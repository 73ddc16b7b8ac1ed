/* signer.h - who signed: what a certificate says of its holder, and whether that
 * is what the profile demands. */
#ifndef KEP_LIBKEP_SIGNER_H
#define KEP_LIBKEP_SIGNER_H

#include "libkep/base.h"
#include "libkep/clock.h"
#include "libkep/digest.h"
#include "libkep/profile.h"
#include "libkep/reason.h"

#define SIGNER_MAILBOX_LIMIT 20

struct x509_st;

struct signer {
	unsigned char certificate[SHA256_SIZE]; /* SHA-256 of the DER certificate */
	char *subject;          /* RFC 2253 form in UTF-8, for people */
	char *serial;           /* serial number of the certificate, hexadecimal */
	char *issuer;           /* RFC 2253 form */
	char *identity;         /* eleven digits of the T.C. identity number in the subject's serialNumber, or NULL */
	char *mailboxes[SIGNER_MAILBOX_LIMIT];  /* rfc822Names of the subjectAltName: octets as they are, but for the domain in lower case */
	size_t n_mailboxes;
	char *digest;           /* "sha256" | "sha384" | "sha512" */
	usec  signing_time;     /* a claim of the signer; 0: none */
	enum cades cades;       /* what the signature is of CAdES */
	usec  stamp_time;       /* genTime of its time-stamp; 0: there is none that is good */
};
void signer_release(struct signer *s);

/* Fill in all that the certificate says (s must be empty).  REASON_SIGNER_ADDRESS:
 * a mailbox in it is no address (NUL, octets beyond ASCII, blanks ...) or there
 * are more than the limit; REASON_SIGNER_CERTIFICATE: it cannot be read.
 * signer_release() in any case.
 *
 * Only rfc822Names count as mailboxes: one in the subject alone is nobody's
 * promise, one beyond ASCII (RFC 9598) is passed over. */
enum reason signer_read(struct signer *s, struct x509_st *certificate);

/* Is the certificate of what signer_read() found what the profile demands of the
 * person?  PROFILE_NES: key usage nonRepudiation, the statements 0.4.0.1862.1.1
 * and one of the profile's (RFC 3739, ETSI EN 319 412-5), one of its policies
 * where it lists any, an identity number. */
enum reason signer_qualifies(const struct signer *s, struct x509_st *certificate, const struct profile *p);

/* Are these eleven digits a T.C. identity number, by its check digits? */
bool signer_identity_valid(struct span s);

#endif
