/* clock.h - the time, as one function a test may set.
 *
 * Times are microseconds since 1970-01-01T00:00:00Z (struct-less int64_t named
 * usec).  Text in evidence is always UTC.
 */
#ifndef KEP_CLOCK_H
#define KEP_CLOCK_H

#include "libkep/base.h"

#define CLOCK_TEXT_SIZE 40

typedef int64_t usec;

/* Now, or what clock_set_for_test() said. */
usec clock_now(void);
/* 0 gives the real clock back. */
void clock_set_for_test(usec t);
/* "2026-11-23T18:45:23.101420Z" (RFC 3339, always six digits). */
void clock_text(char out[CLOCK_TEXT_SIZE], usec t);
/* The reverse, also of PostgreSQL's "2026-11-23 18:45:23.1+00".  false: not a time. */
bool clock_parse(struct span text, usec *t);
/* "Mon, 23 Nov 2026 18:45:23 +0000" (RFC 5322 section 3.3), always in UTC. */
void clock_mail_date(char out[CLOCK_TEXT_SIZE], usec t);
/* Octets of a fresh RFC 9562 version 7 UUID as text: time-ordered, 74 random bits. */
void clock_uuid(char out[37]);
/* Is this the text of a UUID (lower-case, with hyphens)? */
bool uuid_valid(struct span s);

#endif
