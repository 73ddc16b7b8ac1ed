/* privilege.h - from root to the daemon's user, for good. */
#ifndef KEP_PRIVILEGE_H
#define KEP_PRIVILEGE_H

#include <sys/types.h>

#include "libkep/conf.h"

struct privilege {
	bool  change;           /* false: we are not root, or conf user is empty */
	uid_t uid;
	gid_t gid;
	char *user;
};

/* Look user and group of the configuration up.  false: *error names the key. */
bool privilege_find(struct privilege *p, const struct conf *conf, struct buf *error);
void privilege_release(struct privilege *p);

/* Become that user, with its supplementary groups; cannot be undone.  Does
 * nothing when !p->change.  false: *error. */
bool privilege_drop(const struct privilege *p, struct buf *error);

#endif
