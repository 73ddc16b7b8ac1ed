/* ers_maker.h - evidence records (RFC 4998) made for tests, with time-stamps of an
 * authority that is made up: SEQUENCE { digest, imprint, time, end, seal }, all OCTET
 * STRINGs, the seal a digest of the rest with a secret.  Its word is good until `end`. */
#ifndef KEP_TESTS_ERS_MAKER_H
#define KEP_TESTS_ERS_MAKER_H

#include <stdio.h>

#include "libkep/custody.h"
#include "libkep/der.h"
#include "libkep/hashtree.h"

#define GROUPS_MAX 8
#define MEMBERS_MAX 4

/* -- numbers that are the same for the same seed (xorshift) */

struct dice {
	uint64_t s;
};

static inline unsigned dice(struct dice *d, unsigned n)
{
	d->s ^= d->s << 13;
	d->s ^= d->s >> 7;
	d->s ^= d->s << 17;
	return (unsigned)(d->s % n);
}

/* -- the authority */

static inline void octets_add(struct buf *out, struct span s)
{
	der_add_head(out, DER_OCTETS, s.n);
	buf_add(out, s);
}

static inline void token_seal(struct span fields, unsigned char seal[SHA256_SIZE])
{
	struct buf secret = BUF_INIT;

	buf_adds(&secret, "the key of the test authority");
	buf_add(&secret, fields);
	digest_sha256(seal, buf_span(&secret));
	buf_release(&secret);
}

static inline void token_make(struct buf *out, const char *digest, const unsigned char *imprint, size_t n, usec time, usec end)
{
	struct buf fields = BUF_INIT;
	unsigned char seal[SHA256_SIZE];

	octets_add(&fields, span_str(digest));
	octets_add(&fields, span_of((const char *)imprint, n));
	octets_add(&fields, span_of((const char *)&time, sizeof time));
	octets_add(&fields, span_of((const char *)&end, sizeof end));
	token_seal(buf_span(&fields), seal);
	octets_add(&fields, span_of((const char *)seal, sizeof seal));
	der_add_head(out, DER_SEQUENCE, fields.n);
	buf_add(out, buf_span(&fields));
	buf_release(&fields);
}

static inline bool token_fields(struct span token, struct der f[5], struct span *sealed)
{
	struct der whole;
	struct span in;

	if (!der_next(&token, &whole) || token.n)
		return false;
	in = whole.inside;
	for (size_t i = 0; i < 5; i++) {
		if (i == 4)
			*sealed = span_of(whole.inside.p, whole.inside.n - in.n);
		if (!der_next(&in, &f[i]) || f[i].tag != DER_OCTETS)
			return false;
	}
	return !in.n && f[2].inside.n == sizeof(usec) && f[3].inside.n == sizeof(usec) && f[4].inside.n == SHA256_SIZE;
}

static inline bool token_judge(void *arg, struct span token, usec at, struct custody_token *out, struct buf *why)
{
	static const char *const digests[] = { "sha256", "sha384", "sha512" };
	unsigned char seal[SHA256_SIZE];
	struct span sealed;
	struct der f[5];
	usec end;

	*out = (struct custody_token){ .time = 0 };
	if (!token_fields(token, f, &sealed))
		return false;
	token_seal(sealed, seal);
	if (memcmp(seal, f[4].inside.p, sizeof seal) != 0 || f[1].inside.n > sizeof out->imprint)
		return false;
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (span_is(f[0].inside, digests[i]))
			out->digest = digests[i];
	out->n = f[1].inside.n;
	memcpy(out->imprint, f[1].inside.p, out->n);
	memcpy(&out->time, f[2].inside.p, sizeof out->time);
	memcpy(&end, f[3].inside.p, sizeof end);
	return (at ? at : out->time) < end;
}

/* -- the keeper: data groups under one tree, renewed again and again */

struct keeper {
	struct dice dice;
	size_t      groups, members[GROUPS_MAX];
	struct buf  data[GROUPS_MAX][MEMBERS_MAX];
	struct buf  chains[GROUPS_MAX];         /* whole ArchiveTimeStampChains */
	struct buf  open[GROUPS_MAX];           /* ArchiveTimeStamps of the last one */
	struct buf  token;
	const char *digest;
	bool        used[3];                    /* digests */
	usec        now;
	bool        figure;                     /* sorts where section 5.2's figure 4 does */
};

static const char *const keeper_digests[] = { "sha256", "sha384", "sha512" };

static inline void keeper_init(struct keeper *k, uint64_t seed, size_t groups, size_t members)
{
	memset(k, 0, sizeof *k);
	k->dice.s = seed * 2654435761u + 1;
	k->groups = groups;
	k->now = 1;
	for (size_t g = 0; g < groups; g++)
		for (k->members[g] = 0; k->members[g] < members; k->members[g]++)
			buf_addf(&k->data[g][k->members[g]], "group %zu, object %zu of seed %llu", g, k->members[g], (unsigned long long)seed);
}

static inline void keeper_release(struct keeper *k)
{
	for (size_t g = 0; g < GROUPS_MAX; g++) {
		for (size_t i = 0; i < MEMBERS_MAX; i++)
			buf_release(&k->data[g][i]);
		buf_release(&k->chains[g]);
		buf_release(&k->open[g]);
	}
	buf_release(&k->token);
}

static inline void keeper_use(struct keeper *k, const char *digest)
{
	k->digest = digest;
	for (size_t i = 0; i < COUNT_OF(keeper_digests); i++)
		k->used[i] |= strcmp(digest, keeper_digests[i]) == 0;
}

/* The sequence of all chains of a group. */
static inline void keeper_sequence(const struct keeper *k, size_t g, struct buf *out)
{
	struct buf all = BUF_INIT;

	buf_add(&all, buf_span(&k->chains[g]));
	if (k->open[g].n)
		ers_add_sequence(&all, buf_span(&k->open[g]));
	ers_add_sequence(out, buf_span(&all));
	buf_release(&all);
}

/* The hashes of a group, and their father. */
static inline void keeper_hashes(const struct keeper *k, size_t g, bool renewal, struct buf *list, unsigned char *father)
{
	unsigned char chains[SHA512_SIZE], hash[SHA512_SIZE];
	struct buf sequence = BUF_INIT;
	size_t size = hashtree_size(k->digest);

	keeper_sequence(k, g, &sequence);
	custody_hash(k->digest, buf_span(&sequence), chains);
	for (size_t i = 0; i < k->members[g]; i++) {
		custody_hash(k->digest, buf_span(&k->data[g][i]), hash);
		if (renewal && k->figure) {
			struct buf pair = BUF_INIT;

			buf_add(&pair, span_of((char *)hash, size));
			buf_add(&pair, span_of((char *)chains, size));
			hashtree_join(k->digest, size, &pair, hash);
			buf_release(&pair);
		} else if (renewal) {
			custody_renewed(k->digest, hash, chains, hash);
		}
		buf_add(list, span_of((char *)hash, size));
	}
	if (k->members[g] > 1)
		hashtree_join(k->digest, size, list, father);
	else
		memcpy(father, list->p, size);
	buf_release(&sequence);
}

static inline void keeper_token(struct keeper *k, struct hashtree *t, usec lasts)
{
	unsigned char root[SHA512_SIZE];
	size_t n = hashtree_root(t, root);

	k->now += 10;
	buf_clear(&k->token);
	token_make(&k->token, k->digest, root, n, k->now, k->now + lasts);
}

/* The reduced tree of a leaf: `list` is the first list of a group of several, or one hash. */
static inline void keeper_lists(struct keeper *k, struct hashtree *t, size_t leaf, const struct buf *list, struct buf *out)
{
	size_t size = hashtree_size(k->digest);
	struct buf path = BUF_INIT, first = BUF_INIT;
	unsigned char unused[SHA512_SIZE];
	size_t at = 0;

	hashtree_path(t, leaf, &path);
	buf_add(&first, buf_span(list));
	if (list->n == size && path.n) {
		buf_add(&first, span_of(path.p, size));
		at = size;
	}
	hashtree_join(k->digest, size, &first, unused);         /* sorts it */
	if (list->n > size || path.n)
		ers_add_list(out, buf_span(&first), size);
	for (; at < path.n; at += size)
		ers_add_list(out, span_of(path.p + at, size), size);
	buf_release(&first);
	buf_release(&path);
}

static inline void keeper_append(struct keeper *k, size_t g, struct hashtree *t, size_t leaf, const struct buf *list)
{
	struct buf lists = BUF_INIT;

	keeper_lists(k, t, leaf, list, &lists);
	ers_add_stamp(&k->open[g], k->digest, buf_span(&lists), buf_span(&k->token));
	buf_release(&lists);
}

/* The first archive time-stamp, or a hash-tree renewal. */
static inline void keeper_tree(struct keeper *k, const char *digest, bool renewal, usec lasts)
{
	struct buf list[GROUPS_MAX] = { BUF_INIT };
	struct hashtree *t = hashtree_new(digest);
	unsigned char father[SHA512_SIZE];

	keeper_use(k, digest);
	for (size_t g = 0; g < k->groups; g++) {
		keeper_hashes(k, g, renewal, &list[g], father);
		hashtree_add(t, father);
	}
	keeper_token(k, t, lasts);
	for (size_t g = 0; g < k->groups; g++) {
		if (renewal)
			ers_add_sequence(&k->chains[g], buf_span(&k->open[g]));
		buf_clear(&k->open[g]);
		keeper_append(k, g, t, g, &list[g]);
		buf_release(&list[g]);
	}
	hashtree_free(t);
}

/* A time-stamp renewal, among `strangers` other tokens that are renewed with it. */
static inline void keeper_stamp(struct keeper *k, size_t strangers, usec lasts)
{
	struct hashtree *t = hashtree_new(k->digest);
	unsigned char hash[SHA512_SIZE], other[SHA512_SIZE];
	size_t size = custody_hash(k->digest, buf_span(&k->token), hash), mine = strangers ? dice(&k->dice, (unsigned)strangers + 1) : 0;
	struct buf list = BUF_INIT;

	for (size_t i = 0; i <= strangers; i++) {
		memset(other, (int)i + 1, sizeof other);
		hashtree_add(t, i == mine ? hash : other);
	}
	buf_add(&list, span_of((char *)hash, size));
	keeper_token(k, t, lasts);
	for (size_t g = 0; g < k->groups; g++)
		keeper_append(k, g, t, mine, &list);
	buf_release(&list);
	hashtree_free(t);
}

static inline void keeper_record(const struct keeper *k, size_t g, struct buf *out)
{
	const char *digests[3];
	struct buf sequence = BUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(keeper_digests); i++)
		if (k->used[i])
			digests[n++] = keeper_digests[i];
	keeper_sequence(k, g, &sequence);
	ers_add_record(out, digests, n, SPAN_NONE, buf_span(&sequence));
	buf_release(&sequence);
}

#endif
