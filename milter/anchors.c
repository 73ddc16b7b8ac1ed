#include "milter/anchors.h"

#include <pthread.h>
#include <stdlib.h>

#include "libkep/mem.h"

struct anchors {
	struct trust *trust;
	unsigned      users;    /* under lock */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct anchors *now;

/* The store that nobody uses any more, out of the lock; or NULL. */
static struct anchors *let_go(struct anchors *a)
{
	return a && --a->users == 0 ? a : NULL;
}

static void end(struct anchors *a)
{
	if (!a)
		return;
	trust_free(a->trust);
	free(a);
}

static void replace(struct anchors *fresh)
{
	struct anchors *old;

	pthread_mutex_lock(&lock);
	old = let_go(now);
	now = fresh;
	pthread_mutex_unlock(&lock);
	end(old);
}

bool anchors_load(const struct conf *conf, struct buf *error)
{
	struct trust *trust = trust_configure(conf, error);
	struct anchors *fresh;

	if (!trust)
		return false;
	fresh = mem_new(sizeof *fresh);
	fresh->trust = trust;
	fresh->users = 1;
	replace(fresh);
	return true;
}

void anchors_drop(void)
{
	replace(NULL);
}

struct anchors *anchors_take(void)
{
	struct anchors *a;

	pthread_mutex_lock(&lock);
	a = now;
	if (a)
		a->users++;
	pthread_mutex_unlock(&lock);
	return a;
}

void anchors_give(struct anchors *a)
{
	pthread_mutex_lock(&lock);
	a = let_go(a);
	pthread_mutex_unlock(&lock);
	end(a);
}

const struct trust *anchors_trust(const struct anchors *a)
{
	return a ? a->trust : NULL;
}
