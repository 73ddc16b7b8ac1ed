#include "policyd/fetch.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "config.h"
#include "libkep/log.h"
#include "libkep/mem.h"

#define SCHEMES      "http,https"
#define REDIRECTS    3L
#define CONNECT_TIME 10000L     /* ms */

struct fetch {
	LIST_ENTRY(fetch)  link;
	struct fetcher    *fetcher;
	CURL              *curl;
	struct curl_slist *header;
	struct buf         octets;
	size_t             limit;
	usec               time;
	bool               too_large;
	fetched           *answered;
	void              *arg;
	char               words[CURL_ERROR_SIZE];
};

struct fetcher {
	LIST_HEAD(, fetch) fetches;
	struct event_base *base;
	CURLM             *multi;
	struct event      *timer;
	char              *ca;
};

/* -- libcurl in the loop ------------------------------------------------------ */

static void fetch_free(struct fetch *h)
{
	curl_multi_remove_handle(h->fetcher->multi, h->curl);
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->header);
	LIST_REMOVE(h, link);
	buf_release(&h->octets);
	free(h);
}

static void say(struct fetch *h, CURLcode code, long status)
{
	if (h->too_large || code == CURLE_FILESIZE_EXCEEDED)
		snprintf(h->words, sizeof h->words, "its answer is larger than %zu octets", h->limit);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(h->words, sizeof h->words, "no whole answer after %lld seconds", (long long)(h->time / 1000000));
	else if (code == CURLE_OK)
		snprintf(h->words, sizeof h->words, "the server answers %ld", status);
	else if (!*h->words)
		snprintf(h->words, sizeof h->words, "%s", curl_easy_strerror(code));
}

static void finish(struct fetch *h, CURLcode code)
{
	struct fetch_answer a = { .words = h->words };
	long status = 0;

	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	say(h, code, status);
	if (code == CURLE_OK) {
		a.status = status;
		a.octets = buf_span(&h->octets);
	}
	h->answered(h->arg, &a);
	fetch_free(h);
}

/* One at a time: whoever hears of it may start and cancel others. */
static void finish_all(struct fetcher *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct fetch *h = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&h);
		finish(h, code);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	int running;

	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(f);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct fetcher *f = arg;
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (ms < 0)
		evtimer_del(f->timer);
	else
		evtimer_add(f->timer, &tv);
	return 0;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	int running, action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(f->multi, fd, action, &running);
	finish_all(f);
}

static int set_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *event)
{
	struct fetcher *f = arg;
	short wanted = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	struct event *watch = NULL;

	if (event)
		event_free(event);
	if (what != CURL_POLL_REMOVE) {
		watch = event_new(f->base, fd, wanted, on_socket, f);
		if (!watch || event_add(watch, NULL) != 0)
			log_fatal("libevent: a connection to another host cannot be watched");
	}
	curl_multi_assign(f->multi, fd, watch);
	return 0;
}

struct fetcher *fetcher_new(struct event_base *base, const char *ca)
{
	struct fetcher *f = mem_new(sizeof *f);

	LIST_INIT(&f->fetches);
	f->base = base;
	f->ca = *ca ? mem_str(ca) : NULL;
	f->timer = evtimer_new(base, on_timer, f);
	if (!f->timer || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(f->multi = curl_multi_init()) ||
	    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, set_socket) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f) != CURLM_OK)
		log_fatal("libcurl cannot start");
	return f;
}

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	while (!LIST_EMPTY(&f->fetches))
		fetch_free(LIST_FIRST(&f->fetches));
	curl_multi_cleanup(f->multi);
	curl_global_cleanup();
	event_free(f->timer);
	free(f->ca);
	free(f);
}

/* -- one conversation --------------------------------------------------------- */

/* Fewer octets than offered: libcurl stops. */
static size_t take(char *octets, size_t size, size_t n, void *arg)
{
	struct fetch *h = arg;

	if (n > h->limit - h->octets.n) {
		h->too_large = true;
		return 0;
	}
	buf_add(&h->octets, span_of(octets, n));
	return n;
}

static void add_header(struct fetch *h, const char *name, const char *value)
{
	char *line = value ? mem_printf("%s: %s", name, value) : NULL;

	if (line && !(h->header = curl_slist_append(h->header, line)))
		log_fatal("out of memory");
	free(line);
}

/* Without Expect: libcurl asks before it sends a large body, and servers of
 * time-stamps do not always know how to answer. */
static bool set_body(struct fetch *h, const struct fetch_order *o)
{
	add_header(h, "Accept", o->accept);
	if (o->body.p) {
		add_header(h, "Content-Type", o->type ? o->type : "application/octet-stream");
		add_header(h, "Expect", "");
	}
	if (h->header && curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->header) != CURLE_OK)
		return false;
	return !o->body.p || (curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.n) == CURLE_OK &&
	                      curl_easy_setopt(h->curl, CURLOPT_COPYPOSTFIELDS, o->body.p) == CURLE_OK);
}

static bool set_up(struct fetch *h, const struct fetch_order *o)
{
	CURL *c = h->curl;

	return curl_easy_setopt(c, CURLOPT_URL, o->url) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, SCHEMES) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, SCHEMES) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, o->body.p ? 0L : 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(o->time / 1000)) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIME) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)o->limit) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	    (!h->fetcher->ca || curl_easy_setopt(c, CURLOPT_CAINFO, h->fetcher->ca) == CURLE_OK) &&
	    curl_easy_setopt(c, CURLOPT_USERAGENT, "kep-policyd/" PACKAGE_VERSION) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->words) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, h) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PRIVATE, h) == CURLE_OK && set_body(h, o);
}

struct fetch *fetch_start(struct fetcher *f, const struct fetch_order *o, fetched *answered, void *arg)
{
	struct fetch *h = mem_new(sizeof *h);

	h->fetcher = f;
	h->limit = o->limit;
	h->time = o->time;
	h->answered = answered;
	h->arg = arg;
	LIST_INSERT_HEAD(&f->fetches, h, link);
	if (!(h->curl = curl_easy_init()) || !set_up(h, o) || curl_multi_add_handle(f->multi, h->curl) != CURLM_OK)
		log_fatal("libcurl does not know what it must; 7.85 or later is needed");
	return h;
}

void fetch_cancel(struct fetch *h)
{
	if (h)
		fetch_free(h);
}

/* -- URLs --------------------------------------------------------------------- */

bool fetch_url_valid(struct span url)
{
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] > '~')
			return false;
	return span_casestarts(url, SPAN("http://")) || span_casestarts(url, SPAN("https://"));
}

char *fetch_url_name(struct span url)
{
	const char *host = memmem(url.p, url.n, "://", 3), *end = url.p + url.n, *at = NULL;

	if (!host)
		return mem_span(url);
	host += 3;
	for (const char *p = host; p < end && !strchr("/?#", *p); p++)
		if (*p == '@')
			at = p;
	if (!at)
		return mem_span(url);
	return mem_printf("%.*s%.*s", (int)(host - url.p), url.p, (int)(end - at - 1), at + 1);
}
