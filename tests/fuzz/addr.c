/* One address: what was read reads the same again, folded once and for ever. */
#include "libkep/addr.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct addr *a, bool good)
{
	struct addr again;

	MUST(a->n < ADDR_SIZE && a->text[a->n] == '\0');
	if (!good || addr_empty(a)) {
		MUST(a->n == 0);
		return;
	}
	MUST(strlen(a->text) == a->n && a->text[a->at] == '@' && utf8_valid(addr_span(a)));
	MUST(a->at > 0 && a->at <= 64 && addr_domain(a).n == a->n - a->at - 1);
	MUST(addr_parse(&again, addr_span(a)) && addr_eq(a, &again) && again.at == a->at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct addr a;
	bool good;

	good = addr_parse(&a, in);
	check(&a, good);
	good = addr_parse_orcpt(&a, in);
	check(&a, good);
	return 0;
}
