/* fetch.h - a file of another host over http or https; the one door to libcurl. */
#ifndef KEP_KEPCTL_FETCH_H
#define KEP_KEPCTL_FETCH_H

#include "libkep/buf.h"
#include "libkep/clock.h"

struct fetch_limits {
	size_t size;            /* octets of the answer */
	usec   time;            /* of the whole conversation, redirects included */
	const char *mend;       /* words behind an answer that is too large */
};

/* Get a URL.  Followed are at most three redirects, to http and https only; no
 * content is decompressed, no password or cookie is sent.  Proxies are those of
 * the environment (http_proxy ...), as curl(1) takes them.  true: *octets is the
 * answer of a server that said 200.  false: *error says what was wrong. */
bool fetch_url(const char *url, const struct fetch_limits *limits, struct buf *octets, struct buf *error);

/* The same for the answer to octets of a media type, which a redirect carries on. */
bool fetch_post(const char *url, const char *type, struct span body, const struct fetch_limits *limits, struct buf *octets, struct buf *error);

#endif
