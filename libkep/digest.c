#include "libkep/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

/* Fetched once, const ever after: a fetch takes a lock and a search, and every
 * message needs three digests.  Never freed, as they live as long as the program. */
static struct method {
	const char *name;
	EVP_MD     *md;
} methods[] = { { "sha256", NULL }, { "sha384", NULL }, { "sha512", NULL }, { "sha1", NULL } };

static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (!(methods[i].md = EVP_MD_fetch(NULL, methods[i].name, NULL)))
			log_fatal("OpenSSL offers no %s; check openssl.cnf and its providers", methods[i].name);
}

static const EVP_MD *method(const char *name)
{
	pthread_once(&fetched, fetch);
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].md;
	log_panic("digest '%s' is none of ours", name);
}

struct digest {
	const EVP_MD *md;
	EVP_MD_CTX   *ctx;
};

struct digest *digest_new(const char *name)
{
	struct digest *d = mem_new(sizeof *d);

	d->md = method(name);
	if (!(d->ctx = EVP_MD_CTX_new()))
		log_fatal("out of memory");
	digest_restart(d);
	return d;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_restart(struct digest *d)
{
	if (!EVP_DigestInit_ex2(d->ctx, d->md, NULL))
		log_fatal("OpenSSL cannot start a digest");
}

void digest_add(struct digest *d, struct span octets)
{
	if (octets.n && !EVP_DigestUpdate(d->ctx, octets.p, octets.n))
		log_fatal("OpenSSL cannot go on with a digest");
}

size_t digest_finish(struct digest *d, unsigned char *out)
{
	unsigned n = 0;

	if (!EVP_DigestFinal_ex(d->ctx, out, &n))
		log_fatal("OpenSSL cannot finish a digest");
	return n;
}

/* One context a thread: to make one costs more than to digest a node of a tree. */
static pthread_key_t small_key;
static pthread_once_t small_once = PTHREAD_ONCE_INIT;
static _Thread_local struct digest *small;

static void release_small(void *d)
{
	digest_free(d);
}

static void make_small_key(void)
{
	if (pthread_key_create(&small_key, release_small) != 0)
		log_fatal("out of memory");
}

static struct digest *small_sha256(void)
{
	if (!small) {
		pthread_once(&small_once, make_small_key);
		small = digest_new("sha256");
		pthread_setspecific(small_key, small);
	} else {
		digest_restart(small);
	}
	return small;
}

void digest_sha256_of(unsigned char out[SHA256_SIZE], const struct span *pieces, size_t n)
{
	struct digest *d = small_sha256();

	for (size_t i = 0; i < n; i++)
		digest_add(d, pieces[i]);
	digest_finish(d, out);
}

void digest_sha256(unsigned char out[SHA256_SIZE], struct span octets)
{
	digest_sha256_of(out, &octets, 1);
}

struct canon {
	struct digest *sha256, *sha512;
	bool           in_body;
};

struct canon *canon_new(void)
{
	struct canon *c = mem_new(sizeof *c);

	c->sha256 = digest_new("sha256");
	c->sha512 = digest_new("sha512");
	return c;
}

void canon_free(struct canon *c)
{
	if (!c)
		return;
	digest_free(c->sha256);
	digest_free(c->sha512);
	free(c);
}

void canon_restart(struct canon *c)
{
	digest_restart(c->sha256);
	digest_restart(c->sha512);
	c->in_body = false;
}

static void add(struct canon *c, struct span octets)
{
	digest_add(c->sha256, octets);
	digest_add(c->sha512, octets);
}

/* Is the field one that the form keeps?  (the list in digest.h) */
static bool kept(struct span name)
{
	static const char *const whole[] = { "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date",
		"Message-ID", "In-Reply-To", "References", "MIME-Version" };

	for (size_t i = 0; i < COUNT_OF(whole); i++)
		if (span_caseeq(name, span_str(whole[i])))
			return true;
	return span_casestarts(name, SPAN("Content-")) || span_casestarts(name, SPAN("X-TR-REM-"));
}

void canon_field(struct canon *c, struct span name, struct span value)
{
	if (!kept(name))
		return;
	add(c, name);
	add(c, SPAN(":"));
	while (value.n) {
		const char *lf = memchr(value.p, '\n', value.n);
		size_t n = lf ? (size_t)(lf - value.p) : value.n;
		bool crlf = lf && n && lf[-1] == '\r';

		add(c, span_of(value.p, crlf ? n - 1 : n));
		if (lf)
			add(c, SPAN("\r\n"));
		value = span_of(value.p + n + (lf ? 1 : 0), value.n - n - (lf ? 1 : 0));
	}
	add(c, SPAN("\r\n"));
}

static void end_header(struct canon *c)
{
	if (!c->in_body)
		add(c, SPAN("\r\n"));
	c->in_body = true;
}

void canon_body(struct canon *c, struct span octets)
{
	/* Small enough that the second digest still finds the octets in the cache. */
	static const size_t block = 16384;

	end_header(c);
	while (octets.n) {
		size_t n = octets.n < block ? octets.n : block;

		add(c, span_of(octets.p, n));
		octets = span_of(octets.p + n, octets.n - n);
	}
}

void canon_finish(struct canon *c, struct fingerprint *out)
{
	end_header(c);
	digest_finish(c->sha256, out->sha256);
	digest_finish(c->sha512, out->sha512);
}
