#include "libkep/custody_token.h"

#include "libkep/der.h"
#include "libkep/stamp.h"
#include "libkep/strength.h"

/* 1.2.840.113549.1.9.16.2.23, id-aa-ets-certValues */
static const char cert_values[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x17";
#define CERT_VALUES span_of(cert_values, sizeof cert_values - 1)

static bool refuse(struct buf *why, enum stamp_verdict verdict)
{
	if (why) {
		buf_clear(why);
		buf_addf(why, "%s: %s", stamp_words(verdict)->wire, stamp_words(verdict)->english);
	}
	return false;
}

/* What the token rests on must last to that time. */
static bool lasts(const struct custody_tokens *t, struct span token, struct span chain, usec at, struct buf *why)
{
	struct strength s;
	struct span which;
	bool good = strength_read(token, chain, &s);

	if (!good)
		return refuse(why, STAMP_MALFORMED);
	if (t->sunsets && sunset_first(t->sunsets, buf_span(&s.algorithms), &which) <= at) {
		good = false;
		if (why) {
			buf_clear(why);
			buf_addf(why, "%.*s was no longer secure", (int)which.n, which.p);
		}
	}
	strength_release(&s);
	return good;
}

static bool judge(void *arg, struct span token, usec at, struct custody_token *out, struct buf *why)
{
	const struct custody_tokens *t = arg;
	struct stamp_want want = { .at = at, .certificates = buf_span(&t->certificates) };
	struct stamp_kept kept = { BUF_INIT, BUF_INIT };
	enum stamp_verdict verdict;
	struct stamp s;
	bool good;

	verdict = stamp_verify(token, &want, t->tsa, &s, &kept);
	*out = (struct custody_token){ .time = s.time, .digest = s.digest, .n = s.digest ? s.n : 0 };
	memcpy(out->imprint, s.imprint, out->n);
	good = verdict == STAMP_GOOD ? lasts(t, token, buf_span(&kept.chain), at ? at : s.time, why) : refuse(why, verdict);
	stamp_kept_release(&kept);
	return good;
}

static usec ends(void *arg, const char *digest)
{
	const struct custody_tokens *t = arg;

	return t->sunsets ? sunset_of(t->sunsets, span_str(digest)) : INT64_MAX;
}

/* CertificateValues ::= SEQUENCE OF Certificate */
static void take_certificates(struct span values, struct buf *out)
{
	struct der set, x;

	while (values.n && der_next(&values, &set)) {
		struct span in = set.inside;

		while (in.n && der_next(&in, &x))
			buf_add(out, x.whole);
	}
}

static void take_infos(struct span infos, struct buf *out)
{
	struct der a, oid, values;

	while (infos.n && der_next(&infos, &a)) {
		struct span in = a.inside;

		if (der_next(&in, &oid) && der_next(&in, &values) && span_eq(oid.inside, CERT_VALUES))
			take_certificates(values.inside, out);
	}
}

void custody_tokens_init(struct custody_tokens *t, const struct ers *e, const struct trust *tsa, const struct sunsets *sunsets,
                         usec now, struct custody_rules *rules)
{
	*t = (struct custody_tokens){ tsa, sunsets, BUF_INIT };
	take_infos(e->crypto_infos, &t->certificates);
	*rules = (struct custody_rules){ judge, ends, t, now };
}

void custody_tokens_release(struct custody_tokens *t)
{
	buf_release(&t->certificates);
}

void custody_tokens_infos(struct buf *out, struct span certificates)
{
	struct buf value = BUF_INIT;

	ers_add_sequence(&value, certificates);
	ers_add_attribute(out, CERT_VALUES, buf_span(&value));
	buf_release(&value);
}
