#include "policyd/published.h"

void published_clear(struct published *p)
{
	p->known = false;
	p->head.size = 0;
	merkle_empty(&p->head.root);
	buf_clear(&p->note);
}

void published_release(struct published *p)
{
	buf_release(&p->note);
}

bool published_read(struct published *p, struct span octets, struct span origin, const struct vkey *keys, size_t n, struct buf *why)
{
	struct note note;
	struct checkpoint c;

	if (checkpoint_open(octets, keys, n, &note, &c, why) != CHECKPOINT_GOOD)
		return false;
	if (!span_eq(c.origin, origin)) {
		buf_clear(why);
		buf_addf(why, "it is of the ledger %.*s, not of ours", (int)c.origin.n, c.origin.p);
		return false;
	}
	p->known = true;
	p->head = (struct head){ .size = c.size, .root = c.root };
	buf_clear(&p->note);
	buf_add(&p->note, octets);
	return true;
}

static enum published_judgement judge_root(const struct head *now, struct tiles *tiles)
{
	struct merkle_source source = tiles_source(tiles);
	struct merkle_hash root;

	if (!merkle_root(&source, now->size, &root))
		return tiles_lacking(tiles) ? PUBLISHED_LACKING : PUBLISHED_WRONG_ROOT;
	return merkle_eq(&root, &now->root) ? PUBLISHED_KEPT : PUBLISHED_WRONG_ROOT;
}

enum published_judgement published_judge(const struct published *p, const struct head *now, struct tiles *tiles)
{
	struct merkle_source source = tiles_source(tiles);
	struct merkle_proof proof;

	if (now->size < p->head.size)
		return PUBLISHED_BEHIND;
	if (p->head.size == 0)
		return judge_root(now, tiles);
	if (now->size == p->head.size)
		return merkle_eq(&now->root, &p->head.root) ? PUBLISHED_KEPT : PUBLISHED_FORKED;
	if (!merkle_prove_consistency(&source, p->head.size, now->size, &proof))
		return tiles_lacking(tiles) ? PUBLISHED_LACKING : PUBLISHED_FORKED;
	return merkle_consistent(p->head.size, &p->head.root, now->size, &now->root, &proof) ? PUBLISHED_KEPT : PUBLISHED_FORKED;
}
