#include "libkep/mime.h"

#include <stdlib.h>

#include "libkep/mem.h"

struct mime {
	enum reason why;
};

struct mime *mime_new(const struct mime_limits *limits, const struct mime_hooks *hooks, void *arg)
{
	return mem_new(sizeof(struct mime));
}

void mime_free(struct mime *m)
{
	free(m);
}

void mime_restart(struct mime *m)
{
	m->why = REASON_UNAVAILABLE;    /* nothing is judged yet */
}

enum reason mime_push(struct mime *m, struct span octets)
{
	return m->why;
}

enum reason mime_finish(struct mime *m)
{
	return m->why;
}

size_t mime_children(const struct mime *m)
{
	return 0;
}
