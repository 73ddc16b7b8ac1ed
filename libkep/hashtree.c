#include "libkep/hashtree.h"

#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

#define LEVELS 64

size_t hashtree_size(const char *digest)
{
	static const struct { const char *name; size_t size; } known[] = {
		{ "sha256", SHA256_SIZE }, { "sha384", SHA384_SIZE }, { "sha512", SHA512_SIZE },
	};

	for (size_t i = 0; digest && i < COUNT_OF(known); i++)
		if (strcmp(known[i].name, digest) == 0)
			return known[i].size;
	return 0;
}

static int compare(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(size_t *)size);
}

static void join(struct digest *d, size_t size, char *hashes, size_t n, unsigned char *out)
{
	qsort_r(hashes, n, size, compare, &size);
	digest_restart(d);
	digest_add(d, span_of(hashes, n * size));
	digest_finish(d, out);
}

void hashtree_join(const char *digest, size_t size, struct buf *list, unsigned char *out)
{
	struct digest *d = digest_new(digest);

	if (list->n)
		join(d, size, list->p, list->n / size, out);
	else
		digest_finish(d, out);
	digest_free(d);
}

/* -- the tree ----------------------------------------------------------------- */

struct hashtree {
	struct digest *digest;
	size_t         size;
	struct buf     level[LEVELS];   /* hashes, the leaves first */
	size_t         levels;          /* 0: not built yet */
};

struct hashtree *hashtree_new(const char *digest)
{
	struct hashtree *t = mem_new(sizeof *t);

	t->size = hashtree_size(digest);
	if (!t->size)
		log_panic("no hash tree is made with digest '%s'", digest);
	t->digest = digest_new(digest);
	return t;
}

void hashtree_free(struct hashtree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < LEVELS; i++)
		buf_release(&t->level[i]);
	digest_free(t->digest);
	free(t);
}

void hashtree_add(struct hashtree *t, const unsigned char *leaf)
{
	if (t->levels)
		log_panic("a hash tree that was built takes no leaf");
	buf_add(&t->level[0], span_of((const char *)leaf, t->size));
}

size_t hashtree_count(const struct hashtree *t)
{
	return t->level[0].n / t->size;
}

static void build_level(struct hashtree *t, const struct buf *below, struct buf *above)
{
	size_t pair = 2 * t->size;
	char two[2 * SHA512_SIZE];
	unsigned char node[SHA512_SIZE];

	for (size_t at = 0; at + pair <= below->n; at += pair) {
		memcpy(two, below->p + at, pair);
		join(t->digest, t->size, two, 2, node);
		buf_add(above, span_of((const char *)node, t->size));
	}
	if (below->n % pair)
		buf_add(above, span_of(below->p + below->n - t->size, t->size));
}

static void build(struct hashtree *t)
{
	if (t->levels)
		return;
	if (!hashtree_count(t))
		log_panic("a hash tree without leaves was asked");
	for (t->levels = 1; t->level[t->levels - 1].n > t->size; t->levels++)
		build_level(t, &t->level[t->levels - 1], &t->level[t->levels]);
}

size_t hashtree_root(struct hashtree *t, unsigned char *out)
{
	build(t);
	memcpy(out, t->level[t->levels - 1].p, t->size);
	return t->size;
}

bool hashtree_has(const struct hashtree *t, size_t leaf, const unsigned char *hash)
{
	return leaf < hashtree_count(t) && memcmp(t->level[0].p + leaf * t->size, hash, t->size) == 0;
}

void hashtree_path(struct hashtree *t, size_t leaf, struct buf *siblings)
{
	build(t);
	for (size_t k = 0; k + 1 < t->levels; k++, leaf /= 2) {
		size_t at = (leaf ^ 1) * t->size;

		if (at < t->level[k].n)
			buf_add(siblings, span_of(t->level[k].p + at, t->size));
	}
}
