#include "milter/reload.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "libkep/log.h"
#include "milter/anchors.h"

static sem_t wanted;

static void want(int signal_number)
{
	int saved = errno;

	(void)signal_number;
	sem_post(&wanted);
	errno = saved;
}

static void mask(int how, int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	sigaddset(&set, b);
	pthread_sigmask(how, &set, NULL);
}

void reload_prepare(void)
{
	/* SA_NODEFER: the first thread is ready for the next SIGHUP even while
	 * the handler runs, so that none of them slips to libmilter. */
	struct sigaction on = { .sa_handler = want, .sa_flags = SA_RESTART | SA_NODEFER };

	mask(SIG_BLOCK, SIGHUP, SIGUSR1);
	mask(SIG_BLOCK, SIGTERM, SIGINT);
	sigemptyset(&on.sa_mask);
	sem_init(&wanted, 0, 0);
	sigaction(SIGHUP, &on, NULL);
	sigaction(SIGUSR1, &on, NULL);
}

static void reload(const struct conf *conf)
{
	struct buf error = BUF_INIT;
	struct anchors *a;

	if (anchors_load(conf, &error)) {
		a = anchors_take();
		log_info("trust anchors read again from %s, now %zu", conf->trust_anchors, trust_count(anchors_trust(a)));
		anchors_give(a);
	} else {
		log_warn("trust anchors not read again, the old ones stay: %s", buf_str(&error));
	}
	buf_release(&error);
}

static void *run(void *conf)
{
	mask(SIG_UNBLOCK, SIGUSR1, SIGUSR1);
	for (;;) {
		while (sem_wait(&wanted) != 0)
			;
		while (sem_trywait(&wanted) == 0)       /* many signals, one reload */
			;
		reload(conf);
	}
	return NULL;
}

void reload_start(const struct conf *conf)
{
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, run, (void *)(uintptr_t)conf);

	if (failed)
		log_fatal("cannot start a thread: %s", strerror(failed));
	pthread_detach(thread);
	mask(SIG_UNBLOCK, SIGHUP, SIGHUP);
}

void reload_shield(void)
{
	mask(SIG_BLOCK, SIGHUP, SIGUSR1);
}
