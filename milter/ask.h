/* ask.h - a line to kep-policyd: one question, one answer, while we wait.
 *
 * The connection is opened with the first question and kept.  Every question
 * may be asked twice (they carry natural keys), so one that fails on a kept
 * connection before a single octet of an answer came, as it does after a
 * restart of kep-policyd, is asked once more on a new one.
 */
#ifndef KEP_MILTER_ASK_H
#define KEP_MILTER_ASK_H

#include "libkep/clock.h"
#include "libkep/jdoc.h"

#define ASK_ANSWER_MAX (64 * 1024)      /* octets of an answer */

struct ask;
/* path is borrowed.  timeout holds for one question and its answer together. */
struct ask *ask_new(const char *path, usec timeout);
void ask_free(struct ask *a);
/* The answer, which the caller frees.  NULL: none came in time, or it was no
 * JSON object; a warning says why, and the next question opens a new connection. */
jdoc *ask_question(struct ask *a, const jdoc *question);

#endif
