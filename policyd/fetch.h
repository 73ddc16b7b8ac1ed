/* fetch.h - what other hosts answer over http and https, in the event loop; the
 * one door of policyd to libcurl.
 *
 * Certificates of https servers are verified, always.  Redirects are followed for
 * GET only, three at most and to http and https only; no content is decompressed,
 * no cookie is sent, no .netrc is read.  A user name and password may stand in
 * the URL.  Proxies are those of the environment (http_proxy ...). */
#ifndef KEP_POLICYD_FETCH_H
#define KEP_POLICYD_FETCH_H

#include "libkep/buf.h"
#include "libkep/clock.h"

struct event_base;
struct fetcher;
struct fetch;

/* ca: PEM file of the CAs of https servers; "": the system's. */
struct fetcher *fetcher_new(struct event_base *base, const char *ca);
/* Conversations under way are cut off, nobody hears of them.  NULL is fine. */
void fetcher_free(struct fetcher *f);

struct fetch_order {
	const char *url;
	struct span body;               /* POST this (copied); p NULL: GET */
	const char *type, *accept;      /* of the body, of the answer; NULL: not said */
	size_t      limit;              /* octets of the answer */
	usec        time;               /* for all of it */
};

struct fetch_answer {
	long        status;             /* of HTTP; 0: none came, or not all of the answer */
	struct span octets;             /* with any status; borrowed */
	const char *words;              /* why the status is 0, or "the server answers 404" */
};
typedef void fetched(void *arg, const struct fetch_answer *a);

/* answered is called once, from the loop, never from within.  The handle is gone
 * then. */
struct fetch *fetch_start(struct fetcher *f, const struct fetch_order *o, fetched *answered, void *arg);
/* Nobody hears of it any more. */
void fetch_cancel(struct fetch *h);

/* Is it an http or https URL of printable ASCII? */
bool fetch_url_valid(struct span url);
/* The URL without user name and password, for logs and the database; free it. */
char *fetch_url_name(struct span url);

#endif
