#include "libkep/gate.h"

#include <stdlib.h>

#include "libkep/mem.h"

struct gate {
	size_t size;
};

void verdict_release(struct verdict *v)
{
	addr_list_release(&v->to);
	signer_release(&v->signer);
	*v = (struct verdict){ .why = REASON_UNAVAILABLE };
}

struct gate *gate_new(const struct conf *conf)
{
	return mem_new(sizeof(struct gate));
}

void gate_free(struct gate *g)
{
	free(g);
}

void gate_restart(struct gate *g)
{
	g->size = 0;
}

void gate_push(struct gate *g, struct span octets)
{
	g->size += octets.n;
}

void gate_field(struct gate *g, struct span name, struct span value)
{
	g->size += name.n + 1 + value.n + 2;
}

void gate_end_of_header(struct gate *g)
{
	g->size += 2;
}

void gate_finish(struct gate *g, const struct trust *trust, usec at, struct verdict *v)
{
	*v = (struct verdict){ .why = REASON_UNAVAILABLE, .size = g->size };    /* nothing is judged yet */
}

enum reason gate_envelope(const struct verdict *v, bool submission, const struct addr *sender,
                          const struct addr_list *accepted, const struct addr_list *offered)
{
	return REASON_UNAVAILABLE;
}
