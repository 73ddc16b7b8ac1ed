#include "policyd/listen.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libkep/mem.h"

#define BACKLOG 512             /* Postfix opens one connection a process */

static bool complain(struct buf *error, const char *where, const char *what, const char *mend)
{
	buf_clear(error);
	buf_addf(error, "%s: %s; %s", where, what, mend);
	return false;
}

static bool complain_errno(struct buf *error, const char *where, const char *call, const char *mend)
{
	int e = errno;

	buf_clear(error);
	buf_addf(error, "%s: %s: %s; %s", where, call, strerror(e), mend);
	return false;
}

bool listen_split(struct span where, struct span *host, struct span *port)
{
	size_t colon = where.n;

	while (colon > 0 && where.p[colon - 1] != ':')
		colon--;
	if (colon < 2 || colon == where.n)
		return false;
	*host = span_of(where.p, colon - 1);
	*port = span_of(where.p + colon, where.n - colon);
	if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']')
		*host = span_of(host->p + 1, host->n - 2);
	return true;
}

static bool address_of(struct sockaddr_un *sun, const char *path)
{
	memset(sun, 0, sizeof *sun);
	sun->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof sun->sun_path)
		return false;
	strcpy(sun->sun_path, path);
	return true;
}

/* A socket whose owner is gone refuses connections. */
static bool remove_stale(const struct sockaddr_un *sun, struct buf *error)
{
	const char *where = sun->sun_path;
	struct stat st;
	int fd, refused;

	if (lstat(where, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return complain(error, where, "there is a file that is no socket", "remove it or choose another path");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return complain_errno(error, where, "socket", "raise the limit of open files");
	refused = connect(fd, (const struct sockaddr *)sun, sizeof *sun) != 0 && errno == ECONNREFUSED;
	close(fd);
	if (!refused)
		return complain(error, where, "another program answers on this socket", "stop it first");
	return unlink(where) == 0 || complain_errno(error, where, "unlink", "let the daemon's user write that directory");
}

static bool give_rights(const char *path, const struct listen_rights *rights, struct buf *error)
{
	struct group *g = rights->group[0] ? getgrnam(rights->group) : NULL;
	gid_t gid = g ? g->gr_gid : (gid_t)-1;

	if (rights->group[0] && !g)
		return complain(error, path, "there is no such group as the socket's", "correct the ..._socket_group key");
	if ((g || rights->owner != (uid_t)-1) && lchown(path, rights->owner, gid) != 0)
		return complain_errno(error, path, "chown", "start as root, or make the daemon's user a member of that group");
	if (chmod(path, rights->mode) != 0)
		return complain_errno(error, path, "chmod", "let the daemon's user own that directory");
	return true;
}

static bool open_unix(const char *path, const struct listen_rights *rights, int *fd, struct buf *error)
{
	struct sockaddr_un sun;
	mode_t before;
	int bound;

	if (path[0] != '/' || !address_of(&sun, path))
		return complain(error, path, "not an absolute path of at most 107 octets", "shorten it");
	if (!remove_stale(&sun, error))
		return false;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return complain_errno(error, path, "socket", "raise the limit of open files");
	before = umask(0777);
	bound = bind(*fd, (struct sockaddr *)&sun, sizeof sun);
	umask(before);
	if (bound != 0) {
		complain_errno(error, path, "bind", "make the directory, and let the daemon's user write it");
		close(*fd);
		return false;
	}
	if (give_rights(path, rights, error)) {
		if (listen(*fd, BACKLOG) == 0)
			return true;
		complain_errno(error, path, "listen", "choose another path");
	}
	listen_close(*fd);
	return false;
}

static bool bind_inet(const char *where, const struct addrinfo *at, int *fd, struct buf *error)
{
	int on = 1;

	*fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return complain_errno(error, where, "socket", "raise the limit of open files");
	setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(*fd, at->ai_addr, at->ai_addrlen) == 0 && listen(*fd, BACKLOG) == 0)
		return true;
	complain_errno(error, where, "bind", "choose an address of this host and a free port");
	close(*fd);
	return false;
}

static bool open_inet(const char *where, int *fd, struct buf *error)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct span host, port;
	char *h, *p;
	bool ok;
	int code;

	if (!listen_split(span_str(where), &host, &port))
		return complain(error, where, "not HOST:PORT", "write inet:127.0.0.1:10040, for instance");
	h = mem_span(host);
	p = mem_span(port);
	code = getaddrinfo(h, p, &hints, &found);
	free(h);
	free(p);
	if (code != 0)
		return complain(error, where, gai_strerror(code), "give an address of this host and a port number");
	ok = bind_inet(where, found, fd, error);
	freeaddrinfo(found);
	return ok;
}

int listen_open(const char *where, const struct listen_rights *rights, struct buf *error)
{
	int fd = -1;
	bool ok;

	if (where[0] == '/')
		ok = open_unix(where, rights, &fd, error);
	else if (strncmp(where, "unix:", 5) == 0)
		ok = open_unix(where + 5, rights, &fd, error);
	else if (strncmp(where, "inet:", 5) == 0)
		ok = open_inet(where + 5, &fd, error);
	else
		ok = complain(error, where, "neither unix:PATH nor inet:HOST:PORT", "correct the ..._socket key");
	return ok ? fd : -1;
}

size_t listen_open_all(const char *list, const struct listen_rights *rights, int fd[LISTEN_MAX], struct buf *error)
{
	struct span rest = span_str(list);
	size_t n = 0;
	bool ok = true;

	buf_clear(error);
	while (ok && (rest = span_trim(rest)).n) {
		char *where = mem_span(span_cut(&rest, ' '));

		if (n == LISTEN_MAX)
			complain(error, where, "more sockets than one key may hold", "remove some");
		ok = n < LISTEN_MAX && (fd[n] = listen_open(where, rights, error)) >= 0;
		n += ok;
		free(where);
	}
	if (ok && n == 0)
		complain(error, "a socket key", "is empty", "name a socket");
	while (!ok && n > 0)
		listen_close(fd[--n]);
	return n;
}

void listen_close(int fd)
{
	struct sockaddr_un sun = { 0 };
	socklen_t size = sizeof sun;

	if (fd < 0)
		return;
	if (getsockname(fd, (struct sockaddr *)&sun, &size) == 0 && sun.sun_family == AF_UNIX && sun.sun_path[0])
		unlink(sun.sun_path);
	close(fd);
}
