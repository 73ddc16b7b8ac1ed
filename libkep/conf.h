/* conf.h - kep.conf: read once, const afterwards.
 *
 * The file holds lines "key = value"; '#' at the start of a line begins a
 * comment, an empty value is allowed, a line that begins with white space
 * continues the one before (as in main.cf).  The keys are the rows of conf.def.
 * Anything else - an unknown key, a key twice, a value that does not fit its
 * type - is an error that names file, line and the way to mend it.
 */
#ifndef KEP_CONF_H
#define KEP_CONF_H

#include "libkep/base.h"
#include "libkep/buf.h"
#include "libkep/clock.h"

typedef const char *conf_TEXT;
typedef bool        conf_BOOL;
typedef size_t      conf_COUNT;
typedef size_t      conf_SIZE;
typedef usec        conf_TIME;
typedef unsigned    conf_MODE;

/* One member a row; TEXT is never NULL. */
struct conf {
#define CONF(key, type, def, help) conf_##type key;
#include "libkep/conf.def"
#undef CONF
};

/* Defaults only.  conf_release() frees what it holds. */
void conf_init(struct conf *c);
void conf_release(struct conf *c);

/* Read a file over what is there.  true: done.  false: *error holds
 * "FILE:LINE: what is wrong and how to mend it". */
bool conf_read(struct conf *c, const char *file, struct buf *error);
/* The same from memory; name stands for the file in messages. */
bool conf_read_text(struct conf *c, const char *name, struct span text, struct buf *error);
/* One "key=value" of the command line (-o); as conf_read() otherwise. */
bool conf_set(struct conf *c, const char *assignment, struct buf *error);

/* Start the log as log_target and log_level say, or on standard error at once
 * when foreground.  false: *error says which value is unknown. */
bool conf_open_log(const struct conf *c, const char *program, bool foreground, struct buf *error);

/* hostname, or the system's name where that is empty; never NULL, lives as long as c. */
const char *conf_hostname(const struct conf *c);
/* Append ledger_origin, or the domain of receipt_from and "/kep" where that is empty. */
void conf_add_origin(struct buf *out, const struct conf *c);

#endif
