/* attempt.h - the envelope fingerprint: one recipient as Postfix offered it.
 *
 * Form 1 is the SHA-256 of these octets, and of nothing else:
 *
 *   "kep-attempt-1" LF
 *   then seven fields, each as its length in octets (32 bits, big-endian)
 *   followed by so many octets:
 *   host        name of the mail host (conf hostname)
 *   instance    attribute instance of the policy request
 *   client      attribute client_address
 *   tls         attribute ccert_fingerprint, as it came; empty without a certificate
 *   login       attribute sasl_username; empty without a login
 *   sender      attribute sender, folded (addr.h); empty for the null sender
 *   recipient   attribute recipient, folded
 *
 * The seven fields are stored beside the fingerprint, so that anybody can make
 * it again.  An address addr.h does not accept stands as it came, with '?' for
 * octets that are no UTF-8.
 */
#ifndef KEP_ATTEMPT_H
#define KEP_ATTEMPT_H

#include "libkep/base.h"
#include "libkep/digest.h"

#define ATTEMPT_FORM 1

struct attempt {
	struct span host, instance, client, tls, login, sender, recipient;
};

void attempt_fingerprint(unsigned char out[SHA256_SIZE], const struct attempt *a);

#endif
