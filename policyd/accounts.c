#include "policyd/accounts.h"

#include <search.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "libkep/log.h"
#include "libkep/mem.h"

/* In a balanced tree by address, and in a queue by age.  A tree, not a hash:
 * strangers choose the addresses. */
struct item {
	TAILQ_ENTRY(item) link;
	struct span        address;
	struct account     account;
	usec               until;
	char              *octets;      /* what address and login point into; NULL in a key */
};

struct accounts {
	TAILQ_HEAD(, item) queue;      /* oldest first */
	void  *tree;
	size_t n, limit;
	usec   age;
};

static int compare(const void *a, const void *b)
{
	struct span x = ((const struct item *)a)->address, y = ((const struct item *)b)->address;
	int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

	return c ? c : (x.n > y.n) - (x.n < y.n);
}

struct accounts *accounts_new(size_t limit, usec age)
{
	struct accounts *a = mem_new(sizeof *a);

	TAILQ_INIT(&a->queue);
	a->limit = limit;
	a->age = age;
	return a;
}

static void drop(struct accounts *a, struct item *e)
{
	tdelete(e, &a->tree, compare);
	TAILQ_REMOVE(&a->queue, e, link);
	a->n--;
	free(e->octets);
	free(e);
}

void accounts_clear(struct accounts *a)
{
	while (!TAILQ_EMPTY(&a->queue))
		drop(a, TAILQ_FIRST(&a->queue));
}

void accounts_free(struct accounts *a)
{
	if (!a)
		return;
	accounts_clear(a);
	free(a);
}

size_t accounts_count(const struct accounts *a)
{
	return a->n;
}

static struct item *find(struct accounts *a, struct span address)
{
	struct item key = { .address = address };
	void *hit = address.n ? tfind(&key, &a->tree, compare) : NULL;

	return hit ? *(struct item **)hit : NULL;
}

const struct account *accounts_find(struct accounts *a, struct span address, usec now)
{
	struct item *e;

	/* The clock may also have been set back. */
	while ((e = TAILQ_FIRST(&a->queue)) && (e->until <= now || e->until > now + a->age))
		drop(a, e);
	e = find(a, address);
	return e ? &e->account : NULL;
}

void accounts_put(struct accounts *a, struct span address, const struct account *account, usec now)
{
	struct item *e = find(a, address);

	if (address.n == 0)
		return;
	if (e)
		drop(a, e);
	else if (a->n >= a->limit)
		drop(a, TAILQ_FIRST(&a->queue));
	e = mem_new(sizeof *e);
	e->octets = mem_new(address.n + account->login.n + 1);
	memcpy(e->octets, address.p, address.n);
	memcpy(e->octets + address.n, account->login.p ? account->login.p : "", account->login.n);
	e->address = span_of(e->octets, address.n);
	e->account = (struct account){ account->standing, span_of(e->octets + address.n, account->login.n) };
	e->until = now + a->age;
	if (!tsearch(e, &a->tree, compare))
		log_fatal("out of memory");
	TAILQ_INSERT_TAIL(&a->queue, e, link);
	a->n++;
}
