#include "policyd/endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "libkep/mem.h"
#include "policyd/listen.h"

static bool complain(struct buf *error, const char *key, const char *text, const char *what)
{
	buf_clear(error);
	buf_addf(error, "%s = %s: %s; write unix:PATH or inet:HOST:PORT", key, text, what);
	return false;
}

static bool parse_unix(struct endpoint *e, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&e->address;

	if (!*path || strlen(path) >= sizeof un->sun_path)
		return false;
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	e->length = (socklen_t)sizeof *un;
	return true;
}

/* HOST:PORT; NULL or the words of what is wrong. */
static const char *parse_inet(struct endpoint *e, const char *text)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *found = NULL;
	struct span host, port;
	char *name, *service;
	int failed;

	if (!listen_split(span_str(text), &host, &port))
		return "no HOST:PORT";
	name = mem_span(host);
	service = mem_span(port);
	failed = getaddrinfo(name, service, &hints, &found);
	free(name);
	free(service);
	if (failed)
		return gai_strerror(failed);
	memcpy(&e->address, found->ai_addr, found->ai_addrlen);
	e->length = found->ai_addrlen;
	freeaddrinfo(found);
	return NULL;
}

bool endpoint_parse(struct endpoint *e, const char *key, const char *text, struct buf *error)
{
	const char *wrong;

	memset(e, 0, sizeof *e);
	if (strncmp(text, "unix:", 5) == 0)
		wrong = parse_unix(e, text + 5) ? NULL : "the path is empty or too long for a socket";
	else if (strncmp(text, "inet:", 5) == 0)
		wrong = parse_inet(e, text + 5);
	else
		wrong = "neither unix: nor inet:";
	if (wrong)
		return complain(error, key, text, wrong);
	e->text = mem_str(text);
	return true;
}

void endpoint_release(struct endpoint *e)
{
	free(e->text);
	memset(e, 0, sizeof *e);
}

int endpoint_connect(const struct endpoint *e)
{
	int on = 1, saved, fd = socket(e->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (e->address.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, (const struct sockaddr *)&e->address, e->length) == 0 || errno == EINPROGRESS)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
