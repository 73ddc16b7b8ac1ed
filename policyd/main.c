/* kep-policyd: remembers, proves and sends.  This file only wires: options,
 * configuration, sockets, privileges, the parts, the loop. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "libkep/conf.h"
#include "libkep/log.h"
#include "libkep/privilege.h"
#include "policyd/daemon.h"
#include "policyd/listen.h"

#define PROGRAM "kep-policyd"

struct options {
	const char *file;
	bool foreground, check_only;
	const char *set[32];
	size_t sets;
};

struct sockets {
	int policy[LISTEN_MAX], ask, lmtp, http;
	size_t policies;
};

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: " PROGRAM " [-c FILE] [-o key=value]... [-f] [-n] [-V]\n"
	    "  -c FILE       configuration (" KEP_SYSCONFDIR "/kep/kep.conf)\n"
	    "  -o key=value  set one key of it\n"
	    "  -f            stay in the foreground, log to standard error\n"
	    "  -n            check the configuration and exit\n"
	    "  -V            print the version\n");
	return code;
}

/* -1: go on; otherwise the exit status. */
static int options_read(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ .file = KEP_SYSCONFDIR "/kep/kep.conf" };
	while ((c = getopt(argc, argv, "c:o:fnVh")) != -1) {
		switch (c) {
		case 'c': o->file = optarg; break;
		case 'f': o->foreground = true; break;
		case 'n': o->check_only = true; break;
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
	return optind == argc ? -1 : usage(stderr, EX_USAGE);
}

static bool required(struct buf *error, const char *key, const char *value, const char *like)
{
	if (value[0])
		return true;
	buf_clear(error);
	buf_addf(error, "%s is not set; write '%s = %s', with a name of yours", key, key, like);
	return false;
}

static bool conf_fits(const struct conf *c, struct buf *error)
{
	if (strcmp(c->closed, "domains") != 0 && strcmp(c->closed, "host") != 0) {
		buf_clear(error);
		buf_addf(error, "closed = %s; write domains or host", c->closed);
		return false;
	}
	return required(error, "receipt_from", c->receipt_from, "kep@hs01.kep.tr") &&
	    required(error, "track_domain", c->track_domain, "evt.hs01.kep.tr");
}

static bool conf_load(struct conf *c, const struct options *o, struct buf *error)
{
	bool ok = conf_read(c, o->file, error);

	for (size_t i = 0; ok && i < o->sets; i++)
		ok = conf_set(c, o->set[i], error);
	return ok && conf_fits(c, error);
}

static void sockets_close(struct sockets *s)
{
	for (size_t i = 0; i < s->policies; i++)
		listen_close(s->policy[i]);
	listen_close(s->ask);
	listen_close(s->lmtp);
	listen_close(s->http);
	*s = (struct sockets){ .ask = -1, .lmtp = -1, .http = -1 };
}

static bool sockets_open(struct sockets *s, const struct conf *c, uid_t owner, struct buf *error)
{
	struct listen_rights policy = { c->policy_socket_mode, c->policy_socket_group, owner };
	struct listen_rights ask = { c->ask_socket_mode, c->ask_socket_group, owner };
	struct listen_rights lmtp = { c->lmtp_socket_mode, c->lmtp_socket_group, owner };

	*s = (struct sockets){ .ask = -1, .lmtp = -1, .http = -1 };
	return (s->policies = listen_open_all(c->policy_socket, &policy, s->policy, error)) > 0 &&
	    (s->ask = listen_open(c->ask_socket, &ask, error)) >= 0 &&
	    (s->lmtp = listen_open(c->lmtp_socket, &lmtp, error)) >= 0;
}

static int run(const struct conf *conf, const struct options *o)
{
	struct buf error = BUF_INIT;
	struct privilege who = { 0 };
	struct sockets sockets = { .ask = -1, .lmtp = -1, .http = -1 };
	int code = EX_CONFIG;

	if (conf_open_log(conf, PROGRAM, o->foreground, &error) && privilege_find(&who, conf, &error) &&
	    sockets_open(&sockets, conf, who.uid, &error) && privilege_drop(&who, &error))
		code = EX_OK;
	if (code != EX_OK)
		fprintf(stderr, PROGRAM ": %s\n", buf_str(&error));
	sockets_close(&sockets);
	privilege_release(&who);
	buf_release(&error);
	return code;
}

int main(int argc, char **argv)
{
	struct buf error = BUF_INIT;
	struct options options;
	struct conf conf;
	int code = options_read(&options, argc, argv);

	if (code >= 0)
		return code;
	conf_init(&conf);
	if (!conf_load(&conf, &options, &error)) {
		fprintf(stderr, PROGRAM ": %s\n", buf_str(&error));
		code = EX_CONFIG;
	} else {
		code = options.check_only ? EX_OK : run(&conf, &options);
	}
	conf_release(&conf);
	buf_release(&error);
	return code;
}
