#include "libkep/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "libkep/mem.h"

bool folder_complain(struct buf *error, const char *file, const char *what)
{
	buf_clear(error);
	buf_addf(error, "%s: %s", file, what);
	return false;
}

bool folder_read(const char *file, size_t limit, struct buf *octets, struct buf *error)
{
	FILE *f = fopen(file, "re");
	char block[16384];
	size_t n;
	bool ok;

	buf_clear(octets);
	if (!f)
		return folder_complain(error, file, strerror(errno));
	while ((n = fread(block, 1, sizeof block, f)) > 0 && octets->n <= limit)
		buf_add(octets, span_of(block, n));
	ok = !ferror(f);
	fclose(f);
	if (!ok)
		return folder_complain(error, file, "cannot be read");
	if (octets->n <= limit)
		return true;
	buf_clear(error);
	buf_addf(error, "%s: larger than %zu octets, the limit for such a file", file, limit);
	return false;
}

static bool hand_over(const char *file, size_t limit, folder_file *hear, void *arg, struct buf *error)
{
	struct buf octets = BUF_INIT;
	bool ok = folder_read(file, limit, &octets, error) && hear(arg, file, buf_span(&octets), error);

	buf_release(&octets);
	return ok;
}

static bool wanted(const char *name, const char *const *ends)
{
	size_t n = strlen(name);

	for (; *ends; ends++) {
		size_t m = strlen(*ends);

		if (name[0] != '.' && n > m && span_caseeq(span_of(name + n - m, m), span_str(*ends)))
			return true;
	}
	return false;
}

/* A file that was removed or replaced since the folder was listed is not a fault;
 * a link that leads nowhere is. */
static bool has_gone(const char *file)
{
	struct stat st;

	return lstat(file, &st) != 0 && errno == ENOENT;
}

static bool each_of(const char *path, const char *const *ends, size_t limit, folder_file *hear, void *arg, struct buf *error)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, NULL, alphasort);
	bool ok = n >= 0 || folder_complain(error, path, strerror(errno));

	for (int i = 0; i < n; i++) {
		char *file = mem_printf("%s/%s", path, entries[i]->d_name);
		bool take = ok && wanted(entries[i]->d_name, ends);
		struct stat st;

		if (take && stat(file, &st) != 0)
			ok = has_gone(file) || folder_complain(error, file, strerror(errno));
		else if (take && S_ISREG(st.st_mode))
			ok = hand_over(file, limit, hear, arg, error) || has_gone(file);
		free(file);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

bool folder_each(const char *path, const char *const *ends, size_t limit, folder_file *hear, void *arg, struct buf *error)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return folder_complain(error, path, strerror(errno));
	return S_ISDIR(st.st_mode) ? each_of(path, ends, limit, hear, arg, error) : hand_over(path, limit, hear, arg, error);
}

/* FNV-1a, 64 bits. */
static void mix(uint64_t *h, const void *octets, size_t n)
{
	const unsigned char *p = octets;

	for (size_t i = 0; i < n; i++)
		*h = (*h ^ p[i]) * 0x100000001b3;
}

static uint64_t mark_of(const char *file, const char *name)
{
	uint64_t h = 0xcbf29ce484222325;
	struct stat st;

	mix(&h, name, strlen(name));
	if (stat(file, &st) != 0)
		return h;
	mix(&h, &st.st_ino, sizeof st.st_ino);
	mix(&h, &st.st_size, sizeof st.st_size);
	mix(&h, &st.st_mtim, sizeof st.st_mtim);
	mix(&h, &st.st_ctim, sizeof st.st_ctim);
	return h;
}

uint64_t folder_mark(const char *path)
{
	uint64_t sum = mark_of(path, "");
	DIR *d = opendir(path);
	struct dirent *e;

	/* A sum, since readdir() keeps no order. */
	while (d && (e = readdir(d))) {
		char *file = mem_printf("%s/%s", path, e->d_name);

		if (e->d_name[0] != '.')
			sum += mark_of(file, e->d_name);
		free(file);
	}
	if (d)
		closedir(d);
	return sum;
}
