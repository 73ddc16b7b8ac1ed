#include "milter/reload.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "libkep/folder.h"
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

void reload_describe(const struct conf *conf, struct buf *out)
{
	struct anchors *a = anchors_take();

	trust_describe(anchors_trust(a), conf, out);
	anchors_give(a);
}

static void reload(const struct conf *conf)
{
	struct buf words = BUF_INIT;

	if (anchors_load(conf, &words)) {
		reload_describe(conf, &words);
		log_info("trust read again from %s", buf_str(&words));
	} else {
		log_warn("trust not read again, the old one stays: %s", buf_str(&words));
	}
	buf_release(&words);
}

static uint64_t mark(const struct conf *conf)
{
	return folder_mark(conf->trust_anchors) + 3 * (*conf->trust_crls ? folder_mark(conf->trust_crls) : 0) +
	    5 * (*conf->tsa_anchors ? folder_mark(conf->tsa_anchors) : 0) + 7 * (*conf->trust_ocsp ? folder_mark(conf->trust_ocsp) : 0);
}

/* Wait for a signal, or until it is time to look again; true: a signal came. */
static bool wait_signal(const struct conf *conf)
{
	struct timespec until;

	if (conf->trust_watch == 0) {
		while (sem_wait(&wanted) != 0)
			;
	} else {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += (time_t)(conf->trust_watch / 1000000);
		while (sem_timedwait(&wanted, &until) != 0)
			if (errno == ETIMEDOUT)
				return false;
	}
	while (sem_trywait(&wanted) == 0)       /* many signals, one reload */
		;
	return true;
}

static void *run(void *arg)
{
	const struct conf *conf = arg;
	uint64_t seen = mark(conf);

	mask(SIG_UNBLOCK, SIGUSR1, SIGUSR1);
	for (;;) {
		bool asked = wait_signal(conf);
		/* Taken before reading: a change meanwhile is seen the next time. */
		uint64_t now = mark(conf);

		if (asked || now != seen)
			reload(conf);
		seen = now;
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
