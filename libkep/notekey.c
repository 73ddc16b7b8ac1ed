#include "libkep/notekey.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libkep/key.h"
#include "libkep/mem.h"
#include "libkep/pkcs11.h"

struct notekey {
	EVP_PKEY     *key;              /* or */
	struct key   *remote;
	unsigned char public[ED25519_KEY];
};

void notekey_free(struct notekey *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->key);
	key_free(k->remote);
	free(k);
}

static void complain(struct buf *error, const char *file, const char *what)
{
	ERR_clear_error();
	buf_clear(error);
	buf_addf(error, "%s: %s", file, what);
}

/* Takes key over; NULL: it is no Ed25519 key. */
static struct notekey *notekey_of(EVP_PKEY *key)
{
	struct notekey *k = mem_new(sizeof *k);
	size_t n = sizeof k->public;

	k->key = key;
	if (key && EVP_PKEY_is_a(key, "ED25519") && EVP_PKEY_get_raw_public_key(key, k->public, &n) == 1 && n == sizeof k->public)
		return k;
	notekey_free(k);
	return NULL;
}

/* No prompt on a terminal, ever. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
	return -1;
}

static struct notekey *open_remote(const char *uri, struct buf *error)
{
	struct notekey *k = mem_new(sizeof *k);

	if ((k->remote = key_open(uri, error)))
		return k;
	notekey_free(k);
	return NULL;
}

bool notekey_is_remote(const struct notekey *k)
{
	return k->remote != NULL;
}

bool notekey_ready(struct notekey *k, struct buf *error)
{
	buf_clear(error);
	if (!k->remote || (key_ready(k->remote, error) && key_ed25519(k->remote, k->public)))
		return true;
	if (error->n == 0)
		complain(error, "checkpoint_key", "is no Ed25519 key of the token, or its public key is not there as well");
	return false;
}

struct notekey *notekey_load(const char *file, struct buf *error)
{
	FILE *f;
	struct notekey *k = NULL;
	struct stat st;
	bool shut;

	if (pkcs11_is_uri(file))
		return open_remote(file, error);
	f = fopen(file, "re");
	if (!f) {
		complain(error, file, errno == ENOENT ? "there is no such file; make the ledger's key with 'kepctl ledger keygen FILE'" : strerror(errno));
		return NULL;
	}
	shut = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077);
	if (shut)
		k = notekey_of(PEM_read_PrivateKey(f, NULL, no_passphrase, NULL));
	fclose(f);
	if (!shut)
		complain(error, file, "group or others may use the private key, or it is no regular file; chmod 600 it");
	else if (!k)
		complain(error, file, "holds no PEM private key for Ed25519 without passphrase; 'kepctl ledger keygen FILE' makes one");
	ERR_clear_error();
	return k;
}

/* Durable: the key is of no use when its vkey is known and the file is lost. */
static bool write_key(int fd, const char *file, EVP_PKEY *key, struct buf *error)
{
	FILE *f = fdopen(fd, "w");
	bool good;

	if (!f) {
		close(fd);
		complain(error, file, strerror(errno));
		return false;
	}
	good = PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fflush(f) == 0 && fsync(fd) == 0;
	good = fclose(f) == 0 && good;
	if (!good) {
		complain(error, file, "could not be written");
		unlink(file);
	}
	return good;
}

struct notekey *notekey_make(const char *file, struct buf *error)
{
	struct notekey *k = notekey_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	int fd = -1;

	if (!k) {
		complain(error, file, "OpenSSL makes no Ed25519 key");
	} else if ((fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0) {
		complain(error, file, errno == EEXIST ? "is there already, and is left alone; a ledger keeps its key, so name another file" : strerror(errno));
	} else if (write_key(fd, file, k->key, error)) {
		return k;
	}
	notekey_free(k);
	return NULL;
}

void notekey_public(const struct notekey *k, unsigned char out[ED25519_KEY])
{
	memcpy(out, k->public, ED25519_KEY);
}

static bool sign_remote(const struct notekey *k, struct span content, unsigned char out[ED25519_SIGNATURE])
{
	struct buf signature = BUF_INIT;
	bool good = key_sign(k->remote, content, &signature) && signature.n == ED25519_SIGNATURE;

	if (good)
		memcpy(out, signature.p, ED25519_SIGNATURE);
	buf_release(&signature);
	return good;
}

bool notekey_sign(const struct notekey *k, struct span content, unsigned char out[ED25519_SIGNATURE])
{
	EVP_MD_CTX *c;
	size_t n = ED25519_SIGNATURE;
	bool good;

	if (k->remote)
		return sign_remote(k, content, out);
	c = EVP_MD_CTX_new();
	good = c && EVP_DigestSignInit(c, NULL, NULL, NULL, k->key) == 1 &&
	    EVP_DigestSign(c, out, &n, (const unsigned char *)(content.n ? content.p : ""), content.n) == 1 && n == ED25519_SIGNATURE;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return good;
}
