#include "kepctl/crate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libkep/digest.h"
#include "libkep/folder.h"
#include "libkep/mem.h"

struct crate {
	char    *folder;
	char   **lines;         /* of the manifest, each without its line end */
	size_t   n, room;
	uint64_t size;
};

static bool is_empty(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	bool empty = dir != NULL;

	while (empty && (e = readdir(dir)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	return empty;
}

struct crate *crate_open(const char *folder, struct buf *error)
{
	struct crate *c;

	if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
		folder_complain(error, folder, strerror(errno));
		return NULL;
	}
	if (!is_empty(folder)) {
		folder_complain(error, folder, "is no empty folder; name one that is not there yet");
		return NULL;
	}
	c = mem_new(sizeof *c);
	c->folder = mem_str(folder);
	return c;
}

void crate_free(struct crate *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->lines[i]);
	free(c->lines);
	free(c->folder);
	free(c);
}

size_t crate_count(const struct crate *c)
{
	return c->n;
}

uint64_t crate_size(const struct crate *c)
{
	return c->size;
}

/* All folders above the file. */
static void make_folders(char *path, size_t from)
{
	for (char *slash = path + from; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(path, 0777);
		*slash = '/';
	}
}

static bool write_all(int fd, struct span octets)
{
	while (octets.n) {
		ssize_t n = write(fd, octets.p, octets.n);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			octets = span_of(octets.p + n, octets.n - (size_t)n);
	}
	return true;
}

static bool write_file(const char *folder, const char *path, struct span octets, struct buf *error)
{
	char *file = mem_printf("%s/%s", folder, path);
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, fd = open(file, flags, 0666);
	bool ok;

	if (fd < 0 && errno == ENOENT) {
		make_folders(file, strlen(folder) + 1);
		fd = open(file, flags, 0666);
	}
	ok = fd >= 0 && write_all(fd, octets);
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (!ok)
		folder_complain(error, file, strerror(errno));
	free(file);
	return ok;
}

bool crate_add(struct crate *c, const char *path, struct span octets, struct buf *error)
{
	unsigned char digest[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];

	if (!write_file(c->folder, path, octets, error))
		return false;
	digest_sha256(digest, octets);
	hex_encode(hex, digest, sizeof digest);
	if (c->n == c->room) {
		c->room = c->room ? 2 * c->room : 256;
		c->lines = mem_grow(c->lines, c->room * sizeof *c->lines);
	}
	c->lines[c->n++] = mem_printf("%s  %s", hex, path);
	c->size += octets.n;
	return true;
}

/* By the path, which stands behind digest and two blanks. */
static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a + 2 * SHA256_SIZE + 2, *(char *const *)b + 2 * SHA256_SIZE + 2);
}

bool crate_seal(struct crate *c, struct buf *error)
{
	struct buf text = BUF_INIT;
	bool ok;

	if (c->n)
		qsort(c->lines, c->n, sizeof *c->lines, by_path);
	for (size_t i = 0; i < c->n; i++) {
		buf_adds(&text, c->lines[i]);
		buf_addc(&text, '\n');
	}
	ok = write_file(c->folder, "MANIFEST.sha256", buf_span(&text), error);
	buf_release(&text);
	return ok;
}
