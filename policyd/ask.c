#include "config.h"
#include "policyd/ask.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "libkep/clock.h"
#include "libkep/digest.h"
#include "libkep/jdoc.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/directory.h"

/* One question and its answer. */
struct op {
	TAILQ_ENTRY(op)  link;
	struct session  *session;
	jdoc            *asked, *answer;
	struct decision  decision;
	bool             done;
};

/* One connection. */
struct session {
	struct daemon   *d;
	struct peer     *peer;          /* NULL: gone; we stay while a question is under way */
	TAILQ_HEAD(, op) ops;           /* in the order they came */
	size_t           n;
	bool             over;          /* no more questions */
};

static void settle(struct session *s)
{
	if (!s->peer && s->n == 0)
		free(s);
}

/* Send what is answered, in order. */
static void flush(struct session *s)
{
	struct buf b = BUF_INIT;
	struct op *op;

	while ((op = TAILQ_FIRST(&s->ops)) && op->done) {
		jdoc_write(&b, op->answer);
		buf_addc(&b, '\n');
		TAILQ_REMOVE(&s->ops, op, link);
		s->n--;
		jdoc_free(op->asked);
		jdoc_free(op->answer);
		free(op);
	}
	if (s->peer && b.n) {
		peer_write(s->peer, buf_span(&b));
		peer_deadline(s->peer, s->n ? ASK_SECONDS : 0);
		if (s->over && s->n == 0)
			peer_finish(s->peer);
		else
			peer_wake(s->peer);
	}
	buf_release(&b);
	settle(s);
}

/* The answer is complete; op is gone afterwards. */
static void done(struct op *op, enum reason why)
{
	jdoc_set_int(op->answer, "v", ASK_VERSION);
	jdoc_set_str(op->answer, "why", reason_words(why)->wire);
	op->done = true;
	flush(op->session);
}

static void malformed(struct op *op, const char *words)
{
	log_warn("ask: question not understood, disconnecting: %s", words);
	jdoc_set_str(op->answer, "error", words);
	op->session->over = true;
	done(op, REASON_UNAVAILABLE);
}

/* ---- mail, rcpt ---- */

static void decided(void *arg)
{
	struct op *op = arg;

	jdoc_set_bool(op->answer, "kep", op->decision.kep);
	if (op->decision.sender_party == PARTY_PROVIDER)
		jdoc_set_bool(op->answer, "provider", true);
	done(op, op->decision.why);
}

static void decide(struct op *op, bool with_rcpt)
{
	op->decision = (struct decision){ .sender = jdoc_text(op->asked, "sender"), .login = jdoc_text(op->asked, "login"),
		.rcpt = jdoc_text(op->asked, "rcpt"), .with_rcpt = with_rcpt, .answered = decided, .arg = op };
	if (!op->decision.sender.p)
		malformed(op, "sender is missing");
	else if (with_rcpt && op->decision.rcpt.n == 0)
		malformed(op, "rcpt is missing");
	else
		directory_decide(op->session->d->directory, &op->decision);
}

static void on_mail(struct op *op)
{
	decide(op, false);
}

static void on_rcpt(struct op *op)
{
	decide(op, true);
}

/* ---- submit, refuse ---- */

/* The fields both share, as the database takes them. */
struct message {
	struct span queue_id, sender, login, client, from, message_id;
	struct addr sender_addr, from_addr;
	enum party  party;              /* of the sender */
	struct buf  rcpts;              /* array literal */
	size_t      rcpt_count;
	char        size[24];
};

static struct span text_or_empty(const jdoc *d, const char *key)
{
	struct span s = jdoc_text(d, key);

	return s.p ? s : SPAN("");
}

/* NULL: filled; otherwise what is wrong.  Release m->rcpts in both cases. */
static const char *message_read(struct message *m, struct op *op)
{
	const jdoc *d = op->asked, *rcpts = jdoc_get(d, "rcpts");
	size_t n = jdoc_count(rcpts);
	struct addr *a = mem_array(n, sizeof *a);
	struct span *v = mem_array(n, sizeof *v);
	int64_t size = jdoc_int(d, "size", -1);
	const char *wrong = NULL;

	*m = (struct message){ .queue_id = text_or_empty(d, "queue_id"), .sender = text_or_empty(d, "sender"),
		.login = text_or_empty(d, "login"), .client = text_or_empty(d, "client"), .from = text_or_empty(d, "from"),
		.message_id = text_or_empty(d, "message_id"), .rcpts = BUF_INIT, .rcpt_count = n };
	m->party = directory_party(op->session->d->directory, m->sender, &m->sender_addr);
	addr_parse(&m->from_addr, m->from);
	for (size_t i = 0; i < n && !wrong; i++) {
		v[i] = jdoc_text_at(rcpts, i);
		if (v[i].n == 0)
			wrong = "rcpts holds something that is no address";
		else if (addr_parse(&a[i], v[i]))
			v[i] = addr_span(&a[i]);        /* folded, as in the attempts */
	}
	if (!wrong && m->queue_id.n == 0)
		wrong = "queue_id is missing";
	if (!wrong && size < 0)
		wrong = "size is missing";
	if (!wrong)
		pg_array_text(&m->rcpts, v, n);
	snprintf(m->size, sizeof m->size, "%" PRId64, size);
	free(v);
	free(a);
	return wrong;
}

static void log_message(const struct op *op, const char *what, const char *why, struct span kep_id)
{
	struct span q = jdoc_text(op->asked, "queue_id"), from = text_or_empty(op->asked, "sender"), m = text_or_empty(op->asked, "message_id");

	log_info("%.*s: %s why=%s kep_id=%.*s from=<%.*s> nrcpt=%zu message_id=%.*s", (int)q.n, q.p, what, why, (int)kep_id.n,
	    kep_id.n ? kep_id.p : "", (int)from.n, from.p, jdoc_count(jdoc_get(op->asked, "rcpts")), (int)m.n, m.p);
}

static void not_recorded(struct op *op, enum pg_answer a, const char *sqlstate, const char *words)
{
	struct span q = jdoc_text(op->asked, "queue_id");

	if (a == PG_FAILED)
		log_warn("%.*s: not recorded: %s: %s", (int)q.n, q.p, sqlstate, words);
	else
		log_warn("%.*s: not recorded: the database is away", (int)q.n, q.p);
	done(op, REASON_UNAVAILABLE);
}

static void submitted(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct op *op = arg;
	enum reason why;
	struct span kep_id;

	if (a != PG_DONE || pg_rows_count(rows) != 1) {
		not_recorded(op, a == PG_DONE ? PG_FAILED : a, sqlstate ? sqlstate : "", words ? words : "kep.submit gave no row");
		return;
	}
	why = reason_find(pg_value(rows, 0, 0));
	kep_id = pg_value(rows, 0, 1);
	if (why == REASON_COUNT || (why == REASON_ACCEPTED && !uuid_valid(kep_id)))
		why = REASON_UNAVAILABLE;
	if (why == REASON_ACCEPTED)
		jdoc_set_text(op->answer, "kep_id", kep_id);
	log_message(op, why == REASON_ACCEPTED ? "submitted" : "not submitted", reason_words(why)->wire,
	    why == REASON_ACCEPTED ? kep_id : SPAN_NONE);
	done(op, why);
}

/* What can be judged without the database.  From: of ours it is the sender, of
 * another provider's it is of that provider. */
static enum reason judge(const struct op *op, const struct message *m)
{
	const struct directory *d = op->session->d->directory;
	bool same;

	if (!directory_loaded(d))
		return REASON_UNAVAILABLE;
	if (m->rcpt_count > op->session->d->conf->recipient_limit)
		return REASON_TOO_MANY_RECIPIENTS;
	if (!decide_is_kep(m->party))
		return m->party == PARTY_NULL ? REASON_SENDER_NULL : REASON_SENDER_ORDINARY;
	if (m->party == PARTY_UNREADABLE)
		return REASON_ADDRESS_SYNTAX;
	if (m->party == PARTY_PROVIDER)
		same = directory_same_provider(d, m->sender, addr_span(&m->from_addr));
	else
		same = addr_eq(&m->from_addr, &m->sender_addr);
	return same ? REASON_ACCEPTED : REASON_FROM_MISMATCH;
}

static void submit(struct op *op, const struct message *m, const unsigned char *sha256, const unsigned char *sha512)
{
	struct pg_params v = { .n = 0 };
	struct buf signer = BUF_INIT;
	char kep_id[37], canonical[12];

	clock_uuid(kep_id);
	snprintf(canonical, sizeof canonical, "%d", CANONICAL_VERSION);
	jdoc_write(&signer, jdoc_get(op->asked, "signer"));
	pg_text(&v, span_str(kep_id));
	pg_text(&v, span_str(conf_hostname(op->session->d->conf)));
	pg_text(&v, m->queue_id);
	pg_text(&v, addr_span(&m->sender_addr));
	pg_text(&v, m->login);
	pg_text(&v, m->client);
	pg_text(&v, buf_span(&m->rcpts));
	pg_text(&v, addr_span(&m->from_addr));
	pg_text(&v, m->message_id);
	pg_text(&v, span_str(m->size));
	pg_text(&v, span_str(canonical));
	pg_octets(&v, span_of((const char *)sha256, SHA256_SIZE));
	pg_octets(&v, span_of((const char *)sha512, SHA512_SIZE));
	pg_text(&v, buf_span(&signer));
	pg_ask(op->session->d->pg, "SELECT why, kep_id::text FROM kep.submit($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text[], "
	    "$8::text, $9::text, $10::bigint, $11::int, $12::bytea, $13::bytea, $14::jsonb)", &v, true, submitted, op);
	buf_release(&signer);
}

static const char *submit_wrong(const struct op *op, const struct message *m, unsigned char *sha256, unsigned char *sha512)
{
	if (m->rcpt_count == 0)
		return "rcpts is empty";
	if (jdoc_int(op->asked, "canonical", 0) != CANONICAL_VERSION)
		return "canonical is not 1";
	if (!hex_decode(sha256, SHA256_SIZE, jdoc_text(op->asked, "sha256")) || !hex_decode(sha512, SHA512_SIZE, jdoc_text(op->asked, "sha512")))
		return "sha256 or sha512 is no digest";
	if (!jdoc_text(jdoc_get(op->asked, "signer"), "certificate").n)
		return "signer is missing";
	return NULL;
}

static void on_submit(struct op *op)
{
	unsigned char sha256[SHA256_SIZE], sha512[SHA512_SIZE];
	struct message m;
	const char *wrong = message_read(&m, op);
	enum reason why;

	if (!wrong)
		wrong = submit_wrong(op, &m, sha256, sha512);
	if (wrong) {
		malformed(op, wrong);
	} else if ((why = judge(op, &m)) != REASON_ACCEPTED) {
		log_message(op, "not submitted", reason_words(why)->wire, SPAN_NONE);
		done(op, why);
	} else {
		submit(op, &m, sha256, sha512);
	}
	buf_release(&m.rcpts);
}

static void refused(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct op *op = arg;
	struct span why = jdoc_text(op->asked, "why");

	if (a != PG_DONE) {
		not_recorded(op, a, sqlstate, words);
		return;
	}
	log_message(op, "refusal recorded", why.p, SPAN_NONE);
	done(op, REASON_ACCEPTED);
}

static void refuse(struct op *op, const struct message *m)
{
	struct pg_params v = { .n = 0 };

	pg_text(&v, span_str(conf_hostname(op->session->d->conf)));
	pg_text(&v, m->queue_id);
	pg_text(&v, addr_empty(&m->sender_addr) ? m->sender : addr_span(&m->sender_addr));
	pg_text(&v, m->login);
	pg_text(&v, m->client);
	pg_text(&v, buf_span(&m->rcpts));
	pg_text(&v, m->from);
	pg_text(&v, m->message_id);
	pg_text(&v, span_str(m->size));
	pg_text(&v, jdoc_text(op->asked, "why"));
	pg_ask(op->session->d->pg, "SELECT kep.refuse($1::text, $2::text, $3::text, $4::text, $5::text, $6::text[], $7::text, $8::text, $9::bigint, $10::text)",
	    &v, true, refused, op);
}

static void on_refuse(struct op *op)
{
	enum reason why = reason_find(text_or_empty(op->asked, "why"));
	struct message m;
	const char *wrong = message_read(&m, op);

	if (!wrong && (why == REASON_COUNT || why == REASON_ACCEPTED))
		wrong = "why is not the name of a refusal";
	if (wrong)
		malformed(op, wrong);
	else
		refuse(op, &m);
	buf_release(&m.rcpts);
}

static void on_status(struct op *op)
{
	const struct daemon *d = op->session->d;

	jdoc_set_bool(op->answer, "database", pg_is_up(d->pg));
	jdoc_set_int(op->answer, "waiting", (int64_t)pg_waiting(d->pg));
	jdoc_set_int(op->answer, "domains", (int64_t)directory_domains(d->directory));
	jdoc_set_int(op->answer, "schema", d->schema);
	jdoc_set_str(op->answer, "ledger", d->ledger_trouble ? d->ledger_trouble : "ok");
	jdoc_set_str(op->answer, "version", PACKAGE_VERSION);
	done(op, REASON_ACCEPTED);
}

static const struct {
	const char *ask;
	void      (*run)(struct op *op);
} asks[] = {
	{ "mail",   on_mail },
	{ "rcpt",   on_rcpt },
	{ "submit", on_submit },
	{ "refuse", on_refuse },
	{ "status", on_status },
};

static void run(struct session *s, struct span line)
{
	struct op *op = mem_new(sizeof *op);
	struct buf why = BUF_INIT;
	struct span ask;
	size_t i = 0;

	op->session = s;
	op->answer = jdoc_object();
	op->asked = jdoc_parse(line, ASK_LINE_MAX, &why);
	TAILQ_INSERT_TAIL(&s->ops, op, link);
	s->n++;
	peer_deadline(s->peer, ASK_SECONDS);
	ask = jdoc_text(op->asked, "ask");
	while (i < COUNT_OF(asks) && !span_is(ask, asks[i].ask))
		i++;
	if (!op->asked)
		malformed(op, buf_str(&why));
	else if (jdoc_int(op->asked, "v", 0) != ASK_VERSION)
		malformed(op, "v is not 1; use kep-milter and kep-policyd of one release");
	else if (i == COUNT_OF(asks))
		malformed(op, "unknown ask");
	else
		asks[i].run(op);
	buf_release(&why);
}

/* ---- the connection ---- */

static bool may_ask(const struct ask *a, uid_t uid)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->users[i] == uid)
			return true;
	return uid == 0 || uid == geteuid();
}

static void *ask_open(void *arg, struct peer *peer, uid_t uid)
{
	const struct ask *a = arg;
	struct session *s;

	if (!may_ask(a, uid)) {
		log_warn("ask: user %ld may not ask; add its name to ask_users if it should", (long)uid);
		return NULL;
	}
	s = mem_new(sizeof *s);
	s->d = a->d;
	s->peer = peer;
	TAILQ_INIT(&s->ops);
	return s;
}

static size_t ask_input(void *session, struct span in)
{
	struct session *s = session;
	const char *end = memchr(in.p, '\n', in.n);

	if (s->over || s->n >= ASK_OUTSTANDING_MAX)
		return 0;
	if (!end && in.n >= ASK_LINE_MAX) {
		log_warn("ask: a question is longer than %zu octets, disconnecting", ASK_LINE_MAX);
		peer_close(s->peer);
		return 0;
	}
	if (!end)
		return 0;
	run(s, span_of(in.p, (size_t)(end - in.p)));
	return (size_t)(end - in.p) + 1;
}

static void ask_gone(void *session)
{
	struct session *s = session;

	s->peer = NULL;
	settle(s);
}

const struct service_hooks ask_hooks = {
	.name = "ask",
	.input_max = ASK_LINE_MAX,
	.peers_max = 500,
	.open = ask_open,
	.input = ask_input,
	.gone = ask_gone,
};

bool ask_init(struct ask *a, struct daemon *d, struct buf *error)
{
	struct span rest = span_trim(span_str(d->conf->ask_users));
	bool ok = true;

	*a = (struct ask){ .d = d };
	while (ok && rest.n) {
		char *name = mem_span(span_cut(&rest, ' '));
		struct passwd *pw = getpwnam(name);

		ok = pw != NULL;
		if (ok) {
			a->users = mem_grow(a->users, (a->n + 1) * sizeof *a->users);
			a->users[a->n++] = pw->pw_uid;
		} else {
			buf_clear(error);
			buf_addf(error, "ask_users: there is no user '%s'; create it or correct the key", name);
		}
		free(name);
		rest = span_trim(rest);
	}
	return ok;
}

void ask_release(struct ask *a)
{
	free(a->users);
	*a = (struct ask){ 0 };
}
