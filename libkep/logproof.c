#include "libkep/logproof.h"

#include <inttypes.h>

#include "libkep/base64.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"

static bool refuse(struct buf *why, const char *words)
{
	if (why)
		buf_adds(why, words);
	return false;
}

/* Cut a line off, which must end with LF. */
static bool next_line(struct span *in, struct span *line)
{
	if (in->n == 0 || !memchr(in->p, '\n', in->n))
		return false;
	*line = span_cut(in, '\n');
	return true;
}

/* Cut "WORD VALUE" off a line. */
static bool named(struct span line, struct span word, struct span *value)
{
	if (line.n <= word.n || memcmp(line.p, word.p, word.n) != 0 || line.p[word.n] != ' ')
		return false;
	*value = span_of(line.p + word.n + 1, line.n - word.n - 1);
	return true;
}

static bool is_base64(struct span text)
{
	struct base64 d = { .n = 0 };
	struct buf octets = BUF_INIT;
	bool good = text.n % 4 == 0 && (text.n == 0 || !memchr(text.p, '\r', text.n)) &&
	            base64_push(&d, text, &octets, LOGPROOF_MAX) == BASE64_GOOD && base64_whole(&d);

	buf_release(&octets);
	return good;
}

bool logproof_parse(struct span text, struct logproof *out, struct buf *why)
{
	struct span rest = text, line, index;

	out->path.n = 0;
	out->extra = SPAN_NONE;
	if (text.n > LOGPROOF_MAX)
		return refuse(why, "the proof is too long");
	if (!next_line(&rest, &line) || !span_is(line, FIRST_LINE))
		return refuse(why, "the first line of the proof is not \"" FIRST_LINE "\"");
	if (!next_line(&rest, &line))
		return refuse(why, "the proof ends behind its first line");
	if (named(line, SPAN("extra"), &out->extra)) {
		if (!is_base64(out->extra))
			return refuse(why, "the extra data of the proof is no base64");
		if (!next_line(&rest, &line))
			return refuse(why, "the proof ends behind its extra data");
	}
	if (!named(line, SPAN("index"), &index) || !merkle_parse_number(index, &out->index))
		return refuse(why, "the proof has no index");
	while (next_line(&rest, &line) && line.n) {
		if (out->path.n == MERKLE_PROOF_MAX)
			return refuse(why, "the proof has more hashes than any tree needs");
		if (!merkle_parse_hash(line, &out->path.path[out->path.n++]))
			return refuse(why, "a line of the proof is not the base64 of a hash");
	}
	if (line.n || rest.n == 0)
		return refuse(why, "the proof has no checkpoint behind an empty line");
	out->checkpoint = rest;
	return true;
}

void logproof_write(struct buf *out, uint64_t index, const struct merkle_proof *path, struct span checkpoint)
{
	buf_addf(out, FIRST_LINE "\nindex %" PRIu64 "\n", index);
	for (size_t i = 0; i < path->n; i++) {
		merkle_write_hash(out, &path->path[i]);
		buf_addc(out, '\n');
	}
	buf_addc(out, '\n');
	buf_add(out, checkpoint);
}

enum logproof_verdict logproof_verify(struct span text, struct span leaf, const struct vkey *keys, size_t n,
                                      struct logproof *proof, struct note *note, struct checkpoint *head, struct buf *why)
{
	struct merkle_hash hash;

	if (!logproof_parse(text, proof, why))
		return LOGPROOF_MALFORMED;
	switch (checkpoint_open(proof->checkpoint, keys, n, note, head, why)) {
	case CHECKPOINT_MALFORMED:
		return LOGPROOF_MALFORMED;
	case CHECKPOINT_UNSIGNED:
		return LOGPROOF_UNSIGNED;
	case CHECKPOINT_FORGED:
		return LOGPROOF_FORGED;
	case CHECKPOINT_GOOD:
		break;
	}
	merkle_leaf(&hash, leaf);
	if (merkle_included(proof->index, head->size, &hash, &proof->path, &head->root))
		return LOGPROOF_GOOD;
	refuse(why, "the path of the proof does not lead from this evidence to the root of the checkpoint");
	return LOGPROOF_NOT_INCLUDED;
}
