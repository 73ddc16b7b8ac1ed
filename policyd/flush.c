#include "policyd/flush.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "libkep/log.h"
#include "libkep/mem.h"

#define WORDS_MAX 16

extern char **environ;

struct flush {
	pid_t         pid;      /* 0: it has ended */
	struct event *child;
};

bool flush_fits(const char *command, struct buf *error)
{
	if (!command[0] || command[0] == '/')
		return true;
	buf_clear(error);
	buf_addf(error, "postqueue = %s; write an absolute path, such as /usr/sbin/postqueue -f", command);
	return false;
}

static void on_child(evutil_socket_t fd, short what, void *arg)
{
	struct flush *f = arg;
	int status;

	if (f->pid == 0 || waitpid(f->pid, &status, WNOHANG) != f->pid)
		return;
	f->pid = 0;
	event_del(f->child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		log_warn("the command of the key postqueue failed with status %d; deferred mail waits for Postfix's next queue run", status);
}

/* All signals as they were before us, nothing open but /dev/null. */
static int spawn(pid_t *pid, char *const argv[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t all, none;
	int code;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&how);
	posix_spawnattr_setsigdefault(&how, &all);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	code = posix_spawn(pid, argv[0], &files, &how, argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return code;
}

struct flush *flush_start(struct event_base *base, const char *command)
{
	struct flush *f = mem_new(sizeof *f);
	char *copy = mem_str(command), *save = NULL, *argv[WORDS_MAX + 1] = { NULL };
	size_t n = 0;
	int code;

	for (char *w = strtok_r(copy, " \t", &save); w && n < WORDS_MAX; w = strtok_r(NULL, " \t", &save))
		argv[n++] = w;
	f->child = event_new(base, SIGCHLD, EV_SIGNAL | EV_PERSIST, on_child, f);
	if (!f->child || event_add(f->child, NULL) != 0)
		log_fatal("libevent: SIGCHLD cannot be watched");
	code = n ? spawn(&f->pid, argv) : 0;
	if (code != 0)
		log_warn("%s: %s; correct the key postqueue", argv[0], strerror(code));
	free(copy);
	if (n && code == 0)
		return f;
	flush_free(f);
	return NULL;
}

void flush_free(struct flush *f)
{
	if (!f)
		return;
	event_free(f->child);
	free(f);
}
