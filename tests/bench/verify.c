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

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* -- the message -------------------------------------------------------------- */

/* A message with a base64 part, signed; octets is its size but for a few. */
static void make_mail(size_t octets, struct buf *mail)
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
	command = mem_printf("'%s/pki' --sign '%s' " ADDRESS " <'%s' >'%s'", KEP_TESTS, pki_dir, in, out);
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

enum way { OPENSSL, SIGNATURE, SIGNATURE_FRESH, GATE, WAYS };

static const char *const words[WAYS] = {
	[OPENSSL] = "SMIME_read_CMS + CMS_verify", [SIGNATURE] = "signature verdict, known signer",
	[SIGNATURE_FRESH] = "signature verdict, fresh signer", [GATE] = "gate with fingerprints, known signer",
};

struct bench {
	X509_STORE   *store;
	struct trust *trust;
	struct gate  *bare, *whole;
};

/* Seconds of processor time for one message, of `count` in a row. */
static double run(const struct bench *b, enum way way, struct span mail, int count)
{
	double spent = 0;

	for (int i = 0; i < count; i++) {
		struct trust *fresh = way == SIGNATURE_FRESH ? pki_trust("trust") : NULL;
		double begin = now();
		bool good = way == OPENSSL ? oracle_accepts(mail, b->store) :
		    by_gate(mail, way == GATE ? b->whole : b->bare, fresh ? fresh : b->trust);

		spent += now() - begin;
		trust_free(fresh);
		if (!good)
			log_fatal("%s: refused: %s", words[way], ERR_reason_error_string(ERR_peek_last_error()));
	}
	return spent / count;
}

static void compare(const struct bench *b, const char *name, size_t octets, int rounds, int count)
{
	struct buf mail = BUF_INIT;
	double best[WAYS];

	make_mail(octets, &mail);
	for (int round = 0; round <= rounds; round++)
		for (int way = 0; way < WAYS; way++) {
			double t = run(b, (enum way)way, buf_span(&mail), count);

			if (round <= 1 || t < best[way])        /* round 0 warms up */
				best[way] = t;
		}
	printf("%s: %.1fx\n", name, best[OPENSSL] / best[SIGNATURE]);
	for (int way = 0; way < WAYS; way++)
		printf("    %-38s %9.1f us %6.1fx   (%zu octets, best of %d rounds of %d)\n", words[way], best[way] * 1e6,
		    best[OPENSSL] / best[way], mail.n, rounds, count);
	buf_release(&mail);
}

int main(int argc, char **argv)
{
	int rounds = argc == 3 && strcmp(argv[1], "-r") == 0 ? atoi(argv[2]) : 9;
	char *anchors;
	struct bench b;
	struct conf conf;

	if ((argc != 1 && argc != 3) || rounds < 1) {
		fputs("usage: verify [-r ROUNDS]\n", stderr);
		return EX_USAGE;
	}
	pki_make(false);
	conf_init(&conf);
	b = (struct bench){ oracle_store(anchors = pki_path("trust/ca.pem")), pki_trust("trust"), gate_new(&conf), gate_new(&conf) };
	free(anchors);
	gate_without_fingerprint(b.bare);
	compare(&b, "1 MB", 1000000, rounds, 20);
	compare(&b, "10 KB", 10000, rounds, 200);
	X509_STORE_free(b.store);
	trust_free(b.trust);
	gate_free(b.bare);
	gate_free(b.whole);
	conf_release(&conf);
	return 0;
}
