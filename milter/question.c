#include "milter/question.h"

#include "libkep/log.h"

#define PROTOCOL 1

static jdoc *begin(const char *ask, const struct party *p)
{
	jdoc *q = jdoc_object();

	jdoc_set_int(q, "v", PROTOCOL);
	jdoc_set_str(q, "ask", ask);
	jdoc_set_str(q, "sender", p->sender);
	jdoc_set_str(q, "login", p->login);
	jdoc_set_str(q, "client", p->client);
	return q;
}

static void read_answer(const jdoc *d, struct answer *out)
{
	struct span id = jdoc_text(d, "kep_id");

	if (jdoc_int(d, "v", 0) != PROTOCOL)
		return;
	out->why = reason_find(jdoc_text(d, "why"));
	if (out->why == REASON_COUNT)
		out->why = REASON_UNAVAILABLE;
	out->kep = jdoc_bool(d, "kep", false);
	out->provider = jdoc_bool(d, "provider", false);
	if (uuid_valid(id))
		memcpy(out->kep_id, id.p, sizeof out->kep_id - 1);
}

/* Ask q and free it. */
static void put(const struct asker *asker, jdoc *q, struct answer *out)
{
	jdoc *d = asker->ask(asker->arg, q);

	*out = (struct answer){ .why = REASON_UNAVAILABLE };
	if (d)
		read_answer(d, out);
	if (d && out->why == REASON_UNAVAILABLE && jdoc_text(d, "error").n)
		log_warn("kep-policyd did not answer '%s': %s", jdoc_text(q, "ask").p, jdoc_text(d, "error").p);
	jdoc_free(d);
	jdoc_free(q);
}

void question_rcpt(const struct asker *asker, const struct party *p, const char *rcpt, struct answer *out)
{
	jdoc *q = begin("rcpt", p);

	jdoc_set_str(q, "rcpt", rcpt);
	put(asker, q, out);
}

static void set_hex(jdoc *d, const char *key, const unsigned char *octets, size_t n)
{
	char hex[2 * SHA512_SIZE + 1];

	hex_encode(hex, octets, n);
	jdoc_set_str(d, key, hex);
}

static void set_time(jdoc *d, const char *key, usec t)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, t);
	jdoc_set_str(d, key, text);
}

jdoc *question_signer(const struct signer *s)
{
	jdoc *d = jdoc_object(), *mailboxes = jdoc_array();

	for (size_t i = 0; i < s->n_mailboxes; i++)
		jdoc_push_text(mailboxes, span_str(s->mailboxes[i]));
	set_hex(d, "certificate", s->certificate, sizeof s->certificate);
	jdoc_set_str(d, "subject", s->subject);
	jdoc_set_str(d, "serial", s->serial);
	jdoc_set_str(d, "issuer", s->issuer);
	jdoc_set_str(d, "identity", s->identity);
	jdoc_set(d, "mailboxes", mailboxes);
	jdoc_set_str(d, "digest", s->digest);
	if (s->signing_time)
		set_time(d, "signing_time", s->signing_time);
	jdoc_set_str(d, "cades", cades_name(s->cades));
	if (s->stamp_time)
		set_time(d, "stamp_time", s->stamp_time);
	return d;
}

static jdoc *begin_judged(const char *ask, const struct party *p, const struct judged *m)
{
	const struct verdict *v = m->verdict;
	jdoc *q = begin(ask, p), *rcpts = jdoc_array();

	for (size_t i = 0; i < m->rcpts->n; i++)
		jdoc_push_text(rcpts, addr_span(&m->rcpts->v[i]));
	jdoc_set(q, "rcpts", rcpts);
	jdoc_set_str(q, "queue_id", m->queue_id);
	jdoc_set_str(q, "from", v->from.text);
	jdoc_set_str(q, "message_id", v->message_id);
	jdoc_set_int(q, "size", (int64_t)v->size);
	jdoc_set_int(q, "canonical", CANONICAL_VERSION);
	set_hex(q, "sha256", v->fingerprint.sha256, SHA256_SIZE);
	set_hex(q, "sha512", v->fingerprint.sha512, SHA512_SIZE);
	if (v->why == REASON_ACCEPTED)
		jdoc_set(q, "signer", question_signer(&v->signer));
	return q;
}

void question_submit(const struct asker *asker, const struct party *p, const struct judged *m, struct answer *out)
{
	put(asker, begin_judged("submit", p, m), out);
	if (out->why == REASON_ACCEPTED && !out->kep_id[0]) {
		log_warn("%s: kep-policyd took the message without giving it a kep_id", m->queue_id);
		out->why = REASON_UNAVAILABLE;
	}
}

void question_refuse(const struct asker *asker, const struct party *p, const struct judged *m, struct answer *out)
{
	jdoc *q = begin_judged("refuse", p, m);

	jdoc_set_str(q, "why", reason_words(m->why)->wire);
	put(asker, q, out);
}
