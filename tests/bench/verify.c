/* verify - the verdict on a signed message, ours against OpenSSL's, in one run.
 *
 *   verify [-r ROUNDS]
 *
 * The same octets, the same trust, one thread; in turns, round by round.
 *   OpenSSL    SMIME_read_CMS() and CMS_verify() out of memory, the store built
 *              once: what a program has to call that leaves all to OpenSSL
 *   signature  the gate without the evidence fingerprints, which OpenSSL does not
 *              make either: structure, header, digest of the signed part, CMS,
 *              chain, usage.  In pieces of 64 KB, as a milter hears a body
 *   gate       all that kep-milter does with the octets: the same, and SHA-256
 *              and SHA-512 of the canonical octets beside it
 * First the verdict "signature" against OpenSSL, best round of each against best
 * round of each (what else runs on the machine only ever adds); then the figures.
 * "fresh" forgets between two messages what the gate remembers of certificates
 * and chains, "known" is a sender who has written before.
 * Last the same with CRLs for the CAs, on both sides; the signer's has as many
 * entries as a large CA's.  "another" is a signer of a known CA who has not
 * written before: chain and signer are new, the CRLs were proved.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "libkep/clock.h"
#include "libkep/gate.h"
#include "tests/unit/oracle.h"
#include "tests/unit/pki.h"

#define ADDRESS  "ayse@hs01.kep.test"
#define PIECE    65536
#define ENVELOPE 3200           /* header and signature, about */
#define REVOKED  "20000"        /* entries of the CRL */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* -- the message -------------------------------------------------------------- */

/* A message with a base64 part, signed; octets is its size but for a few. */
static void make_mail(size_t octets, const char *signer, struct buf *mail)
{
	size_t room = octets - ENVELOPE, n = room / 78 * 57;
	char *raw = mem_new(n), *in = pki_path("in.eml"), *out = pki_path("out.eml"), *command;
	struct buf text = BUF_INIT;
	FILE *f = fopen(in, "we");
	uint32_t state = 1;

	for (size_t i = 0; i < n; i++)
		raw[i] = (char)((state = state * 1664525 + 1013904223) >> 24);
	buf_adds(&text, "From: Ayse <" ADDRESS ">\r\nTo: Mehmet <mehmet@hs01.kep.test>\r\nSubject: verify\r\n"
	    "Date: Mon, 01 Jun 2026 10:00:00 +0300\r\nMessage-ID: <verify@hs01.kep.test>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	buf_add_base64(&text, span_of(raw, n), 76);
	if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
		log_fatal("%s cannot be written", in);
	command = mem_printf("'%s/pki' --sign '%s' %s <'%s' >'%s'", KEP_TESTS, pki_dir, signer, in, out);
	if (system(command) != 0 || !read_file(out, mail))
		log_fatal("tests/pki cannot sign");
	free(command);
	free(raw);
	free(in);
	free(out);
	buf_release(&text);
}

/* -- the two ------------------------------------------------------------------ */

static bool by_gate(struct span mail, struct gate *gate, const struct trust *trust)
{
	struct verdict v;
	bool good;

	gate_restart(gate);
	for (size_t at = 0; at < mail.n; at += PIECE)
		gate_push(gate, span_of(mail.p + at, mail.n - at < PIECE ? mail.n - at : PIECE));
	gate_finish(gate, trust, clock_now(), &v);
	good = v.why == REASON_ACCEPTED;
	verdict_release(&v);
	return good;
}

/* -- measuring ---------------------------------------------------------------- */

enum way { OPENSSL, SIGNATURE, SIGNATURE_FRESH, GATE, OPENSSL_CRLS, CRLS, CRLS_ANOTHER, CRLS_FRESH, WAYS };

static const char *const words[WAYS] = {
	[OPENSSL] = "SMIME_read_CMS + CMS_verify", [SIGNATURE] = "signature verdict, known signer",
	[SIGNATURE_FRESH] = "signature verdict, fresh signer", [GATE] = "gate with fingerprints, known signer",
	[OPENSSL_CRLS] = "with CRLs: OpenSSL", [CRLS] = "with CRLs: signature, known signer",
	[CRLS_ANOTHER] = "with CRLs: signature, another signer", [CRLS_FRESH] = "with CRLs: signature, fresh store",
};

struct bench {
	X509_STORE   *store, *store_crls;
	struct trust *trust, *trust_crls;
	struct conf   conf_crls;        /* what trust_crls borrows from */
	struct gate  *bare, *whole;
};

static struct trust *trust_with_crls(const struct bench *b)
{
	struct buf error = BUF_INIT;
	struct trust *t = trust_configure(&b->conf_crls, &error);

	if (!t)
		log_fatal("%s", buf_str(&error));
	return t;
}

/* What this way needs anew for each message; NULL: nothing. */
static struct trust *fresh_trust(const struct bench *b, enum way way, struct span first)
{
	struct trust *t;

	if (way == SIGNATURE_FRESH)
		return pki_trust("trust");
	if (way != CRLS_FRESH && way != CRLS_ANOTHER)
		return NULL;
	t = trust_with_crls(b);
	if (way == CRLS_ANOTHER && !by_gate(first, b->bare, t))
		log_fatal("the first signer was refused");
	return t;
}

static const struct trust *trust_of(const struct bench *b, enum way way)
{
	return way == CRLS ? b->trust_crls : b->trust;
}

/* Seconds of processor time for one message, of `count` in a row; first is of another signer. */
static double run(const struct bench *b, enum way way, struct span mail, struct span first, int count)
{
	bool openssl = way == OPENSSL || way == OPENSSL_CRLS;
	double spent = 0;

	for (int i = 0; i < count; i++) {
		struct trust *fresh = fresh_trust(b, way, first);
		double begin = now();
		bool good = openssl ? oracle_accepts(mail, way == OPENSSL ? b->store : b->store_crls) :
		    by_gate(mail, way == GATE ? b->whole : b->bare, fresh ? fresh : trust_of(b, way));

		spent += now() - begin;
		trust_free(fresh);
		if (!good)
			log_fatal("%s: refused: %s", words[way], ERR_reason_error_string(ERR_peek_last_error()));
	}
	return spent / count;
}

static void compare(const struct bench *b, const char *name, size_t octets, int rounds, int count)
{
	struct buf mail = BUF_INIT, first = BUF_INIT;
	double best[WAYS];

	make_mail(octets, ADDRESS, &mail);
	make_mail(octets, "ali@hs01.kep.test", &first);
	for (int round = 0; round <= rounds; round++)
		for (int way = 0; way < WAYS; way++) {
			double t = run(b, (enum way)way, buf_span(&mail), buf_span(&first), way < OPENSSL_CRLS ? count : count / 10);

			if (round <= 1 || t < best[way])        /* round 0 warms up */
				best[way] = t;
		}
	printf("%s: %.1fx\n", name, best[OPENSSL] / best[SIGNATURE]);
	for (int way = 0; way < WAYS; way++)
		printf("    %-38s %9.1f us %6.1fx   (%zu octets, best of %d rounds of %d)\n", words[way], best[way] * 1e6,
		    best[way < OPENSSL_CRLS ? OPENSSL : OPENSSL_CRLS] / best[way], mail.n, rounds, way < OPENSSL_CRLS ? count : count / 10);
	buf_release(&mail);
	buf_release(&first);
}

static void set(struct conf *conf, const char *key, const char *name)
{
	struct buf error = BUF_INIT;
	char *path = pki_path(name), *assignment = mem_printf("%s=%s", key, path);

	if (!conf_set(conf, assignment, &error))
		log_fatal("%s", buf_str(&error));
	free(path);
	free(assignment);
	buf_release(&error);
}

static void open_stores(struct bench *b)
{
	char *anchor = pki_path("trust/ca.pem"), *lists = pki_path("both.crl");
	char *command = mem_printf("cd '%s' && mkdir crls && python3 '%s/crl.py' . ca crls/ca.crl 48 && "
	    "python3 '%s/crl.py' . mid crls/mid.crl 48 more=" REVOKED " && cat crls/*.crl >both.crl", pki_dir, KEP_TESTS, KEP_TESTS);

	if (system(command) != 0)
		log_fatal("tests/crl.py failed");
	b->store = oracle_store(anchor);
	b->store_crls = oracle_store(anchor);
	if (X509_STORE_load_file(b->store_crls, lists) != 1)
		log_fatal("OpenSSL cannot load the CRLs");
	X509_STORE_set_flags(b->store_crls, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	conf_init(&b->conf_crls);
	set(&b->conf_crls, "trust_anchors", "trust");
	set(&b->conf_crls, "trust_crls", "crls");
	b->trust_crls = trust_with_crls(b);
	free(command);
	free(anchor);
	free(lists);
}

int main(int argc, char **argv)
{
	int rounds = argc == 3 && strcmp(argv[1], "-r") == 0 ? atoi(argv[2]) : 9;
	struct bench b;
	struct conf conf;

	if ((argc != 1 && argc != 3) || rounds < 1) {
		fputs("usage: verify [-r ROUNDS]\n", stderr);
		return EX_USAGE;
	}
	pki_make(false);
	conf_init(&conf);
	b = (struct bench){ .trust = pki_trust("trust"), .bare = gate_new(&conf), .whole = gate_new(&conf) };
	open_stores(&b);
	gate_without_fingerprint(b.bare);
	compare(&b, "1 MB", 1000000, rounds, 20);
	compare(&b, "10 KB", 10000, rounds, 200);
	X509_STORE_free(b.store);
	X509_STORE_free(b.store_crls);
	trust_free(b.trust);
	trust_free(b.trust_crls);
	conf_release(&b.conf_crls);
	gate_free(b.bare);
	gate_free(b.whole);
	conf_release(&conf);
	return 0;
}
