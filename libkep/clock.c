#include "libkep/clock.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "libkep/log.h"

static usec fixed;

usec clock_now(void)
{
	struct timespec ts;

	if (fixed)
		return fixed;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (usec)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void clock_set_for_test(usec t)
{
	fixed = t;
}

static void split(usec t, struct tm *tm, int *us)
{
	time_t s = (time_t)(t / 1000000);

	*us = (int)(t % 1000000);
	if (*us < 0) {
		*us += 1000000;
		s--;
	}
	gmtime_r(&s, tm);
}

void clock_text(char out[CLOCK_TEXT_SIZE], usec t)
{
	struct tm tm;
	int us;

	split(t, &tm, &us);
	snprintf(out, CLOCK_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", (tm.tm_year + 1900) % 10000,
	    (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100, us % 1000000);
}

static bool digits(struct span *s, size_t n, int *out)
{
	*out = 0;
	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		*out = *out * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->n -= n;
	return true;
}

static bool skip(struct span *s, const char *any)
{
	if (s->n == 0 || !strchr(any, s->p[0]) || s->p[0] == '\0')
		return false;
	s->p++;
	s->n--;
	return true;
}

/* The fraction of a second, as microseconds; none is 0. */
static bool fraction(struct span *s, int *us)
{
	int width = 0, digit;

	*us = 0;
	if (!skip(s, "."))
		return true;
	while (width < 6 && digits(s, 1, &digit)) {
		*us = *us * 10 + digit;
		width++;
	}
	for (int i = width; i < 6; i++)
		*us *= 10;
	return width > 0;
}

/* "Z", "+hh", "+hh:mm", "+hhmm" in seconds east of UTC. */
static bool zone(struct span *s, int *east)
{
	int h, m = 0, sign;

	*east = 0;
	if (skip(s, "Zz"))
		return s->n == 0;
	sign = s->n && s->p[0] == '-' ? -1 : 1;
	if (!skip(s, "+-") || !digits(s, 2, &h))
		return false;
	skip(s, ":");
	if (s->n && !digits(s, 2, &m))
		return false;
	*east = sign * (h * 3600 + m * 60);
	return s->n == 0;
}

bool clock_parse(struct span s, usec *t)
{
	struct tm tm = { 0 };
	int us, east;

	if (!digits(&s, 4, &tm.tm_year) || !skip(&s, "-") || !digits(&s, 2, &tm.tm_mon) || !skip(&s, "-") ||
	    !digits(&s, 2, &tm.tm_mday) || !skip(&s, "Tt ") || !digits(&s, 2, &tm.tm_hour) || !skip(&s, ":") ||
	    !digits(&s, 2, &tm.tm_min) || !skip(&s, ":") || !digits(&s, 2, &tm.tm_sec) || !fraction(&s, &us) ||
	    !zone(&s, &east))
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*t = ((usec)timegm(&tm) - east) * 1000000 + us;
	return true;
}

void clock_mail_date(char out[CLOCK_TEXT_SIZE], usec t)
{
	static const char day[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char month[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;
	int us;

	split(t, &tm, &us);
	snprintf(out, CLOCK_TEXT_SIZE, "%s, %d %s %04d %02d:%02d:%02d +0000", day[tm.tm_wday % 7], tm.tm_mday % 100,
	    month[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
}

void clock_uuid(char out[37])
{
	unsigned char u[16];
	uint64_t ms = (uint64_t)(clock_now() / 1000);
	char hex[33];

	if (getrandom(u, sizeof u, 0) != (ssize_t)sizeof u)
		log_fatal("getrandom gave no random octets");
	for (int i = 0; i < 6; i++)
		u[i] = (unsigned char)(ms >> (40 - 8 * i));
	u[6] = (unsigned char)((u[6] & 0x0f) | 0x70);
	u[8] = (unsigned char)((u[8] & 0x3f) | 0x80);
	hex_encode(hex, u, sizeof u);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

bool uuid_valid(struct span s)
{
	if (s.n != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		char c = s.p[i];

		if (hyphen ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}
