#include "policyd/cable.h"

#include <event2/event.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

struct cable {
	struct event_base        *base;
	const struct cable_hooks *hooks;
	void                     *arg;
	struct pg                *pg;
	struct event             *watch;        /* the connection's descriptor */
	struct event             *timer;        /* pg_tick() */
};

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	const struct cable *c = arg;

	pg_ready(c->pg, what & EV_READ, what & EV_WRITE);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	const struct cable *c = arg;

	pg_tick(c->pg);
}

static void watch(void *arg, int fd, bool readable, bool writable)
{
	struct cable *c = arg;
	short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	if (c->watch) {
		if (fd >= 0 && event_get_fd(c->watch) == fd && event_get_events(c->watch) == what)
			return;
		event_free(c->watch);
		c->watch = NULL;
	}
	if (fd < 0 || !(readable || writable))
		return;
	c->watch = event_new(c->base, fd, what, on_socket, c);
	if (!c->watch || event_add(c->watch, NULL) != 0)
		log_fatal("libevent: the database's socket cannot be watched");
}

/* As if the socket could be written: behind what else is active in this turn. */
static void turn(void *arg)
{
	const struct cable *c = arg;

	event_active(c->watch, EV_WRITE, 0);
}

static void timer(void *arg, unsigned ms)
{
	const struct cable *c = arg;
	struct timeval tv = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	event_add(c->timer, &tv);
}

static void state(void *arg, bool up, const char *words)
{
	struct cable *c = arg;

	c->hooks->state(c->arg, up, words);
}

static void notify(void *arg, const char *channel, const char *payload)
{
	struct cable *c = arg;

	c->hooks->notify(c->arg, channel);
}

struct cable *cable_new(struct event_base *base, const char *conninfo, const char *name, const struct cable_hooks *hooks, void *arg)
{
	static const struct pg_hooks pg_hooks = { watch, timer, state, notify, turn };
	struct cable *c = mem_new(sizeof *c);

	c->base = base;
	c->hooks = hooks;
	c->arg = arg;
	c->timer = evtimer_new(base, on_timer, c);
	if (!c->timer)
		log_fatal("libevent: no timers");
	c->pg = pg_new(conninfo, name, &pg_hooks, c);
	return c;
}

struct pg *cable_pg(const struct cable *c)
{
	return c->pg;
}

void cable_free(struct cable *c)
{
	if (!c)
		return;
	pg_free(c->pg);
	if (c->watch)
		event_free(c->watch);
	event_free(c->timer);
	free(c);
}
