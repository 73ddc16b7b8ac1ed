/* tree - how fast the ledger's tree is made, and proofs of it are made and checked.
 *
 *   tree [-n LEAVES] [-o OCTETS]
 *
 * One thread; CPU time.  A leaf is the canonical JSON of an evidence, OCTETS long.
 *   leaves      the leaf's hash, the compact range and the tiles: what fsck does of
 *               each evidence besides reading it
 *   digest      SHA-256 over the same octets alone, as OpenSSL gives it in one call
 *               each: the ceiling
 *   hashes      the same without the leaf's own hash: what checks tiles
 *   inclusion   proofs made from tiles in memory
 *   verify      proofs checked
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/tiles.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rate(const char *what, uint64_t n, double since)
{
	printf("%-10s %12.0f a second and core\n", what, (double)n / (now() - since));
}

/* The octets of leaf i: all different, as in life. */
static struct span leaf_of(char *octets, size_t n, uint64_t i)
{
	memcpy(octets, &i, sizeof i);
	return span_of(octets, n);
}

static struct tiles *grow(uint64_t n, char *octets, size_t size, struct merkle_hash *root)
{
	struct tiles *t = tiles_new();
	struct merkle_range range;
	struct merkle_hash hash;
	double since = now();

	merkle_range_init(&range);
	for (uint64_t i = 0; i < n; i++) {
		merkle_leaf(&hash, leaf_of(octets, size, i));
		merkle_range_add(&range, &hash, tiles_emit, t);
	}
	merkle_range_root(&range, root);
	rate("leaves", n, since);
	return t;
}

static void digests(uint64_t n, char *octets, size_t size)
{
	unsigned char digest[SHA256_SIZE];
	double since = now();

	for (uint64_t i = 0; i < n; i++)
		digest_sha256(digest, leaf_of(octets, size, i));
	rate("digest", n, since);
}

static void hashes(uint64_t n)
{
	struct merkle_range range;
	struct merkle_hash hash = { { 1 } };
	double since = now();

	merkle_range_init(&range);
	for (uint64_t i = 0; i < n; i++)
		merkle_range_add(&range, &hash, NULL, NULL);
	rate("hashes", n, since);
}

static void proofs(struct tiles *t, uint64_t n, char *octets, size_t size, const struct merkle_hash *root)
{
	static const size_t rounds = 20000;
	struct merkle_source from = tiles_source(t);
	struct merkle_proof *made = mem_array(rounds, sizeof *made);
	struct merkle_hash hash;
	double since = now();

	for (size_t i = 0; i < rounds; i++)
		if (!merkle_prove_inclusion(&from, i * 7919 % n, n, &made[i]))
			log_panic("tree: a tile is missing");
	rate("inclusion", rounds, since);
	since = now();
	for (size_t i = 0; i < rounds; i++) {
		merkle_leaf(&hash, leaf_of(octets, size, i * 7919 % n));
		if (!merkle_included(i * 7919 % n, n, &hash, &made[i], root))
			log_panic("tree: a proof is false");
	}
	rate("verify", rounds, since);
	free(made);
}

int main(int argc, char **argv)
{
	uint64_t n = 1000000;
	size_t size = 1200;
	struct merkle_hash root;
	struct tiles *t;
	char *octets;
	int c;

	while ((c = getopt(argc, argv, "n:o:")) != -1)
		if (c == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (c == 'o')
			size = strtoull(optarg, NULL, 10);
		else
			return EX_USAGE;
	if (n < 1 || size < sizeof n) {
		fprintf(stderr, "tree: at least one leaf, of at least %zu octets\n", sizeof n);
		return EX_USAGE;
	}
	octets = mem_new(size);
	printf("%" PRIu64 " leaves of %zu octets\n", n, size);
	t = grow(n, octets, size, &root);
	digests(n, octets, size);
	hashes(n);
	proofs(t, n, octets, size, &root);
	tiles_free(t);
	free(octets);
	return 0;
}
