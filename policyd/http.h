/* http.h - /healthz for monitoring, on a loopback address.
 *   200 "ok"   the database is there and its schema fits
 *   200 "ok, but receipts wait: WHY"   and no checkpoint is signed (trouble.def)
 *   503        with the reason in words */
#ifndef KEP_HTTP_H
#define KEP_HTTP_H

#include "policyd/daemon.h"

struct http;
/* Serve on a bound, listening, non-blocking socket, owned from here on. */
struct http *http_new(struct daemon *d, int fd);
void http_free(struct http *h);

/* Is HOST:PORT on a loopback address ("127.", "[::1]", "localhost")? */
bool http_is_loopback(const char *where);

#endif
