#include "libkep/archive.h"

#include <stdlib.h>

#include "libkep/custody.h"
#include "libkep/hashtree.h"
#include "libkep/log.h"
#include "libkep/mem.h"

struct chain {
	const char      *digest;
	size_t           size;
	struct buf       lists;         /* first list of each group: its hashes, sorted */
	struct hashtree *tree;          /* over the groups */
	struct buf       path;          /* from the volume's root upwards */
	struct buf       token;         /* the first one */
	struct buf       renewals;      /* ArchiveTimeStamps after it */
	struct buf       last;          /* the newest token */
};

struct archive {
	size_t       groups, members;
	struct chain chains[ERS_CHAINS_MAX];
	size_t       n;
};

struct archive *archive_new(size_t groups, size_t members)
{
	struct archive *a = mem_new(sizeof *a);

	a->groups = groups;
	a->members = members;
	return a;
}

void archive_free(struct archive *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++) {
		struct chain *c = &a->chains[i];

		hashtree_free(c->tree);
		buf_release(&c->lists);
		buf_release(&c->path);
		buf_release(&c->token);
		buf_release(&c->renewals);
		buf_release(&c->last);
	}
	free(a);
}

static struct chain *last_chain(struct archive *a)
{
	if (!a->n)
		log_panic("a volume without a chain was asked");
	return &a->chains[a->n - 1];
}

void archive_begin(struct archive *a, const char *digest)
{
	struct chain *c = &a->chains[a->n];

	if (a->n == ERS_CHAINS_MAX || (a->n && !a->chains[a->n - 1].token.n))
		log_panic("a volume of %zu chains cannot begin another", a->n);
	*c = (struct chain){ .digest = digest, .size = hashtree_size(digest), .tree = hashtree_new(digest) };
	a->n++;
}

const char *archive_digest(const struct archive *a)
{
	return a->n ? a->chains[a->n - 1].digest : NULL;
}

/* -- what a group has --------------------------------------------------------- */

static struct span group_list(const struct archive *a, const struct chain *c, size_t group)
{
	size_t n = a->members * c->size;

	return span_of(c->lists.p + group * n, n);
}

static void add_path(struct buf *lists, struct span path, size_t size)
{
	for (; path.n >= size; path = span_of(path.p + size, path.n - size))
		ers_add_list(lists, span_of(path.p, size), size);
}

/* The archive time-stamp a chain begins with, as this group has it. */
static void add_first(const struct archive *a, const struct chain *c, size_t group, struct buf *out)
{
	struct buf lists = BUF_INIT, path = BUF_INIT;

	ers_add_list(&lists, group_list(a, c, group), c->size);
	hashtree_path(c->tree, group, &path);
	add_path(&lists, buf_span(&path), c->size);
	add_path(&lists, buf_span(&c->path), c->size);
	ers_add_stamp(out, c->digest, buf_span(&lists), buf_span(&c->token));
	buf_release(&lists);
	buf_release(&path);
}

/* The ArchiveTimeStampSequence of the first n chains. */
static void add_sequence(const struct archive *a, size_t n, size_t group, struct buf *out)
{
	struct buf chains = BUF_INIT, stamps = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		buf_clear(&stamps);
		add_first(a, &a->chains[i], group, &stamps);
		buf_add(&stamps, buf_span(&a->chains[i].renewals));
		ers_add_sequence(&chains, buf_span(&stamps));
	}
	ers_add_sequence(out, buf_span(&chains));
	buf_release(&chains);
	buf_release(&stamps);
}

/* -- making a chain ----------------------------------------------------------- */

void archive_group(struct archive *a, const unsigned char *hashes)
{
	struct chain *c = last_chain(a);
	size_t group = hashtree_count(c->tree);
	unsigned char before[SHA512_SIZE], hash[SHA512_SIZE];
	struct buf sequence = BUF_INIT, list = BUF_INIT;

	if (a->n > 1) {
		add_sequence(a, a->n - 1, group, &sequence);
		custody_hash(c->digest, buf_span(&sequence), before);
	}
	for (size_t i = 0; i < a->members; i++) {
		memcpy(hash, hashes + i * c->size, c->size);
		if (a->n > 1)
			custody_renewed(c->digest, hash, before, hash);
		buf_add(&list, span_of((const char *)hash, c->size));
	}
	hashtree_join(c->digest, c->size, &list, hash);
	buf_add(&c->lists, buf_span(&list));
	hashtree_add(c->tree, hash);
	buf_release(&sequence);
	buf_release(&list);
}

size_t archive_root(struct archive *a, unsigned char *out)
{
	struct chain *c = last_chain(a);

	if (hashtree_count(c->tree) != a->groups)
		log_panic("a volume of %zu groups was given %zu", a->groups, hashtree_count(c->tree));
	return hashtree_root(c->tree, out);
}

/* The lists of a renewal: the hash of the token before stands with its brother, if
 * it has one; alone it is what was stamped, and there are none. */
static void add_renewal(struct chain *c, struct span path, struct span token)
{
	unsigned char hash[SHA512_SIZE], unused[SHA512_SIZE];
	struct buf lists = BUF_INIT, first = BUF_INIT;

	custody_hash(c->digest, buf_span(&c->last), hash);
	if (path.n) {
		buf_add(&first, span_of((const char *)hash, c->size));
		buf_add(&first, span_of(path.p, c->size));
		hashtree_join(c->digest, c->size, &first, unused);      /* sorts it */
		ers_add_list(&lists, buf_span(&first), c->size);
		add_path(&lists, span_of(path.p + c->size, path.n - c->size), c->size);
	}
	ers_add_stamp(&c->renewals, c->digest, buf_span(&lists), token);
	buf_release(&lists);
	buf_release(&first);
}

void archive_stamp(struct archive *a, struct span path, struct span token)
{
	struct chain *c = last_chain(a);

	if (c->token.n) {
		add_renewal(c, path, token);
	} else {
		buf_add(&c->path, path);
		buf_add(&c->token, token);
	}
	buf_clear(&c->last);
	buf_add(&c->last, token);
}

size_t archive_last(const struct archive *a, unsigned char *out)
{
	const struct chain *c = &a->chains[a->n - 1];

	return custody_hash(c->digest, buf_span(&c->last), out);
}

/* -- the record --------------------------------------------------------------- */

void archive_record(struct archive *a, size_t group, struct span crypto_infos, struct buf *out)
{
	const char *digests[ERS_CHAINS_MAX];
	struct buf sequence = BUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++) {
		bool known = false;

		for (size_t k = 0; k < n && !known; k++)
			known = strcmp(digests[k], a->chains[i].digest) == 0;
		if (!known)
			digests[n++] = a->chains[i].digest;
	}
	add_sequence(a, a->n, group, &sequence);
	ers_add_record(out, digests, n, crypto_infos, buf_span(&sequence));
	buf_release(&sequence);
}
