#include "kepctl/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kepctl/paint.h"
#include "libkep/mem.h"

static const struct { const char *wire, *well; } names[] = {
#define AUDIT(name, wire, well) { wire, well },
#include "kepctl/audit.def"
#undef AUDIT
};

PRINTF(3, 0) static void fault(struct audit_row *r, uint64_t index, const char *fmt, va_list ap)
{
	char words[1024];

	if (r->bad++ > 0 && index >= r->first)
		return;
	vsnprintf(words, sizeof words, fmt, ap);
	r->first = index;
	buf_clear(&r->words);
	buf_adds(&r->words, words);
}

void audit_fault(struct audit *a, enum audit_check c, uint64_t index, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault(&a->row[c], index, fmt, ap);
	va_end(ap);
}

void audit_leaf(struct audit *a, enum audit_check c, uint64_t index, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault(&a->row[c], index, fmt, ap);
	va_end(ap);
	if (a->n_leaves < AUDIT_LEAVES && (a->n_leaves == 0 || a->leaves[a->n_leaves - 1] != index))
		a->leaves[a->n_leaves++] = index;
}

uint64_t audit_near(const struct audit *a, uint64_t from, uint64_t end)
{
	for (size_t i = 0; i < a->n_leaves; i++)
		if (a->leaves[i] >= from && a->leaves[i] < end)
			return a->leaves[i];
	return from;
}

void audit_skip(struct audit *a, enum audit_check c, const char *why)
{
	buf_clear(&a->row[c].skipped);
	buf_adds(&a->row[c].skipped, why);
}

bool audit_well(const struct audit *a)
{
	for (int i = 0; i < AUDIT_CHECKS; i++)
		if (a->row[i].bad)
			return false;
	return true;
}

bool audit_whole(const struct audit *a)
{
	for (int i = 0; i < AUDIT_CHECKS; i++)
		if (a->row[i].skipped.n)
			return false;
	return audit_well(a);
}

uint64_t audit_first(const struct audit *a)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < AUDIT_CHECKS; i++)
		if (a->row[i].bad && a->row[i].first < first)
			first = a->row[i].first;
	return first;
}

static const char *state_of(const struct audit_row *r)
{
	return r->bad ? "failed" : r->skipped.n ? "skipped" : "passed";
}

static void print_words(const char *before, struct span words)
{
	printf("%22s%s", "", before);
	paint_text(stdout, words);
	putchar('\n');
}

static void print_row(const struct audit_row *r, const char *wire, const char *well)
{
	paint(stdout, r->bad ? PAINT_BAD : r->skipped.n ? PAINT_DOUBT : PAINT_GOOD);
	printf("%-6s", r->bad ? "FAILED" : r->skipped.n ? "-" : "ok");
	paint(stdout, PAINT_PLAIN);
	printf("  %-12s  ", wire);
	if (r->bad)
		printf("%" PRIu64 " of %" PRIu64 " wrong, the first at index %" PRIu64 "\n", r->bad, r->seen, r->first);
	else if (r->skipped.n)
		printf("not looked at\n");
	else
		printf("%" PRIu64 ": %s\n", r->seen, well);
	if (r->bad)
		print_words("", buf_span(&r->words));
	if (r->skipped.n)
		print_words("", buf_span(&r->skipped));
	if (r->note.n)
		print_words("", buf_span(&r->note));
}

void audit_print(const struct audit *a)
{
	for (int i = 0; i < AUDIT_CHECKS; i++)
		print_row(&a->row[i], names[i].wire, names[i].well);
}

static jdoc *row_json(const struct audit_row *r, const char *wire)
{
	jdoc *d = jdoc_object();

	jdoc_set_str(d, "name", wire);
	jdoc_set_str(d, "state", state_of(r));
	jdoc_set_int(d, "seen", (int64_t)r->seen);
	jdoc_set_int(d, "bad", (int64_t)r->bad);
	if (r->bad) {
		jdoc_set_int(d, "first", (int64_t)r->first);
		jdoc_set_text(d, "words", buf_span(&r->words));
	}
	if (r->skipped.n)
		jdoc_set_text(d, "skipped", buf_span(&r->skipped));
	if (r->note.n)
		jdoc_set_text(d, "note", buf_span(&r->note));
	return d;
}

void audit_json(const struct audit *a, jdoc *d)
{
	jdoc *list = jdoc_array();

	for (int i = 0; i < AUDIT_CHECKS; i++)
		jdoc_push(list, row_json(&a->row[i], names[i].wire));
	jdoc_set(d, "checks", list);
	if (!audit_well(a))
		jdoc_set_int(d, "first_bad", (int64_t)audit_first(a));
}

void audit_release(struct audit *a)
{
	for (int i = 0; i < AUDIT_CHECKS; i++) {
		buf_release(&a->row[i].words);
		buf_release(&a->row[i].skipped);
		buf_release(&a->row[i].note);
	}
}
