/* What a From shows: an honest one shows no '@' outside of encoded words but in its own address. */
#include "libkep/display.h"
#include "libkep/header.h"
#include "tests/fuzz/fuzz.h"

/* More '@' than addresses equal to a: somebody else's is shown. */
static size_t count(struct span s, const struct addr *a, size_t *own)
{
	size_t signs = 0;

	*own = 0;
	for (size_t i = 0; i < s.n; i++) {
		signs += s.p[i] == '@';
		*own += s.n - i >= a->n && span_caseeq(span_of(s.p + i, a->n), addr_span(a));
	}
	return signs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span value = { (const char *)data, size };
	struct addr_list l = { NULL, 0, 0 };
	size_t own;

	if (header_mailboxes(value, 1, &l) && display_honest(value, &l.v[0]))
		MUST(count(value, &l.v[0], &own) <= own);
	MUST(!header_mailboxes_exceed(value, size));
	addr_list_release(&l);
	return 0;
}
