#include "policyd/origin.h"

#include "libkep/log.h"

static bool read_old_keys(const char *text, struct vkey *out, size_t *n, struct buf *error)
{
	struct span rest = span_str(text), word;
	struct buf why = BUF_INIT;
	bool good = true;

	for (*n = 0; good && rest.n;) {
		word = span_trim(span_cut(&rest, ' '));
		if (word.n == 0)
			continue;
		good = *n < ORIGIN_OLD_KEYS_MAX && vkey_parse(word, &out[*n], &why) && out[*n].type == VKEY_ED25519;
		*n += good;
		if (!good)
			buf_addf(error, "ledger_old_keys: %.*s: %s", (int)word.n, word.p,
			    *n == ORIGIN_OLD_KEYS_MAX ? "one key too many" : why.n ? buf_str(&why) : "this is no key that signs checkpoints");
	}
	buf_release(&why);
	return good;
}

bool origin_fits(const struct conf *conf, struct buf *error)
{
	struct vkey old[ORIGIN_OLD_KEYS_MAX];
	struct buf origin = BUF_INIT;
	size_t n;
	bool good;

	buf_clear(error);
	conf_add_origin(&origin, conf);
	good = note_name_valid(buf_span(&origin));
	if (!good)
		buf_addf(error, "ledger_origin = %s; write a name without blanks and '+', such as hs01.kep.tr/kep", buf_str(&origin));
	buf_release(&origin);
	if (good && conf->checkpoint_interval < 10000) {
		buf_adds(error, "checkpoint_interval is below 0.01 s; write 1s");
		good = false;
	}
	return good && read_old_keys(conf->ledger_old_keys, old, &n, error);
}

void origin_init(struct origin *o, const struct conf *conf, const unsigned char public[ED25519_KEY])
{
	struct buf error = BUF_INIT;

	*o = (struct origin){ .name = BUF_INIT };
	conf_add_origin(&o->name, conf);
	if (!vkey_make(&o->keys[0], buf_span(&o->name), VKEY_ED25519, public) || !read_old_keys(conf->ledger_old_keys, o->keys + 1, &o->n, &error))
		log_panic("a ledger's name or keys that nobody checked: %s", buf_str(&error));
	o->n++;
	buf_release(&error);
}

void origin_release(struct origin *o)
{
	buf_release(&o->name);
}
