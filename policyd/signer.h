/* signer.h - the child process that alone holds the provider's private keys: the
 * seal's, and the one that signs the ledger's checkpoints.
 *
 * Forked before the daemon opens a socket, a database connection or a loop and
 * before privileges are dropped, because the keys may be readable by root only.
 * The child reads conf seal_certificate, seal_key and checkpoint_key, becomes conf
 * user, loads the PKCS#11 modules in which keys are (key.h), which the daemon itself never does, keeps no descriptor but its end of one socketpair, and signs what it is
 * handed; the parent never has an octet of a private key in its memory.  The child ends
 * when the parent does (end of file on the pair, and PR_SET_PDEATHSIG).
 *
 * When the child dies the daemon ends too, with a fatal line: nobody else can
 * read the keys again once privileges are gone, so only the supervisor (systemd)
 * can start the pair afresh.  Receipts wait in the outbox meanwhile.
 *
 * On the pair: a request is one octet that says which signature, a 4-octet
 * big-endian length and so many octets of content; an answer is the length and the
 * octets of the signature, of length 0 when it could not be signed.  Answers come
 * in the order of the requests.
 */
#ifndef KEP_SIGNER_H
#define KEP_SIGNER_H

#include "libkep/base.h"
#include "libkep/buf.h"
#include "libkep/conf.h"
#include "libkep/notekey.h"

#define SIGNER_CONTENT_MAX ((size_t)8 << 20)    /* octets of one content, and of one signature */

struct event_base;
struct signer_child;

enum signer_kind {
	SIGNER_SEAL = 'C',      /* a detached CAdES-B signature by the seal, DER (cms.h) */
	SIGNER_NOTE = 'N',      /* Ed25519 by the ledger's key, 64 octets (notekey.h): over a checkpoint of our origin that
	                         * neither goes back behind the last one signed nor contradicts it, and over nothing else */
};

/* Fork the child and wait until it has loaded certificate and keys.  Call it as
 * root, while there is no thread and no event base yet.  NULL: *error names the
 * file and how to mend it. */
struct signer_child *signer_start(const struct conf *conf, struct buf *error);
/* Hand the parent's end to the loop; once, before the first signer_ask(). */
void signer_attach(struct signer_child *s, struct event_base *base);
/* End the child and wait for it.  Questions without an answer are forgotten. */
void signer_free(struct signer_child *s);

/* The public half of the ledger's key. */
const unsigned char *signer_public(const struct signer_child *s);

/* signature: borrowed during the call; SPAN_NONE: the content could not be signed. */
typedef void signer_answered(void *arg, struct span signature);
/* Sign content (copied; more than SIGNER_CONTENT_MAX is answered SPAN_NONE).
 * Never answers from within the call. */
void signer_ask(struct signer_child *s, enum signer_kind kind, struct span content, signer_answered *answered, void *arg);

#endif
