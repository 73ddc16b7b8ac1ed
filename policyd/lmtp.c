#include "policyd/lmtp.h"

#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/reason.h"
#include "policyd/command.h"
#include "policyd/dots.h"

#define ANSWER_MAX 480

enum state { COMMANDS, SKIP_LINE, MESSAGE, WAITING, DONE };

struct answer {
	int   code;     /* 0: not given yet */
	char *text;
};

struct lmtp {
	const char          *host;
	size_t               limit;
	const struct lmtp_hooks *hooks;
	void                *arg;
	enum state           state;
	bool                 greeted;   /* LHLO was said */
	bool                 mail;      /* MAIL was accepted */
	size_t               errors;
	struct lmtp_envelope envelope;
	struct dots          dots;
	size_t               size;      /* of the message so far */
	struct answer       *answers;   /* one for each recipient, while WAITING */
	size_t               answered;  /* so many were sent, in order */
	struct buf           out;
};

/* ---- the envelope ---- */

static void recipient_release(struct lmtp_recipient *r)
{
	free(r->path);
	free(r->orcpt);
	free(r->notify);
}

static void reset(struct lmtp *s)
{
	for (size_t i = 0; i < s->envelope.n; i++)
		recipient_release(&s->envelope.recipients[i]);
	free(s->envelope.recipients);
	free(s->envelope.sender);
	s->envelope = (struct lmtp_envelope){ 0 };
	s->mail = false;
}

static void forget_answers(struct lmtp *s)
{
	for (size_t i = 0; s->answers && i < s->envelope.n; i++)
		free(s->answers[i].text);
	free(s->answers);
	s->answers = NULL;
	s->answered = 0;
}

static void say(struct lmtp *s, const char *line)
{
	buf_adds(&s->out, line);
	buf_adds(&s->out, "\r\n");
}

static void refuse(struct lmtp *s, const char *line)
{
	if (++s->errors > LMTP_ERRORS_MAX) {
		say(s, "421 4.7.0 too many errors");
		s->state = DONE;
		return;
	}
	say(s, line);
}

/* ---- commands ---- */

static void cmd_lhlo(struct lmtp *s, struct span args)
{
	if (span_trim(args).n == 0) {
		refuse(s, "501 5.5.4 LHLO needs a name");
		return;
	}
	reset(s);
	s->greeted = true;
	buf_addf(&s->out, "250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN\r\n", s->host);
}

static void cmd_helo(struct lmtp *s, struct span args)
{
	refuse(s, "500 5.5.1 this is LMTP: say LHLO");
}

/* A decimal number above the limit, or no number at all. */
static bool too_large(struct span value, size_t limit)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9' || n > limit)
			return true;
		n = n * 10 + (size_t)(value.p[i] - '0');
	}
	return value.n == 0 || n > limit;
}

/* NULL: taken; else the reply.  RET and ENVID are read and not needed: the
 * receipts of evidence take the place of the reports they shape. */
static const char *mail_param(struct lmtp *s, struct span key, struct span value)
{
	if (span_caseeq(key, SPAN("SIZE")))
		return too_large(value, s->limit) ? "552 5.3.4 the message is larger than allowed" : NULL;
	if (span_caseeq(key, SPAN("BODY"))) {
		s->envelope.eightbit = span_caseeq(value, SPAN("8BITMIME"));
		return s->envelope.eightbit || span_caseeq(value, SPAN("7BIT")) ? NULL : "501 5.5.4 unknown BODY";
	}
	if (span_caseeq(key, SPAN("SMTPUTF8"))) {
		s->envelope.utf8 = true;
		return value.n ? "501 5.5.4 SMTPUTF8 takes no value" : NULL;
	}
	if (span_caseeq(key, SPAN("RET")) || span_caseeq(key, SPAN("ENVID")))
		return value.n ? NULL : "501 5.5.4 RET and ENVID need a value";
	return "555 5.5.4 unknown parameter of MAIL";
}

static const char *read_mail(struct lmtp *s, struct span args)
{
	struct span path, key, value;
	const char *wrong = NULL;
	int got = 0;

	if (!command_path(&args, "FROM:", &path))
		return "501 5.5.4 write MAIL FROM:<address>";
	if (!addr_parse(&s->envelope.sender_address, path))
		return "553 5.1.7 the sender's address is not one we can read";
	while (!wrong && (got = command_param(&args, &key, &value)) == 1)
		wrong = mail_param(s, key, value);
	if (!wrong && got < 0)
		wrong = "501 5.5.4 malformed parameter";
	if (!wrong)
		s->envelope.sender = mem_span(path);
	return wrong;
}

static void cmd_mail(struct lmtp *s, struct span args)
{
	const char *wrong = !s->greeted ? "503 5.5.1 say LHLO first" : s->mail ? "503 5.5.1 MAIL was given already" : read_mail(s, args);

	if (wrong) {
		if (!s->mail)
			reset(s);
		refuse(s, wrong);
		return;
	}
	s->mail = true;
	say(s, "250 2.1.0 sender ok");
}

static const char *rcpt_param(struct lmtp_recipient *r, struct span key, struct span value)
{
	char **slot = span_caseeq(key, SPAN("ORCPT")) ? &r->orcpt : span_caseeq(key, SPAN("NOTIFY")) ? &r->notify : NULL;

	if (!slot)
		return "555 5.5.4 unknown parameter of RCPT";
	if (*slot || value.n == 0 || value.n > 1024)
		return "501 5.5.4 ORCPT and NOTIFY stand once, with a value";
	*slot = mem_span(value);
	return NULL;
}

static const char *read_rcpt(struct lmtp_recipient *r, struct span args)
{
	struct span path, key, value;
	const char *wrong = NULL;
	int got = 0;

	if (!command_path(&args, "TO:", &path))
		return "501 5.5.4 write RCPT TO:<address>";
	if (path.n == 0 || !addr_parse(&r->address, path))
		return "550 5.1.3 the address is not one we can read";
	r->path = mem_span(path);
	while (!wrong && (got = command_param(&args, &key, &value)) == 1)
		wrong = rcpt_param(r, key, value);
	return !wrong && got < 0 ? "501 5.5.4 malformed parameter" : wrong;
}

static void keep_recipient(struct lmtp_envelope *e, const struct lmtp_recipient *r)
{
	if ((e->n & (e->n - 1)) == 0)
		e->recipients = mem_grow(e->recipients, (e->n ? 2 * e->n : 1) * sizeof *r);
	e->recipients[e->n++] = *r;
}

static void cmd_rcpt(struct lmtp *s, struct span args)
{
	struct lmtp_recipient r = { 0 };
	const char *wrong;

	if (!s->mail) {
		refuse(s, "503 5.5.1 say MAIL first");
		return;
	}
	if (s->envelope.n >= LMTP_RECIPIENTS_MAX) {
		say(s, "452 4.5.3 too many recipients for one transaction");
		return;
	}
	wrong = read_rcpt(&r, args);
	if (wrong) {
		recipient_release(&r);
		refuse(s, wrong);
		return;
	}
	keep_recipient(&s->envelope, &r);
	say(s, "250 2.1.5 recipient ok");
}

static void cmd_data(struct lmtp *s, struct span args)
{
	if (s->envelope.n == 0) {
		refuse(s, "503 5.5.1 no recipient");
		return;
	}
	s->state = MESSAGE;
	s->dots = (struct dots){ 0 };
	s->size = 0;
	say(s, "354 end with <CR><LF>.<CR><LF>");
	s->hooks->begin(s->arg);
}

static void cmd_rset(struct lmtp *s, struct span args)
{
	reset(s);
	say(s, "250 2.0.0 ok");
}

static void cmd_noop(struct lmtp *s, struct span args)
{
	say(s, "250 2.0.0 ok");
}

static void cmd_vrfy(struct lmtp *s, struct span args)
{
	say(s, "252 2.0.0 send some mail and see");
}

static void cmd_quit(struct lmtp *s, struct span args)
{
	say(s, "221 2.0.0 bye");
	s->state = DONE;
}

static const struct {
	const char *name;
	void      (*run)(struct lmtp *s, struct span args);
} commands[] = {
	{ "LHLO", cmd_lhlo }, { "MAIL", cmd_mail }, { "RCPT", cmd_rcpt }, { "DATA", cmd_data }, { "RSET", cmd_rset },
	{ "NOOP", cmd_noop }, { "VRFY", cmd_vrfy }, { "QUIT", cmd_quit }, { "HELO", cmd_helo }, { "EHLO", cmd_helo },
};

static void run_command(struct lmtp *s, struct span line)
{
	struct span word = command_word(&line);

	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (span_caseeq(word, span_str(commands[i].name))) {
			commands[i].run(s, line);
			return;
		}
	refuse(s, "500 5.5.2 unknown command");
}

/* ---- octets ---- */

static size_t take_line(struct lmtp *s, struct span in)
{
	const char *lf = memchr(in.p, '\n', in.n);
	size_t n = lf ? (size_t)(lf - in.p) : in.n;
	bool too_long = n > LMTP_LINE_MAX + 1;

	if (!lf && !too_long)
		return 0;
	if (s->state == SKIP_LINE) {
		s->state = lf ? COMMANDS : SKIP_LINE;
		return lf ? n + 1 : n;
	}
	if (too_long) {
		refuse(s, "500 5.5.2 line too long");
		if (s->state != DONE && !lf)
			s->state = SKIP_LINE;
		return lf ? n + 1 : n;
	}
	if (n && in.p[n - 1] == '\r')
		run_command(s, span_of(in.p, n - 1));
	else
		refuse(s, "500 5.5.2 a command ends with <CR><LF>");
	return n + 1;
}

static void refuse_message(struct lmtp *s, enum reason why)
{
	const struct reason_words *w = reason_words(why);

	for (size_t i = 0; i < s->envelope.n; i++)
		buf_addf(&s->out, "%d %s %s\r\n", w->code, w->status, w->english);
	s->state = COMMANDS;
	s->hooks->over(s->arg);
	reset(s);
}

static void end_message(struct lmtp *s)
{
	if (s->size > s->limit) {
		refuse_message(s, REASON_MESSAGE_SIZE);
	} else if (s->dots.bare_lf) {
		refuse_message(s, REASON_BARE_LF);
	} else {
		s->answers = mem_array(s->envelope.n, sizeof *s->answers);
		s->state = WAITING;
		s->hooks->whole(s->arg);
	}
}

static size_t take_message(struct lmtp *s, struct span in)
{
	struct span rest = in, piece;
	enum dots_step step;

	while ((step = dots_next(&s->dots, &rest, &piece)) == DOTS_PIECE) {
		size_t room = s->size < s->limit ? s->limit - s->size : 0;

		s->size += piece.n;
		if (piece.n > room)
			piece.n = room;
		if (piece.n)
			s->hooks->octets(s->arg, piece);
	}
	if (step == DOTS_END)
		end_message(s);
	return in.n - rest.n;
}

size_t lmtp_push(struct lmtp *s, struct span in)
{
	size_t used = 0, n;

	while (used < in.n && s->state != WAITING && s->state != DONE) {
		struct span rest = span_of(in.p + used, in.n - used);

		n = s->state == MESSAGE ? take_message(s, rest) : take_line(s, rest);
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

/* ---- answers ---- */

static void write_answer(struct buf *out, const struct answer *a)
{
	buf_addf(out, "%03d ", a->code);
	for (const char *p = a->text; *p; p++)
		buf_addc(out, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	buf_adds(out, "\r\n");
}

void lmtp_answer(struct lmtp *s, size_t i, int code, struct span text)
{
	if (s->state != WAITING || i >= s->envelope.n || s->answers[i].code)
		log_panic("lmtp_answer: recipient %zu has no question open", i);
	s->answers[i].code = code;
	s->answers[i].text = mem_span(span_of(text.p, text.n > ANSWER_MAX ? ANSWER_MAX : text.n));
	while (s->answered < s->envelope.n && s->answers[s->answered].code)
		write_answer(&s->out, &s->answers[s->answered++]);
	if (s->answered < s->envelope.n)
		return;
	forget_answers(s);
	s->state = COMMANDS;
	s->hooks->over(s->arg);
	reset(s);
}

/* ---- life ---- */

struct lmtp *lmtp_new(const char *host, size_t limit, const struct lmtp_hooks *hooks, void *arg)
{
	struct lmtp *s = mem_new(sizeof *s);

	s->host = host;
	s->limit = limit;
	s->hooks = hooks;
	s->arg = arg;
	buf_addf(&s->out, "220 %s LMTP kep-policyd\r\n", host);
	return s;
}

void lmtp_free(struct lmtp *s)
{
	if (!s)
		return;
	forget_answers(s);
	reset(s);
	buf_release(&s->out);
	free(s);
}

struct buf *lmtp_out(struct lmtp *s)
{
	return &s->out;
}

bool lmtp_waiting(const struct lmtp *s)
{
	return s->state == WAITING;
}

bool lmtp_done(const struct lmtp *s)
{
	return s->state == DONE;
}

const struct lmtp_envelope *lmtp_envelope(const struct lmtp *s)
{
	return &s->envelope;
}
