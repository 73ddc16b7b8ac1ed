/* keyring.h - what a verifier trusts: one folder, laid out so that it can be copied
 * from hand to hand and needs no configuration.
 *
 *	DIR/seal/	CAs of the provider's seal: *.pem, *.crt, *.cer, and *.crl for looking back
 *	DIR/tsa/	CAs of time-stamping authorities, in the same way
 *	DIR/NAME.vkey	keys of ledgers and witnesses (note.h), one a line
 *	DIR/NAME.pins	SHA-256 of the seals' certificates, one a line, hexadecimal; may be missing
 *
 * Where a sub-folder is missing, the files of DIR itself serve in its place.
 */
#ifndef KEP_KEYRING_H
#define KEP_KEYRING_H

#include "libkep/note.h"
#include "libkep/signer.h"
#include "libkep/trust.h"

struct keyring {
	struct trust *seals, *stamps;
	struct vkey  *keys;
	size_t        n_keys;
	unsigned char (*pins)[SHA256_SIZE];
	size_t        n_pins;
};

/* false: *error names the file and how to mend it.  keyring_release() in any case.
 * A folder without any key is an error: then nothing of a ledger can be believed. */
bool keyring_load(struct keyring *k, const char *path, struct buf *error);
void keyring_release(struct keyring *k);

/* Is the signer of a good signature a seal?  The CAs of seals certify others, too: a
 * person (whose certificate holds an identity number) is none, and where there are
 * pins, nobody else is.  REASON_SIGNER_NOT_AUTHORISED: it is not. */
enum reason keyring_seal(const struct keyring *k, const struct signer *s);

#endif
