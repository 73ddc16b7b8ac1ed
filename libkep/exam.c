#include "libkep/exam.h"

#include <inttypes.h>

#include "libkep/cms.h"
#include "libkep/evidence.h"
#include "libkep/header.h"
#include "libkep/logproof.h"

#define EVIDENCE_MAX ((size_t)1 << 20)
#define AHEAD        ((usec)300 * 1000000)      /* the provider's clock against the authority's */

static const struct exam_words words[] = {
#define EXAM(name, wire, label, passed) { wire, label, passed },
#include "libkep/exam.def"
#undef EXAM
};

const struct exam_words *exam_words(enum exam_check c)
{
	return &words[c];
}

const char *exam_state_name(enum exam_state s)
{
	static const char *const names[] = {
		[EXAM_NOT_JUDGED] = "not-judged", [EXAM_PASSED] = "passed", [EXAM_ABSENT] = "absent", [EXAM_FAILED] = "failed",
	};

	return names[s];
}

/* What was found, to be worded by the caller. */
static struct buf *found(struct exam *x, enum exam_check c, enum exam_state state)
{
	x->check[c].state = state;
	buf_clear(&x->check[c].words);
	return &x->check[c].words;
}

static bool failed(struct exam *x, enum exam_check c, const char *why)
{
	buf_adds(found(x, c, EXAM_FAILED), why);
	return false;
}

static void add_time(struct buf *out, usec t)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, t);
	buf_addf(out, "%.19sZ", text);
}

static void add_hex(struct buf *out, const void *octets, size_t n)
{
	char hex[2 * SHA512_SIZE + 1];

	hex_encode(hex, octets, n);
	buf_adds(out, hex);
}

/* -- the evidence -------------------------------------------------------------- */

static bool has_digest(const jdoc *message, const char *key, size_t n)
{
	unsigned char octets[SHA512_SIZE];

	return hex_decode(octets, n, jdoc_text(message, key));
}

static const char *what_is_wrong(const jdoc *d)
{
	const jdoc *message = jdoc_get(d, "message"), *recipients = jdoc_get(d, "recipients");
	int64_t recipient = jdoc_int(d, "recipient", 0);
	usec t;

	if (!span_is(jdoc_text(d, "form"), EVIDENCE_FORM))
		return "it is of a form this program does not know";
	if (!uuid_valid(jdoc_text(d, "id")) || outcome_find(jdoc_text(d, "outcome")) == OUTCOME_COUNT)
		return "its id or outcome is none";
	if (!clock_parse(jdoc_text(d, "event_time"), &t) || !clock_parse(jdoc_text(message, "sent_at"), &t))
		return "its times cannot be read";
	if (!has_digest(message, "sha256", SHA256_SIZE) || !has_digest(message, "sha512", SHA512_SIZE))
		return "its digests cannot be read";
	if (jdoc_count(recipients) == 0 || recipient < 0 || (uint64_t)recipient > jdoc_count(recipients))
		return "its recipients cannot be read";
	return NULL;
}

static bool judge_canonical(struct exam *x)
{
	struct span text = buf_span(&x->parcel.part[PARCEL_EVIDENCE]);
	struct buf why = BUF_INIT;
	const char *wrong = NULL;
	bool ok = jdoc_canonical(text, EVIDENCE_MAX, &why);

	if (ok) {
		x->evidence = jdoc_parse(text, EVIDENCE_MAX, NULL);
		wrong = what_is_wrong(x->evidence);
	}
	if (!ok)
		buf_addf(found(x, EXAM_CANONICAL, EXAM_FAILED), "evidence.json is not canonical JSON: %s", buf_str(&why));
	else if (wrong)
		failed(x, EXAM_CANONICAL, wrong);
	else
		buf_addf(found(x, EXAM_CANONICAL, EXAM_PASSED), "%s, %zu octets", EVIDENCE_FORM, text.n);
	buf_release(&why);
	return ok && !wrong;
}

static void judge_leaf(struct exam *x, const struct logproof *proof)
{
	struct buf *out;

	if (proof->index >= x->head.size) {
		failed(x, EXAM_LEAF, "its index lies behind the end of the ledger");
		return;
	}
	x->index = proof->index;
	out = found(x, EXAM_LEAF, EXAM_PASSED);
	buf_addf(out, "leaf %" PRIu64 ", ", proof->index);
	add_hex(out, x->leaf.o, MERKLE_SIZE);
	if (merkle_included(proof->index, x->head.size, &x->leaf, &proof->path, &x->head.root)) {
		out = found(x, EXAM_INCLUSION, EXAM_PASSED);
		buf_addf(out, "%zu hashes up to the root of %" PRIu64 " leaves", proof->path.n, x->head.size);
	} else {
		failed(x, EXAM_INCLUSION, "the evidence is not the one at this place of the ledger, or the proof was changed");
	}
}

static void judge_checkpoint(struct exam *x, enum checkpoint_verdict verdict, struct span why)
{
	struct buf *out = found(x, EXAM_CHECKPOINT, verdict == CHECKPOINT_GOOD ? EXAM_PASSED : EXAM_FAILED);

	if (verdict == CHECKPOINT_GOOD) {
		buf_add(out, x->head.origin);
		buf_addf(out, ", size %" PRIu64, x->head.size);
		return;
	}
	buf_add(out, why);
	if (verdict == CHECKPOINT_UNSIGNED)
		buf_adds(out, "; put the key of that ledger into a *.vkey of the trust folder");
}

/* Proof and checkpoint.  false: there is no checkpoint to go on with. */
static bool judge_proof(struct exam *x, const struct keyring *k)
{
	struct buf why = BUF_INIT;
	struct logproof proof;
	enum checkpoint_verdict verdict = CHECKPOINT_MALFORMED;

	if (x->parcel.part[PARCEL_PROOF].n == 0)
		return failed(x, EXAM_LEAF, "there is no evidence.tlog-proof in the mail");
	merkle_leaf(&x->leaf, buf_span(&x->parcel.part[PARCEL_EVIDENCE]));
	if (logproof_parse(buf_span(&x->parcel.part[PARCEL_PROOF]), &proof, &why)) {
		verdict = checkpoint_open(proof.checkpoint, k->keys, k->n_keys, &x->note, &x->head, &why);
		judge_checkpoint(x, verdict, buf_span(&why));
		if (verdict != CHECKPOINT_MALFORMED)
			judge_leaf(x, &proof);
	} else {
		failed(x, EXAM_LEAF, buf_str(&why));
	}
	buf_release(&why);
	return verdict != CHECKPOINT_MALFORMED;
}

/* -- the time-stamp ------------------------------------------------------------ */

/* An event cannot lie behind the time at which an authority saw it. */
static bool is_before(const struct exam *x, usec event)
{
	return event <= x->stamp.time + x->stamp.accuracy + AHEAD;
}

static void judge_stamp(struct exam *x, const struct keyring *k)
{
	struct stamp_want want = { .data = x->note.text };
	enum stamp_verdict verdict;
	struct buf *out;
	usec event = 0;

	if (x->parcel.part[PARCEL_STAMP].n == 0) {
		buf_adds(found(x, EXAM_STAMP, EXAM_ABSENT), "the receipt went out before an authority had stamped it: its times are the provider's word");
		return;
	}
	verdict = stamp_verify(buf_span(&x->parcel.part[PARCEL_STAMP]), &want, k->stamps, &x->stamp, NULL);
	if (x->evidence)
		clock_parse(jdoc_text(x->evidence, "event_time"), &event);
	if (verdict != STAMP_GOOD) {
		failed(x, EXAM_STAMP, stamp_words(verdict)->english);
	} else if (!is_before(x, event)) {
		failed(x, EXAM_STAMP, "the evidence tells of an event later than the time-stamp above it");
	} else {
		out = found(x, EXAM_STAMP, EXAM_PASSED);
		add_time(out, x->stamp.time);
		buf_addf(out, ", policy %s, serial number %s", x->stamp.policy, x->stamp.serial);
	}
}

/* -- seals --------------------------------------------------------------------- */

static const char *const digests[] = { "sha256", "sha384", "sha512" };

enum reason exam_sealed(struct span der, struct span octets, const struct keyring *k, usec at, struct signer *out)
{
	enum reason why = REASON_MICALG;

	for (size_t i = 0; i < COUNT_OF(digests) && why == REASON_MICALG; i++) {
		struct digest *d = digest_new(digests[i]);
		unsigned char value[SHA512_SIZE];
		size_t n;

		digest_add(d, octets);
		n = digest_finish(d, value);
		digest_free(d);
		why = cms_verify_detached(der, digests[i], value, n, k->seals, at, out);
	}
	if (why == REASON_ACCEPTED && (why = keyring_seal(k, out)) != REASON_ACCEPTED)
		signer_release(out);
	return why;
}

/* Does it blame the certificates, and not the signature? */
static bool is_of_chain(enum reason why)
{
	switch (why) {
	case REASON_SIGNER_CERTIFICATE:
	case REASON_SIGNER_UNTRUSTED:
	case REASON_SIGNER_EXPIRED:
	case REASON_SIGNER_USAGE:
	case REASON_SIGNER_WEAK:
	case REASON_SIGNER_CONSTRAINED:
	case REASON_SIGNER_REVOKED:
	case REASON_REVOCATION_UNKNOWN:
		return true;
	default:
		return false;
	}
}

void exam_reason(struct buf *out, enum reason why, usec at)
{
	if (why == REASON_SIGNER_EXPIRED) {
		buf_adds(out, "a certificate of the seal's chain had ended, or not begun, at ");
		add_time(out, at);
	} else if (why == REASON_SIGNER_NOT_AUTHORISED) {
		buf_adds(out, "it is signed by somebody who is not the provider's seal: a person, or none of the pinned certificates");
	} else {
		buf_adds(out, reason_words(why)->english);
	}
}

static void judge_chain(struct exam *x, enum reason why)
{
	static const char *const times[] = { [EXAM_GIVEN] = "the time given", [EXAM_STAMPED] = "the time-stamp", [EXAM_NOW] = "now" };
	struct buf *out;

	if (is_of_chain(why)) {
		exam_reason(found(x, EXAM_CHAIN, EXAM_FAILED), why, x->at);
		return;
	}
	if (why != REASON_ACCEPTED)
		return;
	out = found(x, EXAM_CHAIN, EXAM_PASSED);
	buf_adds(out, "at ");
	add_time(out, x->at);
	buf_addf(out, " (%s), issuer %s", times[x->at_is], x->seal.issuer);
}

static void judge_seal(struct exam *x, const struct keyring *k)
{
	const struct parcel *p = &x->parcel;
	enum reason why = cms_verify_detached(buf_span(&p->signature), p->digest, p->value, p->n, k->seals, x->at, &x->seal);
	struct buf *out;

	judge_chain(x, why);
	if (why == REASON_ACCEPTED)
		why = keyring_seal(k, &x->seal);
	if (why == REASON_ACCEPTED) {
		out = found(x, EXAM_SEAL, EXAM_PASSED);
		buf_addf(out, "%s, signed ", x->seal.subject);
		add_time(out, x->seal.signing_time);
	} else if (!is_of_chain(why)) {
		exam_reason(found(x, EXAM_SEAL, EXAM_FAILED), why, x->at);
	}
}

static void judge_checkpoint_seal(struct exam *x, const struct keyring *k)
{
	struct span der = buf_span(&x->parcel.part[PARCEL_SEALED]);
	struct signer signer = { .subject = NULL };
	enum reason why;

	if (der.n == 0) {
		failed(x, EXAM_CHECKPOINT_SEAL, "there is no checkpoint.p7s in the mail");
		return;
	}
	why = exam_sealed(der, x->note.text, k, x->at, &signer);
	if (why == REASON_ACCEPTED)
		buf_adds(found(x, EXAM_CHECKPOINT_SEAL, EXAM_PASSED), signer.subject);
	else
		exam_reason(found(x, EXAM_CHECKPOINT_SEAL, EXAM_FAILED), why, x->at);
	signer_release(&signer);
}

/* -- the whole ----------------------------------------------------------------- */

static void choose_time(struct exam *x, usec at, usec now)
{
	bool stamped = x->check[EXAM_STAMP].state == EXAM_PASSED;

	x->at = at ? at : stamped ? x->stamp.time : now;
	x->at_is = at ? EXAM_GIVEN : stamped ? EXAM_STAMPED : EXAM_NOW;
}

void exam_receipt(struct exam *x, struct span mail, const struct keyring *k, usec at, usec now)
{
	struct buf octets = BUF_INIT, why = BUF_INIT;
	bool mailed, noted;

	memset(x, 0, sizeof *x);
	parcel_line_ends(&octets, mail);
	mailed = parcel_open(&x->parcel, buf_span(&octets), &why);
	if (mailed) {
		buf_addf(found(x, EXAM_MAIL, EXAM_PASSED), "%zu octets", octets.n);
		judge_canonical(x);
		noted = judge_proof(x, k);
		if (noted)
			judge_stamp(x, k);
		choose_time(x, at, now);
		judge_seal(x, k);
		if (noted)
			judge_checkpoint_seal(x, k);
	} else {
		failed(x, EXAM_MAIL, buf_str(&why));
	}
	buf_release(&octets);
	buf_release(&why);
}

bool exam_genuine(const struct exam *x)
{
	for (int i = 0; i < EXAM_CHECKS; i++) {
		enum exam_state s = x->check[i].state;

		if (s == EXAM_FAILED || (s == EXAM_NOT_JUDGED && i != EXAM_MESSAGE))
			return false;
	}
	return true;
}

void exam_release(struct exam *x)
{
	for (int i = 0; i < EXAM_CHECKS; i++)
		buf_release(&x->check[i].words);
	parcel_release(&x->parcel);
	jdoc_free(x->evidence);
	signer_release(&x->seal);
}

/* -- the message --------------------------------------------------------------- */

static bool digest_message(struct span octets, struct fingerprint *out)
{
	struct canon *c = canon_new();
	struct span name, value;
	int got;

	while ((got = header_next(&octets, &name, &value)) == 1)
		canon_field(c, name, value);
	canon_body(c, octets);
	canon_finish(c, out);
	canon_free(c);
	return got == 0;
}

static bool is_digest(const jdoc *message, const char *key, const unsigned char *value, size_t n)
{
	char hex[2 * SHA512_SIZE + 1];

	hex_encode(hex, value, n);
	return span_is(jdoc_text(message, key), hex);
}

static void compare(struct exam *x, const struct fingerprint *f)
{
	const jdoc *message = jdoc_get(x->evidence, "message");
	struct buf *out;

	if (is_digest(message, "sha256", f->sha256, SHA256_SIZE) && is_digest(message, "sha512", f->sha512, SHA512_SIZE)) {
		buf_adds(found(x, EXAM_MESSAGE, EXAM_PASSED), "this mail is the one that was sent: SHA-256 and SHA-512 are equal");
		return;
	}
	out = found(x, EXAM_MESSAGE, EXAM_FAILED);
	buf_adds(out, "this mail is not the one that was sent, or was changed: its SHA-256 is ");
	add_hex(out, f->sha256, SHA256_SIZE);
}

void exam_message(struct exam *x, struct span message)
{
	struct buf octets = BUF_INIT;
	struct fingerprint f;

	parcel_line_ends(&octets, message);
	if (!x->evidence)
		failed(x, EXAM_MESSAGE, "there is no evidence to compare it with");
	else if (jdoc_int(jdoc_get(x->evidence, "message"), "canonical", 0) != CANONICAL_VERSION)
		failed(x, EXAM_MESSAGE, "the evidence names a canonical form this program does not know");
	else if (!digest_message(buf_span(&octets), &f))
		failed(x, EXAM_MESSAGE, "the message's header cannot be read");
	else
		compare(x, &f);
	buf_release(&octets);
}
