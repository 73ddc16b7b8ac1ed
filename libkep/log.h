/* log.h - five words with one meaning each.
 *
 *   debug  for us; off unless log_level = debug
 *   info   one line an event
 *   warn   somebody should look
 *   fatal  cannot go on; ends the program with EX_TEMPFAIL-like status 75
 *   panic  our own bug; aborts
 *
 * A line about a message starts with its queue id ("QUEUEID: ") and goes on in
 * key=value pairs of fixed order, with the reason in words last.  Addresses are
 * the only personal data in it; never the subject, never a secret.  Control
 * octets and octets that are no UTF-8 are written as '?', so a line is a line.
 * Thread-safe.
 */
#ifndef KEP_LOG_H
#define KEP_LOG_H

#include "libkep/base.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN };

/* name: program name; must live on.  syslog: facility mail, else standard error. */
void log_open(const char *name, bool to_syslog, enum log_level level);
void log_set_level(enum log_level level);

void log_debug(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_fatal(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));
void log_panic(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));

#endif
