#include "milter/place.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The path of a unix socket; NULL: it is not one. */
static const char *unix_path(const struct conf *conf)
{
	static const char prefix[] = "unix:";

	return strncmp(conf->milter_socket, prefix, sizeof prefix - 1) == 0 ? conf->milter_socket + sizeof prefix - 1 : NULL;
}

static bool complain(struct buf *error, const struct conf *conf, const char *what, const char *mend)
{
	buf_clear(error);
	buf_addf(error, "milter_socket = %s: %s; %s", conf->milter_socket, what, mend);
	return false;
}

static bool inet_valid(struct span where)
{
	struct span port = span_cut(&where, '@');
	unsigned long n = 0;

	for (size_t i = 0; i < port.n; i++) {
		if (port.p[i] < '0' || port.p[i] > '9' || n > 65535)
			return false;
		n = n * 10 + (unsigned long)(port.p[i] - '0');
	}
	return port.n > 0 && n > 0 && n <= 65535 && where.n > 0;
}

/* *group is (gid_t)-1 where the key is empty. */
static bool find_group(const struct conf *conf, gid_t *group, struct buf *error)
{
	const struct group *g = conf->milter_socket_group[0] ? getgrnam(conf->milter_socket_group) : NULL;

	*group = g ? g->gr_gid : (gid_t)-1;
	if (g || !conf->milter_socket_group[0])
		return true;
	buf_clear(error);
	buf_addf(error, "milter_socket_group = %s: there is no such group; name the one Postfix runs under", conf->milter_socket_group);
	return false;
}

static bool path_valid(const struct conf *conf, struct span path, struct buf *error)
{
	struct sockaddr_un un;
	gid_t group;

	if (path.n >= sizeof un.sun_path)
		return complain(error, conf, "the path is too long for a socket", "choose a shorter one");
	return find_group(conf, &group, error);
}

bool place_valid(const struct conf *conf, struct buf *error)
{
	struct span where = span_str(conf->milter_socket), kind = span_cut(&where, ':');

	if (span_is(kind, "unix") && where.n > 0 && where.p[0] == '/')
		return path_valid(conf, where, error);
	if ((span_is(kind, "inet") || span_is(kind, "inet6")) && inet_valid(where))
		return true;
	return complain(error, conf, "not a place to listen", "write unix:/PATH or inet:PORT@HOST");
}

static bool answered(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes;

	strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	yes = fd >= 0 && (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EAGAIN);
	if (fd >= 0)
		close(fd);
	return yes;
}

bool place_clear(const struct conf *conf, struct buf *error)
{
	const char *path = unix_path(conf);
	struct stat st;

	if (!path)
		return true;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? true : complain(error, conf, strerror(errno), "make its directory, or choose another one");
	if (!S_ISSOCK(st.st_mode))
		return complain(error, conf, "there is a file that is no socket", "move it away");
	if (answered(path))
		return complain(error, conf, "another program listens there", "stop it first");
	return unlink(path) == 0 || errno == ENOENT ? true : complain(error, conf, strerror(errno), "remove the old socket");
}

bool place_admit(const struct conf *conf, uid_t owner, struct buf *error)
{
	const char *path = unix_path(conf);
	gid_t group;

	if (!path)
		return true;
	if (!find_group(conf, &group, error))
		return false;
	if (chown(path, owner, group) != 0)
		return complain(error, conf, strerror(errno), "start as root, or leave milter_socket_group empty");
	if (chmod(path, (mode_t)conf->milter_socket_mode) != 0)
		return complain(error, conf, strerror(errno), "check milter_socket_mode");
	return true;
}
