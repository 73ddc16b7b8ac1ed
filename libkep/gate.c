/* gate.c - three judges hear the same octets.
 *
 *   stream     the splitter (mime.c) on the raw octets, and the size limit
 *   header     the fields of the message's own header, cut out here
 *   signature  what the splitter's hooks say of structure and signed part
 *
 * Each keeps the first reason it finds; at the end they are asked in this order,
 * and the first that objects has the word: stream (what was cut wrongly cannot be
 * judged further), header in the order of its fields (missing ones last: From,
 * Date, Message-ID), signature (structure, then the CMS object, then, of an
 * opaque message, the MIME entity inside).
 *
 * The canonical octets are digested beside all that, on fields cut out by a
 * cutter that is not strict, so that a refused message has a fingerprint, a
 * sender and recipients to be recorded with.  Of a raw header only the first
 * header_size_limit octets can be kept for it; a larger one is refused.
 */
#include "libkep/gate.h"

#include <stdlib.h>

#include "libkep/base64.h"
#include "libkep/letterhead.h"
#include "libkep/mem.h"
#include "libkep/mime.h"
#include "libkep/part.h"

enum shape { UNSIGNED, DETACHED, OPAQUE };

/* Cuts a raw header into fields; keeps its first header_size octets, no more. */
struct cut {
	struct buf field;       /* one field, and what is kept of the line behind it */
	size_t     before;      /* octets of the field alone */
	size_t     kept;        /* of the whole header */
	size_t     line;        /* octets of the line we are in, kept or not */
	char       first;       /* of them */
};

/* What the header of the signed entity says of its writer. */
struct inner {
	enum reason why;
	size_t      froms;
	struct addr from;       /* the last */
};

struct gate {
	struct mime_limits limits;
	size_t             message_size, opaque_size, signature_size, recipients;
	bool               old_digests;         /* SHA-1 is judged, too: conformance tests */

	enum reason        stream, signature;   /* the first of each */
	struct letterhead  head;
	struct mime       *mime;
	struct canon      *canon;       /* NULL: no fingerprint is wanted */
	size_t             size;        /* octets pushed */

	struct cut         cut;
	bool               in_body;

	enum shape         shape;
	struct inner       inner;
	const char        *digest_name;
	struct digest     *digest;      /* of the signed part; NULL: none is made */
	struct base64      base64;
	struct buf         der;
};

static void note(enum reason *first, enum reason why)
{
	if (*first == REASON_ACCEPTED)
		*first = why;
}

/* Stream. */

/* Raw octets for the splitter, up to the size limit. */
static void feed(struct gate *g, struct span octets)
{
	size_t room = g->size < g->message_size ? g->message_size - g->size : 0;

	g->size += octets.n;
	if (g->stream != REASON_ACCEPTED)
		return;
	g->stream = mime_push(g->mime, span_of(octets.p, octets.n < room ? octets.n : room));
	if (octets.n > room)
		note(&g->stream, REASON_MESSAGE_SIZE);
}

/* Header. */

/* A field of the message's own header, however it came. */
static void take_field(struct gate *g, struct span name, struct span value)
{
	if (g->canon)
		canon_field(g->canon, name, value);
	letterhead_field(&g->head, name, value, g->recipients);
}

/* The cutter: octets of a raw header into fields.  What is no field is passed
 * over; the splitter refuses it. */

/* The first n octets of what is kept are a field. */
static void cut_field(struct gate *g, size_t n)
{
	struct span text = { g->cut.field.p, n }, name, value;

	if (n > 0 && header_next(&text, &name, &value) == 1)
		take_field(g, name, value);
	buf_drop(&g->cut.field, n);
}

/* Octets of the line we are in. */
static void keep(struct gate *g, struct span octets)
{
	struct cut *c = &g->cut;
	size_t room = g->limits.header_size - c->kept, n = octets.n < room ? octets.n : room;

	if (c->line == 0)
		c->first = octets.p[0];
	c->line += octets.n;
	c->kept += n;
	buf_add(&c->field, span_of(octets.p, n));
}

/* Nothing more belongs to it. */
static void end_line(struct gate *g)
{
	struct cut *c = &g->cut;
	bool blank = c->line == 1 || (c->line == 2 && c->first == '\r');

	if (c->first != ' ' && c->first != '\t')
		cut_field(g, c->before);
	c->before = c->field.n;
	c->line = 0;
	g->in_body = blank;
}

/* Take the octets of the header off the front of *in. */
static void cut_header(struct gate *g, struct span *in)
{
	while (in->n > 0 && !g->in_body) {
		const char *lf = memchr(in->p, '\n', in->n);
		size_t n = lf ? (size_t)(lf - in->p) + 1 : in->n;

		keep(g, span_of(in->p, n));
		if (lf)
			end_line(g);
		*in = span_of(in->p + n, in->n - n);
	}
}

/* The message ended before its blank line. */
static void end_raw_header(struct gate *g)
{
	if (g->in_body)
		return;
	if (g->cut.line > 0)
		end_line(g);
	cut_field(g, g->cut.before);
}

void gate_push(struct gate *g, struct span octets)
{
	feed(g, octets);
	cut_header(g, &octets);
	if (octets.n > 0 && g->canon)
		canon_body(g->canon, octets);
}

static bool begins_with_blank(struct span s)
{
	return s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t');
}

void gate_field(struct gate *g, struct span name, struct span value)
{
	struct span rest = value;

	feed(g, name);
	feed(g, SPAN(":"));
	do {
		struct span line = span_cut(&rest, '\n');

		if (rest.p && line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (rest.p && !begins_with_blank(rest))
			note(&g->stream, REASON_HEADER_SYNTAX);         /* or it were a line of its own */
		feed(g, line);
		feed(g, SPAN("\r\n"));
	} while (rest.p);
	take_field(g, name, value);
}

void gate_end_of_header(struct gate *g)
{
	feed(g, SPAN("\r\n"));
	g->in_body = true;
}

/* Signature. */

static bool one_of(const char *type, const char *a, const char *b)
{
	return strcmp(type, a) == 0 || strcmp(type, b) == 0;
}

static bool is_signature(const char *type)
{
	return one_of(type, "application/pkcs7-signature", "application/x-pkcs7-signature");
}

/* Our name of the digest that micalg names; NULL: it names none we take. */
static const char *find_digest(const struct gate *g, const char *micalg)
{
	static const char *const names[][3] = {
		{ "sha256", "sha-256", "sha256" }, { "sha384", "sha-384", "sha384" }, { "sha512", "sha-512", "sha512" },
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (one_of(micalg, names[i][1], names[i][2]))
			return names[i][0];
	return g->old_digests && one_of(micalg, "sha-1", "sha1") ? "sha1" : NULL;
}

static enum reason begin_detached(struct gate *g, const struct media *m)
{
	g->shape = DETACHED;
	if (!is_signature(m->protocol))
		return REASON_SIGNED_PROTOCOL;
	g->digest_name = find_digest(g, m->micalg);
	if (!g->digest_name)
		return REASON_MICALG;
	g->digest = digest_new(g->digest_name);
	return REASON_ACCEPTED;
}

static enum reason begin_opaque(struct gate *g, const char *encoding)
{
	g->shape = OPAQUE;
	return strcmp(encoding, "base64") == 0 ? REASON_ACCEPTED : REASON_SIGNATURE_BASE64;
}

static enum reason begin_message(struct gate *g, const struct media *m, const char *encoding)
{
	enum reason why = part_judge(m, true);

	if (why != REASON_ACCEPTED)
		return why;
	if (strcmp(m->type, "multipart/signed") == 0)
		return begin_detached(g, m);
	if (part_is_cms(m) && strcmp(m->smime_type, "signed-data") == 0)
		return begin_opaque(g, encoding);
	return REASON_NOT_SIGNED;
}

static enum reason begin_signature(const struct media *m, const char *encoding)
{
	if (!is_signature(m->type))
		return REASON_SIGNED_PARTS;
	return strcmp(encoding, "base64") == 0 ? REASON_ACCEPTED : REASON_SIGNATURE_BASE64;
}

/* Does the signature object lie here? */
static bool holds_signature(const struct gate *g, const struct mime_place *place)
{
	if (g->shape == OPAQUE)
		return place->depth == 0;
	return g->shape == DETACHED && place->depth == 1 && place->index == 2;
}

static void hear_header(void *arg, const struct mime_place *place, const struct media *m, const char *encoding)
{
	struct gate *g = arg;

	if (place->depth == 0)
		note(&g->signature, begin_message(g, m, encoding));
	else if (holds_signature(g, place))
		note(&g->signature, begin_signature(m, encoding));
	else
		note(&g->signature, part_judge(m, false));
}

/* From in the header of what was signed (RFC 9788): some programs show it instead
 * of the message's own. */
static void hear_inner_from(struct inner *in, struct span name, struct span value)
{
	struct addr_list one = { NULL, 0, 0 };

	if (!span_caseeq(name, SPAN("From")))
		return;
	in->why = header_mailboxes(value, 1, &one) ? in->why : REASON_INNER_FROM;
	if (one.n)
		in->from = one.v[0];
	in->froms++;
	addr_list_release(&one);
}

static void hear_field(void *arg, const struct mime_place *place, struct span name, struct span value)
{
	struct gate *g = arg;

	if (place->depth == 1 && place->index == 1 && g->shape == DETACHED)
		hear_inner_from(&g->inner, name, value);
}

static enum reason judge_inner(const struct gate *g, const struct inner *in)
{
	if (in->why != REASON_ACCEPTED)
		return in->why;
	return in->froms == 0 || (in->froms == 1 && addr_eq(&in->from, &g->head.from)) ? REASON_ACCEPTED : REASON_INNER_FROM;
}

static void hear_child(void *arg, size_t top, struct span octets)
{
	struct gate *g = arg;

	if (top == 1 && g->digest)
		digest_add(g->digest, octets);
}

static void hear_leaf(void *arg, const struct mime_place *place, struct span octets)
{
	static const enum reason reasons[] = {
		[BASE64_GOOD] = REASON_ACCEPTED, [BASE64_JUNK] = REASON_SIGNATURE_BASE64, [BASE64_LONG] = REASON_SIGNATURE_SIZE,
	};
	struct gate *g = arg;

	if (g->signature == REASON_ACCEPTED && holds_signature(g, place))
		note(&g->signature, reasons[base64_push(&g->base64, octets, &g->der,
		    g->shape == OPAQUE ? g->opaque_size : g->signature_size)]);
}

static const struct mime_hooks hooks = { .field = hear_field, .header = hear_header, .child = hear_child, .leaf = hear_leaf };

static enum reason verify_detached(struct gate *g, const struct trust *trust, usec at, struct signer *signer)
{
	unsigned char value[SHA512_SIZE];
	size_t n = digest_finish(g->digest, value);

	return cms_verify_detached(buf_span(&g->der), g->digest_name, value, n, trust, at, signer);
}

static void hear_entity_header(void *arg, const struct mime_place *place, const struct media *m, const char *encoding)
{
	struct inner *in = arg;

	note(&in->why, part_judge(m, false));
}

static void hear_entity_field(void *arg, const struct mime_place *place, struct span name, struct span value)
{
	if (place->depth == 0)
		hear_inner_from(arg, name, value);
}

/* What was signed inside is a MIME entity, to be read in one way only as well. */
static enum reason judge_entity(const struct gate *g, struct span entity)
{
	static const struct mime_hooks listen = { .field = hear_entity_field, .header = hear_entity_header };
	struct inner in = { .why = REASON_ACCEPTED };
	struct mime *m = mime_new(&g->limits, &listen, &in);
	enum reason why;

	mime_push(m, entity);
	why = mime_finish(m);
	mime_free(m);
	note(&why, judge_inner(g, &in));
	return why;
}

static enum reason verify_opaque(struct gate *g, const struct trust *trust, usec at, struct signer *signer)
{
	struct buf content = BUF_INIT;
	enum reason why = cms_verify_opaque(buf_span(&g->der), trust, at, &content, signer);

	if (why == REASON_ACCEPTED)
		why = judge_entity(g, buf_span(&content));
	buf_release(&content);
	return why;
}

static enum reason judge_signature(struct gate *g, const struct trust *trust, usec at, struct signer *signer)
{
	enum reason why;

	if (g->signature != REASON_ACCEPTED)
		return g->signature;
	if (g->shape == DETACHED && mime_children(g->mime) != 2)
		return REASON_SIGNED_PARTS;
	if ((why = judge_inner(g, &g->inner)) != REASON_ACCEPTED)
		return why;
	if (!base64_whole(&g->base64))
		return REASON_SIGNATURE_BASE64;
	if (g->shape == OPAQUE)
		return verify_opaque(g, trust, at, signer);
	return verify_detached(g, trust, at, signer);
}

/* Life. */

struct gate *gate_new(const struct conf *conf)
{
	struct gate *g = mem_new(sizeof(*g));

	g->limits = (struct mime_limits){
		.header_size = conf->header_size_limit, .header_count = conf->header_count_limit,
		.depth = conf->mime_depth_limit, .parts = conf->mime_parts_limit,
	};
	g->message_size = conf->message_size_limit;
	g->opaque_size = conf->opaque_size_limit;
	g->signature_size = conf->signature_size_limit;
	g->recipients = conf->recipient_limit;
	g->old_digests = strcmp(conf->signature_profile, "pkix") == 0;
	g->mime = mime_new(&g->limits, &hooks, g);
	g->canon = canon_new();
	gate_restart(g);
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	letterhead_release(&g->head);
	digest_free(g->digest);
	mime_free(g->mime);
	canon_free(g->canon);
	buf_release(&g->cut.field);
	buf_release(&g->der);
	free(g);
}

void gate_without_fingerprint(struct gate *g)
{
	canon_free(g->canon);
	g->canon = NULL;
}

void gate_restart(struct gate *g)
{
	mime_restart(g->mime);
	if (g->canon)
		canon_restart(g->canon);
	letterhead_clear(&g->head);
	g->stream = g->signature = REASON_ACCEPTED;
	g->size = 0;
	buf_clear(&g->cut.field);
	g->cut.before = g->cut.kept = g->cut.line = 0;
	g->in_body = false;
	g->shape = UNSIGNED;
	g->inner = (struct inner){ .why = REASON_ACCEPTED };
	g->digest_name = NULL;
	digest_free(g->digest);
	g->digest = NULL;
	g->base64 = (struct base64){ .n = 0 };
	buf_release(&g->der);   /* may have been large */
}

void verdict_release(struct verdict *v)
{
	addr_list_release(&v->to);
	signer_release(&v->signer);
	memset(v, 0, sizeof(*v));
	v->why = REASON_UNAVAILABLE;
}

/* What the octets and the header say; the addresses become the caller's. */
static void report(struct gate *g, struct verdict *v)
{
	*v = (struct verdict){ .why = g->stream, .size = g->size, .from = g->head.from, .to = g->head.to };
	g->head.to = (struct addr_list){ NULL, 0, 0 };
	memcpy(v->message_id, g->head.message_id, sizeof(v->message_id));
	note(&v->why, g->head.why);
	if (g->canon)
		canon_finish(g->canon, &v->fingerprint);
}

void gate_finish(struct gate *g, const struct trust *trust, usec at, struct verdict *v)
{
	end_raw_header(g);
	letterhead_finish(&g->head);
	if (g->stream == REASON_ACCEPTED)
		g->stream = mime_finish(g->mime);
	report(g, v);
	if (v->why == REASON_ACCEPTED)
		v->why = judge_signature(g, trust, at, &v->signer);
	if (v->why != REASON_ACCEPTED)
		signer_release(&v->signer);
}

/* Envelope. */

static bool all_in(const struct addr_list *some, const struct addr_list *all)
{
	for (size_t i = 0; i < some->n; i++)
		if (!addr_list_has(all, &some->v[i]))
			return false;
	return true;
}

enum reason gate_envelope(const struct verdict *v, bool submission, const struct addr *sender,
                          const struct addr_list *accepted, const struct addr_list *offered)
{
	if (submission && !addr_eq(sender, &v->from))
		return REASON_FROM_MISMATCH;
	if (!all_in(accepted, &v->to))
		return REASON_RECIPIENT_HIDDEN;
	if (submission && !all_in(&v->to, offered))
		return REASON_RECIPIENT_NOT_OFFERED;
	return REASON_ACCEPTED;
}
