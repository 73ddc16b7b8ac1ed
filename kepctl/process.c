#include "kepctl/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libkep/mem.h"

#define OUTPUT_LIMIT (4 << 20)

static void child(char *const argv[], int out, int err)
{
	const char *path = getenv("PATH");
	char *longer = mem_printf("%s:/usr/sbin:/usr/local/sbin:/sbin", path && *path ? path : "/usr/bin:/bin");
	int null = open("/dev/null", O_RDONLY);

	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	setenv("PATH", longer, 1);
	setenv("LC_ALL", "C", 1);
	execvp(argv[0], argv);
	_exit(127);
}

/* Take what is there; false: the other side has closed. */
static bool take(int fd, struct buf *b)
{
	char block[8192];
	ssize_t n = read(fd, block, sizeof block);

	if (n > 0 && b->n < OUTPUT_LIMIT)
		buf_add(b, span_of(block, (size_t)n));
	return n > 0 || (n < 0 && errno == EINTR);
}

static void take_all(int out, int err, struct buf *out_text, struct buf *err_text)
{
	struct pollfd fds[2] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
	struct buf *texts[2] = { out_text, err_text };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		for (size_t i = 0; i < 2; i++)
			if (fds[i].fd >= 0 && fds[i].revents && !take(fds[i].fd, texts[i]))
				fds[i].fd = -1;
	}
}

int process_run(char *const argv[], struct buf *out, struct buf *err)
{
	int o[2], e[2], status = 0;
	pid_t pid;

	if (pipe2(o, O_CLOEXEC) != 0)
		return 127;
	if (pipe2(e, O_CLOEXEC) != 0) {
		close(o[0]);
		close(o[1]);
		return 127;
	}
	pid = fork();
	if (pid == 0)
		child(argv, o[1], e[1]);
	close(o[1]);
	close(e[1]);
	if (pid > 0)
		take_all(o[0], e[0], out, err);
	close(o[0]);
	close(e[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
