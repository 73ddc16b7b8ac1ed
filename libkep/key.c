#include "libkep/key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "libkep/der.h"
#include "libkep/digest.h"
#include "libkep/mem.h"
#include "libkep/pkcs11.h"

#define CHALLENGE SPAN("postkep: is this the key of that certificate?")
#define ED25519_SIZE 32

struct key {
	char          *where;
	EVP_PKEY      *pem;
	struct pkcs11 *remote;
};

void key_free(struct key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pem);
	pkcs11_free(k->remote);
	free(k->where);
	free(k);
}

static bool complain(struct buf *error, const char *file, const char *what)
{
	ERR_clear_error();
	buf_clear(error);
	buf_addf(error, "%s: %s", file, what);
	return false;
}

/* No prompt on a terminal, ever. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
	return -1;
}

static bool load(struct key *k, struct buf *error)
{
	FILE *f = fopen(k->where, "re");
	struct stat st;
	bool shut;

	if (!f)
		return complain(error, k->where, strerror(errno));
	shut = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077);
	if (shut)
		k->pem = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	fclose(f);
	ERR_clear_error();
	if (!shut)
		return complain(error, k->where, "group or others may use the private key, or it is no regular file; chmod 600 it");
	return k->pem || complain(error, k->where, "holds no PEM private key without passphrase");
}

struct key *key_open(const char *where, struct buf *error)
{
	struct key *k = mem_new(sizeof *k);

	k->where = mem_str(where);
	if (pkcs11_is_uri(where) ? (k->remote = pkcs11_parse(where, error)) != NULL : load(k, error))
		return k;
	key_free(k);
	return NULL;
}

bool key_is_remote(const struct key *k)
{
	return k->remote != NULL;
}

bool key_ready(struct key *k, struct buf *error)
{
	return !k->remote || pkcs11_open(k->remote, error);
}

/* ---- signing ---- */

static bool sign_here(EVP_PKEY *key, struct span octets, struct buf *signature)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	const unsigned char *in = (const unsigned char *)(octets.n ? octets.p : "");
	unsigned char *out = NULL;
	size_t n = 0;
	bool good = c && EVP_DigestSignInit(c, NULL, digest, NULL, key) == 1 && EVP_DigestSign(c, NULL, &n, in, octets.n) == 1;

	if (good) {
		out = mem_new(n);
		good = EVP_DigestSign(c, out, &n, in, octets.n) == 1;
	}
	if (good)
		buf_add(signature, span_of((const char *)out, n));
	free(out);
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return good;
}

/* INTEGER of a number without sign, big-endian. */
static void add_integer(struct buf *out, struct span number)
{
	while (number.n > 1 && number.p[0] == 0)
		number = span_of(number.p + 1, number.n - 1);
	der_add_head(out, DER_INTEGER, number.n + (number.p[0] & 0x80 ? 1 : 0));
	if (number.p[0] & 0x80)
		buf_addc(out, '\0');
	buf_add(out, number);
}

/* r and s behind each other become the SEQUENCE of RFC 3279 section 2.2.3. */
static bool sign_ecdsa(struct pkcs11 *k, struct span digest, struct buf *signature)
{
	struct buf raw = BUF_INIT, numbers = BUF_INIT;
	bool good = pkcs11_sign(k, digest, &raw) && raw.n >= 2 && raw.n % 2 == 0;

	if (good) {
		add_integer(&numbers, span_of(raw.p, raw.n / 2));
		add_integer(&numbers, span_of(raw.p + raw.n / 2, raw.n / 2));
		der_add_head(signature, DER_SEQUENCE, numbers.n);
		buf_add(signature, buf_span(&numbers));
	}
	buf_release(&raw);
	buf_release(&numbers);
	return good;
}

static bool sign_there(struct pkcs11 *k, struct span octets, struct buf *signature)
{
	/* DigestInfo of SHA-256, RFC 8017 section 9.2 note 1; the digest stands behind it. */
	char info[19 + SHA256_SIZE] = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

	digest_sha256((unsigned char *)info + 19, octets);
	switch (pkcs11_kind(k)) {
	case PKCS11_RSA:
		return pkcs11_sign(k, span_of(info, sizeof info), signature);
	case PKCS11_EC:
		return sign_ecdsa(k, span_of(info + 19, SHA256_SIZE), signature);
	default:
		return pkcs11_sign(k, octets, signature);
	}
}

bool key_sign(const struct key *k, struct span octets, struct buf *signature)
{
	return k->remote ? sign_there(k->remote, octets, signature) : sign_here(k->pem, octets, signature);
}

/* ---- its public half ---- */

static bool verify(EVP_PKEY *public, struct span octets, struct span signature)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	const EVP_MD *digest = EVP_PKEY_is_a(public, "ED25519") ? NULL : EVP_sha256();
	bool good = c && EVP_DigestVerifyInit(c, NULL, digest, NULL, public) == 1 &&
	    EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.n, (const unsigned char *)octets.p, octets.n) == 1;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return good;
}

bool key_belongs(const struct key *k, EVP_PKEY *public)
{
	struct buf signature = BUF_INIT;
	bool good;

	if (!k->remote)
		return EVP_PKEY_eq(k->pem, public) == 1;
	good = key_sign(k, CHALLENGE, &signature) && verify(public, CHALLENGE, buf_span(&signature));
	buf_release(&signature);
	return good;
}

/* Of the point, which some tokens have in an OCTET STRING. */
static bool ask_point(const struct key *k, unsigned char out[ED25519_SIZE])
{
	struct buf point = BUF_INIT;
	EVP_PKEY *public = NULL;
	bool good = pkcs11_kind(k->remote) == PKCS11_ED25519 && pkcs11_point(k->remote, &point);

	if (good && point.n == ED25519_SIZE + 2 && point.p[0] == DER_OCTETS && point.p[1] == ED25519_SIZE)
		buf_drop(&point, 2);
	good = good && point.n == ED25519_SIZE && (public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)point.p, point.n)) &&
	    key_belongs(k, public);
	if (good)
		memcpy(out, point.p, ED25519_SIZE);
	EVP_PKEY_free(public);
	buf_release(&point);
	ERR_clear_error();
	return good;
}

bool key_ed25519(const struct key *k, unsigned char out[ED25519_SIZE])
{
	size_t n = ED25519_SIZE;

	if (k->remote)
		return ask_point(k, out);
	return EVP_PKEY_is_a(k->pem, "ED25519") && EVP_PKEY_get_raw_public_key(k->pem, out, &n) == 1 && n == ED25519_SIZE;
}
