/* kepctl verify --evidence-record: files, a record and a folder of trust are all it looks at. */
#include "kepctl/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "kepctl/moment.h"
#include "kepctl/paint.h"
#include "libkep/custody_token.h"
#include "libkep/exam.h"
#include "libkep/folder.h"
#include "libkep/logproof.h"
#include "libkep/mem.h"

#define OBJECT_MAX ((size_t)1 << 30)
#define LIST_MAX   (64u << 10)
#define PROOF      "c2sp.org/tlog-proof@v1\n"

enum { RECORD_GOOD = 0, RECORD_BAD = 1 };

/* One FILE. */
struct object {
	const char   *file;
	struct buf    octets;           /* the data object */
	struct buf    mail;             /* of a receipt; empty: it is none */
};

struct record {
	const struct ctl *ctl;
	struct trust     *tsa;
	struct keyring    keyring;      /* loaded only where something of a ledger is among the files */
	bool              has_keyring;
	struct sunsets    sunsets;
	usec              now;
	struct buf        der;
	struct object    *objects;
	size_t            n;
	enum ers_verdict  verdict;
	struct custody    custody;
	jdoc             *list;         /* "also" of --json */
	bool              good;
};

/* -- reading ------------------------------------------------------------------ */

static struct trust *load_tsa(const char *path, struct buf *error)
{
	char *below = mem_printf("%s/tsa", path);
	struct stat st;
	struct trust *t = trust_load_past(stat(below, &st) == 0 ? below : path, error);

	free(below);
	return t;
}

/* DIR/algorithms need not be there. */
static bool load_sunsets(struct record *r, const char *path, struct buf *error)
{
	char *file = mem_printf("%s/algorithms", path);
	struct buf text = BUF_INIT, why = BUF_INIT;
	struct stat st;
	bool ok = stat(file, &st) != 0 || folder_read(file, LIST_MAX, &text, error);

	if (ok && !sunsets_read(buf_span(&text), &r->sunsets, &why))
		ok = folder_complain(error, file, buf_str(&why));
	free(file);
	buf_release(&text);
	buf_release(&why);
	return ok;
}

/* The evidence in a receipt is what is archived, not the mail around it. */
static void open_receipt(struct object *o)
{
	struct buf mail = BUF_INIT, why = BUF_INIT;
	struct parcel p = { .n = 0 };

	parcel_line_ends(&mail, buf_span(&o->octets));
	if (o->octets.n <= PARCEL_MAIL_MAX && parcel_open(&p, buf_span(&mail), &why) && p.part[PARCEL_EVIDENCE].n) {
		o->mail = mail;
		mail = BUF_INIT;
		buf_clear(&o->octets);
		buf_add(&o->octets, buf_span(&p.part[PARCEL_EVIDENCE]));
	}
	parcel_release(&p);
	buf_release(&mail);
	buf_release(&why);
}

static bool read_objects(struct record *r, struct buf *error)
{
	bool ok = true;
	size_t n = 0;

	while (r->ctl->words[n])
		n++;
	r->objects = mem_array(n, sizeof *r->objects);
	for (r->n = 0; ok && r->n < n; r->n++) {
		struct object *o = &r->objects[r->n];

		o->file = r->ctl->words[r->n];
		ok = folder_read(o->file, OBJECT_MAX, &o->octets, error);
		if (ok)
			open_receipt(o);
	}
	return ok;
}

static int begin(struct record *r)
{
	const struct ctl *c = r->ctl;
	const char *trust = buf_str(&c->value[CTL_TRUST]);
	struct buf error = BUF_INIT;
	int status = EX_OK;

	moment_init(c->conf->time_zone);
	if (c->given[CTL_AT] && !clock_parse(ctl_value(c, CTL_AT), &r->now))
		status = ctl_fail(EX_USAGE, "--at %s is no time; write it as 2026-11-23T18:45:23Z", buf_str(&c->value[CTL_AT]));
	else if (!(r->tsa = load_tsa(trust, &error)) || !load_sunsets(r, trust, &error))
		status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	else if (!folder_read(buf_str(&c->value[CTL_EVIDENCE_RECORD]), ERS_SIZE_MAX, &r->der, &error) || !read_objects(r, &error))
		status = ctl_fail(EX_NOINPUT, "%s", buf_str(&error));
	buf_release(&error);
	return status;
}

/* -- judging ------------------------------------------------------------------ */

static void judge(struct record *r)
{
	struct span *spans = mem_array(r->n, sizeof *spans);
	struct ers *e = mem_new(sizeof *e);
	struct custody_tokens tokens = { .tsa = NULL };
	struct custody_rules rules;

	for (size_t i = 0; i < r->n; i++)
		spans[i] = buf_span(&r->objects[i].octets);
	r->verdict = ers_read(buf_span(&r->der), e);
	if (r->verdict == ERS_GOOD) {
		custody_tokens_init(&tokens, e, r->tsa, &r->sunsets, r->now, &rules);
		r->verdict = custody_judge(e, spans, r->n, &rules, &r->custody);
	}
	r->good = r->verdict == ERS_GOOD;
	custody_tokens_release(&tokens);
	free(spans);
	free(e);
}

/* -- telling ------------------------------------------------------------------ */

static void put_state(bool good)
{
	fputs("  ", stdout);
	paint(stdout, good ? PAINT_GOOD : PAINT_BAD);
	printf("%-6s", good ? "ok" : "FAILED");
	paint(stdout, PAINT_PLAIN);
	fputs("  ", stdout);
}

static void put_time(const char *label, usec t)
{
	char text[CLOCK_TEXT_SIZE], local[MOMENT_SIZE];

	clock_text(text, t);
	moment_local(local, span_str(text));
	printf("  %-12s%s  ", label, local);
	paint(stdout, PAINT_FAINT);
	fputs(text, stdout);
	paint(stdout, PAINT_PLAIN);
	putchar('\n');
}

static void put_record(const struct record *r)
{
	const struct custody *c = &r->custody;

	paint(stdout, PAINT_BOLD);
	paint_text(stdout, span_str(buf_str(&r->ctl->value[CTL_EVIDENCE_RECORD])));
	fputs(": ", stdout);
	paint(stdout, r->good ? PAINT_GOOD : PAINT_BAD);
	fputs(r->good ? "genuine" : "NOT GENUINE", stdout);
	paint(stdout, PAINT_PLAIN);
	putchar('\n');
	if (r->good) {
		put_time("existed at", c->since);
		put_time("renewed at", c->renewed);
		printf("  %-12s%s, chain %zu\n", "digest", c->digest, c->chain + 1);
	}
	putchar('\n');
	put_state(r->good);
	printf("%s", ers_words(r->verdict)->english);
	if (!r->good && (c->chain || c->stamp || c->why.n))
		printf(" (chain %zu, archive time-stamp %zu%s%s)", c->chain + 1, c->stamp + 1, c->why.n ? ": " : "", buf_str(&c->why));
	putchar('\n');
}

/* One more thing that was looked at. */
static void also(struct record *r, const char *file, const char *name, bool good, const char *words)
{
	r->good = r->good && good;
	if (r->list) {
		jdoc *d = jdoc_object();

		jdoc_set_text(d, "file", span_str(file));
		jdoc_set_str(d, "name", name);
		jdoc_set_bool(d, "passed", good);
		jdoc_set_str(d, "words", words);
		jdoc_push(r->list, d);
		return;
	}
	put_state(good);
	paint_text(stdout, span_str(file));
	printf(": %s\n", words);
}

/* -- what the files say themselves, as of the time the record proves ------------ */

static void also_receipt(struct record *r, const struct object *o)
{
	struct exam x;
	int first = 0;

	exam_receipt(&x, buf_span(&o->mail), &r->keyring, r->custody.since, r->now);
	while (first < EXAM_CHECKS && x.check[first].state != EXAM_FAILED)
		first++;
	if (exam_genuine(&x))
		also(r, o->file, "receipt", true, "the receipt is genuine, judged as of that time");
	else
		also(r, o->file, "receipt", false, first < EXAM_CHECKS ? buf_str(&x.check[first].words) : "the receipt is not genuine");
	exam_release(&x);
}

/* The text of the checkpoint, once the proof led from the evidence to it. */
static bool also_proof(struct record *r, const struct object *o, struct span evidence, struct note *note)
{
	struct logproof proof;
	struct checkpoint head;
	struct buf why = BUF_INIT;
	bool good = logproof_verify(buf_span(&o->octets), evidence, r->keyring.keys, r->keyring.n_keys, &proof, note, &head, &why) == LOGPROOF_GOOD;

	if (good)
		also(r, o->file, "proof", true, "the evidence is in the ledger, and the ledger's key signed that");
	else
		also(r, o->file, "proof", false, why.n ? buf_str(&why) : "the proof does not lead from the evidence to a signed checkpoint");
	buf_release(&why);
	return good;
}

static void also_token(struct record *r, const struct object *o, struct span text)
{
	struct stamp_want want = { .data = text };
	struct stamp s;
	enum stamp_verdict verdict = stamp_verify(buf_span(&o->octets), &want, r->keyring.stamps, &s, NULL);

	if (verdict != STAMP_MALFORMED) {
		also(r, o->file, "time-stamp", verdict == STAMP_GOOD, stamp_words(verdict)->english);
	} else {
		struct signer signer = { .digest = NULL };
		enum reason why = exam_sealed(buf_span(&o->octets), text, &r->keyring, r->custody.since, &signer);

		also(r, o->file, "checkpoint-seal", why == REASON_ACCEPTED,
		     why == REASON_ACCEPTED ? "the seal signed the checkpoint" : reason_words(why)->english);
		signer_release(&signer);
	}
}

static bool is_proof(const struct object *o)
{
	return o->octets.n > sizeof PROOF - 1 && memcmp(o->octets.p, PROOF, sizeof PROOF - 1) == 0;
}

static bool is_evidence(const struct object *o)
{
	return o->octets.n && o->octets.p[0] == '{';
}

static const struct object *find(const struct record *r, bool (*is)(const struct object *))
{
	for (size_t i = 0; i < r->n; i++)
		if (is(&r->objects[i]))
			return &r->objects[i];
	return NULL;
}

static bool load_keyring(struct record *r, int *status)
{
	struct buf error = BUF_INIT;

	r->has_keyring = keyring_load(&r->keyring, buf_str(&r->ctl->value[CTL_TRUST]), &error);
	if (!r->has_keyring)
		*status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	buf_release(&error);
	return r->has_keyring;
}

static int look_further(struct record *r)
{
	const struct object *proof = find(r, is_proof), *evidence = find(r, is_evidence);
	struct note note;
	bool receipts = false, proved;
	int status = EX_OK;

	for (size_t i = 0; i < r->n; i++)
		receipts = receipts || r->objects[i].mail.n;
	if ((!receipts && !(proof && evidence)) || !load_keyring(r, &status))
		return status;
	for (size_t i = 0; i < r->n; i++)
		if (r->objects[i].mail.n)
			also_receipt(r, &r->objects[i]);
	proved = proof && evidence && also_proof(r, proof, buf_span(&evidence->octets), &note);
	for (size_t i = 0; proved && i < r->n; i++)
		if (&r->objects[i] != proof && !is_evidence(&r->objects[i]))
			also_token(r, &r->objects[i], note.text);
	return status;
}

/* -- the whole ---------------------------------------------------------------- */

static void set_time(jdoc *d, const char *key, usec t)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, t);
	jdoc_set_str(d, key, text);
}

static void put_json(struct record *r)
{
	const struct custody *c = &r->custody;
	jdoc *d = jdoc_object();

	jdoc_set_bool(d, "genuine", r->good);
	jdoc_set_str(d, "verdict", ers_words(r->verdict)->wire);
	jdoc_set_str(d, "words", ers_words(r->verdict)->english);
	jdoc_set_int(d, "chain", (int64_t)c->chain);
	jdoc_set_int(d, "stamp", (int64_t)c->stamp);
	jdoc_set_int(d, "others", (int64_t)c->others);
	if (c->why.n)
		jdoc_set_text(d, "why", buf_span(&c->why));
	if (r->verdict == ERS_GOOD) {
		set_time(d, "since", c->since);
		set_time(d, "renewed", c->renewed);
		jdoc_set_str(d, "digest", c->digest);
	}
	jdoc_set(d, "also", r->list);
	r->list = NULL;
	ctl_json(d, EX_OK);
}

static void release(struct record *r)
{
	for (size_t i = 0; i < r->n; i++) {
		buf_release(&r->objects[i].octets);
		buf_release(&r->objects[i].mail);
	}
	free(r->objects);
	buf_release(&r->der);
	custody_release(&r->custody);
	trust_free(r->tsa);
	if (r->has_keyring)
		keyring_release(&r->keyring);
	jdoc_free(r->list);
}

int record_verify(const struct ctl *c)
{
	struct record r = { .ctl = c, .now = clock_now(), .list = c->json ? jdoc_array() : NULL };
	int status = begin(&r);

	if (status == EX_OK) {
		judge(&r);
		if (!r.list)
			put_record(&r);
		if (r.good)
			status = look_further(&r);
		if (r.list && status == EX_OK)
			put_json(&r);
	}
	if (status == EX_OK)
		status = r.good ? RECORD_GOOD : RECORD_BAD;
	release(&r);
	return status;
}
