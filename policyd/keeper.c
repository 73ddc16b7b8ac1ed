#include "policyd/keeper.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libkep/log.h"
#include "libkep/mem.h"

struct keeper {
	char           *path, *beside, *folder;
	keeper_done    *done;
	void           *arg;
	int             pipe[2];        /* the thread says "done" */
	struct event   *ready;
	pthread_t       thread;
	pthread_mutex_t lock;
	pthread_cond_t  change;
	bool            wanted, end;    /* under the lock, like what follows */
	struct buf      octets;
	int             failed;         /* errno of the last one; 0: it is kept */
};

/* ---- the thread: the file system and nothing else ---- */

static bool write_all(int fd, struct span octets)
{
	while (octets.n) {
		ssize_t n = write(fd, octets.p, octets.n);

		if (n < 0 && errno != EINTR)
			return false;
		octets = span_of(octets.p + (n > 0 ? n : 0), octets.n - (n > 0 ? (size_t)n : 0));
	}
	return true;
}

static bool sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return good;
}

static int replace(const struct keeper *k)
{
	int fd = open(k->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool good = fd >= 0 && fchmod(fd, 0644) == 0 && write_all(fd, buf_span(&k->octets)) && fsync(fd) == 0;
	int why = good ? 0 : errno;

	if (fd >= 0 && close(fd) != 0 && good)
		why = errno;
	if (why)
		return why;
	return rename(k->beside, k->path) == 0 && sync_folder(k->folder) ? 0 : errno;
}

static void *work(void *arg)
{
	struct keeper *k = arg;
	int why;

	pthread_mutex_lock(&k->lock);
	for (;;) {
		while (!k->wanted && !k->end)
			pthread_cond_wait(&k->change, &k->lock);
		if (!k->wanted)
			break;
		pthread_mutex_unlock(&k->lock);         /* octets are left alone until we said done */
		why = replace(k);
		pthread_mutex_lock(&k->lock);
		k->failed = why;
		k->wanted = false;
		if (write(k->pipe[1], "", 1) != 1)
			log_warn("the ledger's keeper cannot be heard: %s", strerror(errno));
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* ---- the loop ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;
	struct buf words = BUF_INIT;
	char octet;
	int failed;

	if (read(fd, &octet, 1) != 1)
		return;
	pthread_mutex_lock(&k->lock);
	failed = k->failed;
	pthread_mutex_unlock(&k->lock);
	if (failed)
		buf_addf(&words, "%s: %s", k->path, strerror(failed));
	k->done(k->arg, failed == 0, buf_str(&words));
	buf_release(&words);
}

void keeper_put(struct keeper *k, struct span octets)
{
	pthread_mutex_lock(&k->lock);
	buf_clear(&k->octets);
	buf_add(&k->octets, octets);
	k->wanted = true;
	pthread_cond_signal(&k->change);
	pthread_mutex_unlock(&k->lock);
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_str(".");
	return slash == path ? mem_str("/") : mem_span(span_of(path, (size_t)(slash - path)));
}

/* Signals are the loop's. */
static bool start_thread(struct keeper *k)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&k->thread, NULL, work, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed == 0;
}

struct keeper *keeper_new(struct event_base *base, const char *path, keeper_done *done, void *arg)
{
	struct keeper *k = mem_new(sizeof *k);

	k->path = mem_str(path);
	k->beside = mem_printf("%s.new", path);
	k->folder = folder_of(path);
	k->done = done;
	k->arg = arg;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->change, NULL);
	if (pipe2(k->pipe, O_CLOEXEC | O_NONBLOCK) != 0 || !(k->ready = event_new(base, k->pipe[0], EV_READ | EV_PERSIST, on_ready, k)) ||
	    event_add(k->ready, NULL) != 0 || !start_thread(k))
		log_fatal("the ledger's keeper cannot be started: %s", strerror(errno));
	return k;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->end = true;
	pthread_cond_signal(&k->change);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	event_free(k->ready);
	close(k->pipe[0]);
	close(k->pipe[1]);
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->change);
	buf_release(&k->octets);
	free(k->path);
	free(k->beside);
	free(k->folder);
	free(k);
}

enum keeper_found keeper_read(const char *path, size_t limit, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), why = errno;
	char octets[4096];
	ssize_t n = 1;

	buf_clear(out);
	if (fd < 0 && why == ENOENT)
		return KEEPER_ABSENT;
	while (fd >= 0 && out->n <= limit && (n = read(fd, octets, sizeof octets)) > 0)
		buf_add(out, span_of(octets, (size_t)n));
	why = fd < 0 || n < 0 ? errno : out->n > limit ? EFBIG : 0;
	if (fd >= 0)
		close(fd);
	if (!why)
		return KEEPER_READ;
	buf_clear(out);
	buf_addf(out, "%s: %s", path, strerror(why));
	return KEEPER_UNREADABLE;
}
