#include "kepctl/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "libkep/mem.h"

#define LINE_LIMIT (64 << 10)

struct dial {
	int        fd;
	int64_t    deadline;    /* of the monotonic clock, ms */
	int        timeout_ms;
	struct buf in;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Wait until the socket is ready or the deadline has passed. */
static bool wait_for(const struct dial *d, short events)
{
	struct pollfd p = { .fd = d->fd, .events = events };
	int64_t left = d->deadline - now_ms();

	return left > 0 && poll(&p, 1, (int)left) == 1;
}

static bool finish_connect(struct dial *d, const struct sockaddr *sa, socklen_t n, int *why)
{
	socklen_t size = sizeof *why;

	*why = 0;
	if (connect(d->fd, sa, n) == 0)
		return true;
	*why = errno;
	if (*why != EINPROGRESS)
		return false;
	*why = ETIMEDOUT;
	return wait_for(d, POLLOUT) && getsockopt(d->fd, SOL_SOCKET, SO_ERROR, why, &size) == 0 && *why == 0;
}

static bool connect_unix(struct dial *d, const char *path, struct buf *error)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int why;

	if (strlen(path) >= sizeof sa.sun_path) {
		buf_addf(error, "the path is longer than %zu octets", sizeof sa.sun_path - 1);
		return false;
	}
	strcpy(sa.sun_path, path);
	d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd >= 0 && finish_connect(d, (struct sockaddr *)&sa, sizeof sa, &why))
		return true;
	buf_adds(error, strerror(d->fd < 0 ? errno : why));
	return false;
}

static bool connect_inet(struct dial *d, const char *host, const char *port, struct buf *error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;
	int why = getaddrinfo(host, port, &hints, &all);
	bool ok = false;

	if (why != 0) {
		buf_adds(error, gai_strerror(why));
		return false;
	}
	for (const struct addrinfo *a = all; a && !ok; a = a->ai_next) {
		if (d->fd >= 0)
			close(d->fd);
		d->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		why = errno;
		ok = d->fd >= 0 && finish_connect(d, a->ai_addr, a->ai_addrlen, &why);
	}
	freeaddrinfo(all);
	if (!ok)
		buf_adds(error, strerror(why));
	return ok;
}

/* HOST:PORT, [HOST]:PORT or PORT@HOST. */
static bool connect_spec(struct dial *d, const char *spec, struct buf *error)
{
	char *copy = mem_str(spec), *cut = strchr(copy, '@'), *host = copy, *port = copy;
	bool ok = false;

	if (cut) {
		host = cut + 1;
	} else {
		cut = strrchr(copy, ':');
		port = cut ? cut + 1 : NULL;
	}
	if (cut) {
		*cut = '\0';
		if (host[0] == '[' && host[1] && host[strlen(host) - 1] == ']') {
			host[strlen(host) - 1] = '\0';
			host++;
		}
		ok = connect_inet(d, host, port, error);
	} else {
		buf_adds(error, "not an address; write unix:PATH or inet:HOST:PORT");
	}
	free(copy);
	return ok;
}

struct dial *dial_open(const char *address, int timeout_ms, struct buf *error)
{
	struct dial *d = mem_new(sizeof *d);
	bool ok;

	d->fd = -1;
	d->timeout_ms = timeout_ms;
	d->deadline = now_ms() + timeout_ms;
	buf_clear(error);
	if (address[0] == '/')
		ok = connect_unix(d, address, error);
	else if (strncmp(address, "unix:", 5) == 0 || strncmp(address, "local:", 6) == 0)
		ok = connect_unix(d, strchr(address, ':') + 1, error);
	else
		ok = connect_spec(d, strncmp(address, "inet:", 5) == 0 ? address + 5 : address, error);
	if (ok)
		return d;
	dial_close(d);
	return NULL;
}

void dial_close(struct dial *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	buf_release(&d->in);
	free(d);
}

bool dial_say(struct dial *d, const char *line, bool lf)
{
	char *text = mem_printf("%s%s", line, lf ? "\n" : "\r\n"), *at = text;
	ssize_t n = 1;

	d->deadline = now_ms() + d->timeout_ms;
	while (*at && n > 0 && wait_for(d, POLLOUT)) {
		n = send(d->fd, at, strlen(at), MSG_NOSIGNAL);
		at += n > 0 ? n : 0;
	}
	n = *at == '\0';
	free(text);
	return n;
}

/* One read.  false: *error says why there is nothing more. */
static bool fill(struct dial *d, struct buf *error)
{
	char block[4096];
	ssize_t n;

	if (!wait_for(d, POLLIN)) {
		buf_addf(error, "it accepts the connection but says nothing for %d seconds", d->timeout_ms / 1000);
		return false;
	}
	n = recv(d->fd, block, sizeof block, 0);
	if (n > 0 && d->in.n < LINE_LIMIT) {
		buf_add(&d->in, span_of(block, (size_t)n));
		return true;
	}
	buf_adds(error, n == 0 ? "it closed the connection" : n < 0 ? strerror(errno) : "a line is longer than 64 KiB");
	return false;
}

bool dial_hear(struct dial *d, struct buf *line, struct buf *error)
{
	const char *end;
	struct span got;

	d->deadline = now_ms() + d->timeout_ms;
	buf_clear(error);
	while (!d->in.n || !memchr(d->in.p, '\n', d->in.n))
		if (!fill(d, error))
			return false;
	end = memchr(d->in.p, '\n', d->in.n);
	got = span_of(d->in.p, (size_t)(end - d->in.p));
	if (got.n && got.p[got.n - 1] == '\r')
		got.n--;
	buf_add(line, got);
	buf_drop(&d->in, (size_t)(end - d->in.p) + 1);
	return true;
}

int dial_reply(struct dial *d, struct buf *lines, struct buf *error)
{
	for (;;) {
		size_t start = lines->n;
		const char *l;

		if (!dial_hear(d, lines, error))
			return 0;
		l = lines->p + start;
		if (lines->n < start + 3 || l[0] < '2' || l[0] > '5') {
			buf_addf(error, "it says '%.60s', which is no SMTP reply", l);
			return 0;
		}
		if (l[3] != '-')
			return (int)strtol(l, NULL, 10);
		buf_addc(lines, '\n');
	}
}
