#include "libkep/merkle.h"

#include "libkep/base64.h"

void merkle_empty(struct merkle_hash *out)
{
	digest_sha256(out->o, SPAN_NONE);
}

void merkle_leaf(struct merkle_hash *out, struct span octets)
{
	struct span pieces[] = { SPAN("\0"), octets };

	digest_sha256_of(out->o, pieces, COUNT_OF(pieces));
}

void merkle_node(struct merkle_hash *out, const struct merkle_hash *left, const struct merkle_hash *right)
{
	unsigned char both[1 + 2 * MERKLE_SIZE] = { 1 };
	struct span octets = span_of((const char *)both, sizeof both);

	memcpy(both + 1, left->o, MERKLE_SIZE);
	memcpy(both + 1 + MERKLE_SIZE, right->o, MERKLE_SIZE);
	digest_sha256_of(out->o, &octets, 1);
}

bool merkle_parse_hash(struct span text, struct merkle_hash *out)
{
	struct base64 d = { .n = 0 };
	struct buf octets = BUF_INIT;
	/* As many characters as a hash needs, so none of them can be a line end. */
	bool good = text.n == 44 && base64_push(&d, text, &octets, MERKLE_SIZE) == BASE64_GOOD && base64_whole(&d) &&
	            octets.n == MERKLE_SIZE;

	if (good)
		memcpy(out->o, octets.p, MERKLE_SIZE);
	buf_release(&octets);
	return good;
}

void merkle_write_hash(struct buf *out, const struct merkle_hash *h)
{
	buf_add_base64(out, span_of((const char *)h->o, MERKLE_SIZE), 0);
}

bool merkle_parse_number(struct span text, uint64_t *out)
{
	uint64_t number = 0;

	if (text.n == 0 || text.n > 19 || (text.p[0] == '0' && text.n > 1))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		number = 10 * number + (uint64_t)(text.p[i] - '0');
	}
	*out = number;
	return number <= MERKLE_SIZE_MAX;
}

/* -- verification */

/* start is a multiple of the smallest power of two that is not below end - start. */
static bool is_subtree(uint64_t start, uint64_t end)
{
	uint64_t n = end - start, power = 1;

	if (end < start)
		return false;
	while (power && power < n)
		power <<= 1;
	return power ? start % power == 0 : start == 0;
}

/* The walk of RFC 9162 section 2.1.4.2, from the last leaf of [start, end) to the root,
 * making both hashes on the way: that of the subtree, and the root.  With a subtree
 * of one leaf it is the walk of an inclusion proof. */
struct walk {
	uint64_t           first, last, top;    /* of the subtree, and the last leaf of the tree; at the level reached */
	struct merkle_hash part, whole;
};

static void climb(struct walk *w)
{
	w->first >>= 1;
	w->last >>= 1;
	w->top >>= 1;
}

static bool step(struct walk *w, const struct merkle_hash *sibling)
{
	if (w->top == 0)
		return false;
	if ((w->last & 1) || w->last == w->top) {
		if (w->first < w->last)
			merkle_node(&w->part, sibling, &w->part);
		merkle_node(&w->whole, sibling, &w->whole);
		while (!(w->last & 1))
			climb(w);
	} else {
		merkle_node(&w->whole, &w->whole, sibling);
	}
	climb(w);
	return true;
}

bool merkle_subtree_consistent(uint64_t start, uint64_t end, const struct merkle_hash *hash, uint64_t size,
                               const struct merkle_hash *root, const struct merkle_proof *proof)
{
	struct walk w = { .first = start, .last = end - 1, .top = size - 1 };
	struct merkle_hash empty;
	size_t i = 0;

	if (end > size || !is_subtree(start, end) || proof->n > MERKLE_PROOF_MAX)
		return false;
	merkle_empty(&empty);
	if (start == end)
		return proof->n == 0 && merkle_eq(hash, &empty);
	while (w.first != w.last && (w.last == w.top || (w.last & 1)))
		climb(&w);
	if (w.first != w.last && proof->n == 0)
		return false;
	w.part = w.whole = w.first == w.last ? *hash : proof->path[i++];
	for (; i < proof->n; i++)
		if (!step(&w, &proof->path[i]))
			return false;
	return w.top == 0 && merkle_eq(&w.part, hash) && merkle_eq(&w.whole, root);
}

bool merkle_included(uint64_t index, uint64_t size, const struct merkle_hash *leaf, const struct merkle_proof *proof,
                     const struct merkle_hash *root)
{
	return index < size && merkle_subtree_consistent(index, index + 1, leaf, size, root, proof);
}

bool merkle_consistent(uint64_t size1, const struct merkle_hash *root1, uint64_t size2, const struct merkle_hash *root2,
                       const struct merkle_proof *proof)
{
	return size1 > 0 && merkle_subtree_consistent(0, size1, root1, size2, root2, proof);
}

bool merkle_subtree_included(uint64_t index, uint64_t start, uint64_t end, const struct merkle_hash *leaf,
                             const struct merkle_proof *proof, const struct merkle_hash *root)
{
	return is_subtree(start, end) && index >= start && merkle_included(index - start, end - start, leaf, proof, root);
}

/* -- from tiles */

unsigned merkle_width(unsigned level, uint64_t number, uint64_t size)
{
	uint64_t hashes = level > MERKLE_LEVEL_MAX ? 0 : size >> (MERKLE_HEIGHT * level), first = number * MERKLE_TILE;

	if (number > UINT64_MAX / MERKLE_TILE || first >= hashes)
		return 0;
	return hashes - first < MERKLE_TILE ? (unsigned)(hashes - first) : MERKLE_TILE;
}

/* Reads for one proof: a tree of a size, and whether every tile was there. */
struct reading {
	const struct merkle_source *from;
	uint64_t                    size;
	bool                        whole;
};

/* n hashes, a power of two, folded into one. */
static void fold(struct merkle_hash *out, struct merkle_hash *hashes, unsigned n)
{
	for (; n > 1; n /= 2)
		for (unsigned i = 0; i < n / 2; i++)
			merkle_node(&hashes[i], &hashes[2 * i], &hashes[2 * i + 1]);
	*out = hashes[0];
}

/* The hash of (level k, index i), whose leaves are all in the tree. */
static void read_node(struct reading *r, unsigned k, uint64_t i, struct merkle_hash *out)
{
	struct merkle_hash hashes[MERKLE_TILE];
	unsigned level = k / MERKLE_HEIGHT, n = 1u << k % MERKLE_HEIGHT;
	uint64_t first = i << k % MERKLE_HEIGHT, number = first / MERKLE_TILE;
	unsigned at = (unsigned)(first % MERKLE_TILE), width = merkle_width(level, number, r->size);
	struct span tile = r->from->read(r->from->arg, level, number, width);

	memset(out, 0, sizeof *out);
	if (tile.n < (size_t)width * MERKLE_SIZE) {
		r->whole = false;
		return;
	}
	memcpy(hashes, tile.p + (size_t)at * MERKLE_SIZE, (size_t)n * MERKLE_SIZE);
	fold(out, hashes, n);
}

/* The hash of the leaves from `start` to the end of the tree: its peaks from there on,
 * from the right to the left.  start is the begin of a peak. */
static void read_border(struct reading *r, uint64_t start, struct merkle_hash *out)
{
	struct merkle_hash peak;
	bool any = false;

	for (unsigned k = 0; k < 63; k++) {
		uint64_t i = (r->size >> k) - 1;

		if (!(r->size >> k & 1) || i << k < start)
			continue;
		read_node(r, k, i, &peak);
		if (any)
			merkle_node(out, &peak, out);
		else
			*out = peak;
		any = true;
	}
}

/* The siblings on the way from (level k, index i) to the root. */
static void read_path(struct reading *r, unsigned k, uint64_t i, struct merkle_proof *out)
{
	for (; (r->size - 1) >> k > 0; k++, i /= 2) {
		uint64_t sibling = i ^ 1;

		if (sibling > (r->size - 1) >> k)
			continue;
		if (sibling < r->size >> k)
			read_node(r, k, sibling, &out->path[out->n++]);
		else
			read_border(r, sibling << k, &out->path[out->n++]);
	}
}

static bool has_sibling(uint64_t size, unsigned k, uint64_t i)
{
	return (i ^ 1) <= (size - 1) >> k;
}

/* The same, but what stands in the path of the leaf before is taken from there. */
static void read_next(struct reading *r, uint64_t index, const struct merkle_proof *before, struct merkle_proof *out)
{
	size_t at = 0;

	for (unsigned k = 0; (r->size - 1) >> k > 0; k++) {
		uint64_t i = index >> k, last = (index - 1) >> k;

		if (has_sibling(r->size, k, i)) {
			if (i == last)
				out->path[out->n++] = before->path[at];
			else if ((i ^ 1) < r->size >> k)
				read_node(r, k, i ^ 1, &out->path[out->n++]);
			else
				read_border(r, (i ^ 1) << k, &out->path[out->n++]);
		}
		at += has_sibling(r->size, k, last);
	}
}

bool merkle_root(const struct merkle_source *from, uint64_t size, struct merkle_hash *out)
{
	struct reading r = { from, size, true };

	if (size > MERKLE_SIZE_MAX)
		return false;
	if (size == 0)
		merkle_empty(out);
	else
		read_border(&r, 0, out);
	return r.whole;
}

bool merkle_prove_inclusion(const struct merkle_source *from, uint64_t index, uint64_t size, struct merkle_proof *out)
{
	struct reading r = { from, size, true };

	out->n = 0;
	if (index >= size || size > MERKLE_SIZE_MAX)
		return false;
	read_path(&r, 0, index, out);
	return r.whole;
}

bool merkle_prove_next(const struct merkle_source *from, uint64_t index, uint64_t size, struct merkle_proof *proof)
{
	struct reading r = { from, size, true };
	struct merkle_proof before = *proof;

	proof->n = 0;
	if (index == 0 || index >= size || size > MERKLE_SIZE_MAX)
		return false;
	read_next(&r, index, &before, proof);
	return r.whole;
}

bool merkle_prove_consistency(const struct merkle_source *from, uint64_t size1, uint64_t size2, struct merkle_proof *out)
{
	struct reading r = { from, size2, true };
	uint64_t last = size1 - 1;
	unsigned k = 0;

	out->n = 0;
	if (size1 == 0 || size1 > size2 || size2 > MERKLE_SIZE_MAX)
		return false;
	if (size1 == size2)
		return true;
	for (; last & 1; last >>= 1)
		k++;
	/* The last peak of the smaller tree is the begin, unless it is all of that tree. */
	if (last > 0)
		read_node(&r, k, last, &out->path[out->n++]);
	read_path(&r, k, last, out);
	return r.whole;
}

/* -- a compact range */

void merkle_range_init(struct merkle_range *r)
{
	r->size = 0;
}

bool merkle_range_load(struct merkle_range *range, const struct merkle_source *from, uint64_t size)
{
	struct reading r = { from, size, size <= MERKLE_SIZE_MAX };

	range->size = size;
	for (unsigned k = 0; k < 63 && size <= MERKLE_SIZE_MAX; k++)
		if (size >> k & 1)
			read_node(&r, k, (size >> k) - 1, &range->peak[k]);
	return r.whole;
}

void merkle_range_add(struct merkle_range *r, const struct merkle_hash *leaf, merkle_emit *emit, void *arg)
{
	struct merkle_hash hash = *leaf;
	unsigned k = 0;

	for (;; k++) {
		if (emit && k % MERKLE_HEIGHT == 0)
			emit(arg, k / MERKLE_HEIGHT, r->size >> k, &hash);
		if (!(r->size >> k & 1))
			break;
		merkle_node(&hash, &r->peak[k], &hash);
	}
	r->peak[k] = hash;
	r->size++;
}

void merkle_range_root(const struct merkle_range *r, struct merkle_hash *out)
{
	bool any = false;

	merkle_empty(out);
	for (unsigned k = 0; k < 64; k++) {
		if (!(r->size >> k & 1))
			continue;
		if (any)
			merkle_node(out, &r->peak[k], out);
		else
			*out = r->peak[k];
		any = true;
	}
}
