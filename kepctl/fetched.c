#include "kepctl/fetched.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libkep/folder.h"
#include "libkep/mem.h"

const char *fetched_word(enum fetched_state state)
{
	static const char *const words[] = {
		[FETCHED_FAILED] = "failed", [FETCHED_UNCHANGED] = "unchanged", [FETCHED_REPLACED] = "replaced", [FETCHED_ADDED] = "added",
	};

	return words[state];
}

static bool write_all(int fd, struct span octets)
{
	while (octets.n) {
		ssize_t n = write(fd, octets.p, octets.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		octets = span_of(octets.p + n, octets.n - (size_t)n);
	}
	return true;
}

enum fetched_state fetched_put(const char *file, struct span octets, struct buf *error)
{
	const char *slash = strrchr(file, '/');
	char *fresh = mem_printf("%.*s/.%s.XXXXXX", (int)(slash - file), file, slash + 1);
	enum fetched_state state = access(file, F_OK) == 0 ? FETCHED_REPLACED : FETCHED_ADDED;
	int fd = mkostemp(fresh, O_CLOEXEC);
	bool ok = fd >= 0 && write_all(fd, octets) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;

	ok = (fd < 0 || close(fd) == 0) && ok && rename(fresh, file) == 0;
	if (!ok) {
		folder_complain(error, file, strerror(errno));
		state = FETCHED_FAILED;
	}
	if (!ok && fd >= 0)
		unlink(fresh);
	free(fresh);
	return state;
}

void fetched_time(jdoc *row, const char *key, usec at)
{
	char text[CLOCK_TEXT_SIZE];

	if (at == 0)
		return;
	clock_text(text, at);
	jdoc_set_str(row, key, text);
}
