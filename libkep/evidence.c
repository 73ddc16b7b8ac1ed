#include "libkep/evidence.h"

#include "libkep/jdoc.h"

static void set_time(jdoc *d, const char *key, usec t)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, t);
	jdoc_set_str(d, key, text);
}

static void set_hex(jdoc *d, const char *key, const unsigned char *octets, size_t n)
{
	char hex[2 * SHA512_SIZE + 1];

	hex_encode(hex, octets, n);
	jdoc_set_str(d, key, hex);
}

/* Absent where there is nothing to say. */
static void set_some(jdoc *d, const char *key, struct span value)
{
	if (value.n)
		jdoc_set_text(d, key, value);
}

static jdoc *issuer(const struct evidence *e)
{
	jdoc *d = jdoc_object();

	jdoc_set_text(d, "host", e->host);
	jdoc_set_text(d, "provider", e->provider);
	return d;
}

static jdoc *message(const struct evidence *e)
{
	jdoc *d = jdoc_object();

	jdoc_set_int(d, "canonical", CANONICAL_VERSION);
	jdoc_set_text(d, "kep_id", e->kep_id);
	jdoc_set_text(d, "message_id", e->message_id);
	jdoc_set_text(d, "queue_id", e->queue_id);
	set_time(d, "sent_at", e->sent_at);
	set_hex(d, "sha256", e->fingerprint.sha256, SHA256_SIZE);
	set_hex(d, "sha512", e->fingerprint.sha512, SHA512_SIZE);
	jdoc_set_int(d, "size", (int64_t)e->size);
	return d;
}

static jdoc *reason(const struct evidence *e)
{
	jdoc *d = jdoc_object();

	jdoc_set_text(d, "code", e->reason_code);
	jdoc_set_text(d, "text", e->reason_text);
	return d;
}

static jdoc *recipients(const struct evidence *e)
{
	jdoc *list = jdoc_array();

	for (size_t i = 0; i < e->n_recipients; i++) {
		jdoc *d = jdoc_object();

		jdoc_set_text(d, "address", e->recipients[i]);
		jdoc_set_int(d, "index", (int64_t)i + 1);
		jdoc_push(list, d);
	}
	return list;
}

static jdoc *sender(const struct evidence *e)
{
	jdoc *d = jdoc_object();

	jdoc_set_text(d, "address", e->sender);
	set_some(d, "cades", e->cades);
	set_hex(d, "certificate_sha256", e->certificate, SHA256_SIZE);
	set_some(d, "identity", e->identity);
	set_some(d, "login", e->login);
	jdoc_set_text(d, "signer", e->signer);
	return d;
}

void evidence_write(struct buf *out, const struct evidence *e)
{
	const struct outcome_words *words = outcome_words(e->outcome);
	jdoc *d = jdoc_object();

	jdoc_set_str(d, "event", words->event);
	set_time(d, "event_time", e->event_time);
	jdoc_set_str(d, "form", EVIDENCE_FORM);
	jdoc_set_str(d, "id", e->id);
	jdoc_set(d, "issuer", issuer(e));
	jdoc_set(d, "message", message(e));
	jdoc_set_str(d, "outcome", words->code);
	set_some(d, "previous", e->previous);
	jdoc_set(d, "reason", reason(e));
	if (e->recipient)
		jdoc_set_int(d, "recipient", (int64_t)e->recipient);
	jdoc_set(d, "recipients", recipients(e));
	jdoc_set(d, "sender", sender(e));
	jdoc_write(out, d);
	jdoc_free(d);
}
