/* endpoint.h - "unix:PATH" or "inet:HOST:PORT" as a socket address. */
#ifndef KEP_ENDPOINT_H
#define KEP_ENDPOINT_H

#include <sys/socket.h>

#include "libkep/base.h"
#include "libkep/buf.h"

struct endpoint {
	char                   *text;   /* as configured, for messages */
	struct sockaddr_storage address;
	socklen_t               length;
};

/* Read text; a host name is looked up now, once (it blocks, so at start only).
 * "[" "]" around an IPv6 address.  false: *error says what is wrong; key names
 * the configuration key in it. */
bool endpoint_parse(struct endpoint *e, const char *key, const char *text, struct buf *error);
void endpoint_release(struct endpoint *e);

/* A non-blocking, close-on-exec socket on its way to e (connect() has begun; it
 * becomes writable when it is there).  -1: errno says why not. */
int endpoint_connect(const struct endpoint *e);

#endif
