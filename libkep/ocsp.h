/* ocsp.h - OCSP responses (RFC 6960): those of the operator's own folder, and asking
 * for new ones.  The one door to openssl/ocsp.h.
 *
 * A response is believed when the CA that issued the certificate signed it, or a
 * responder that this very CA made for it (chain_responder()), with SHA-2, and no
 * critical extension speaks of what we do not know.  It speaks of the certificate
 * whose number, and whose CA by name and key, it names. */
#ifndef KEP_OCSP_H
#define KEP_OCSP_H

#include "libkep/buf.h"
#include "libkep/clock.h"

#define OCSP_SIZE_LIMIT (64u << 10)     /* octets of a response */

struct memo;
struct ocsp;
struct stack_st_X509;
struct trust;

enum ocsp_word {
	OCSP_SILENT,            /* nothing that is fresh, or the responder does not know it */
	OCSP_GOOD,
	OCSP_REVOKED,           /* also by a response that is stale: it was revoked, once */
};

/* The responses of the *.ors files of a folder, or of a file.  grace: they serve so
 * long after their nextUpdate, or thisUpdate where they name no other.  NULL: *error
 * names the file and what is wrong.  Nothing is believed yet. */
struct ocsp *ocsp_load(const char *path, usec grace, struct buf *error);
void ocsp_free(struct ocsp *o);
size_t ocsp_count(const struct ocsp *o);
/* When what they say begins and ends to count. */
void ocsp_divide(const struct ocsp *o, struct memo *m);
/* What the newest believed response says at that time of the first certificate of a
 * chain, which the second one issued.  o may be NULL. */
enum ocsp_word ocsp_ask(const struct ocsp *o, const struct trust *trust, struct stack_st_X509 *chain, usec at);

/* -- asking for new ones -- */

/* A certificate whose state is to be asked, and the responder it names. */
struct ocsp_inquiry;
/* Of a PEM (the certificate, then those above it) or DER file of a signer.  NULL:
 * *error says what is wrong: it does not lead to an anchor of trust (so nothing that
 * a stranger wrote is a URL to us), or names no responder. */
struct ocsp_inquiry *ocsp_inquire(struct span octets, const struct trust *trust, usec at, struct buf *error);
/* The same of a chain (DER certificates, one behind the other, from the leaf to the
 * anchor) that was found good before.  NULL: the leaf names no responder. */
struct ocsp_inquiry *ocsp_inquire_chain(struct span chain);
void ocsp_inquiry_free(struct ocsp_inquiry *q);
const char *ocsp_url(const struct ocsp_inquiry *q);
const char *ocsp_subject(const struct ocsp_inquiry *q);        /* RFC 2253 form, for people */
const char *ocsp_certificate(const struct ocsp_inquiry *q);    /* SHA-256 in hexadecimal */
/* The DER of the question, to be posted as application/ocsp-request. */
struct span ocsp_request(const struct ocsp_inquiry *q);

struct ocsp_answer {
	enum ocsp_word word;
	usec           this_update;
	usec           next_update;     /* 0: it names none */
};
/* Is this a response to the inquiry that will be believed at that time, fresh, and of
 * a responder that knows the certificate?  false: *error. */
bool ocsp_judge(const struct ocsp_inquiry *q, struct span octets, const struct trust *trust, usec grace, usec at,
                struct ocsp_answer *out, struct buf *error);

#endif
