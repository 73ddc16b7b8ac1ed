#include "kepctl/migration.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/mem.h"

#define TEXT_LIMIT (8 << 20)

/* The number of "0001_base.sql"; -1: another kind of name. */
static int number_of(const char *name)
{
	size_t n = strlen(name);
	char *end;
	long number;

	if (name[0] < '0' || name[0] > '9' || n < 6 || strcmp(name + n - 4, ".sql") != 0)
		return -1;
	number = strtol(name, &end, 10);
	return *end == '_' && number > 0 && number < 1000000 ? (int)number : -1;
}

static int by_number(const void *a, const void *b)
{
	const struct migration *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static bool judge(const struct migrations *m, struct buf *error)
{
	for (size_t i = 1; i < m->n; i++)
		if (m->v[i].number == m->v[i - 1].number) {
			buf_clear(error);
			buf_addf(error, "%s: %s and %s have one number; leave only the one that came with this version", m->directory,
			         m->v[i - 1].name, m->v[i].name);
			return false;
		}
	return true;
}

/* What one directory holds, in no order.  false: it cannot be read. */
static bool scan(struct migrations *m, const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;

	if (!d)
		return false;
	while ((e = readdir(d)) != NULL)
		if (number_of(e->d_name) > 0) {
			m->v = mem_grow(m->v, (m->n + 1) * sizeof *m->v);
			m->v[m->n++] = (struct migration){ number_of(e->d_name), mem_str(e->d_name) };
		}
	closedir(d);
	return true;
}

bool migrations_list(struct migrations *m, const char *directory, struct buf *error)
{
	bool readable;

	*m = (struct migrations){ .directory = mem_str(directory) };
	buf_clear(error);
	readable = scan(m, directory);
	if (!readable)
		buf_addf(error, "%s: %s; set sql_dir to the directory of the migrations", directory, strerror(errno));
	if (readable && m->n == 0) {
		free(m->directory);
		m->directory = mem_printf("%s/migrations", directory);
		scan(m, m->directory);
	}
	if (readable && m->n == 0)
		buf_addf(error, "%s: no NNNN_name.sql there; set sql_dir to the directory of the migrations", directory);
	if (m->n)
		qsort(m->v, m->n, sizeof *m->v, by_number);
	if (m->n && judge(m, error))
		return true;
	migrations_release(m);
	return false;
}

void migrations_release(struct migrations *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].name);
	free(m->v);
	free(m->directory);
	*m = (struct migrations){ .directory = NULL };
}

bool migration_text(const struct migrations *all, const struct migration *m, struct buf *out, struct buf *error)
{
	char *path = mem_printf("%s/%s", all->directory, m->name), block[8192];
	FILE *f = fopen(path, "re");
	bool ok;
	size_t n;

	while (f && out->n < TEXT_LIMIT && (n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(out, span_of(block, n));
	ok = f && !ferror(f) && out->n < TEXT_LIMIT;
	if (!ok) {
		buf_clear(error);
		buf_addf(error, "%s: %s", path, f && !ferror(f) ? "larger than 8 MiB; it is no migration of ours" : strerror(errno));
	}
	if (f)
		fclose(f);
	free(path);
	return ok;
}
