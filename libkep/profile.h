/* profile.h - what is demanded of a signature beyond that it is one: the keys
 * signature_profile, qualified_statements, qualified_policies and require_cades
 * of kep.conf, read once. */
#ifndef KEP_PROFILE_H
#define KEP_PROFILE_H

#include "libkep/buf.h"
#include "libkep/conf.h"

enum profile_kind {
	PROFILE_SMIME,          /* a certificate made for signing mail */
	PROFILE_NES,            /* that, qualified (nitelikli elektronik sertifika), of a person with a T.C. identity number */
	PROFILE_PKIX,           /* for conformance tests: the chain alone, not what the certificate is for */
};

/* How much of CAdES (ETSI EN 319 122-1) a signature is. */
enum cades {
	CADES_NONE,
	CADES_B,                /* signing-time, and a strong reference to the signer's certificate */
	CADES_T,                /* and a time-stamp over the signature that is good */
};
/* "none", "B", "T". */
const char *cades_name(enum cades c);

struct profile {
	enum profile_kind kind;
	enum cades        cades;        /* the least that is accepted */
	const char       *statements;   /* blank-separated OIDs, of conf; "" or NULL: none */
	const char       *policies;
};

/* Nothing is demanded: PROFILE_SMIME. */
void profile_init(struct profile *p);
/* Read the keys of conf, which must outlive *p.  false: *error names the key and
 * how to mend it. */
bool profile_read(struct profile *p, const struct conf *conf, struct buf *error);

/* Does oid (dotted decimal) stand in the list? */
bool profile_lists(const char *oids, struct span oid);

#endif
