#include "kepctl/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kepctl/paint.h"
#include "libkep/mem.h"

static const char *const level_names[] = { "ok", "warning", "wrong" };

void findings_release(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].what);
		free(f->v[i].words);
		free(f->v[i].mend);
	}
	free(f->v);
	*f = (struct findings){ NULL, 0, 0 };
}

void findings_add(struct findings *f, enum finding_level level, const char *what, const char *mend, const char *fmt, ...)
{
	char *words;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	words = mem_new((size_t)(n < 0 ? 0 : n) + 1);
	va_start(ap, fmt);
	vsnprintf(words, (size_t)(n < 0 ? 0 : n) + 1, fmt, ap);
	va_end(ap);
	if (f->n == f->room) {
		f->room = f->room ? 2 * f->room : 64;
		f->v = mem_grow(f->v, f->room * sizeof *f->v);
	}
	f->v[f->n++] = (struct finding){ level, mem_str(what), words, mem_str(mend) };
}

enum finding_level findings_worst(const struct findings *f)
{
	enum finding_level worst = FINDING_OK;

	for (size_t i = 0; i < f->n; i++)
		worst = f->v[i].level > worst ? f->v[i].level : worst;
	return worst;
}

static void print_one(const struct finding *g)
{
	static const enum paint colours[] = { PAINT_GOOD, PAINT_DOUBT, PAINT_BAD };

	paint(stdout, colours[g->level]);
	printf("%-8s", level_names[g->level]);
	paint(stdout, PAINT_PLAIN);
	paint_text(stdout, span_str(g->what));
	if (*g->words) {
		fputs(": ", stdout);
		paint_text(stdout, span_str(g->words));
	}
	putchar('\n');
	if (g->mend) {
		fputs("        mend: ", stdout);
		paint(stdout, PAINT_BOLD);
		paint_text(stdout, span_str(g->mend));
		paint(stdout, PAINT_PLAIN);
		putchar('\n');
	}
}

void findings_print(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		print_one(&f->v[i]);
}

jdoc *findings_json(const struct findings *f)
{
	jdoc *d = jdoc_object(), *list = jdoc_array();

	for (size_t i = 0; i < f->n; i++) {
		jdoc *one = jdoc_object();

		jdoc_set_str(one, "level", level_names[f->v[i].level]);
		jdoc_set_str(one, "what", f->v[i].what);
		jdoc_set_str(one, "words", f->v[i].words);
		jdoc_set_str(one, "mend", f->v[i].mend);
		jdoc_push(list, one);
	}
	jdoc_set(d, "findings", list);
	jdoc_set_str(d, "worst", level_names[findings_worst(f)]);
	return d;
}
