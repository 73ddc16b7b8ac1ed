/* session.h - what kep-milter decides in one SMTP session.
 *
 * Knows no libmilter and no socket: milter.c translates the callbacks, the
 * asker carries the questions.  A session may be used from different threads,
 * but only from one at a time.
 *
 * A message is KEP mail when its sender is a KEP address; anything else that may
 * pass is ordinary mail, whose content is not looked at.  A local submission
 * (sendmail(1), where Postfix's cleanup plays an SMTP session) never has a single
 * recipient refused, since Postfix would keep such mail in the maildrop for ever;
 * what stands against it is said at the end of the message.
 *
 * Functions that judge return REASON_ACCEPTED, or why not; the log line is written.
 */
#ifndef KEP_MILTER_SESSION_H
#define KEP_MILTER_SESSION_H

#include "libkep/conf.h"
#include "milter/question.h"
#include "milter/strip.h"

struct session;

/* conf is borrowed. */
struct session *session_new(const struct conf *conf, const struct asker *asker);
void session_free(struct session *s);

/* The client's IP address as text; may be NULL. */
void session_client(struct session *s, const char *address);
/* The queue id, as soon as there is one; NULL: not yet. */
void session_queue_id(struct session *s, const char *id);

/* MAIL FROM: a new message.  sender with or without angle brackets; login NULL
 * or "": none; local: submitted with sendmail(1).  What stands against the sender
 * is said with each recipient, as Postfix does itself (smtpd_delay_reject): that
 * is one question less a message. */
void session_mail(struct session *s, struct span sender, const char *login, bool local);
/* RCPT TO; orcpt: the value of its ORCPT parameter, or SPAN_NONE. */
enum reason session_rcpt(struct session *s, struct span rcpt, struct span orcpt);
/* RCPT TO that somebody else has refused, such as kep-policyd as policy service:
 * it was offered, and may stand in To or Cc. */
void session_rcpt_refused(struct session *s, struct span rcpt);
/* DATA: there are no more recipients. */
void session_data(struct session *s);

/* The content, as the milter protocol brings it (SMFIP_HDR_LEADSPC negotiated). */
void session_field(struct session *s, struct span name, struct span value);
void session_end_of_header(struct session *s);
void session_body(struct session *s, struct span octets);

/* The dot: judge, have it recorded, and only then answer.  REASON_ACCEPTED:
 * session_kep_id() and session_strip() say what to change in the header; the id
 * is empty where ordinary mail passes untouched. */
enum reason session_end(struct session *s, const struct trust *trust, usec now);
const char *session_kep_id(const struct session *s);
const struct strip *session_strip(const struct session *s);

/* The message ended before its dot, or was answered. */
void session_abort(struct session *s);

/* The text of the SMTP reply behind its codes; '%' is doubled, as Postfix
 * takes the text for a format.  Cleared first. */
void session_reply(struct buf *out, enum reason why);

#endif
