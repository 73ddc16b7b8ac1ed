#include "milter/milter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "milter/anchors.h"
#include "milter/ask.h"
#include "milter/place.h"
#include "milter/session.h"

#define BACKLOG 256
#define ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_SETSYMLIST)
/* Only recipients and the dot are answered.  An answer at DATA could let go of
 * ordinary mail before its content is sent to us, but would cost each KEP message
 * a round trip, and with libmilter's pool of threads that is four wake-ups. */
#define NO_REPLY (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)
#define STEPS (NO_REPLY | SMFIP_NOUNKNOWN | SMFIP_RCPT_REJ | SMFIP_HDR_LEADSPC)

/* libmilter's prototypes know no const. */
#define TEXT(s) ((char *)(uintptr_t)(s))

/* One connection of Postfix. */
struct link {
	struct session *session;
	struct ask     *ask;
	unsigned long   steps;          /* negotiated */
};

static const struct conf *conf;         /* const after milter_open() */

static jdoc *ask_policyd(void *arg, const jdoc *question)
{
	return ask_question(arg, question);
}

static struct link *link_of(SMFICTX *ctx)
{
	struct link *l = smfi_getpriv(ctx);
	struct asker asker = { ask_policyd, NULL };

	if (l)
		return l;
	l = mem_new(sizeof *l);
	asker.arg = l->ask = ask_new(conf->ask_socket, conf->ask_timeout);
	l->session = session_new(conf, &asker);
	smfi_setpriv(ctx, l);
	return l;
}

/* NULL: Postfix did not send it. */
static const char *macro(SMFICTX *ctx, const char *name)
{
	return smfi_getsymval(ctx, TEXT(name));
}

static sfsistat quiet(const struct link *l, unsigned long step)
{
	return l->steps & step ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat answer(SMFICTX *ctx, enum reason why)
{
	const struct reason_words *w = reason_words(why);
	struct buf text = BUF_INIT;
	char code[4] = { (char)('0' + w->code / 100), (char)('0' + w->code / 10 % 10), (char)('0' + w->code % 10), '\0' };

	if (why == REASON_ACCEPTED)
		return SMFIS_CONTINUE;
	session_reply(&text, why);
	smfi_setreply(ctx, code, TEXT(w->status), text.p);
	buf_release(&text);
	return w->code < 500 ? SMFIS_TEMPFAIL : SMFIS_REJECT;
}

/* What we want to be told at each stage; Postfix's own lists do not count then. */
static void want_macros(SMFICTX *ctx)
{
	static const struct { int stage; const char *macros; } lists[] = {
		{ SMFIM_CONNECT, "j {client_port}" }, { SMFIM_HELO, "j" }, { SMFIM_ENVFROM, "i {auth_authen} {client_port}" },
		{ SMFIM_ENVRCPT, "i {rcpt_mailer}" }, { SMFIM_DATA, "i" }, { SMFIM_EOH, "i" }, { SMFIM_EOM, "i" },
	};

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		smfi_setsymlist(ctx, lists[i].stage, TEXT(lists[i].macros));
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2, unsigned long f3,
                             unsigned long *our_actions, unsigned long *our_steps, unsigned long *our_f2, unsigned long *our_f3)
{
	if ((actions & ACTIONS) != ACTIONS || !(steps & SMFIP_HDR_LEADSPC)) {
		log_warn("the mail server offers too little of the milter protocol (actions %#lx, steps %#lx); Postfix 2.6 or later is "
		    "needed, with milter_protocol = 6", actions, steps);
		return SMFIS_REJECT;
	}
	*our_actions = ACTIONS;
	*our_steps = link_of(ctx)->steps = steps & STEPS;
	*our_f2 = *our_f3 = 0;
	want_macros(ctx);
	return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, struct sockaddr *address)
{
	struct link *l = link_of(ctx);
	char text[INET6_ADDRSTRLEN] = "";

	if (address && address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(void *)address)->sin_addr, text, sizeof text);
	else if (address && address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(void *)address)->sin6_addr, text, sizeof text);
	session_client(l->session, text);
	return quiet(l, SMFIP_NR_CONN);
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
	return quiet(link_of(ctx), SMFIP_NR_HELO);
}

/* Where Postfix's cleanup plays the session (sendmail(1), qmqpd), the client has
 * port 0; a real one never has. */
static bool is_local(SMFICTX *ctx)
{
	const char *port = macro(ctx, "{client_port}");

	return !port || strcmp(port, "0") == 0;
}

static sfsistat on_mail(SMFICTX *ctx, char **argv)
{
	struct link *l = link_of(ctx);

	session_mail(l->session, span_str(argv[0]), macro(ctx, "{auth_authen}"), is_local(ctx));
	return quiet(l, SMFIP_NR_MAIL);
}

static struct span orcpt_of(char **argv)
{
	for (; *argv; argv++)
		if (span_casestarts(span_str(*argv), SPAN("ORCPT=")))
			return span_str(*argv + 6);
	return SPAN_NONE;
}

/* SMFIP_RCPT_REJ: Postfix tells of recipients it has refused itself, so that they
 * count as offered. */
static bool is_refused(SMFICTX *ctx)
{
	const char *mailer = macro(ctx, "{rcpt_mailer}");

	return mailer && strcmp(mailer, "error") == 0;
}

static sfsistat on_rcpt(SMFICTX *ctx, char **argv)
{
	struct link *l = link_of(ctx);

	if (is_refused(ctx)) {
		session_rcpt_refused(l->session, span_str(argv[0]));
		return SMFIS_CONTINUE;
	}
	session_queue_id(l->session, macro(ctx, "i"));
	return answer(ctx, session_rcpt(l->session, span_str(argv[0]), orcpt_of(argv + 1)));
}

static sfsistat on_data(SMFICTX *ctx)
{
	struct link *l = link_of(ctx);

	session_queue_id(l->session, macro(ctx, "i"));
	session_data(l->session);
	return quiet(l, SMFIP_NR_DATA);
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	struct link *l = link_of(ctx);

	session_field(l->session, span_str(name), span_str(value));
	return quiet(l, SMFIP_NR_HDR);
}

static sfsistat on_eoh(SMFICTX *ctx)
{
	struct link *l = link_of(ctx);

	session_end_of_header(l->session);
	return quiet(l, SMFIP_NR_EOH);
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *octets, size_t n)
{
	struct link *l = link_of(ctx);

	session_body(l->session, span_of((const char *)octets, n));
	return quiet(l, SMFIP_NR_BODY);
}

/* Delete from the last to the first, since Postfix does not count deleted ones. */
static bool change_header(SMFICTX *ctx, const struct session *s)
{
	const struct strip *strip = session_strip(s);
	char value[KEP_ID_SIZE + 1] = " ";      /* SMFIP_HDR_LEADSPC: the space is ours to give */

	for (size_t i = strip->n; i-- > 0; )
		if (smfi_chgheader(ctx, strip->v[i].name, strip->v[i].index, NULL) != MI_SUCCESS)
			return false;
	strcat(value, session_kep_id(s));
	return smfi_addheader(ctx, TEXT("X-KEP-ID"), value) == MI_SUCCESS;
}

static sfsistat on_eom(SMFICTX *ctx)
{
	struct link *l = link_of(ctx);
	struct anchors *anchors = anchors_take();
	enum reason why;

	session_queue_id(l->session, macro(ctx, "i"));
	why = session_end(l->session, anchors_trust(anchors), clock_now());
	anchors_give(anchors);
	if (why == REASON_ACCEPTED && *session_kep_id(l->session) && !change_header(ctx, l->session))
		why = REASON_UNAVAILABLE;
	session_abort(l->session);
	return answer(ctx, why);
}

static sfsistat on_abort(SMFICTX *ctx)
{
	session_abort(link_of(ctx)->session);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	struct link *l = smfi_getpriv(ctx);

	smfi_setpriv(ctx, NULL);
	if (l) {
		session_free(l->session);
		ask_free(l->ask);
		free(l);
	}
	return SMFIS_CONTINUE;
}

static bool listen_there(struct buf *error)
{
	mode_t before = umask(0177);
	bool ok;

	errno = 0;
	ok = smfi_opensocket(false) == MI_SUCCESS;
	if (!ok) {
		buf_clear(error);
		buf_addf(error, "milter_socket = %s: cannot listen there: %s", conf->milter_socket,
		    errno ? strerror(errno) : "the system log says why");
	}
	umask(before);
	return ok;
}

bool milter_open(const struct conf *c, uid_t owner, struct buf *error)
{
	struct smfiDesc callbacks = {
		.xxfi_name = (char[]){ "kep-milter" }, .xxfi_version = SMFI_VERSION, .xxfi_flags = ACTIONS,
		.xxfi_negotiate = on_negotiate, .xxfi_connect = on_connect, .xxfi_helo = on_helo,
		.xxfi_envfrom = on_mail, .xxfi_envrcpt = on_rcpt, .xxfi_data = on_data,
		.xxfi_header = on_header, .xxfi_eoh = on_eoh, .xxfi_body = on_body, .xxfi_eom = on_eom,
		.xxfi_abort = on_abort, .xxfi_close = on_close,
	};

	conf = c;
	if (!place_clear(c, error))
		return false;
	if (smfi_setconn(TEXT(c->milter_socket)) != MI_SUCCESS || smfi_register(callbacks) != MI_SUCCESS ||
	    smfi_setbacklog(BACKLOG) != MI_SUCCESS) {
		buf_clear(error);
		buf_adds(error, "libmilter does not take our callbacks; build against the libmilter that is installed");
		return false;
	}
	return listen_there(error) && place_admit(c, owner, error);
}

bool milter_run(void)
{
	return smfi_main() == MI_SUCCESS;
}
