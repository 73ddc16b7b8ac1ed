/* The MIME splitter: whatever the cuts, the same verdict, and the hooks hear the
 * same octets at the same places. */
#include "libkep/mime.h"
#include "tests/fuzz/fuzz.h"

/* All that the hooks hear; neighbours of one kind at one place are joined. */
struct heard {
	struct buf text;
	char       kind;
	struct mime_place place;
};

static void mark(struct heard *h, char kind, const struct mime_place *p)
{
	if (h->kind != kind || memcmp(&h->place, p, sizeof(*p)) != 0)
		buf_addf(&h->text, "\n%c %zu.%zu.%zu\n", kind, p->depth, p->index, p->top);
	h->kind = kind;
	h->place = *p;
}

static void hear_field(void *arg, const struct mime_place *place, struct span name, struct span value)
{
	struct heard *h = &((struct heard *)arg)[0];

	mark(h, 'f', place);
	buf_add(&h->text, name);
	buf_addc(&h->text, '=');
	buf_add(&h->text, value);
	h->kind = 0;
}

static void hear_header(void *arg, const struct mime_place *place, const struct media *m, const char *encoding)
{
	struct heard *h = &((struct heard *)arg)[0];

	mark(h, 'h', place);
	buf_addf(&h->text, "%s %s %s %s %s", m->type, m->boundary, m->protocol, m->micalg, encoding);
	h->kind = 0;
}

static void hear_child(void *arg, size_t top, struct span octets)
{
	struct heard *h = &((struct heard *)arg)[1];
	struct mime_place place = { 1, 0, top };

	MUST(octets.n > 0 && top > 0);
	mark(h, 'c', &place);
	buf_add(&h->text, octets);
}

static void hear_leaf(void *arg, const struct mime_place *place, struct span octets)
{
	struct heard *h = &((struct heard *)arg)[2];

	MUST(octets.n > 0);
	mark(h, 'l', place);
	buf_add(&h->text, octets);
}

static const struct mime_hooks hooks = { hear_field, hear_header, hear_child, hear_leaf };

static void clear(struct heard h[3])
{
	for (int i = 0; i < 3; i++) {
		buf_clear(&h[i].text);
		h[i].kind = 0;
	}
}

static enum reason split(struct mime *m, struct span in, struct cuts *cuts)
{
	enum reason why = REASON_ACCEPTED;

	mime_restart(m);
	while (cuts && in.n > 0) {
		struct span piece = cuts_take(cuts, &in);

		MUST(why == REASON_ACCEPTED || mime_push(m, SPAN("x")) == why);
		why = mime_push(m, piece);
		free((char *)piece.p);
	}
	if (!cuts)
		mime_push(m, in);
	return mime_finish(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mime_limits limits = { .header_size = 16384, .header_count = 100, .depth = 6, .parts = 50 };
	static struct heard once[3], again[3];
	static struct mime *a, *b;
	struct span in = { (const char *)data, size };
	struct cuts cuts;
	enum reason why;

	if (!a) {
		a = mime_new(&limits, &hooks, once);
		b = mime_new(&limits, &hooks, again);
	}
	cuts.state = fuzz_choice(&in);
	clear(once);
	clear(again);
	why = split(a, in, NULL);
	MUST(split(b, in, &cuts) == why);
	MUST(mime_children(a) == mime_children(b));
	for (int i = 0; i < 3; i++)
		MUST(why != REASON_ACCEPTED || span_eq(buf_span(&once[i].text), buf_span(&again[i].text)));
	return 0;
}
