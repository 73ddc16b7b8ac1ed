/* fetch.h - a file of another host over http or https; the one door to libcurl. */
#ifndef KEP_KEPCTL_FETCH_H
#define KEP_KEPCTL_FETCH_H

#include "libkep/buf.h"
#include "libkep/clock.h"

struct fetch_limits {
	size_t      size;       /* octets of the answer */
	usec        time;       /* of the whole conversation, redirects included */
	long        redirects;  /* followed, to http and https only */
	const char *size_key, *time_key;        /* of kep.conf, for what is said; size_key NULL: there is none */
};

/* Get a URL.  No content is decompressed, no password or cookie is sent.  Proxies are those of
 * the environment (http_proxy ...), as curl(1) takes them.  true: *octets is the
 * answer of a server that said 200.  false: *error says what was wrong. */
bool fetch_url(const char *url, const struct fetch_limits *limits, struct buf *octets, struct buf *error);

/* Post a body of that media type; the same, but that a name and password in the URL
 * are sent; a redirect carries the body on.  ca: a PEM file of the CAs of https; "" is
 * the system's. */
bool fetch_post(const char *url, const char *type, struct span body, const char *ca, const struct fetch_limits *limits, struct buf *octets,
                struct buf *error);

#endif
