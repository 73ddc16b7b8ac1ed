/* question.h - what kep-milter asks kep-policyd, and how the answers read.
 *
 * Ask protocol, version 1: one JSON object a line.  Pure but for the asker, a
 * function that takes a question and returns the answer or NULL; tests give one
 * of their own.  Whatever cannot be read as an answer is REASON_UNAVAILABLE:
 * nothing is accepted by default.
 */
#ifndef KEP_MILTER_QUESTION_H
#define KEP_MILTER_QUESTION_H

#include "libkep/gate.h"
#include "libkep/jdoc.h"
#include "libkep/reason.h"

#define KEP_ID_SIZE 37          /* a UUID as text, and its NUL */

struct asker {
	jdoc *(*ask)(void *arg, const jdoc *question);  /* NULL: no answer; the caller frees */
	void *arg;
};

/* Who sends; all borrowed, none NULL. */
struct party {
	const char *sender;     /* folded; as it came where it is no address we accept; "": the null sender */
	const char *login;      /* "": none */
	const char *client;     /* IP address; "": not known */
};

struct answer {
	enum reason why;
	bool kep;               /* the sender is a KEP address (a refusal: sender or recipient is) */
	bool provider;          /* the sender belongs to another provider */
	char kep_id[KEP_ID_SIZE];       /* "" unless a submission was accepted */
};

/* A message that was judged. */
struct judged {
	const char             *queue_id;
	const struct addr_list *rcpts;          /* those Postfix took */
	const struct verdict   *verdict;        /* its signer stands there when it was accepted */
	enum reason             why;
};

void question_rcpt(const struct asker *asker, const struct party *p, const char *rcpt, struct answer *out);
/* Record the message.  REASON_ACCEPTED: it is recorded and out->kep_id is its name. */
void question_submit(const struct asker *asker, const struct party *p, const struct judged *m, struct answer *out);
/* Record the refusal.  REASON_ACCEPTED: it is recorded. */
void question_refuse(const struct asker *asker, const struct party *p, const struct judged *m, struct answer *out);

/* The member "signer" of submit: docs/ask-protocol.md. */
jdoc *question_signer(const struct signer *s);

#endif
