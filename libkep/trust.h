/* trust.h - the trust anchors of e-signatures.  A store is const once loaded; a
 * reload makes a new one and swaps the pointer. */
#ifndef KEP_TRUST_H
#define KEP_TRUST_H

#include "libkep/buf.h"

struct trust;
struct x509_store_st;

/* Load a PEM file, or every regular *.pem, *.crt and *.cer file of a directory
 * (PEM or DER), as trust anchors; certificates that are not self-signed serve as
 * intermediates only.  NULL: *error names the file and what is wrong; no anchor
 * at all is an error. */
struct trust *trust_load(const char *path, struct buf *error);
void trust_free(struct trust *t);
size_t trust_count(const struct trust *t);
/* For cms.c: the store, borrowed. */
struct x509_store_st *trust_store(const struct trust *t);

#endif
