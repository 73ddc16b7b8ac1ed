#include "kepctl/moment.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libkep/clock.h"

void moment_init(const char *zone)
{
	if (*zone)
		setenv("TZ", zone, 0);
	tzset();
}

void moment_local(char out[MOMENT_SIZE], struct span utc)
{
	struct tm tm;
	time_t seconds;
	usec t;

	if (clock_parse(utc, &t)) {
		seconds = (time_t)(t / 1000000);
		if (localtime_r(&seconds, &tm) && strftime(out, MOMENT_SIZE, "%Y-%m-%d %H:%M:%S %z", &tm) > 0)
			return;
	}
	snprintf(out, MOMENT_SIZE, "%.*s", (int)utc.n, utc.n ? utc.p : "");
}
