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

#include "libkep/clock.h"
#include "libkep/cms.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/privilege.h"

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

/* From here on no file can be opened, written or core-dumped, no process made. */
static void lock_up(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_NOFILE, &none);
	setrlimit(RLIMIT_NPROC, &none);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Last: a change of user clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void sign_for_ever(int fd, const struct seal *seal)
{
	struct buf content = BUF_INIT, der = BUF_INIT;

	while (read_frame(fd, &content)) {
		buf_clear(&der);
		if (!seal_sign(seal, buf_span(&content), clock_now(), &der))
			buf_clear(&der);
		if (!write_frame(fd, buf_span(&der)))
			break;
	}
	buf_release(&content);
	buf_release(&der);
}

static void child(int fd, const struct conf *conf)
{
	struct buf error = BUF_INIT;
	struct privilege who = { 0 };
	struct seal *seal = NULL;

	prctl(PR_SET_NAME, "kep-signer");
	ignore_signals();
	close_the_rest(&fd);
	seal = seal_load(conf->seal_certificate, conf->seal_key, &error);
	if (seal && privilege_find(&who, conf, &error) && privilege_drop(&who, &error)) {
		lock_up();
		if (write_frame(fd, SPAN_NONE))
			sign_for_ever(fd, seal);
	} else {
		write_frame(fd, buf_span(&error));
	}
	seal_free(seal);
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
	struct bufferevent *bev;
	struct event       *refuse;             /* answers what was too large to ask */
	struct question    *first, **last;      /* asked, in order */
	struct question    *refused;
};

struct signer_child *signer_start(const struct conf *conf, struct buf *error)
{
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
	if (!read_frame(pair[0], error) || error->n) {
		if (error->n == 0)
			buf_adds(error, "the signer ended before it had read the seal's key");
		close(pair[0]);
		waitpid(pid, NULL, 0);
		return NULL;
	}
	s = mem_new(sizeof *s);
	s->pid = pid;
	s->fd = pair[0];
	s->last = &s->first;
	return s;
}

static void give_answer(struct signer_child *s, struct span der)
{
	struct question *q = s->first;

	s->first = q->next;
	if (!s->first)
		s->last = &s->first;
	q->answered(q->arg, der);
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
	log_fatal("the signer ended; nobody else can read the seal's key again, so we end too and the supervisor starts us afresh");
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

void signer_ask(struct signer_child *s, struct span content, signer_answered *answered, void *arg)
{
	struct question *q = mem_new(sizeof *q);
	uint32_t length = htonl((uint32_t)content.n);

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
