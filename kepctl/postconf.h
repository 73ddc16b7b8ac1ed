/* postconf.h - Postfix's configuration, as postconf(1) reads it: one run for the
 * settings (macros expanded), one for the services, one for their -o options. */
#ifndef KEP_POSTCONF_H
#define KEP_POSTCONF_H

#include "libkep/buf.h"

struct postconf_setting {
	char *name;             /* "myhostname"; of an option "submission/inet/myhostname" */
	char *value;
};
struct postconf_service {
	char *name;             /* "submission/inet" */
	char  private, chroot;  /* 'y', 'n' or '-' */
	char *command;          /* "smtpd" */
	char *arguments;        /* what stands behind it, options included */
};
struct postconf {
	char                    *directory;
	struct postconf_setting *settings;      /* sorted by name */
	size_t                   n_settings;
	struct postconf_setting *overrides;     /* -o options, as "service/type/name" */
	size_t                   n_overrides;
	struct postconf_service *services;
	size_t                   n_services;
};

/* false: *error says what postconf said. */
bool postconf_read(struct postconf *p, const char *directory, struct buf *error);
void postconf_release(struct postconf *p);

/* The value in main.cf, or the default.  NULL: this Postfix knows no such setting. */
const char *postconf_value(const struct postconf *p, const char *name);
/* The value a service was given with -o.  NULL: none. */
const char *postconf_override(const struct postconf *p, const char *service, const char *name);
/* What counts for a service: the option, or else the value. */
const char *postconf_effective(const struct postconf *p, const char *service, const char *name);
/* NULL: no such service. */
const struct postconf_service *postconf_service(const struct postconf *p, const char *name);
/* An smtpd that listens on the network. */
bool postconf_is_smtpd(const struct postconf_service *s);

/* Cut the next word off a list of main.cf: words with blanks or commas between,
 * a word in braces is one, braces kept.  SPAN_NONE: there is none. */
struct span postconf_word(struct span *list);
/* The list holds that word. */
bool postconf_has(const char *list, const char *word);

#endif
