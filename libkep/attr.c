#include "libkep/attr.h"

int attr_next(struct span *in, struct span *name, struct span *value)
{
	const char *end = in->n ? memchr(in->p, '\n', in->n) : NULL;
	struct span line;

	if (!end)
		return 2;
	line = span_cut(in, '\n');
	if (line.n == 0)
		return 0;
	if (memchr(line.p, '\0', line.n) || !memchr(line.p, '=', line.n))
		return -1;
	*name = span_cut(&line, '=');
	*value = line;
	return name->n ? 1 : -1;
}
