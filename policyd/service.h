/* service.h - the edge of the question-and-answer services (policy, ask): sockets
 * and buffers here, sessions elsewhere.  Sessions see octets only and are tested
 * without this file.
 */
#ifndef KEP_SERVICE_H
#define KEP_SERVICE_H

#include <sys/types.h>

#include "libkep/base.h"

struct event_base;
struct peer;
struct service;

struct service_hooks {
	const char *name;               /* in the log */
	size_t      input_max;          /* octets of a peer that are held; more wait in the kernel */
	size_t      peers_max;          /* beyond them new ones wait in the kernel */
	/* A peer came; uid is its user on a unix socket, (uid_t)-1 elsewhere.  NULL:
	 * it may not come, and is closed. */
	void     *(*open)(void *arg, struct peer *peer, uid_t uid);
	/* All octets that wait.  Returns how many were used; 0: come again with more,
	 * or after peer_wake(). */
	size_t    (*input)(void *session, struct span in);
	/* The peer is gone: the session ends, and must not use the peer any more.
	 * Never called from within a peer_ function. */
	void      (*gone)(void *session);
};

/* Serve on a bound, listening, non-blocking socket, which is owned from here on.
 * hooks and arg must live on. */
struct service *service_new(struct event_base *base, const struct service_hooks *hooks, void *arg, int fd);
/* Accept nobody any more, and close every peer that is not waiting for an answer
 * (peer_deadline); the others when they have it. */
void service_stop(struct service *s);
size_t service_peers(const struct service *s);
/* Closes every peer. */
void service_free(struct service *s);

/* For sessions. */
void peer_write(struct peer *p, struct span octets);
/* Close at once, without what was not sent yet. */
void peer_close(struct peer *p);
/* Close when everything is sent; no more input. */
void peer_finish(struct peer *p);
/* Offer the input again. */
void peer_wake(struct peer *p);
/* Close with a warning after so many seconds, unless called again; 0: never. */
void peer_deadline(struct peer *p, unsigned seconds);

#endif
