/* place.h - where kep-milter listens, and who may connect there.
 *
 * libmilter makes the socket itself; place_clear() and place_admit() do what has
 * to be done before and after it, while the program may still be root.
 */
#ifndef KEP_MILTER_PLACE_H
#define KEP_MILTER_PLACE_H

#include <sys/types.h>

#include "libkep/conf.h"

/* Is conf milter_socket "unix:/PATH" with a group that exists, "inet:PORT@HOST"
 * or "inet6:PORT@HOST"?  false: *error. */
bool place_valid(const struct conf *conf, struct buf *error);
/* Remove a unix socket that nobody answers on any more.  Anything else at its
 * path is left alone and is an error, so is a socket that is answered. */
bool place_clear(const struct conf *conf, struct buf *error);
/* Give the new unix socket its owner ((uid_t)-1: unchanged), group and mode.
 * It must have been made under umask 0177, so that it is never too open. */
bool place_admit(const struct conf *conf, uid_t owner, struct buf *error);

#endif
