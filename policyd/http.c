#include "policyd/http.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/listen.h"

#define HEADER_MAX 8192
#define TIMEOUT_SECONDS 10

struct http {
	struct daemon *d;
	struct evhttp *server;
};

bool http_is_loopback(const char *where)
{
	struct span host, port;

	return listen_split(span_str(where), &host, &port) &&
	    (span_is(host, "::1") || span_is(host, "localhost") || (host.n > 4 && strncmp(host.p, "127.", 4) == 0));
}

static void reply(struct evhttp_request *r, int code, const char *words)
{
	struct evbuffer *body = evbuffer_new();

	if (!body)
		log_fatal("out of memory");
	evbuffer_add_printf(body, "%s\n", words);
	evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", "text/plain; charset=utf-8");
	evhttp_add_header(evhttp_request_get_output_headers(r), "Cache-Control", "no-store");
	evhttp_send_reply(r, code, NULL, body);
	evbuffer_free(body);
}

/* Mail is taken and delivered while the ledger is in trouble, so this host may stay in use. */
static void reply_well(struct evhttp_request *r, const char *trouble)
{
	char words[200];

	snprintf(words, sizeof words, "ok, but receipts wait: %s", trouble ? trouble : "");
	reply(r, HTTP_OK, trouble ? words : "ok");
}

static void on_healthz(struct evhttp_request *r, void *arg)
{
	const struct daemon *d = ((struct http *)arg)->d;

	if (!pg_is_up(d->pg))
		reply(r, HTTP_SERVUNAVAIL, "the database is not there");
	else if (!d->schema)
		reply(r, HTTP_SERVUNAVAIL, "the schema of the database is not known to fit yet");
	else
		reply_well(r, d->ledger_trouble);
}

static void on_other(struct evhttp_request *r, void *arg)
{
	reply(r, HTTP_NOTFOUND, "there is /healthz only");
}

struct http *http_new(struct daemon *d, int fd)
{
	struct http *h = mem_new(sizeof *h);

	h->d = d;
	h->server = evhttp_new(d->base);
	if (!h->server || evhttp_accept_socket(h->server, fd) != 0)
		log_fatal("libevent: the HTTP server did not start");
	evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(h->server, HEADER_MAX);
	evhttp_set_max_body_size(h->server, 0);
	evhttp_set_timeout(h->server, TIMEOUT_SECONDS);
	evhttp_set_cb(h->server, "/healthz", on_healthz, h);
	evhttp_set_gencb(h->server, on_other, h);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	evhttp_free(h->server);
	free(h);
}
