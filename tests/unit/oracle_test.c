/* Our verdict beside OpenSSL's on thousands of messages made of good ones: what
 * it refuses is never accepted, and what was signed can never be changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>

#include "libkep/clock.h"
#include "libkep/gate.h"
#include "tests/unit/exact.h"
#include "tests/unit/oracle.h"
#include "tests/unit/pki.h"

static struct trust *trust;
static struct gate *gate;
static X509_STORE *store;

static bool gate_accepts(struct span mail)
{
	struct span copy = exact(mail);
	struct verdict v;
	bool good;

	gate_restart(gate);
	gate_push(gate, copy);
	gate_finish(gate, trust, clock_now(), &v);
	good = v.why == REASON_ACCEPTED;
	verdict_release(&v);
	exact_free(copy);
	return good;
}

/* -- messages around a signature object --------------------------------------- */

static void add_head(struct buf *mail)
{
	buf_adds(mail, "From: Ali <ali@hs01.kep.test>\r\nTo: Mehmet <mehmet@hs01.kep.test>\r\nSubject: x\r\n"
	    "Date: Mon, 01 Jun 2026 10:00:00 +0300\r\nMessage-ID: <1@hs01.kep.test>\r\nMIME-Version: 1.0\r\n");
}

static void add_detached(struct buf *mail, struct span content, struct span der)
{
	add_head(mail);
	buf_adds(mail, "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256;\r\n boundary=kep\r\n"
	    "\r\n--kep\r\n");
	buf_add(mail, content);
	buf_adds(mail, "\r\n--kep\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	buf_add_base64(mail, der, 64);
	buf_adds(mail, "--kep--\r\n");
}

static void add_opaque(struct buf *mail, struct span content, struct span der)
{
	add_head(mail);
	buf_adds(mail, "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	buf_add_base64(mail, der, 64);
}

typedef void maker(struct buf *mail, struct span content, struct span der);

/* How many were judged, and accepted by whom. */
static struct tally {
	size_t mails, ours, theirs;
} tally;

/* The one deviation: revocation lists of a stranger are cut out unread, so that
 * nothing in them is ever decoded; OpenSSL decodes them, and stumbles over junk. */
static bool blind_to_crls(const char *what)
{
	return strcmp(what, "samples/crl-junk.p7s") == 0;
}

static void compare(const char *what, size_t at, struct span mail)
{
	bool ours = gate_accepts(mail), theirs = oracle_accepts(mail, store);

	tally.mails++;
	tally.ours += ours;
	tally.theirs += theirs;
	ERR_clear_error();
	if (ours && !theirs && !blind_to_crls(what))
		fail_msg("%s, octet %zu: accepted, but OpenSSL refuses it", what, at);
}

static void show(const char *what)
{
	print_message("%s: %zu messages, %zu accepted here, %zu by OpenSSL\n", what, tally.mails, tally.ours, tally.theirs);
	tally = (struct tally){ 0, 0, 0 };
}

/* -- tests -------------------------------------------------------------------- */

static int is_sample(const struct dirent *e)
{
	return strstr(e->d_name, ".p7s") != NULL;
}

static void test_samples(void **state)
{
	char *folder = pki_path("samples");
	struct buf content = BUF_INIT, der = BUF_INIT, mail = BUF_INIT;
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_sample, alphasort);

	pki_read("samples/content", &content);
	assert_true(n > 20);
	for (int i = 0; i < n; i++) {
		char *name = mem_printf("samples/%s", names[i]->d_name);

		pki_read(name, &der);
		buf_clear(&mail);
		add_detached(&mail, buf_span(&content), buf_span(&der));
		compare(name, 0, buf_span(&mail));
		buf_clear(&mail);
		add_opaque(&mail, buf_span(&content), buf_span(&der));
		compare(name, 1, buf_span(&mail));
		free(name);
		free(names[i]);
	}
	assert_true(tally.ours >= 2);
	show("samples");
	free(names);
	free(folder);
	buf_release(&content);
	buf_release(&der);
	buf_release(&mail);
}

static void flip(struct buf *b, size_t at)
{
	b->p[at] = (char)(b->p[at] ^ 1 << at % 8);
}

/* A bit of every octet of the signature object, and of a content outside of it. */
static void flip_all(const char *name, maker *make)
{
	struct buf content = BUF_INIT, der = BUF_INIT, mail = BUF_INIT;

	pki_read("samples/content", &content);
	pki_read(name, &der);
	for (size_t i = 0; i < der.n + (make == add_detached ? content.n : 0); i++) {
		struct buf *b = i < der.n ? &der : &content;
		size_t at = i < der.n ? i : i - der.n;

		flip(b, at);
		buf_clear(&mail);
		make(&mail, buf_span(&content), buf_span(&der));
		compare(name, at, buf_span(&mail));
		if (b == &content)
			assert_false(gate_accepts(buf_span(&mail)));
		flip(b, at);
	}
	show(name);
	buf_release(&content);
	buf_release(&der);
	buf_release(&mail);
}

static void test_flipped_detached(void **state)
{
	flip_all("samples/ec.p7s", add_detached);
}

static void test_flipped_opaque(void **state)
{
	flip_all("samples/opaque.p7s", add_opaque);
}

/* A bit of every octet of a whole message, or the octet gone. */
static void test_flipped_message(void **state)
{
	struct buf content = BUF_INIT, der = BUF_INIT, mail = BUF_INIT, changed = BUF_INIT;

	pki_read("samples/content", &content);
	pki_read("samples/ec.p7s", &der);
	add_detached(&mail, buf_span(&content), buf_span(&der));
	assert_true(gate_accepts(buf_span(&mail)) && oracle_accepts(buf_span(&mail), store));
	for (size_t at = 0; at < mail.n; at++) {
		flip(&mail, at);
		compare("flipped", at, buf_span(&mail));
		flip(&mail, at);
		buf_clear(&changed);
		buf_add(&changed, span_of(mail.p, at));
		buf_add(&changed, span_of(mail.p + at + 1, mail.n - at - 1));
		compare("left out", at, buf_span(&changed));
	}
	show("octets of a message");
	buf_release(&content);
	buf_release(&der);
	buf_release(&mail);
	buf_release(&changed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples), cmocka_unit_test(test_flipped_detached), cmocka_unit_test(test_flipped_opaque),
		cmocka_unit_test(test_flipped_message),
	};
	struct conf conf;
	char *anchors;
	int failed;

	pki_make(true);
	trust = pki_trust("trust");
	store = oracle_store(anchors = pki_path("trust/ca.pem"));
	free(anchors);
	conf_init(&conf);
	gate = gate_new(&conf);
	failed = cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
	gate_free(gate);
	conf_release(&conf);
	X509_STORE_free(store);
	trust_free(trust);
	return failed;
}
