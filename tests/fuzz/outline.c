/* The outline of a signature object: what it measured lies inside the input, and
 * what it leaves for a decoder has the same outline, once and for ever. */
#include "libkep/der.h"
#include "libkep/outline.h"
#include "tests/fuzz/fuzz.h"

static void lies_in(struct span part, struct span whole)
{
	MUST(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void check_places(const struct outline *o, struct span der)
{
	const struct span parts[] = { o->attributes, o->type, o->version, o->digests, o->content, o->signers };

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		lies_in(parts[i], der);
	MUST(o->n_certificates <= OUTLINE_CERTIFICATES);
	for (size_t i = 0; i < o->n_certificates; i++)
		lies_in(o->certificates[i], der);
	MUST(o->attributes.n == 0 || der_valid(o->attributes, 64));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span der = { (const char *)data, size };
	struct buf once = BUF_INIT, again = BUF_INIT;
	struct outline o;

	if (outline_read(&o, der) == REASON_ACCEPTED) {
		check_places(&o, der);
		outline_rest(&o, &once);
		MUST(once.n <= der.n + 6);      /* definite heads of three levels, where indefinite ones were shorter */
		MUST(outline_read(&o, buf_span(&once)) == REASON_ACCEPTED && o.n_certificates == 0);
		outline_rest(&o, &again);
		MUST(span_eq(buf_span(&once), buf_span(&again)));
	}
	if (der_valid(der, 16))
		for (struct der e; der.n > 0; )
			MUST(der_next(&der, &e));
	buf_release(&once);
	buf_release(&again);
	return 0;
}
