/* Evidence records: whatever is read lies inside the input, and none proves anything
 * that the authority of tests/unit/ers_maker.h has not stamped. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ers_maker.h"

#define NOW 45          /* when the seeds of tests/fuzz/run are good */

static void lies_in(struct span part, struct span whole)
{
	MUST(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void walk_lists(struct span lists, struct span whole)
{
	struct span list, hash;

	while (lists.n) {
		MUST(ers_next_list(&lists, &list) && list.n);
		lies_in(list, whole);
		while (list.n) {
			MUST(ers_next_hash(&list, &hash) && hash.n);
			lies_in(hash, whole);
		}
	}
}

static void check_places(const struct ers *e, struct span whole)
{
	size_t stamps = 0;

	MUST(e->n_chains > 0 && e->n_chains <= ERS_CHAINS_MAX && e->n_stamps <= ERS_STAMPS_MAX);
	for (size_t i = 0; i < e->n_chains; i++) {
		MUST(e->chains[i].first == stamps && e->chains[i].n > 0);
		stamps += e->chains[i].n;
		lies_in(e->chains[i].whole, whole);
	}
	MUST(stamps == e->n_stamps);
	for (size_t i = 0; i < e->n_stamps; i++) {
		lies_in(e->stamps[i].token, whole);
		lies_in(e->stamps[i].attributes, whole);
		MUST(e->stamps[i].reduced == (e->stamps[i].lists.n > 0));
		walk_lists(e->stamps[i].lists, whole);
	}
}

static usec never(void *arg, const char *digest)
{
	return INT64_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct custody_rules rules = { token_judge, never, NULL, NOW };
	struct span whole = { (const char *)data, size }, object = SPAN("data");
	static struct ers e;
	struct custody c;

	if (ers_read(whole, &e) != ERS_GOOD)
		return 0;
	check_places(&e, whole);
	/* The data is hashed into the first token, of time 10, and no other. */
	if (custody_judge(&e, &object, 1, &rules, &c) == ERS_GOOD)
		MUST(c.since == 10 && c.renewed >= 10 && c.renewed <= NOW);
	custody_release(&c);
	return 0;
}
