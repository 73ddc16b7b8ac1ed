/* pieces.h - a message handed to the gate in the ways it may come. */
#ifndef KEP_TESTS_PIECES_H
#define KEP_TESTS_PIECES_H

#include "libkep/buf.h"
#include "libkep/gate.h"
#include "libkep/header.h"
#include "tests/unit/exact.h"

static inline void push(struct gate *g, struct span octets)
{
	struct span copy = exact(octets);

	gate_push(g, copy);
	exact_free(copy);
}

static inline void push_every(struct gate *g, struct span message, size_t n)
{
	for (size_t i = 0; i < message.n; i += n)
		push(g, span_of(message.p + i, message.n - i < n ? message.n - i : n));
}

/* As a milter hears it: field by field, folded with LF.  false: not cut so. */
static inline bool push_fields(struct gate *g, struct span message)
{
	struct span name, value;
	int more;

	while ((more = header_next(&message, &name, &value)) == 1) {
		struct buf folded = BUF_INIT;

		for (size_t i = 0; i < value.n; i++)
			if (value.p[i] != '\r')
				buf_addc(&folded, value.p[i]);
		gate_field(g, name, buf_span(&folded));
		buf_release(&folded);
	}
	if (more != 0)
		return false;
	gate_end_of_header(g);
	push(g, message);
	return true;
}

#endif
