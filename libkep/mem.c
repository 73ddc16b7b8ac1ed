#include "libkep/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"

static void *checked(void *p)
{
	if (!p)
		log_fatal("out of memory");
	return p;
}

void *mem_new(size_t n)
{
	return checked(calloc(1, n ? n : 1));
}

void *mem_array(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *mem_grow(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

char *mem_str(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}

char *mem_span(struct span s)
{
	char *p = mem_new(s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;

	va_start(ap, fmt);
	if (vasprintf(&p, fmt, ap) < 0)
		p = NULL;
	va_end(ap);
	return checked(p);
}
