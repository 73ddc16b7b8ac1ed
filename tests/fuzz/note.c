/* Signed notes, checkpoints, keys: nothing is lost between reading and writing, and
 * no octets but the published ones are good by a published key. */
#include "libkep/checkpoint.h"
#include "tests/fuzz/fuzz.h"

static const char *const published[] = {
	"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
	"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
};
static const char *const texts[] = {
	"This is an example message.\n",
	"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
};

static void check_key(struct span text)
{
	struct buf out = BUF_INIT;
	struct vkey k, again;

	if (vkey_parse(text, &k, NULL)) {
		vkey_write(&out, &k);
		MUST(vkey_parse(buf_span(&out), &again, NULL));
		MUST(memcmp(&k, &again, sizeof k) == 0);
	}
	buf_release(&out);
}

static void check_checkpoint(struct span text)
{
	struct buf out = BUF_INIT;
	struct checkpoint c;

	if (checkpoint_parse(text, &c, NULL)) {
		checkpoint_write(&out, c.origin, c.size, &c.root);
		buf_add(&out, c.extension);
		MUST(span_eq(text, buf_span(&out)));
	}
	buf_release(&out);
}

static void check_keys(const struct note *note)
{
	for (size_t i = 0; i < COUNT_OF(published); i++) {
		struct vkey k;

		MUST(vkey_parse(span_str(published[i]), &k, NULL));
		if (note_check(note, &k, NULL) == NOTE_GOOD)
			MUST(span_is(note->text, texts[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span octets = span_of((const char *)data, size);
	struct buf why = BUF_INIT, out = BUF_INIT;
	struct note note;
	bool good = note_parse(octets, &note, &why);

	MUST(good == (why.n == 0));
	if (good) {
		note_start(&out, note.text);
		for (size_t i = 0; i < note.n; i++)
			buf_add(&out, note.lines[i].line);
		MUST(span_eq(octets, buf_span(&out)));
		check_checkpoint(note.text);
		check_keys(&note);
	}
	check_checkpoint(octets);
	check_key(octets);
	buf_release(&why);
	buf_release(&out);
	return 0;
}
