#include "policyd/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "libkep/buf.h"
#include "libkep/header.h"
#include "libkep/mem.h"

struct spool {
	const char       *dir;
	int               fd;           /* -1: all of it is in block */
	int               error;
	enum spool_state  state;
	size_t            header_limit;
	bool              in_body;
	bool              malformed;    /* the top header block is no header */
	struct buf        header;       /* without the blank line behind it */
	struct buf        block;        /* what is not in the file (yet) */
	uint64_t          size;
	struct canon     *canon;
	struct fingerprint fingerprint;
};

/* A file without a name; -1: errno. */
static int nameless_file(const char *dir)
{
	char *path;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	path = mem_printf("%s/hop.XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

static void fail(struct spool *s, enum spool_state state)
{
	s->error = errno;
	s->state = state;
}

struct spool *spool_new(const char *dir, size_t header_limit)
{
	struct spool *s = mem_new(sizeof *s);

	s->header_limit = header_limit;
	s->canon = canon_new();
	s->dir = dir;
	s->fd = -1;
	return s;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	buf_release(&s->header);
	buf_release(&s->block);
	canon_free(s->canon);
	free(s);
}

/* ---- the file ---- */

static void write_block(struct spool *s)
{
	size_t done = 0;

	if (s->fd < 0 && (s->fd = nameless_file(s->dir)) < 0)
		fail(s, SPOOL_NO_ROOM);
	while (done < s->block.n && s->state == SPOOL_GOOD) {
		ssize_t n = write(s->fd, s->block.p + done, s->block.n - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			fail(s, SPOOL_NO_ROOM);
	}
	buf_clear(&s->block);
}

static void keep(struct spool *s, struct span octets)
{
	while (octets.n && s->state == SPOOL_GOOD) {
		size_t room = SPOOL_MEMORY - s->block.n, n = octets.n < room ? octets.n : room;

		if (room == 0) {
			write_block(s);
			continue;
		}
		buf_add(&s->block, span_of(octets.p, n));
		octets = span_of(octets.p + n, octets.n - n);
		s->size += n;
	}
}

/* ---- the header ---- */

/* Octets of the block with its blank line; 0: the blank line is not there yet.
 * What stands before `from` has been looked at. */
static size_t header_end(const struct buf *b, size_t from)
{
	static const char blank[] = "\r\n\r\n";
	const char *hit;

	if (b->n >= 2 && memcmp(b->p, "\r\n", 2) == 0)
		return 2;
	from = from > 3 ? from - 3 : 0;
	hit = b->n > from ? memmem(b->p + from, b->n - from, blank, 4) : NULL;
	return hit ? (size_t)(hit - b->p) + 4 : 0;
}

static void digest_header(struct spool *s)
{
	struct span block = buf_span(&s->header), name, value;
	int got;

	while ((got = header_next(&block, &name, &value)) == 1)
		canon_field(s->canon, name, value);
	s->malformed = got < 0;
}

static void take_header(struct spool *s, struct span octets)
{
	size_t before = s->header.n, room = s->header_limit + 4 - before, end;

	buf_add(&s->header, span_of(octets.p, octets.n < room ? octets.n : room));
	end = header_end(&s->header, before);
	if (end > s->header_limit + 2 || (end == 0 && s->header.n > s->header_limit + 1))
		fail(s, SPOOL_HEADER_SIZE);
	if (end == 0 || s->state != SPOOL_GOOD)
		return;
	s->header.n = end - 2;
	s->in_body = true;
	digest_header(s);
	canon_body(s->canon, span_of(octets.p + (end - before), octets.n - (end - before)));
}

/* ---- */

void spool_add(struct spool *s, struct span octets)
{
	if (s->state != SPOOL_GOOD)
		return;
	keep(s, octets);
	if (s->in_body)
		canon_body(s->canon, octets);
	else
		take_header(s, octets);
}

enum spool_state spool_finish(struct spool *s)
{
	if (s->state == SPOOL_GOOD && !s->in_body && s->header.n > s->header_limit)
		fail(s, SPOOL_HEADER_SIZE);
	if (s->state == SPOOL_GOOD && !s->in_body)
		digest_header(s);
	if (s->fd >= 0)
		write_block(s);
	if (s->state == SPOOL_GOOD)
		canon_finish(s->canon, &s->fingerprint);
	return s->state;
}

int spool_fd(const struct spool *s)
{
	return s->fd;
}

struct span spool_memory(const struct spool *s)
{
	return s->fd < 0 ? buf_span(&s->block) : SPAN_NONE;
}

bool spool_read(const struct spool *s, char *out, size_t n)
{
	if (s->fd < 0) {
		memcpy(out, buf_str(&s->block), n);
		return true;
	}
	for (size_t at = 0; at < n; ) {
		ssize_t got = pread(s->fd, out + at, n - at, (off_t)at);

		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		at += got > 0 ? (size_t)got : 0;
	}
	return true;
}

uint64_t spool_size(const struct spool *s)
{
	return s->size;
}

const struct fingerprint *spool_fingerprint(const struct spool *s)
{
	return &s->fingerprint;
}

size_t spool_field(const struct spool *s, const char *name, struct span *value)
{
	struct span block = buf_span(&s->header), n, v;
	size_t count = 0;

	*value = SPAN_NONE;
	while (!s->malformed && header_next(&block, &n, &v) == 1)
		if (span_caseeq(n, span_str(name)) && count++ == 0)
			*value = span_trim(v);
	return count;
}

int spool_error(const struct spool *s)
{
	return s->error;
}
