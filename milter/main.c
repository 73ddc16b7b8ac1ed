/* kep-milter: judges one message, keeps nothing.  This file only wires: options,
 * configuration, socket, privileges, trust anchors, signals, the milter. */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "libkep/conf.h"
#include "libkep/library.h"
#include "libkep/log.h"
#include "libkep/notify.h"
#include "libkep/privilege.h"
#include "milter/anchors.h"
#include "milter/milter.h"
#include "milter/offline.h"
#include "milter/place.h"
#include "milter/reload.h"

#define PROGRAM "kep-milter"
#define THREAD_STACK ((size_t)512 << 10)

struct options {
	const char *file;
	bool foreground, check_only, offline, json;
	const char *set[64];
	size_t sets;
	char *const *files;
	size_t n_files;
};

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: " PROGRAM " [-c FILE] [-o key=value]... [-f] [-n] [-V]\n"
	    "       " PROGRAM " [-c FILE] [-o key=value]... -t [-j] FILE...\n"
	    "  -c FILE       configuration (" KEP_SYSCONFDIR "/kep/kep.conf)\n"
	    "  -o key=value  set one key of it\n"
	    "  -f            log to standard error\n"
	    "  -n            check the configuration and exit\n"
	    "  -t FILE...    judge saved messages and exit\n"
	    "  -j, --json    print the verdicts as JSON, one object a line\n"
	    "  -V            print the version\n");
	return code;
}

/* -1: go on; otherwise the exit status. */
static int options_read(struct options *o, int argc, char **argv)
{
	static const struct option names[] = { { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 } };
	int c;

	*o = (struct options){ .file = KEP_SYSCONFDIR "/kep/kep.conf" };
	while ((c = getopt_long(argc, argv, "c:o:fntjVh", names, NULL)) != -1) {
		switch (c) {
		case 'c': o->file = optarg; break;
		case 'f': o->foreground = true; break;
		case 'n': o->check_only = true; break;
		case 't': o->offline = true; break;
		case 'j': o->json = true; break;
		case 'o':
			if (o->sets == COUNT_OF(o->set))
				return usage(stderr, EX_USAGE);
			o->set[o->sets++] = optarg;
			break;
		case 'V':
			puts(PROGRAM " " PACKAGE_VERSION);
			return EX_OK;
		case 'h': return usage(stdout, EX_OK);
		default: return usage(stderr, EX_USAGE);
		}
	}
	o->files = argv + optind;
	o->n_files = (size_t)(argc - optind);
	return o->offline == (o->n_files > 0) && (o->offline || !o->json) ? -1 : usage(stderr, EX_USAGE);
}

static bool closed_valid(const struct conf *c, struct buf *error)
{
	if (strcmp(c->closed, "domains") == 0 || strcmp(c->closed, "host") == 0)
		return true;
	buf_clear(error);
	buf_addf(error, "closed = %s; write domains or host", c->closed);
	return false;
}

static bool limits_valid(const struct conf *c, struct buf *error)
{
	if (c->recipient_limit > 0 && c->ask_timeout > 0)
		return true;
	buf_clear(error);
	buf_adds(error, "recipient_limit and ask_timeout must not be 0: nothing could be sent");
	return false;
}

/* What switches checks off judges no real mail. */
static bool profile_valid(const struct conf *c, const struct options *o, struct buf *error)
{
	if (o->offline || strcmp(c->signature_profile, "pkix") != 0)
		return true;
	buf_clear(error);
	buf_adds(error, "signature_profile = pkix is for conformance tests with -t only; write smime or nes");
	return false;
}

/* The past is asked of saved messages only. */
static bool time_valid(const struct conf *c, const struct options *o, struct buf *error)
{
	usec at;

	if (!c->verification_time[0] || (o->offline && offline_time(c, &at)))
		return true;
	buf_clear(error);
	buf_addf(error, "verification_time = %s; %s", c->verification_time,
	    o->offline ? "write a time such as 2026-11-23T18:45:23Z" : "it is for -t only; remove it, real mail is judged by the clock");
	return false;
}

static bool conf_load(struct conf *c, const struct options *o, struct buf *error)
{
	bool ok = conf_read(c, o->file, error);

	for (size_t i = 0; ok && i < o->sets; i++)
		ok = conf_set(c, o->set[i], error);
	return ok && closed_valid(c, error) && limits_valid(c, error) && profile_valid(c, o, error) && time_valid(c, o, error) &&
	    library_suffices(library_version(), c->require_openssl, error);
}

static int fail(const struct buf *error, int code)
{
	fprintf(stderr, PROGRAM ": %s\n", buf_str(error));
	return code;
}

/* libmilter starts and ends threads all the time.  The C library keeps the stacks
 * of ended ones for the next, up to 40 MB: five of the usual size, or many of a
 * size that is ours. */
static void threads_lighten(void)
{
	pthread_attr_t a;

	if (pthread_attr_init(&a) == 0 && pthread_attr_setstacksize(&a, THREAD_STACK) == 0)
		pthread_setattr_default_np(&a);
}

static void *serve(void *arg)
{
	reload_shield();
	*(bool *)arg = milter_run();
	return NULL;
}

/* A warning, since distributions repair without changing the version. */
static void tell_library(void)
{
	struct buf words = BUF_INIT;

	if (!library_repaired(library_version(), &words))
		log_warn("%s", buf_str(&words));
	buf_release(&words);
}

/* Runs until the milter has ended, and does not return.  The first thread is
 * left to SIGHUP: reload.h. */
static void run(const struct conf *conf)
{
	struct buf trust = BUF_INIT;
	pthread_t thread;
	bool good = false;
	int failed;

	reload_describe(conf, &trust);
	log_info("trust read from %s", buf_str(&trust));
	buf_release(&trust);
	tell_library();
	reload_start(conf);
	threads_lighten();
	failed = pthread_create(&thread, NULL, serve, &good);
	if (failed)
		log_fatal("cannot start a thread: %s", strerror(failed));
	log_info("listening on %s, version " PACKAGE_VERSION, conf->milter_socket);
	notify_ready();
	pthread_join(thread, NULL);
	notify_stopping();
	log_info("stopped");
	_exit(good ? EX_OK : EX_SOFTWARE);      /* see milter_run() */
}

static int start(const struct conf *conf, const struct options *o, struct buf *error)
{
	struct privilege who = { 0 };
	int code = EX_CONFIG;

	reload_prepare();
	if (conf_open_log(conf, PROGRAM, o->foreground, error) && place_valid(conf, error) && privilege_find(&who, conf, error)) {
		if (o->check_only)
			code = anchors_load(conf, error) ? EX_OK : EX_CONFIG;
		else if (milter_open(conf, who.uid, error) && privilege_drop(&who, error) && anchors_load(conf, error))
			run(conf);
	}
	privilege_release(&who);
	return code == EX_CONFIG ? fail(error, code) : code;
}

static int judge_files(const struct conf *conf, const struct options *o, struct buf *error)
{
	struct anchors *anchors;
	bool all;

	if (!anchors_load(conf, error))
		return fail(error, EX_CONFIG);
	anchors = anchors_take();
	all = offline_judge(conf, anchors_trust(anchors), o->json, o->files, o->n_files);
	anchors_give(anchors);
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct conf conf;
	struct buf error = BUF_INIT;
	struct options options;
	int code = options_read(&options, argc, argv);

	if (code >= 0)
		return code;
	conf_init(&conf);
	conf_hostname(&conf);           /* asks the system once, before there are threads */
	if (!conf_load(&conf, &options, &error))
		code = fail(&error, EX_CONFIG);
	else
		code = options.offline ? judge_files(&conf, &options, &error) : start(&conf, &options, &error);
	anchors_drop();
	conf_release(&conf);
	buf_release(&error);
	return code;
}
