/* Private keys: in files, and in a SoftHSM token by their URIs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <sys/stat.h>

#define CRYPTOKI_GNU
#include <p11-kit/pkcs11.h>

#include "libkep/cms.h"
#include "libkep/key.h"
#include "libkep/notekey.h"
#include "libkep/pkcs11.h"
#include "libkep/seal.h"
#include "tests/unit/pki.h"

static bool has_token;
static char *module;

/* "pkcs11:PATH?module-path=...&pin-source=DIR/hsm/pin" */
static char *uri_of(const char *path)
{
	return mem_printf("pkcs11:%s?module-path=%s&pin-source=file:%s/hsm/pin", path, module, pki_dir);
}

static void need_token(void)
{
	if (has_token)
		return;
	print_message("skipped: softhsm2 is not installed\n");
	skip();
}

/* -- URIs --------------------------------------------------------------------- */

static const struct { const char *uri, *words; } bad_uris[] = {
	{ "pkcs11:", "names no key" },
	{ "pkcs11:token=KEP", "names no key" },
	{ "pkcs11:object=a;type=public", "type must be private" },
	{ "pkcs11:object=a;object=b", "stands twice" },
	{ "pkcs11:object=a;colour=red", "'colour' is not known" },
	{ "pkcs11:object=a?pin-source=/x&pin-value=1", "one of them is enough" },
	{ "pkcs11:object=a?object=b", "'object' is not known" },
	{ "pkcs11:object=%4", "two hexadecimal digits" },
	{ "pkcs11:object=%zz", "two hexadecimal digits" },
	{ "pkcs11:object=a%00b", "an octet is 0" },
	{ "pkcs11:object=a?pin-source=/nonexistent/pin", "cannot be read" },
	{ "pkcs11:object=a?pin-source=/dev/null", "chmod 600" },
};

static void test_uris(void **state)
{
	struct buf error = BUF_INIT;
	struct pkcs11 *k;

	for (size_t i = 0; i < COUNT_OF(bad_uris); i++) {
		assert_null(pkcs11_parse(bad_uris[i].uri, &error));
		if (!strstr(buf_str(&error), bad_uris[i].words))
			fail_msg("%s: '%s' without '%s'", bad_uris[i].uri, buf_str(&error), bad_uris[i].words);
	}
	k = pkcs11_parse("pkcs11:id=%00%01;token=a%20b?pin-value=1234&module-path=/x.so", &error);
	assert_non_null(k);
	assert_false(pkcs11_open(k, &error));
	assert_non_null(strstr(buf_str(&error), "cannot be loaded"));
	assert_null(strstr(buf_str(&error), "1234"));
	pkcs11_free(k);
	pkcs11_free(NULL);
	assert_true(pkcs11_is_uri("pkcs11:object=a"));
	assert_false(pkcs11_is_uri("/etc/kep/pkcs11:key"));
	buf_release(&error);
}

/* A library that is none. */
static void test_no_module(void **state)
{
	struct buf error = BUF_INIT;
	struct key *k = key_open("pkcs11:object=a?module-path=libm.so.6", &error);

	assert_non_null(k);
	assert_false(key_ready(k, &error));
	assert_non_null(strstr(buf_str(&error), "no PKCS#11 module"));
	key_free(k);
	buf_release(&error);
}

/* -- a token ------------------------------------------------------------------ */

static void test_wrong(void **state)
{
	static const struct { const char *path, *words; } rows[] = {
		{ "token=KEP;object=nobody", "no such private key" },
		{ "token=OTHER;object=seal", "no such token" },
		{ "token=KEP;object=twin", "more than one" },
		{ "token=KEP;object=seal;id=%02", "no such private key" },
	};
	struct buf error = BUF_INIT;
	char *uri;
	struct key *k;

	need_token();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uri = uri_of(rows[i].path);
		k = key_open(uri, &error);
		assert_non_null(k);
		assert_false(key_ready(k, &error));
		if (!strstr(buf_str(&error), rows[i].words))
			fail_msg("%s: '%s' without '%s'", uri, buf_str(&error), rows[i].words);
		key_free(k);
		free(uri);
	}
	uri = mem_printf("pkcs11:token=KEP;object=seal?module-path=%s&pin-value=0000", module);
	k = key_open(uri, &error);
	assert_false(key_ready(k, &error));
	assert_non_null(strstr(buf_str(&error), "the PIN is wrong"));
	key_free(k);
	free(uri);
	uri = mem_printf("pkcs11:token=KEP;object=seal?module-path=%s", module);
	k = key_open(uri, &error);
	assert_false(key_ready(k, &error));
	assert_non_null(strstr(buf_str(&error), "pin-source"));
	key_free(k);
	free(uri);
	buf_release(&error);
}

static struct seal *open_seal(const char *certificate, const char *path, struct buf *error)
{
	char *file = pki_path(certificate), *uri = uri_of(path);
	struct seal *s = seal_load(file, uri, error);

	if (!s)
		fail_msg("%s", buf_str(error));
	assert_true(seal_is_remote(s));
	if (!seal_ready(s, "seal_key", error)) {
		seal_free(s);
		s = NULL;
	}
	free(file);
	free(uri);
	return s;
}

static void assert_seals(const struct seal *s)
{
	struct trust *trust = pki_trust("trust");
	struct digest *d = digest_new("sha256");
	unsigned char value[SHA512_SIZE];
	struct buf der = BUF_INIT;
	struct signer who;
	size_t n;

	digest_add(d, SPAN("content"));
	n = digest_finish(d, value);
	digest_free(d);
	assert_true(seal_sign(s, SPAN("content"), clock_now(), &der));
	assert_int_equal(cms_verify_detached(buf_span(&der), "sha256", value, n, trust, clock_now(), &who), REASON_ACCEPTED);
	assert_int_equal(who.cades, CADES_B);
	signer_release(&who);
	buf_release(&der);
	trust_free(trust);
}

static void test_seal(void **state)
{
	static const struct { const char *certificate, *path; } rows[] = {
		{ "seal.pem", "token=KEP;object=seal" }, { "rsa-seal.pem", "token=KEP;object=rsa-seal" }, { "rsa-seal.pem", "id=%02;type=private" },
		{ "seal.pem", "object=twin;id=%04" },
	};
	struct buf error = BUF_INIT;

	need_token();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct seal *s = open_seal(rows[i].certificate, rows[i].path, &error);

		if (!s)
			fail_msg("%s", buf_str(&error));
		for (int k = 0; k < 20; k++)
			assert_seals(s);
		seal_free(s);
	}
	assert_null(open_seal("seal.pem", "token=KEP;object=rsa-seal", &error));
	assert_non_null(strstr(buf_str(&error), "is not the key"));
	buf_release(&error);
}

static void test_checkpoint(void **state)
{
	static const char *const others[] = { "token=KEP;object=seal", "token=KEP;object=rsa-seal" };
	unsigned char remote[ED25519_KEY], local[ED25519_KEY], signature[ED25519_SIGNATURE];
	char *file = pki_path("checkpoint.key"), *uri;
	struct buf error = BUF_INIT;
	struct notekey *k = notekey_load(file, &error);

	need_token();
	assert_false(notekey_is_remote(k));
	assert_true(notekey_ready(k, &error));
	notekey_public(k, local);
	notekey_free(k);
	uri = uri_of("token=KEP;object=checkpoint");
	k = notekey_load(uri, &error);
	assert_non_null(k);
	assert_true(notekey_is_remote(k));
	if (!notekey_ready(k, &error))
		fail_msg("%s", buf_str(&error));
	notekey_public(k, remote);
	assert_memory_equal(local, remote, sizeof local);
	assert_true(notekey_sign(k, SPAN("note\n"), signature));
	assert_true(note_ed25519(local, SPAN("note\n"), signature));
	notekey_free(k);
	free(uri);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		uri = uri_of(others[i]);
		k = notekey_load(uri, &error);
		assert_false(notekey_ready(k, &error));
		assert_non_null(strstr(buf_str(&error), "no Ed25519 key"));
		notekey_free(k);
		free(uri);
	}
	free(file);
	buf_release(&error);
}

/* A token that was pulled out and put back: our session is gone, and made again. */
static void test_lost_session(void **state)
{
	char *certificate = pki_path("seal.pem"), *uri = uri_of("token=KEP;object=seal");
	struct buf error = BUF_INIT;
	struct seal *s;
	void *library;
	ck_rv_t (*list)(struct ck_function_list **);
	struct ck_function_list *f;
	ck_slot_id_t slots[16];
	unsigned long n = COUNT_OF(slots);

	need_token();
	s = seal_load(certificate, uri, &error);
	assert_true(s && seal_ready(s, "seal_key", &error));
	assert_seals(s);
	library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	*(void **)&list = dlsym(library, "C_GetFunctionList");
	assert_int_equal(list(&f), CKR_OK);
	assert_int_equal(f->C_GetSlotList(1, slots, &n), CKR_OK);
	for (unsigned long i = 0; i < n; i++)
		f->C_CloseAllSessions(slots[i]);
	assert_seals(s);
	assert_seals(s);
	seal_free(s);
	dlclose(library);
	free(certificate);
	free(uri);
	buf_release(&error);
}

/* -- files -------------------------------------------------------------------- */

static void test_files(void **state)
{
	static const char *const files[] = { "seal.key", "signers/ayse@hs01.kep.test.key", "checkpoint.key" };
	struct buf error = BUF_INIT, signature = BUF_INIT;
	unsigned char public[32];

	for (size_t i = 0; i < COUNT_OF(files); i++) {
		char *file = pki_path(files[i]);
		struct key *k = key_open(file, &error);

		assert_non_null(k);
		assert_false(key_is_remote(k));
		assert_true(key_ready(k, &error));
		assert_true(key_sign(k, SPAN(""), &signature));
		assert_int_equal(key_ed25519(k, public), i == 2);
		key_free(k);
		free(file);
	}
	key_free(NULL);
	buf_release(&signature);
	buf_release(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uris), cmocka_unit_test(test_no_module), cmocka_unit_test(test_files), cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_seal), cmocka_unit_test(test_lost_session), cmocka_unit_test(test_checkpoint),
	};
	struct buf path = BUF_INIT;
	char *command, *conf;
	int failed;

	pki_make(false);
	command = mem_printf("PYTHONDONTWRITEBYTECODE=1 python3 '%s/pki_token.py' '%s'", KEP_TESTS, pki_dir);
	has_token = system(command) == 0;
	conf = pki_path("hsm/softhsm2.conf");
	setenv("SOFTHSM2_CONF", conf, 1);
	if (has_token)
		pki_read("hsm/module", &path);
	module = mem_span(buf_span(&path));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_release(&path);
	free(module);
	free(conf);
	free(command);
	return failed;
}
