/* signer.h - the child process that alone holds the key of the provider's seal.
 *
 * Forked before the daemon opens a socket, a database connection or a loop and
 * before privileges are dropped, because the key may be readable by root only.
 * The child reads conf seal_certificate and seal_key, becomes conf user, keeps
 * no descriptor but its end of one socketpair, and signs what it is handed; the
 * parent never has a key octet in its memory.  The child ends when the parent
 * does (end of file on the pair, and PR_SET_PDEATHSIG).
 *
 * When the child dies the daemon ends too, with a fatal line: nobody else can
 * read the key again once privileges are gone, so only the supervisor (systemd)
 * can start the pair afresh.  Receipts wait in the outbox meanwhile.
 *
 * On the pair: a request is a 4-octet big-endian length and so many octets of
 * content; an answer the same with the DER of the signature, of length 0 when it
 * could not be signed.  Answers come in the order of the requests.
 */
#ifndef KEP_SIGNER_H
#define KEP_SIGNER_H

#include "libkep/base.h"
#include "libkep/buf.h"
#include "libkep/conf.h"

#define SIGNER_CONTENT_MAX ((size_t)8 << 20)    /* octets of one content, and of one signature */

struct event_base;
struct signer_child;

/* Fork the child and wait until it has loaded certificate and key.  Call it as
 * root, while there is no thread and no event base yet.  NULL: *error names the
 * file and how to mend it. */
struct signer_child *signer_start(const struct conf *conf, struct buf *error);
/* Hand the parent's end to the loop; once, before the first signer_ask(). */
void signer_attach(struct signer_child *s, struct event_base *base);
/* End the child and wait for it.  Questions without an answer are forgotten. */
void signer_free(struct signer_child *s);

/* der: the detached CAdES signature, borrowed during the call; SPAN_NONE: the
 * content could not be signed. */
typedef void signer_answered(void *arg, struct span der);
/* Sign content (copied; more than SIGNER_CONTENT_MAX is answered SPAN_NONE).
 * Never answers from within the call. */
void signer_ask(struct signer_child *s, struct span content, signer_answered *answered, void *arg);

#endif
