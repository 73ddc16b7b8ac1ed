#include "libkep/ers.h"

#include "libkep/der.h"
#include "libkep/log.h"

enum { IMPLICIT_2 = 0xa2, ATTRIBUTE_DEPTH = 32 };

static const struct ers_words words[] = {
#define ERS(name, wire, english) [ERS_##name] = { wire, english },
#include "libkep/ers.def"
#undef ERS
};
_Static_assert(COUNT_OF(words) == ERS_VERDICTS, "ers.def and enum ers_verdict agree");

const struct ers_words *ers_words(enum ers_verdict v)
{
	if ((unsigned)v >= ERS_VERDICTS)
		log_panic("verdict %d of an evidence record does not exist", (int)v);
	return &words[v];
}

/* -- algorithms --------------------------------------------------------------- */

static const struct algorithm {
	const char *name;
	char        oid[9];
} algorithms[] = {
	{ "sha256", "\x60\x86\x48\x01\x65\x03\x04\x02\x01" },
	{ "sha384", "\x60\x86\x48\x01\x65\x03\x04\x02\x02" },
	{ "sha512", "\x60\x86\x48\x01\x65\x03\x04\x02\x03" },
};

/* Inside of an AlgorithmIdentifier: the object, and nothing or NULL behind it.
 * *name is NULL where it is none of ours. */
static bool read_algorithm(struct span in, const char **name)
{
	struct der oid, parameters = { .whole = SPAN_NONE };

	*name = NULL;
	if (!der_next(&in, &oid) || oid.tag != DER_OBJECT || !der_valid(oid.whole, 0))
		return false;
	if (in.n && (!der_next(&in, &parameters) || in.n))
		return false;
	for (size_t i = 0; i < COUNT_OF(algorithms); i++)
		if (span_eq(oid.inside, span_of(algorithms[i].oid, sizeof algorithms[i].oid)))
			*name = algorithms[i].name;
	return !*name || !parameters.whole.n || span_eq(parameters.whole, SPAN("\5\0"));
}

static const struct algorithm *find_algorithm(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	log_panic("no evidence record is made with digest '%s'", name);
}

/* Each is well-formed; unknown ones may be listed, as long as none is used. */
static bool algorithms_valid(struct span in)
{
	const char *name;
	struct der e;

	while (in.n)
		if (!der_next(&in, &e) || e.tag != DER_SEQUENCE || !read_algorithm(e.inside, &name))
			return false;
	return true;
}

bool ers_lists(const struct ers *e, const char *digest)
{
	struct span in = e->algorithms;
	const char *name;
	struct der a;

	while (in.n && der_next(&in, &a))
		if (read_algorithm(a.inside, &name) && name && strcmp(name, digest) == 0)
			return true;
	return false;
}

/* -- lists of hashes ---------------------------------------------------------- */

bool ers_next_list(struct span *lists, struct span *list)
{
	struct der e;

	if (!der_next(lists, &e))
		return false;
	*list = e.inside;
	return true;
}

bool ers_next_hash(struct span *list, struct span *hash)
{
	struct der e;

	if (!der_next(list, &e))
		return false;
	*hash = e.inside;
	return true;
}

static bool list_valid(struct span list)
{
	struct der hash;

	if (!list.n)
		return false;
	while (list.n)
		if (!der_next(&list, &hash) || hash.tag != DER_OCTETS || !hash.inside.n)
			return false;
	return true;
}

static enum ers_verdict check_lists(struct span lists)
{
	struct der list;
	size_t n = 0;

	if (!lists.n)
		return ERS_MALFORMED;
	while (lists.n) {
		if (++n > ERS_LISTS_MAX)
			return ERS_SIZE;
		if (!der_next(&lists, &list) || list.tag != DER_SEQUENCE || !list_valid(list.inside))
			return ERS_MALFORMED;
	}
	return ERS_GOOD;
}

/* -- reading ------------------------------------------------------------------ */

/* The next element, when it is of that tag.  false: it is not, and stays. */
static bool take(struct span *in, unsigned char tag, struct der *e)
{
	struct span rest = *in;

	if (!der_next(&rest, e) || e->tag != tag)
		return false;
	*in = rest;
	return true;
}

/* Attributes inside an implicit tag: at least one, each an object and a set. */
static bool attributes_valid(struct span in)
{
	struct der a, oid, values;

	if (!in.n)
		return false;
	while (in.n) {
		struct span inside;

		if (!take(&in, DER_SEQUENCE, &a) || !der_valid(a.whole, ATTRIBUTE_DEPTH))
			return false;
		inside = a.inside;
		if (!take(&inside, DER_OBJECT, &oid) || !take(&inside, DER_SET, &values) || inside.n || !values.inside.n)
			return false;
	}
	return true;
}

static enum ers_verdict read_stamp(struct span in, struct ers_stamp *s)
{
	enum ers_verdict verdict;
	struct der e;

	*s = (struct ers_stamp){ .digest = NULL };
	if (take(&in, DER_CONTEXT_0, &e)) {
		if (!read_algorithm(e.inside, &s->digest))
			return ERS_MALFORMED;
		if (!s->digest)
			return ERS_DIGEST_UNKNOWN;
	}
	if (take(&in, DER_CONTEXT_1, &e)) {
		s->attributes = e.inside;
		if (!attributes_valid(e.inside) || !der_sorted(e.inside))
			return ERS_MALFORMED;
	}
	if (take(&in, IMPLICIT_2, &e)) {
		s->reduced = true;
		s->lists = e.inside;
		if ((verdict = check_lists(e.inside)) != ERS_GOOD)
			return verdict;
	}
	if (!take(&in, DER_SEQUENCE, &e) || in.n)
		return ERS_MALFORMED;
	s->token = e.whole;
	return ERS_GOOD;
}

static enum ers_verdict read_chain(struct span in, struct ers *out)
{
	struct ers_chain *c = &out->chains[out->n_chains];
	enum ers_verdict verdict;
	struct der e;

	c->first = out->n_stamps;
	while (in.n) {
		if (!take(&in, DER_SEQUENCE, &e))
			return ERS_MALFORMED;
		if (out->n_stamps == ERS_STAMPS_MAX)
			return ERS_SIZE;
		if ((verdict = read_stamp(e.inside, &out->stamps[out->n_stamps])) != ERS_GOOD)
			return verdict;
		out->n_stamps++;
	}
	c->n = out->n_stamps - c->first;
	out->n_chains++;
	return c->n ? ERS_GOOD : ERS_EMPTY;
}

static enum ers_verdict read_sequence(struct span in, struct ers *out)
{
	enum ers_verdict verdict = ERS_EMPTY;
	struct der e;

	while (in.n) {
		if (!take(&in, DER_SEQUENCE, &e))
			return ERS_MALFORMED;
		if (out->n_chains == ERS_CHAINS_MAX)
			return ERS_SIZE;
		out->chains[out->n_chains].whole = e.whole;
		if ((verdict = read_chain(e.inside, out)) != ERS_GOOD)
			return verdict;
	}
	return verdict;
}

static enum ers_verdict read_fields(struct span in, struct ers *out)
{
	struct der e;

	if (!take(&in, DER_INTEGER, &e) || !der_valid(e.whole, 0))
		return ERS_MALFORMED;
	if (!span_eq(e.inside, SPAN("\1")))
		return ERS_VERSION;
	if (!take(&in, DER_SEQUENCE, &e) || !algorithms_valid(e.inside))
		return ERS_MALFORMED;
	out->algorithms = e.inside;
	if (take(&in, DER_CONTEXT_0, &e)) {
		out->crypto_infos = e.inside;
		if (!attributes_valid(e.inside))
			return ERS_MALFORMED;
	}
	if (take(&in, DER_CONTEXT_1, &e))
		return der_valid(e.inside, ATTRIBUTE_DEPTH) ? ERS_ENCRYPTED : ERS_MALFORMED;
	if (!take(&in, DER_SEQUENCE, &e) || in.n)
		return ERS_MALFORMED;
	return read_sequence(e.inside, out);
}

enum ers_verdict ers_read(struct span der, struct ers *out)
{
	struct der e;

	*out = (struct ers){ .n_chains = 0 };
	if (der.n > ERS_SIZE_MAX)
		return ERS_SIZE;
	if (!take(&der, DER_SEQUENCE, &e) || der.n)
		return ERS_MALFORMED;
	return read_fields(e.inside, out);
}

/* -- writing ------------------------------------------------------------------ */

static void wrap(struct buf *out, unsigned char tag, struct span inside)
{
	der_add_head(out, tag, inside.n);
	buf_add(out, inside);
}

static void add_object(struct buf *out, const char *digest)
{
	wrap(out, DER_OBJECT, span_of(find_algorithm(digest)->oid, sizeof algorithms[0].oid));
}

void ers_add_algorithm(struct buf *out, const char *digest)
{
	der_add_head(out, DER_SEQUENCE, 2 + sizeof algorithms[0].oid);
	add_object(out, digest);
}

void ers_add_list(struct buf *out, struct span hashes, size_t size)
{
	der_add_head(out, DER_SEQUENCE, hashes.n / size * (der_head_size(size) + size));
	for (; hashes.n >= size; hashes = span_of(hashes.p + size, hashes.n - size))
		wrap(out, DER_OCTETS, span_of(hashes.p, size));
}

void ers_add_stamp(struct buf *out, const char *digest, struct span lists, struct span token)
{
	struct buf inside = BUF_INIT;

	der_add_head(&inside, DER_CONTEXT_0, 2 + sizeof algorithms[0].oid);
	add_object(&inside, digest);
	if (lists.n)
		wrap(&inside, IMPLICIT_2, lists);
	buf_add(&inside, token);
	wrap(out, DER_SEQUENCE, buf_span(&inside));
	buf_release(&inside);
}

void ers_add_sequence(struct buf *out, struct span elements)
{
	wrap(out, DER_SEQUENCE, elements);
}

void ers_add_attribute(struct buf *out, struct span oid, struct span value)
{
	struct buf inside = BUF_INIT;

	wrap(&inside, DER_OBJECT, oid);
	wrap(&inside, DER_SET, value);
	wrap(out, DER_SEQUENCE, buf_span(&inside));
	buf_release(&inside);
}

void ers_add_record(struct buf *out, const char *const *digests, size_t n, struct span crypto_infos, struct span sequence)
{
	struct buf inside = BUF_INIT, list = BUF_INIT;

	buf_add(&inside, SPAN("\x02\x01\x01"));
	for (size_t i = 0; i < n; i++)
		ers_add_algorithm(&list, digests[i]);
	wrap(&inside, DER_SEQUENCE, buf_span(&list));
	if (crypto_infos.n)
		wrap(&inside, DER_CONTEXT_0, crypto_infos);
	buf_add(&inside, sequence);
	wrap(out, DER_SEQUENCE, buf_span(&inside));
	buf_release(&list);
	buf_release(&inside);
}
