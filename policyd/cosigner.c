#include "policyd/cosigner.h"

#include <inttypes.h>
#include <stdio.h>

#include "libkep/log.h"

#define SKEW 300        /* seconds a witness may be ahead of us */

bool cosigners_read(struct cosigners *c, const char *text, struct buf *error)
{
	struct span rest = span_str(text);
	struct buf why = BUF_INIT;
	bool good = true;

	for (c->n = 0; good && rest.n;) {
		struct span word = span_trim(span_cut(&rest, ' '));

		if (word.n == 0)
			continue;
		good = c->n < COSIGNERS_MAX && vkey_parse(word, &c->keys[c->n], &why) && c->keys[c->n].type == VKEY_COSIGNATURE;
		c->n += good;
		if (!good)
			buf_addf(error, "witness_keys: %.*s: %s", (int)word.n, word.p,
			    c->n == COSIGNERS_MAX ? "one key too many" : why.n ? buf_str(&why) : "this is no key of a witness (cosignature/v1)");
	}
	buf_release(&why);
	return good;
}

static void on_kept(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	if (a == PG_FAILED)
		log_warn("witness: kep.cosignature_add: %s: %s", sqlstate, words);
}

static void keep(struct daemon *d, uint64_t size, const struct vkey *key, struct span line)
{
	struct pg_params v = { .n = 0 };
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, size);
	pg_text(&v, span_str(text));
	pg_text(&v, span_str(key->name));
	pg_octets(&v, span_of((const char *)key->id, sizeof key->id));
	pg_text(&v, span_trim(line));
	pg_ask(d->pg, "SELECT kep.cosignature_add($1::bigint, $2::text, $3::bytea, $4::text)", &v, true, on_kept, NULL);
}

/* Lines of one key that are good are all the same to us. */
static struct span line_of(const struct note *note, const struct vkey *key)
{
	for (size_t i = 0; i < note->n; i++)
		if (span_is(note->lines[i].name, key->name) && memcmp(note->lines[i].id, key->id, sizeof key->id) == 0)
			return note->lines[i].line;
	return SPAN_NONE;
}

static bool is_good(const struct note *note, const struct vkey *key, struct buf *why)
{
	uint64_t time = 0;

	switch (note_check(note, key, &time)) {
	case NOTE_GOOD:
		if ((usec)time * 1000000 <= clock_now() + (usec)SKEW * 1000000)
			return true;
		buf_addf(why, "%s%s signs at a time that has not come yet", why->n ? "; " : "", key->name);
		return false;
	case NOTE_FORGED:
		buf_addf(why, "%s%s: its signature is wrong", why->n ? "; " : "", key->name);
		return false;
	default:
		return false;
	}
}

size_t cosigners_keep(const struct cosigners *c, struct daemon *d, uint64_t size, const struct note *note, const char **name, struct buf *why)
{
	size_t good = 0;

	buf_clear(why);
	for (size_t i = 0; i < c->n; i++) {
		if (!is_good(note, &c->keys[i], why))
			continue;
		keep(d, size, &c->keys[i], line_of(note, &c->keys[i]));
		if (good++ == 0 && name)
			*name = c->keys[i].name;
	}
	if (good == 0 && why->n == 0)
		buf_adds(why, "no signature by a key of witness_keys");
	return good;
}
