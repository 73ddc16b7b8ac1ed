#include "libkep/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

static struct {
	const char    *name;
	bool           to_syslog;
	enum log_level level;
} self = { "postkep", false, LOG_LEVEL_INFO };

void log_open(const char *name, bool to_syslog, enum log_level level)
{
	self.name = name;
	self.to_syslog = to_syslog;
	self.level = level;
	if (to_syslog)
		openlog(name, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void log_set_level(enum log_level level)
{
	self.level = level;
}

static void clean(char *line)
{
	bool utf8 = utf8_valid(span_str(line));

	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f || (!utf8 && (unsigned char)*c >= 0x80))
			*c = '?';
}

PRINTF(3, 0) static void put(int priority, const char *word, const char *fmt, va_list ap)
{
	char line[2048], out[2200];
	int n;

	vsnprintf(line, sizeof line, fmt, ap);
	clean(line);
	if (self.to_syslog) {
		syslog(priority, "%s%s", word, line);
		return;
	}
	n = snprintf(out, sizeof out, "%s[%ld]: %s%s\n", self.name, (long)getpid(), word, line);
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) < 0)
		return;         /* nowhere left to say it */
}

#define PUT(priority, word) do { va_list ap; va_start(ap, fmt); put(priority, word, fmt, ap); va_end(ap); } while (0)

void log_debug(const char *fmt, ...)
{
	if (self.level <= LOG_LEVEL_DEBUG)
		PUT(LOG_DEBUG, "debug: ");
}

void log_info(const char *fmt, ...)
{
	if (self.level <= LOG_LEVEL_INFO)
		PUT(LOG_INFO, "");
}

void log_warn(const char *fmt, ...)
{
	PUT(LOG_WARNING, "warning: ");
}

void log_fatal(const char *fmt, ...)
{
	PUT(LOG_CRIT, "fatal: ");
	exit(EX_TEMPFAIL);
}

void log_panic(const char *fmt, ...)
{
	PUT(LOG_CRIT, "panic: ");
	abort();
}
