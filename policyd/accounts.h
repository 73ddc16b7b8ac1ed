/* accounts.h - what is remembered of accounts, for a while: a bounded cache.
 * Absent accounts are remembered as well.  Oldest entries give way first. */
#ifndef KEP_ACCOUNTS_H
#define KEP_ACCOUNTS_H

#include "libkep/base.h"
#include "libkep/clock.h"
#include "policyd/decide.h"

struct account {
	enum party  standing;   /* PARTY_ACTIVE, PARTY_INACTIVE or PARTY_NO_ACCOUNT */
	struct span login;      /* who may send for it */
};

struct accounts;
struct accounts *accounts_new(size_t limit, usec age);
void accounts_free(struct accounts *a);
void accounts_clear(struct accounts *a);
size_t accounts_count(const struct accounts *a);

/* NULL: not remembered, or for too long.  Borrowed until the next change. */
const struct account *accounts_find(struct accounts *a, struct span address, usec now);
/* Copies; replaces what was remembered of the address. */
void accounts_put(struct accounts *a, struct span address, const struct account *account, usec now);

#endif
