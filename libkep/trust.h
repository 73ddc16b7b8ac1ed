/* trust.h - the trust anchors of e-signatures, the CRLs, and how chains are judged.
 * All that is const once loaded; a reload makes a new trust and swaps the pointer.
 * It also remembers decoded certificates of signers that were trusted, their chains
 * (memo.h), and CRLs whose signature is good (proven.h), behind locks of their own,
 * so that the next signature costs less; that changes no answer. */
#ifndef KEP_TRUST_H
#define KEP_TRUST_H

#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/profile.h"

struct trust_rules {
	bool revocation;        /* every certificate is looked up in the CRLs, a signer's also in the OCSP responses */
	usec crl_grace;         /* they serve so long after their nextUpdate */
	bool past;              /* CRLs of any time serve, an entry counts from its date on, and none need be there */
};

struct memo;
struct ocsp;
struct proven;
struct trust;
struct x509_st;
struct x509_store_st;

/* Load a PEM file, or every regular *.pem, *.crt and *.cer file of a directory
 * (PEM or DER), as trust anchors; certificates that are not self-signed serve as
 * intermediates only.  NULL: *error names the file and what is wrong; no anchor
 * at all is an error. */
struct trust *trust_load(const char *path, struct buf *error);
/* The same for looking back at what was signed years ago: the CRLs (*.crl, of any
 * time) of the folder are looked at, too, and a certificate is revoked from the
 * date that its entry names. */
struct trust *trust_load_past(const char *path, struct buf *error);
void trust_free(struct trust *t);
/* What is demanded of signatures; PROFILE_SMIME until it is said, which must be
 * before t is shared.  Copied. */
void trust_demand(struct trust *t, const struct profile *p);
const struct profile *trust_profile(const struct trust *t);
/* Take tsa over as what time-stamping authorities must lead to; before t is shared.
 * The CRLs of t speak of them, too. */
void trust_take_stamps(struct trust *t, struct trust *tsa);
/* NULL: no time-stamp is trusted. */
const struct trust *trust_stamps(const struct trust *t);
/* All that kep.conf says of signatures: the anchors of signers and of time-stamps,
 * the CRLs, the policies of chains, the profile.  NULL: *error
 * names the key and how to mend it.  conf must outlive it. */
struct trust *trust_configure(const struct conf *conf, struct buf *error);
size_t trust_count(const struct trust *t);
const struct trust_rules *trust_rules(const struct trust *t);
/* How many CRLs there are; *until: when the first of them wants to be replaced (0: none does). */
size_t trust_crls(const struct trust *t, usec *until);
/* How many OCSP responses there are. */
size_t trust_responses(const struct trust *t);
/* "FOLDERS: 3 trust anchors, 5 CRLs, the first to be replaced by ..." for the log;
 * conf is what it was made with. */
void trust_describe(const struct trust *t, const struct conf *conf, struct buf *out);
/* For chain.c and crl.c: the store, borrowed. */
struct x509_store_st *trust_store(const struct trust *t);
/* For chain.c: the chains found good with this trust. */
struct memo *trust_memo(const struct trust *t);
/* For chain.c: the CRLs found well signed with this trust. */
struct proven *trust_proven(const struct trust *t);
/* For chain.c: the OCSP responses; NULL: there are none. */
const struct ocsp *trust_ocsp(const struct trust *t);
/* Where the OCSP responses are: trust_ocsp, or the folder of trust_crls; NULL: nowhere. */
const char *trust_ocsp_folder(const struct conf *conf);
/* For cms.c: the decoded certificate of these octets; the caller frees it.
 * NULL: it is not exactly one certificate. */
struct x509_st *trust_certificate(const struct trust *t, struct span der);
/* For cms.c: keep a certificate of a chain that was found good. */
void trust_remember(const struct trust *t, struct span der, struct x509_st *certificate);

#endif
