#include "libkep/keyring.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "libkep/folder.h"
#include "libkep/mem.h"
#include "libkep/profile.h"

#define VKEY_FILE_MAX (64u << 10)

static struct trust *load(const char *path, const char *sub, struct buf *error)
{
	char *below = mem_printf("%s/%s", path, sub);
	struct stat st;
	struct trust *t = trust_load_past(stat(below, &st) == 0 ? below : path, error);

	free(below);
	return t;
}

/* A seal is CAdES-B: it names its certificate and its time. */
static void demand_seal(struct trust *t)
{
	struct profile p;

	profile_init(&p);
	p.cades = CADES_B;
	trust_demand(t, &p);
}

static bool add_key(struct keyring *k, const char *file, struct span line, struct buf *error)
{
	struct buf why = BUF_INIT;
	struct vkey key;
	bool ok = vkey_parse(line, &key, &why);

	if (ok) {
		k->keys = mem_grow(k->keys, (k->n_keys + 1) * sizeof *k->keys);
		k->keys[k->n_keys++] = key;
	} else {
		folder_complain(error, file, buf_str(&why));
	}
	buf_release(&why);
	return ok;
}

static bool add_keys(void *arg, const char *file, struct span octets, struct buf *error)
{
	bool ok = true;

	while (ok && octets.n) {
		struct span line = span_trim(span_cut(&octets, '\n'));

		ok = line.n == 0 || line.p[0] == '#' || add_key(arg, file, line, error);
	}
	return ok;
}

bool keyring_load(struct keyring *k, const char *path, struct buf *error)
{
	static const char *const ends[] = { ".vkey", NULL };

	memset(k, 0, sizeof *k);
	if (!(k->seals = load(path, "seal", error)) || !(k->stamps = load(path, "tsa", error)) ||
	    !folder_each(path, ends, VKEY_FILE_MAX, add_keys, k, error))
		return false;
	demand_seal(k->seals);
	return k->n_keys > 0 || folder_complain(error, path, "no ledger key there; put the text NAME+ID+KEY of the provider's ledger in a file *.vkey");
}

void keyring_release(struct keyring *k)
{
	trust_free(k->seals);
	trust_free(k->stamps);
	free(k->keys);
	memset(k, 0, sizeof *k);
}
