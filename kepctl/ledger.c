/* kepctl ledger: the key that signs the ledger's checkpoints. */
#include <stdio.h>
#include <sysexits.h>

#include "kepctl/ctl.h"
#include "libkep/notekey.h"

/* What verifiers are given: name and public key on one line. */
static int print_vkey(const struct ctl *c, const struct notekey *key)
{
	unsigned char public[ED25519_KEY];
	struct buf origin = BUF_INIT, line = BUF_INIT;
	struct vkey vkey;
	int status = EX_OK;

	notekey_public(key, public);
	conf_add_origin(&origin, c->conf);
	if (vkey_make(&vkey, buf_span(&origin), VKEY_ED25519, public)) {
		vkey_write(&line, &vkey);
		puts(buf_str(&line));
	} else {
		status = ctl_fail(EX_CONFIG, "ledger_origin = %s; write a name without blanks and '+', such as hs01.kep.tr/kep", buf_str(&origin));
	}
	buf_release(&origin);
	buf_release(&line);
	return status;
}

/* Without a domain the name of the ledger is not known, and the vkey would be of no use. */
static bool has_origin(const struct ctl *c)
{
	return c->conf->ledger_origin[0] || c->conf->receipt_from[0];
}

static int with_key(const struct ctl *c, struct notekey *key, int failure, const struct buf *error)
{
	int status = key ? print_vkey(c, key) : ctl_fail(failure, "%s", buf_str(error));

	notekey_free(key);
	return status;
}

static int complain_origin(void)
{
	return ctl_fail(EX_CONFIG, "the ledger has no name yet; set receipt_from (or ledger_origin) in kep.conf first");
}

int command_ledger_keygen(const struct ctl *c)
{
	struct buf error = BUF_INIT;
	int status = has_origin(c) ? with_key(c, notekey_make(c->words[0], &error), EX_CANTCREAT, &error) : complain_origin();

	buf_release(&error);
	return status;
}

/* Here, too, a module is loaded when the key is in one: it tells the public key. */
static struct notekey *load_key(const struct ctl *c, struct buf *error)
{
	struct notekey *key = notekey_load(c->conf->checkpoint_key, error);

	if (key && notekey_ready(key, error))
		return key;
	notekey_free(key);
	return NULL;
}

int command_ledger_vkey(const struct ctl *c)
{
	struct buf error = BUF_INIT;
	int status = has_origin(c) ? with_key(c, load_key(c, &error), EX_NOINPUT, &error) : complain_origin();

	buf_release(&error);
	return status;
}
