/* part.h - what the type of a MIME part says of it: may mail hold such a part that
 * is to be read, by everybody, as what its sender signed?  Pure. */
#ifndef KEP_PART_H
#define KEP_PART_H

#include "libkep/header.h"
#include "libkep/reason.h"

/* The message itself (root), or a part of it at any depth; message/rfc822 is not
 * looked into.
 *   message-partial, external-body   the content is not here
 *   encrypted-content                multipart/encrypted; application/pkcs7-mime of smime-type
 *                                    enveloped-data or authEnveloped-data (RFC 8551 section 3.2.2)
 *   compressed-content               the same of compressed-data
 *   certs-only                       a message of certificates alone
 *   nested-signature                 below the root: multipart/signed and every other application/pkcs7-mime,
 *                                    since mail programs open these by themselves and show their signers
 *   accepted                         anything else */
enum reason part_judge(const struct media *m, bool root);

/* application/pkcs7-mime or its older name. */
bool part_is_cms(const struct media *m);

#endif
