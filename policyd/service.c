#include "config.h"
#include "policyd/service.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/listen.h"

#define WRITE_SECONDS 60        /* a peer that reads nothing for so long is closed */
#define PAUSE_SECONDS 1         /* after an accept() that failed */

struct peer {
	TAILQ_ENTRY(peer)   link;
	struct service     *service;
	struct bufferevent *bev;
	struct event       *reaper;     /* frees the peer from the loop, never from within a hook */
	struct event       *deadline;
	void               *session;
	bool                waiting, closed, finishing, pumping, again;
};

struct service {
	TAILQ_HEAD(, peer)     peers;
	size_t                 n;
	struct event_base     *base;
	struct evconnlistener *listener;
	struct event          *pause;
	const struct service_hooks *hooks;
	void                  *arg;
	bool                   stopping;
};

static void peer_free(struct peer *p)
{
	struct service *s = p->service;

	p->closed = true;
	if (p->session)
		s->hooks->gone(p->session);
	TAILQ_REMOVE(&s->peers, p, link);
	s->n--;
	if (s->listener && s->n + 1 == s->hooks->peers_max)
		evconnlistener_enable(s->listener);
	event_free(p->reaper);
	event_free(p->deadline);
	bufferevent_free(p->bev);
	free(p);
}

static void on_reaper(evutil_socket_t fd, short what, void *arg)
{
	peer_free(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;

	log_warn("%s: a question could not be answered in time; disconnecting", p->service->hooks->name);
	peer_close(p);
}

void peer_close(struct peer *p)
{
	if (p->closed)
		return;
	p->closed = true;
	bufferevent_disable(p->bev, EV_READ | EV_WRITE);
	event_active(p->reaper, EV_TIMEOUT, 0);
}

void peer_finish(struct peer *p)
{
	p->finishing = true;
	bufferevent_disable(p->bev, EV_READ);
	if (evbuffer_get_length(bufferevent_get_output(p->bev)) == 0)
		peer_close(p);
}

/* At once if nothing waits before it: the usual case, and it spares the loop two
 * changes of what it watches and a turn. */
void peer_write(struct peer *p, struct span octets)
{
	ssize_t n = 0;

	if (p->closed)
		return;
	if (evbuffer_get_length(bufferevent_get_output(p->bev)) == 0)
		n = send(bufferevent_getfd(p->bev), octets.p, octets.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	n = n > 0 ? n : 0;
	if ((size_t)n < octets.n)
		bufferevent_write(p->bev, octets.p + n, octets.n - (size_t)n);
}

void peer_deadline(struct peer *p, unsigned seconds)
{
	struct timeval tv = { .tv_sec = (time_t)seconds };

	p->waiting = seconds > 0;
	if (p->waiting)
		event_add(p->deadline, &tv);
	else
		event_del(p->deadline);
	if (!p->waiting && p->service->stopping && !p->closed)
		peer_finish(p);
}

void peer_wake(struct peer *p)
{
	struct evbuffer *in = bufferevent_get_input(p->bev);

	p->again = true;
	if (p->pumping)
		return;
	p->pumping = true;
	while (p->again && !p->closed && !p->finishing) {
		size_t n = evbuffer_get_length(in), used;
		const char *octets = n ? (const char *)evbuffer_pullup(in, -1) : NULL;

		used = n ? p->service->hooks->input(p->session, span_of(octets, n)) : 0;
		p->again = used > 0;
		evbuffer_drain(in, used);
	}
	p->pumping = false;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	peer_wake(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct peer *p = arg;

	if (p->finishing)
		peer_close(p);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct peer *p = arg;

	if (what & BEV_EVENT_TIMEOUT)
		log_warn("%s: a peer takes no answers; disconnecting", p->service->hooks->name);
	peer_close(p);
}

static uid_t uid_of(int fd, const struct sockaddr *from)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t size = sizeof who;

	if (from->sa_family != AF_UNIX || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
		return (uid_t)-1;
	return who.uid;
}

static void *checked(void *p)
{
	if (!p)
		log_fatal("libevent: out of memory or descriptors");
	return p;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int size, void *arg)
{
	static const struct timeval patience = { .tv_sec = WRITE_SECONDS };
	struct service *s = arg;
	struct peer *p = mem_new(sizeof *p);
	int on = 1;

	if (from->sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	p->service = s;
	p->bev = checked(bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE));
	p->reaper = checked(event_new(s->base, -1, 0, on_reaper, p));
	p->deadline = checked(evtimer_new(s->base, on_deadline, p));
	TAILQ_INSERT_TAIL(&s->peers, p, link);
	if (++s->n >= s->hooks->peers_max) {
		log_warn("%s: %zu connections are open; new ones wait", s->hooks->name, s->n);
		evconnlistener_disable(l);
	}
	bufferevent_setcb(p->bev, on_read, on_written, on_event, p);
	bufferevent_setwatermark(p->bev, EV_READ, 0, s->hooks->input_max);
	bufferevent_set_timeouts(p->bev, NULL, &patience);
	p->session = s->hooks->open(s->arg, p, uid_of(fd, from));
	if (p->session)
		bufferevent_enable(p->bev, EV_READ | EV_WRITE);
	else
		peer_close(p);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	if (s->listener && s->n < s->hooks->peers_max)
		evconnlistener_enable(s->listener);
}

static void on_accept_error(struct evconnlistener *l, void *arg)
{
	static const struct timeval pause = { .tv_sec = PAUSE_SECONDS };
	struct service *s = arg;

	log_warn("%s: accept: %s; raise the limit of open files if this goes on", s->hooks->name,
	    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(l);
	event_add(s->pause, &pause);
}

struct service *service_new(struct event_base *base, const struct service_hooks *hooks, void *arg, int fd)
{
	struct service *s = mem_new(sizeof *s);

	TAILQ_INIT(&s->peers);
	s->base = base;
	s->hooks = hooks;
	s->arg = arg;
	s->pause = checked(evtimer_new(base, on_pause_over, s));
	s->listener = checked(evconnlistener_new(base, on_accept, s, LEV_OPT_CLOSE_ON_EXEC, 0, fd));
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	return s;
}

size_t service_peers(const struct service *s)
{
	return s->n;
}

static void stop_listening(struct service *s)
{
	int fd = s->listener ? evconnlistener_get_fd(s->listener) : -1;

	if (!s->listener)
		return;
	evconnlistener_free(s->listener);       /* without CLOSE_ON_FREE the socket stays for us */
	s->listener = NULL;
	listen_close(fd);
}

void service_stop(struct service *s)
{
	struct peer *p;

	s->stopping = true;
	stop_listening(s);
	TAILQ_FOREACH(p, &s->peers, link)
		if (!p->waiting && !p->closed)
			peer_finish(p);
}

void service_free(struct service *s)
{
	if (!s)
		return;
	stop_listening(s);
	while (!TAILQ_EMPTY(&s->peers))
		peer_free(TAILQ_FIRST(&s->peers));
	event_free(s->pause);
	free(s);
}
