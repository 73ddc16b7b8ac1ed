#include "config.h"
#include "libkep/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "libkep/mem.h"

bool privilege_find(struct privilege *p, const struct conf *conf, struct buf *error)
{
	struct passwd *pw;
	struct group *gr;

	*p = (struct privilege){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (geteuid() != 0 || !conf->user[0])
		return true;
	buf_clear(error);
	pw = getpwnam(conf->user);
	if (!pw) {
		buf_addf(error, "user = %s: there is no such user; create it or correct the key", conf->user);
		return false;
	}
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	if (conf->group[0]) {
		gr = getgrnam(conf->group);
		if (!gr) {
			buf_addf(error, "group = %s: there is no such group; create it or correct the key", conf->group);
			return false;
		}
		p->gid = gr->gr_gid;
	}
	p->user = mem_str(conf->user);
	p->change = true;
	return true;
}

void privilege_release(struct privilege *p)
{
	free(p->user);
	p->user = NULL;
}

bool privilege_drop(const struct privilege *p, struct buf *error)
{
	if (!p->change)
		return true;
	if (initgroups(p->user, p->gid) == 0 && setresgid(p->gid, p->gid, p->gid) == 0 &&
	    setresuid(p->uid, p->uid, p->uid) == 0 && (p->uid == 0 || setuid(0) != 0))
		return true;
	buf_clear(error);
	buf_addf(error, "cannot become user %s: %s; start as root, or leave the key user empty", p->user, strerror(errno));
	return false;
}
