#include "policyd/signer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libkep/checkpoint.h"
#include "libkep/clock.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/notekey.h"
#include "libkep/privilege.h"
#include "libkep/seal.h"

/* ---- frames, blocking: the child always, the parent while it starts ---- */

static bool read_all(int fd, void *to, size_t n)
{
	for (char *p = to; n; ) {
		ssize_t got = read(fd, p, n);

		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		p += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
	}
	return true;
}

static bool write_all(int fd, const void *from, size_t n)
{
	for (const char *p = from; n; ) {
		ssize_t put = send(fd, p, n, MSG_NOSIGNAL);

		if (put < 0 && errno != EINTR)
			return false;
		p += put > 0 ? put : 0;
		n -= put > 0 ? (size_t)put : 0;
	}
	return true;
}

static bool read_frame(int fd, struct buf *out)
{
	uint32_t length;
	char *octets;
	bool good;

	buf_clear(out);
	if (!read_all(fd, &length, sizeof length) || ntohl(length) > SIGNER_CONTENT_MAX)
		return false;
	octets = mem_new(ntohl(length) + 1);
	good = read_all(fd, octets, ntohl(length));
	buf_add(out, span_of(octets, ntohl(length)));
	free(octets);
	return good;
}

static bool write_frame(int fd, struct span octets)
{
	uint32_t length = htonl((uint32_t)octets.n);

	return write_all(fd, &length, sizeof length) && write_all(fd, octets.p, octets.n);
}

/* ---- the child ---- */

static void ignore_signals(void)
{
	/* The terminal and the supervisor signal the whole group; we end when the
	 * parent does, which may still want signatures while it ends. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
}

/* Nothing is open but the pair; standard error stays for the sanitizers' and
 * libc's last words. */
static void close_the_rest(int *fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	*fd = dup2(*fd, 3);
	close_range(4, ~0u, 0);
}

/* From here on nothing can be core-dumped; and, unless a key is in a module that may
 * want files, sockets and threads of its own, no file opened or written, no process
 * made. */
static void lock_up(bool remote)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	if (!remote) {
		setrlimit(RLIMIT_FSIZE, &none);
		setrlimit(RLIMIT_NOFILE, &none);
		setrlimit(RLIMIT_NPROC, &none);
	}
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Last: a change of user clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

struct keys {
	struct seal       *seal;
	struct notekey    *note;
	struct buf         origin;      /* of the only checkpoints that are signed */
	uint64_t           size;        /* of the last one */
	struct merkle_hash root;
};

static bool keys_load(struct keys *k, const struct conf *conf, struct buf *error)
{
	return (k->seal = seal_load(conf->seal_certificate, conf->seal_key, error)) && (k->note = notekey_load(conf->checkpoint_key, error));
}

static bool keys_ready(const struct keys *k, const struct conf *conf, struct buf *error)
{
	return seal_ready(k->seal, conf->seal_key, error) && notekey_ready(k->note, error);
}

static void keys_release(struct keys *k)
{
	seal_free(k->seal);
	notekey_free(k->note);
	buf_release(&k->origin);
}

/* A checkpoint of our ledger that neither goes back nor contradicts the last one
 * this process signed, whatever becomes of the parent. */
static bool is_next(const struct keys *k, struct span text, struct checkpoint *c)
{
	if (!checkpoint_parse(text, c, NULL) || !span_eq(c->origin, buf_span(&k->origin)) || c->extension.n > 0)
		return false;
	return c->size > k->size || (c->size == k->size && merkle_eq(&c->root, &k->root));
}

static bool sign_note(struct keys *k, struct span text, unsigned char out[ED25519_SIGNATURE])
{
	struct checkpoint c;

	if (!is_next(k, text, &c) || !notekey_sign(k->note, text, out))
		return false;
	k->size = c.size;
	k->root = c.root;
	return true;
}

/* An empty *out: not signed. */
static void sign(struct keys *k, char kind, struct span content, struct buf *out)
{
	unsigned char note[ED25519_SIGNATURE];

	buf_clear(out);
	if (kind == SIGNER_SEAL && !seal_sign(k->seal, content, clock_now(), out))
		buf_clear(out);
	if (kind == SIGNER_NOTE && sign_note(k, content, note))
		buf_add(out, span_of((const char *)note, sizeof note));
}

static void sign_for_ever(int fd, struct keys *k)
{
	struct buf content = BUF_INIT, signature = BUF_INIT;
	char kind;

	while (read_all(fd, &kind, 1) && read_frame(fd, &content)) {
		sign(k, kind, buf_span(&content), &signature);
		if (!write_frame(fd, buf_span(&signature)))
			break;
	}
	buf_release(&content);
	buf_release(&signature);
}

/* The first words of the child: GREETING and the public key, or what is wrong. */
#define GREETING "ready\n"

static bool greet(int fd, const struct keys *k)
{
	char words[sizeof GREETING - 1 + ED25519_KEY] = GREETING;

	notekey_public(k->note, (unsigned char *)words + sizeof GREETING - 1);
	return write_frame(fd, span_of(words, sizeof words));
}

static void child(int fd, const struct conf *conf)
{
	struct buf error = BUF_INIT;
	struct privilege who = { 0 };
	struct keys keys = { .seal = NULL };

	prctl(PR_SET_NAME, "kep-signer");
	ignore_signals();
	close_the_rest(&fd);
	conf_add_origin(&keys.origin, conf);
	merkle_empty(&keys.root);
	if (keys_load(&keys, conf, &error) && privilege_find(&who, conf, &error) && privilege_drop(&who, &error) &&
	    keys_ready(&keys, conf, &error)) {
		lock_up(seal_is_remote(keys.seal) || notekey_is_remote(keys.note));
		if (greet(fd, &keys))
			sign_for_ever(fd, &keys);
	} else {
		write_frame(fd, buf_span(&error));
	}
	keys_release(&keys);
	privilege_release(&who);
	buf_release(&error);
	_exit(0);
}

/* ---- the parent ---- */

struct question {
	struct question  *next;
	signer_answered  *answered;
	void             *arg;
};

struct signer_child {
	pid_t               pid;
	int                 fd;
	unsigned char       public[ED25519_KEY];
	struct bufferevent *bev;
	struct event       *refuse;             /* answers what was too large to ask */
	struct question    *first, **last;      /* asked, in order */
	struct question    *refused;
};

/* The child's first words.  false: *error says what is wrong. */
static bool is_ready(int fd, unsigned char public[ED25519_KEY], struct buf *error)
{
	const size_t n = sizeof GREETING - 1;

	if (!read_frame(fd, error) || error->n == 0) {
		buf_clear(error);
		buf_adds(error, "the signer ended before it had read its keys");
		return false;
	}
	if (error->n != n + ED25519_KEY || memcmp(error->p, GREETING, n) != 0)
		return false;
	memcpy(public, error->p + n, ED25519_KEY);
	buf_clear(error);
	return true;
}

struct signer_child *signer_start(const struct conf *conf, struct buf *error)
{
	unsigned char public[ED25519_KEY];
	struct signer_child *s;
	int pair[2];
	pid_t pid;

	buf_clear(error);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 || (pid = fork()) < 0) {
		buf_addf(error, "the signer cannot be started: %s", strerror(errno));
		return NULL;
	}
	if (pid == 0)
		child(pair[1], conf);
	close(pair[1]);
	if (!is_ready(pair[0], public, error)) {
		close(pair[0]);
		waitpid(pid, NULL, 0);
		return NULL;
	}
	s = mem_new(sizeof *s);
	s->pid = pid;
	s->fd = pair[0];
	memcpy(s->public, public, sizeof public);
	s->last = &s->first;
	return s;
}

const unsigned char *signer_public(const struct signer_child *s)
{
	return s->public;
}

static void give_answer(struct signer_child *s, struct span signature)
{
	struct question *q = s->first;

	s->first = q->next;
	if (!s->first)
		s->last = &s->first;
	q->answered(q->arg, signature);
	free(q);
}

/* Cut one answer off the input.  false: it is not all there yet. */
static bool take_answer(struct signer_child *s, struct evbuffer *in)
{
	uint32_t length;
	const char *p;

	if (evbuffer_copyout(in, &length, sizeof length) != (ev_ssize_t)sizeof length)
		return false;
	length = ntohl(length);
	if (length > SIGNER_CONTENT_MAX || !s->first)
		log_fatal("the signer answers what nobody asked; the supervisor starts us again");
	if (evbuffer_get_length(in) < sizeof length + length)
		return false;
	evbuffer_drain(in, sizeof length);
	p = length ? (const char *)evbuffer_pullup(in, (ev_ssize_t)length) : NULL;
	give_answer(s, span_of(p, length));
	evbuffer_drain(in, length);
	return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	while (take_answer(arg, in))
		;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	log_fatal("the signer ended; nobody else can read the keys again, so we end too and the supervisor starts us afresh");
}

static void on_refuse(evutil_socket_t fd, short what, void *arg)
{
	struct signer_child *s = arg;

	while (s->refused) {
		struct question *q = s->refused;

		s->refused = q->next;
		q->answered(q->arg, SPAN_NONE);
		free(q);
	}
}

void signer_attach(struct signer_child *s, struct event_base *base)
{
	evutil_make_socket_nonblocking(s->fd);
	s->bev = bufferevent_socket_new(base, s->fd, 0);
	s->refuse = event_new(base, -1, 0, on_refuse, s);
	bufferevent_setcb(s->bev, on_read, NULL, on_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
}

void signer_ask(struct signer_child *s, enum signer_kind kind, struct span content, signer_answered *answered, void *arg)
{
	struct question *q = mem_new(sizeof *q);
	uint32_t length = htonl((uint32_t)content.n);
	char octet = (char)kind;

	q->answered = answered;
	q->arg = arg;
	if (content.n > SIGNER_CONTENT_MAX) {
		q->next = s->refused;
		s->refused = q;
		event_active(s->refuse, 0, 0);
		return;
	}
	*s->last = q;
	s->last = &q->next;
	bufferevent_write(s->bev, &octet, 1);
	bufferevent_write(s->bev, &length, sizeof length);
	bufferevent_write(s->bev, content.p, content.n);
}

static void forget(struct question *q)
{
	while (q) {
		struct question *next = q->next;

		free(q);
		q = next;
	}
}

void signer_free(struct signer_child *s)
{
	if (!s)
		return;
	forget(s->first);
	forget(s->refused);
	if (s->bev) {
		bufferevent_free(s->bev);
		event_free(s->refuse);
	}
	close(s->fd);
	waitpid(s->pid, NULL, 0);
	free(s);
}
