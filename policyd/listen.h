/* listen.h - listening sockets, bound while we may still be root.
 *
 * Forms: "unix:PATH" (or a bare "/PATH") and "inet:HOST:PORT" (HOST may be in
 * brackets; port 0 lets the system choose).
 */
#ifndef KEP_LISTEN_H
#define KEP_LISTEN_H

#include <sys/types.h>

#include "libkep/base.h"
#include "libkep/buf.h"

#define LISTEN_MAX 8            /* sockets of one key */

struct listen_rights {
	unsigned    mode;       /* of a unix socket */
	const char *group;      /* of a unix socket; "": unchanged */
	uid_t       owner;      /* of a unix socket; (uid_t)-1: unchanged */
};

/* Bind and listen; the descriptor is non-blocking and close-on-exec.  A unix
 * socket nobody answers on is removed first; one that is answered, and anything
 * that is no socket, is left alone.  It is never more open than rights->mode,
 * not even for a moment.  -1: *error says what is wrong and how to mend it. */
int listen_open(const char *where, const struct listen_rights *rights, struct buf *error);

/* The same for a blank-separated list of at most LISTEN_MAX places.  The number
 * of descriptors in fd; 0: *error, and nothing is left open. */
size_t listen_open_all(const char *list, const struct listen_rights *rights, int fd[LISTEN_MAX], struct buf *error);

/* Close, and remove the file of a unix socket that is still ours. */
void listen_close(int fd);

/* Cut "HOST:PORT" or "[HOST]:PORT".  false: not that. */
bool listen_split(struct span where, struct span *host, struct span *port);

#endif
