/* kep-policyd: remembers, proves and sends.  This file only wires: options,
 * configuration, sockets, privileges, the parts, the loop. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "libkep/conf.h"
#include "libkep/log.h"
#include "libkep/notify.h"
#include "libkep/privilege.h"
#include "policyd/ask.h"
#include "policyd/daemon.h"
#include "policyd/database.h"
#include "policyd/fetch.h"
#include "policyd/flush.h"
#include "policyd/hop.h"
#include "policyd/http.h"
#include "policyd/ledger.h"
#include "policyd/listen.h"
#include "policyd/origin.h"
#include "policyd/outbox.h"
#include "policyd/policy.h"
#include "policyd/service.h"
#include "policyd/signer.h"
#include "policyd/tsa.h"
#include "policyd/witness.h"

#define PROGRAM "kep-policyd"
#define DRAIN_MS 50
#define DRAIN_MAX_MS 5000       /* longest wait at the end */

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
	    "  -f            log to standard error\n"
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
	buf_clear(error);
	if (strcmp(c->closed, "domains") != 0 && strcmp(c->closed, "host") != 0) {
		buf_addf(error, "closed = %s; write domains or host", c->closed);
		return false;
	}
	if (c->http_listen[0] && !http_is_loopback(c->http_listen)) {
		buf_addf(error, "http_listen = %s; write a loopback address and a port, such as 127.0.0.1:10041", c->http_listen);
		return false;
	}
	return required(error, "receipt_from", c->receipt_from, "kep@hs01.kep.tr") &&
	    required(error, "track_domain", c->track_domain, "evt.hs01.kep.tr") &&
	    required(error, "policy_socket", c->policy_socket, "unix:/run/kep/policy.sock") && flush_fits(c->postqueue, error) && tsa_fits(c, error) && witness_fits(c, error) &&
	    origin_fits(c, error);
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

static bool http_open(struct sockets *s, const struct conf *c, const struct listen_rights *rights, struct buf *error)
{
	struct buf where = BUF_INIT;

	if (!c->http_listen[0])
		return true;
	buf_addf(&where, "inet:%s", c->http_listen);
	s->http = listen_open(buf_str(&where), rights, error);
	buf_release(&where);
	return s->http >= 0;
}

static bool sockets_open(struct sockets *s, const struct conf *c, uid_t owner, struct buf *error)
{
	struct listen_rights policy = { c->policy_socket_mode, c->policy_socket_group, owner };
	struct listen_rights ask = { c->ask_socket_mode, c->ask_socket_group, owner };
	struct listen_rights lmtp = { c->lmtp_socket_mode, c->lmtp_socket_group, owner };

	return (s->policies = listen_open_all(c->policy_socket, &policy, s->policy, error)) > 0 &&
	    (s->ask = listen_open(c->ask_socket, &ask, error)) >= 0 &&
	    (s->lmtp = listen_open(c->lmtp_socket, &lmtp, error)) >= 0 && http_open(s, c, &lmtp, error);
}

/* ---- the parts ---- */

struct program {
	struct daemon    daemon;
	struct sockets   sockets;       /* until a part owns them */
	struct ask       ask;
	struct database *database;
	struct service  *services[LISTEN_MAX + 1];
	size_t           n;
	struct hop      *hop;
	struct outbox   *outbox;
	struct fetcher  *fetcher;
	struct tsa      *tsa;
	struct witnesses *witnesses;
	struct http     *http;
	struct flush    *flush;
	struct event    *signals[4], *drain;
	unsigned         drained;       /* looks since the end began */
	bool             ready;
	int              code;
};

static void on_fits(void *arg)
{
	struct program *p = arg;

	ledger_kick(p->daemon.ledger);
	outbox_kick(p->outbox);
	if (p->ready)
		return;
	p->ready = true;
	log_info("ready, version " PACKAGE_VERSION);
	notify_ready();
	p->flush = flush_start(p->daemon.base, p->daemon.conf->postqueue);
}

static void on_misfits(void *arg, const char *words)
{
	struct program *p = arg;

	log_warn("cannot serve: %s", words);
	p->code = EX_CONFIG;
	event_base_loopbreak(p->daemon.base);
}

static void on_outbox(void *arg)
{
	outbox_kick(((struct program *)arg)->outbox);
}

/* ---- the end ---- */

static bool is_quiet(const struct program *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (service_peers(p->services[i]) > 0)
			return false;
	return hop_busy(p->hop) == 0 && outbox_busy(p->outbox) == 0 && !ledger_busy(p->daemon.ledger) && pg_waiting(p->daemon.pg) == 0;
}

/* What was asked before the end began is answered, if it does not take long. */
static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct program *p = arg;

	if (is_quiet(p) || ++p->drained * DRAIN_MS >= DRAIN_MAX_MS)
		event_base_loopbreak(p->daemon.base);
}

static void on_end(evutil_socket_t number, short what, void *arg)
{
	static const struct timeval often = { .tv_usec = DRAIN_MS * 1000 };
	struct program *p = arg;

	if (p->drain)
		return;
	log_info("%s: ending", strsignal((int)number));
	notify_stopping();
	for (size_t i = 0; i < p->n; i++)
		service_stop(p->services[i]);
	hop_stop(p->hop);
	outbox_stop(p->outbox);
	tsa_stop(p->tsa);
	witness_stop(p->witnesses);
	ledger_stop(p->daemon.ledger);
	p->drain = event_new(p->daemon.base, -1, EV_PERSIST, on_drain, p);
	if (!p->drain || event_add(p->drain, &often) != 0)
		event_base_loopbreak(p->daemon.base);
}

static void on_reload(evutil_socket_t number, short what, void *arg)
{
	log_info("%s: nothing is read again; restart kep-policyd to make it read its configuration", strsignal((int)number));
}

static void signals_open(struct program *p)
{
	static const struct { int number; event_callback_fn run; } all[] = {
		{ SIGTERM, on_end }, { SIGINT, on_end }, { SIGHUP, on_reload }, { SIGUSR1, on_reload },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++) {
		p->signals[i] = event_new(p->daemon.base, all[i].number, EV_SIGNAL | EV_PERSIST, all[i].run, p);
		if (!p->signals[i] || event_add(p->signals[i], NULL) != 0)
			log_fatal("libevent: signals cannot be watched");
	}
}

/* ---- start ---- */

static void parts_open(struct program *p)
{
	static const struct database_hooks hooks = { on_fits, on_misfits, on_outbox };
	struct daemon *d = &p->daemon;

	d->base = event_base_new();
	if (!d->base)
		log_fatal("libevent: no event base");
	signals_open(p);
	signer_attach(d->signer, d->base);
	p->database = database_new(d, &hooks, p);
	for (size_t i = 0; i < p->sockets.policies; i++)
		p->services[p->n++] = service_new(d->base, &policy_hooks, d, p->sockets.policy[i]);
	p->services[p->n++] = service_new(d->base, &ask_hooks, &p->ask, p->sockets.ask);
	if (p->sockets.http >= 0)
		p->http = http_new(d, p->sockets.http);
	p->hop = hop_new(d, p->sockets.lmtp);
	d->ledger = ledger_new(d);
	p->outbox = outbox_new(d);
	p->fetcher = fetcher_new(d->base, d->conf->https_ca);
	p->tsa = tsa_new(d, p->fetcher);
	p->witnesses = witness_new(d, p->fetcher);
	p->sockets = (struct sockets){ .ask = -1, .lmtp = -1, .http = -1 };
}

static void parts_close(struct program *p)
{
	for (size_t i = 0; i < p->n; i++)
		service_free(p->services[i]);
	http_free(p->http);
	flush_free(p->flush);
	database_free(p->database);
	hop_free(p->hop);
	outbox_free(p->outbox);
	tsa_free(p->tsa);
	witness_free(p->witnesses);
	fetcher_free(p->fetcher);
	ledger_free(p->daemon.ledger);
	signer_free(p->daemon.signer);
	p->daemon.signer = NULL;
	for (size_t i = 0; i < COUNT_OF(p->signals); i++)
		event_free(p->signals[i]);
	if (p->drain)
		event_free(p->drain);
	event_base_free(p->daemon.base);
}

static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int serve(struct program *p)
{
	parts_open(p);
	if (event_base_dispatch(p->daemon.base) != 0)
		log_warn("libevent: the loop ended by itself");
	parts_close(p);
	log_info("ended");
	return p->code;
}

static int run(const struct conf *conf, const struct options *o)
{
	struct buf error = BUF_INIT;
	struct privilege who = { 0 };
	struct program p = { .daemon.conf = conf, .sockets = { .ask = -1, .lmtp = -1, .http = -1 } };
	bool ok;

	signal(SIGPIPE, SIG_IGN);
	umask(077);
	raise_limits();
	ok = conf_open_log(conf, PROGRAM, o->foreground, &error) && privilege_find(&who, conf, &error) && ask_init(&p.ask, &p.daemon, &error);
	/* The signer is first: it alone reads the keys, as root, and must inherit nothing. */
	ok = ok && (p.daemon.signer = signer_start(conf, &error)) != NULL;
	if (ok && !o->check_only) {
		ok = sockets_open(&p.sockets, conf, who.uid, &error) && privilege_drop(&who, &error);
		if (ok)
			serve(&p);
		sockets_close(&p.sockets);
	}
	signer_free(p.daemon.signer);
	if (!ok)
		fprintf(stderr, PROGRAM ": %s\n", buf_str(&error));
	ask_release(&p.ask);
	privilege_release(&who);
	buf_release(&error);
	return ok ? p.code : EX_CONFIG;
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
	if (conf_load(&conf, &options, &error)) {
		code = run(&conf, &options);
	} else {
		fprintf(stderr, PROGRAM ": %s\n", buf_str(&error));
		code = EX_CONFIG;
	}
	conf_release(&conf);
	buf_release(&error);
	return code;
}
