#include "libkep/parcel.h"

#include "libkep/base64.h"
#include "libkep/mime.h"
#include "libkep/reason.h"
#include "libkep/receipt.h"

static const char *const names[PARCEL_PARTS] = {
	[PARCEL_EVIDENCE] = RECEIPT_EVIDENCE, [PARCEL_PROOF] = RECEIPT_PROOF,
	[PARCEL_SEALED] = RECEIPT_CHECKPOINT, [PARCEL_STAMP] = RECEIPT_STAMP,
};

const char *parcel_name(enum parcel_part part)
{
	return names[part];
}

/* Whose octets a leaf is. */
enum { NOBODY = -1, SIGNATURE = PARCEL_PARTS };

struct opening {
	struct parcel *parcel;
	struct digest *digest;
	int            named;                   /* by the header we are in */
	int            leaf;                    /* whose octets come */
	struct base64  base64[PARCEL_PARTS + 1];
	bool           seen[PARCEL_PARTS + 1];
	bool           mixed;
	const char    *wrong;                   /* the first thing that is; NULL: nothing */
};

static void blame(struct opening *o, const char *words)
{
	if (!o->wrong)
		o->wrong = words;
}

/* -- the header of the mail and of its parts ----------------------------------- */

static void begin_mail(struct opening *o, const struct media *m)
{
	static const char *const digests[][2] = { { "sha-256", "sha256" }, { "sha-384", "sha384" }, { "sha-512", "sha512" } };

	if (strcmp(m->type, "multipart/signed") != 0 || strcmp(m->protocol, "application/pkcs7-signature") != 0) {
		blame(o, "the mail is not signed (multipart/signed of application/pkcs7-signature), as every receipt is");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (strcmp(m->micalg, digests[i][0]) == 0)
			o->parcel->digest = digests[i][1];
	if (!o->parcel->digest) {
		blame(o, "micalg names no digest we take");
		return;
	}
	o->digest = digest_new(o->parcel->digest);
}

static void begin_child(struct opening *o, size_t index, const struct media *m)
{
	if (index == 1)
		o->mixed = strcmp(m->type, "multipart/mixed") == 0;
	else if (index == 2 && strcmp(m->type, "application/pkcs7-signature") == 0)
		o->leaf = SIGNATURE;
	else
		blame(o, "multipart/signed must have two parts, the second the signature");
	if (!o->mixed)
		blame(o, "what is signed is not the multipart/mixed of a receipt");
}

/* A leaf of which we want the octets, once and in base64. */
static void begin_leaf(struct opening *o, const char *encoding)
{
	if (o->leaf == NOBODY)
		return;
	if (o->seen[o->leaf])
		blame(o, "a part of that name stands twice");
	if (strcmp(encoding, "base64") != 0)
		blame(o, "a part is not in base64");
	o->seen[o->leaf] = true;
}

static void hear_header(void *arg, const struct mime_place *place, const struct media *m, const char *encoding)
{
	struct opening *o = arg;

	o->leaf = NOBODY;
	if (place->depth == 0)
		begin_mail(o, m);
	else if (place->depth == 1)
		begin_child(o, place->index, m);
	else if (place->depth == 2 && place->top == 1)
		o->leaf = o->named;
	o->named = NOBODY;
	begin_leaf(o, encoding);
}

static void hear_field(void *arg, const struct mime_place *place, struct span name, struct span value)
{
	static const char before[] = "attachment; filename=\"";
	struct opening *o = arg;

	value = span_trim(value);
	if (place->depth != 2 || !span_caseeq(name, SPAN("Content-Disposition")) || value.n < sizeof before ||
	    memcmp(value.p, before, sizeof before - 1) != 0 || value.p[value.n - 1] != '"')
		return;
	value = span_of(value.p + sizeof before - 1, value.n - sizeof before);
	for (int i = 0; i < PARCEL_PARTS; i++)
		if (span_is(value, names[i]))
			o->named = i;
}

/* -- octets -------------------------------------------------------------------- */

static void hear_child(void *arg, size_t top, struct span octets)
{
	struct opening *o = arg;

	if (top == 1 && o->digest)
		digest_add(o->digest, octets);
}

static void hear_leaf(void *arg, const struct mime_place *place, struct span octets)
{
	struct opening *o = arg;
	struct buf *out;

	if (o->leaf == NOBODY || o->wrong)
		return;
	out = o->leaf == SIGNATURE ? &o->parcel->signature : &o->parcel->part[o->leaf];
	if (base64_push(&o->base64[o->leaf], octets, out, PARCEL_PART_MAX) != BASE64_GOOD)
		blame(o, "a part is not clean base64, or is larger than any part of a receipt");
}

/* -- the whole ----------------------------------------------------------------- */

static const char *what_lacks(const struct opening *o)
{
	if (!o->seen[SIGNATURE])
		return "multipart/signed must have two parts, the second the signature";
	if (!o->seen[PARCEL_EVIDENCE])
		return "there is no evidence.json in it";
	for (size_t i = 0; i < COUNT_OF(o->base64); i++)
		if (!base64_whole(&o->base64[i]))
			return "a part is not clean base64";
	return NULL;
}

static bool push(struct opening *o, struct span mail, struct buf *why)
{
	static const struct mime_limits limits = { .header_size = 256 << 10, .header_count = 1000, .depth = 4, .parts = 20 };
	static const struct mime_hooks hooks = { .field = hear_field, .header = hear_header, .child = hear_child, .leaf = hear_leaf };
	struct mime *m = mime_new(&limits, &hooks, o);
	enum reason reason;

	mime_push(m, mail);
	reason = mime_finish(m);
	if (reason == REASON_ACCEPTED && mime_children(m) != 2 && o->digest)
		blame(o, "multipart/signed must have two parts, the second the signature");
	mime_free(m);
	if (reason == REASON_ACCEPTED && !o->wrong)
		o->wrong = what_lacks(o);
	buf_adds(why, o->wrong ? o->wrong : reason == REASON_ACCEPTED ? "" : reason_words(reason)->english);
	return reason == REASON_ACCEPTED && !o->wrong;
}

bool parcel_open(struct parcel *p, struct span mail, struct buf *why)
{
	struct opening o = { .parcel = p, .named = NOBODY, .leaf = NOBODY };
	bool ok;

	memset(p, 0, sizeof *p);
	buf_clear(why);
	if (mail.n > PARCEL_MAIL_MAX) {
		buf_adds(why, "it is larger than any receipt");
		return false;
	}
	ok = push(&o, mail, why);
	if (o.digest)
		p->n = digest_finish(o.digest, p->value);
	digest_free(o.digest);
	return ok;
}

void parcel_release(struct parcel *p)
{
	for (size_t i = 0; i < PARCEL_PARTS; i++)
		buf_release(&p->part[i]);
	buf_release(&p->signature);
}

void parcel_line_ends(struct buf *out, struct span in)
{
	if (in.n == 0 || memmem(in.p, in.n, "\r\n", 2)) {
		buf_add(out, in);
		return;
	}
	while (in.n) {
		const char *lf = memchr(in.p, '\n', in.n);
		size_t n = lf ? (size_t)(lf - in.p) : in.n;

		buf_add(out, span_of(in.p, n));
		if (lf)
			buf_adds(out, "\r\n");
		in = span_of(in.p + n + (lf ? 1 : 0), in.n - n - (lf ? 1 : 0));
	}
}
