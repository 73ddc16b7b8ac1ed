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

/* Colons may stand between the octets, as openssl x509 -fingerprint prints them. */
static bool add_pin(struct keyring *k, const char *file, struct span line, struct buf *error)
{
	struct buf hex = BUF_INIT;
	unsigned char pin[SHA256_SIZE];
	bool ok;

	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ':')
			buf_addc(&hex, line.p[i]);
	ok = hex_decode(pin, sizeof pin, buf_span(&hex));
	buf_release(&hex);
	if (!ok)
		return folder_complain(error, file, "holds a line that is no SHA-256 fingerprint; openssl x509 -noout -fingerprint -sha256 prints one");
	k->pins = mem_grow(k->pins, (k->n_pins + 1) * sizeof *k->pins);
	memcpy(k->pins[k->n_pins++], pin, sizeof pin);
	return true;
}

static bool add_pins(void *arg, const char *file, struct span octets, struct buf *error)
{
	bool ok = true;

	while (ok && octets.n) {
		struct span line = span_trim(span_cut(&octets, '\n'));

		ok = line.n == 0 || line.p[0] == '#' || add_pin(arg, file, line, error);
	}
	return ok;
}

enum reason keyring_seal(const struct keyring *k, const struct signer *s)
{
	bool pinned = k->n_pins == 0;

	for (size_t i = 0; i < k->n_pins; i++)
		pinned = pinned || memcmp(k->pins[i], s->certificate, SHA256_SIZE) == 0;
	return pinned && !s->identity ? REASON_ACCEPTED : REASON_SIGNER_NOT_AUTHORISED;
}

bool keyring_load(struct keyring *k, const char *path, struct buf *error)
{
	static const char *const ends[] = { ".vkey", NULL }, *const pins[] = { ".pins", NULL };

	memset(k, 0, sizeof *k);
	if (!(k->seals = load(path, "seal", error)) || !(k->stamps = load(path, "tsa", error)) ||
	    !folder_each(path, ends, VKEY_FILE_MAX, add_keys, k, error) || !folder_each(path, pins, VKEY_FILE_MAX, add_pins, k, error))
		return false;
	demand_seal(k->seals);
	return k->n_keys > 0 || folder_complain(error, path, "no ledger key there; put the text NAME+ID+KEY of the provider's ledger in a file *.vkey");
}

void keyring_release(struct keyring *k)
{
	trust_free(k->seals);
	trust_free(k->stamps);
	free(k->keys);
	free(k->pins);
	memset(k, 0, sizeof *k);
}
