#include "kepctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define EVERY ((usec)200000)
#define BAR   30

void progress_number(char out[32], uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n), to = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[to++] = ',';
		out[to++] = digits[i];
	}
	out[to] = 0;
}

void progress_begin(struct progress *p, const char *what, uint64_t all)
{
	*p = (struct progress){ .what = what, .all = all, .since = clock_now() };
	p->shown = isatty(STDERR_FILENO) ? p->since : 0;
}

static void show(const struct progress *p, uint64_t done, usec now)
{
	uint64_t passed = (uint64_t)(now - p->since) / 1000, left = done ? (p->all - done) * passed / done / 1000 : 0;
	char bar[BAR + 1], have[32], all[32], rate[32];

	for (int i = 0; i < BAR; i++)
		bar[i] = done >= p->all || (uint64_t)i * p->all < done * BAR ? '#' : '.';
	bar[BAR] = 0;
	progress_number(have, done);
	progress_number(all, p->all);
	progress_number(rate, passed ? done * 1000 / passed : 0);
	fprintf(stderr, "\r\033[K[%s] %s of %s %s, %s/s, %" PRIu64 ":%02" PRIu64 " left", bar, have, all, p->what, rate, left / 60, left % 60);
	fflush(stderr);
}

void progress_at(struct progress *p, uint64_t done)
{
	usec now;

	if (!p->shown || p->all == 0)
		return;
	now = clock_now();
	if (now - p->shown < EVERY)
		return;
	p->shown = now;
	show(p, done < p->all ? done : p->all, now);
}

void progress_end(struct progress *p)
{
	if (p->shown && p->shown != p->since)
		fputs("\r\033[K", stderr);
	p->shown = 0;
}
