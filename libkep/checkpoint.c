#include "libkep/checkpoint.h"

#include <inttypes.h>

static bool refuse(struct buf *why, const char *words)
{
	if (why)
		buf_adds(why, words);
	return false;
}

bool checkpoint_parse(struct span text, struct checkpoint *out, struct buf *why)
{
	struct span rest = text, size, root;

	if (text.n == 0 || text.p[text.n - 1] != '\n')
		return refuse(why, "the checkpoint does not end with a line end");
	out->origin = span_cut(&rest, '\n');
	size = span_cut(&rest, '\n');
	root = span_cut(&rest, '\n');
	out->extension = rest.n ? rest : SPAN_NONE;
	if (out->origin.n == 0)
		return refuse(why, "the checkpoint has no origin");
	if (!merkle_parse_number(size, &out->size))
		return refuse(why, "the checkpoint has no size in its second line");
	if (!merkle_parse_hash(root, &out->root))
		return refuse(why, "the checkpoint has no root in its third line");
	while (rest.n)
		if (span_cut(&rest, '\n').n == 0)
			return refuse(why, "the checkpoint has an empty line");
	return true;
}

void checkpoint_write(struct buf *out, struct span origin, uint64_t size, const struct merkle_hash *root)
{
	buf_add(out, origin);
	buf_addf(out, "\n%" PRIu64 "\n", size);
	merkle_write_hash(out, root);
	buf_addc(out, '\n');
}

/* Did the log itself sign, by a key of ours? */
static bool signed_by_log(const struct note *note, struct span origin, const struct vkey *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (keys[i].type == VKEY_ED25519 && span_is(origin, keys[i].name) && note_check(note, &keys[i], NULL) == NOTE_GOOD)
			return true;
	return false;
}

enum checkpoint_verdict checkpoint_open(struct span octets, const struct vkey *keys, size_t n, struct note *note,
                                        struct checkpoint *out, struct buf *why)
{
	if (!note_parse(octets, note, why) || !checkpoint_parse(note->text, out, why))
		return CHECKPOINT_MALFORMED;
	if (note_check_any(note, keys, n) == NOTE_FORGED) {
		refuse(why, "a signature of the checkpoint is not by the key it names");
		return CHECKPOINT_FORGED;
	}
	if (!signed_by_log(note, out->origin, keys, n)) {
		refuse(why, "the checkpoint is signed by no trusted key of the log it names");
		return CHECKPOINT_UNSIGNED;
	}
	return CHECKPOINT_GOOD;
}
