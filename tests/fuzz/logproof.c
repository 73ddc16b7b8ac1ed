/* Offline proofs: as text nothing is lost; and a good one, edited as the input says,
 * is good only as long as index, path, head and leaf are what they were. */
#include "libkep/logproof.h"
#include "libkep/tiles.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/notary.h"

#define LEAVES 700
#define INDEX  517
#define LEAF   SPAN("{\"index\":517}")

static struct notary log_key;
static struct buf right = BUF_INIT;

static void make_proof(void)
{
	struct merkle_range range;
	struct merkle_hash hash;
	struct merkle_proof path;
	struct tiles *tiles = tiles_new();
	struct merkle_source from = tiles_source(tiles);
	struct buf text = BUF_INIT, note = BUF_INIT;

	log_key = notary_make("log.test/kep", VKEY_ED25519, 1);
	merkle_range_init(&range);
	for (int i = 0; i < LEAVES; i++) {
		buf_clear(&text);
		buf_addf(&text, "{\"index\":%d}", i);
		merkle_leaf(&hash, buf_span(&text));
		merkle_range_add(&range, &hash, tiles_emit, tiles);
	}
	merkle_range_root(&range, &hash);
	buf_clear(&text);
	checkpoint_write(&text, SPAN("log.test/kep"), LEAVES, &hash);
	note_start(&note, buf_span(&text));
	notary_sign(&log_key, buf_span(&text), 0, &note);
	MUST(merkle_prove_inclusion(&from, INDEX, LEAVES, &path));
	logproof_write(&right, INDEX, &path, buf_span(&note));
	tiles_free(tiles);
	buf_release(&text);
	buf_release(&note);
}

/* The right proof, with pieces of the input put over it, into it, or for a part of it. */
static void edit(struct span in, struct buf *out)
{
	size_t at = 0;

	while (in.n >= 4) {
		size_t keep = fuzz_choice(&in), n = fuzz_choice(&in) % 8, drop = fuzz_choice(&in) % 64;

		keep = keep < right.n - at ? keep : right.n - at;
		buf_add(out, span_of(right.p + at, keep));
		at += keep;
		n = n < in.n ? n : in.n;
		buf_add(out, span_of(in.p, n));
		in = span_of(in.p + n, in.n - n);
		at += drop < right.n - at ? drop : right.n - at;
	}
	buf_add(out, span_of(right.p + at, right.n - at));
}

static void check_text(struct span text)
{
	struct buf why = BUF_INIT, out = BUF_INIT;
	struct logproof p;
	bool good = logproof_parse(text, &p, &why);

	MUST(good == (why.n == 0));
	if (good && !p.extra.p) {
		logproof_write(&out, p.index, &p.path, p.checkpoint);
		MUST(span_eq(text, buf_span(&out)));
	}
	buf_release(&why);
	buf_release(&out);
}

static void check_verdict(struct span text)
{
	struct logproof p, q;
	struct note note;
	struct checkpoint head;

	if (logproof_verify(text, LEAF, &log_key.vkey, 1, &p, &note, &head, NULL) != LOGPROOF_GOOD)
		return;
	MUST(logproof_parse(buf_span(&right), &q, NULL));
	MUST(p.index == INDEX && p.path.n == q.path.n && memcmp(p.path.path, q.path.path, p.path.n * sizeof *p.path.path) == 0);
	MUST(head.size == LEAVES && note.text.n <= q.checkpoint.n && memcmp(note.text.p, q.checkpoint.p, note.text.n) == 0);
	MUST(logproof_verify(text, SPAN("{\"index\":518}"), &log_key.vkey, 1, &p, &note, &head, NULL) == LOGPROOF_NOT_INCLUDED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of((const char *)data, size);
	struct buf edited = BUF_INIT;

	if (right.n == 0)
		make_proof();
	check_text(in);
	check_verdict(in);
	edit(in, &edited);
	check_text(buf_span(&edited));
	check_verdict(buf_span(&edited));
	buf_release(&edited);
	return 0;
}
