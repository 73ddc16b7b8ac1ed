/* kepctl verify: is this receipt genuine?  Files and a folder of trust are all it looks at. */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "kepctl/ctl.h"
#include "kepctl/moment.h"
#include "kepctl/paint.h"
#include "kepctl/record.h"
#include "libkep/exam.h"
#include "libkep/folder.h"
#include "libkep/outcome.h"

#define MESSAGE_MAX ((size_t)1 << 30)

enum { VERIFY_GENUINE = 0, VERIFY_NOT_GENUINE = 1 };

struct verification {
	const struct ctl *ctl;
	struct keyring    keyring;
	usec              at;           /* 0: not given */
	struct buf        message;
	bool              has_message;
	jdoc             *list;         /* of --json */
	int               status;
};

/* -- for people ---------------------------------------------------------------- */

static void put_label(const char *label)
{
	paint(stdout, PAINT_FAINT);
	printf("  %-12s", label);
	paint(stdout, PAINT_PLAIN);
}

static void put_line(const char *label, struct span value)
{
	if (value.n == 0)
		return;
	put_label(label);
	paint_text(stdout, value);
	putchar('\n');
}

static void put_time(const char *label, struct span utc)
{
	char local[MOMENT_SIZE];

	moment_local(local, utc);
	put_label(label);
	printf("%s  ", local);
	paint(stdout, PAINT_FAINT);
	paint_text(stdout, utc);
	paint(stdout, PAINT_PLAIN);
	putchar('\n');
}

static void put_outcome(const jdoc *e)
{
	const struct outcome_words *o = outcome_words(outcome_find(jdoc_text(e, "outcome")));

	put_label("outcome");
	paint(stdout, PAINT_BOLD);
	printf("%s %s", o->code, o->english_label);
	paint(stdout, PAINT_PLAIN);
	printf(" (%s)\n", o->turkish_label);
	put_label("");
	printf("%s\n", o->english);
}

static void put_recipients(const jdoc *e)
{
	const jdoc *all = jdoc_get(e, "recipients");
	int64_t one = jdoc_int(e, "recipient", 0);

	for (size_t i = 0; i < jdoc_count(all); i++) {
		put_label(i == 0 ? "to" : "");
		paint_text(stdout, jdoc_text(jdoc_at(all, i), "address"));
		puts(one == (int64_t)i + 1 && jdoc_count(all) > 1 ? "  <- this one" : "");
	}
}

static void put_issuer(const jdoc *issuer)
{
	put_label("issuer");
	paint_text(stdout, jdoc_text(issuer, "provider"));
	fputs(", ", stdout);
	paint_text(stdout, jdoc_text(issuer, "host"));
	putchar('\n');
}

/* What is signed, never what stands in the mail's header. */
static void put_evidence(const jdoc *e)
{
	const jdoc *message = jdoc_get(e, "message"), *sender = jdoc_get(e, "sender");

	put_outcome(e);
	put_time("at", jdoc_text(e, "event_time"));
	put_time("sent", jdoc_text(message, "sent_at"));
	put_line("from", jdoc_text(sender, "address"));
	put_line("signer", jdoc_text(sender, "signer"));
	put_recipients(e);
	put_line("reason", jdoc_text(jdoc_get(e, "reason"), "text"));
	put_line("Message-ID", jdoc_text(message, "message_id"));
	put_line("SHA-256", jdoc_text(message, "sha256"));
	put_line("SHA-512", jdoc_text(message, "sha512"));
	put_line("KEP id", jdoc_text(message, "kep_id"));
	put_line("evidence", jdoc_text(e, "id"));
	put_line("previous", jdoc_text(e, "previous"));
	put_issuer(jdoc_get(e, "issuer"));
}

static void put_check(const struct exam_finding *f, const struct exam_words *w)
{
	static const struct { const char *word; enum paint how; } states[] = {
		[EXAM_NOT_JUDGED] = { "-", PAINT_FAINT }, [EXAM_PASSED] = { "ok", PAINT_GOOD },
		[EXAM_ABSENT] = { "none", PAINT_DOUBT }, [EXAM_FAILED] = { "FAILED", PAINT_BAD },
	};

	fputs("  ", stdout);
	paint(stdout, states[f->state].how);
	printf("%-6s", states[f->state].word);
	paint(stdout, PAINT_PLAIN);
	printf("  %-16s  ", w->label);
	if (f->state == EXAM_PASSED)
		fputs(w->passed, stdout);
	else
		paint_text(stdout, f->state == EXAM_NOT_JUDGED ? SPAN("not judged, because of what failed") : buf_span(&f->words));
	putchar('\n');
	if (f->state == EXAM_PASSED && f->words.n) {
		paint(stdout, PAINT_FAINT);
		printf("  %26s", "");
		paint_text(stdout, buf_span(&f->words));
		paint(stdout, PAINT_PLAIN);
		putchar('\n');
	}
}

static void put_checks(const struct exam *x)
{
	for (int i = 0; i < EXAM_CHECKS; i++)
		if (i != EXAM_MESSAGE || x->check[i].state != EXAM_NOT_JUDGED)
			put_check(&x->check[i], exam_words(i));
}

static void put_verdict(const char *file, bool genuine)
{
	paint(stdout, PAINT_BOLD);
	paint_text(stdout, span_str(file));
	fputs(": ", stdout);
	paint(stdout, genuine ? PAINT_GOOD : PAINT_BAD);
	fputs(genuine ? "genuine" : "NOT GENUINE", stdout);
	paint(stdout, PAINT_PLAIN);
	putchar('\n');
}

static void put_exam(const char *file, const struct exam *x, bool first)
{
	if (!first)
		putchar('\n');
	put_verdict(file, exam_genuine(x));
	/* What could not be proved is not shown as if it were. */
	if (x->evidence && exam_genuine(x))
		put_evidence(x->evidence);
	putchar('\n');
	put_checks(x);
}

/* -- for programs -------------------------------------------------------------- */

static void set_time(jdoc *d, const char *key, usec t)
{
	char text[CLOCK_TEXT_SIZE];

	clock_text(text, t);
	jdoc_set_str(d, key, text);
}

static jdoc *checks_json(const struct exam *x)
{
	jdoc *list = jdoc_array();

	for (int i = 0; i < EXAM_CHECKS; i++) {
		jdoc *one = jdoc_object();

		jdoc_set_str(one, "name", exam_words(i)->wire);
		jdoc_set_str(one, "state", exam_state_name(x->check[i].state));
		if (x->check[i].words.n)
			jdoc_set_text(one, "words", buf_span(&x->check[i].words));
		jdoc_push(list, one);
	}
	return list;
}

static jdoc *ledger_json(const struct exam *x)
{
	jdoc *d = jdoc_object();
	char hex[2 * MERKLE_SIZE + 1];

	hex_encode(hex, x->leaf.o, MERKLE_SIZE);
	jdoc_set_text(d, "origin", x->head.origin);
	jdoc_set_int(d, "size", (int64_t)x->head.size);
	jdoc_set_int(d, "index", (int64_t)x->index);
	jdoc_set_str(d, "leaf", hex);
	return d;
}

static jdoc *exam_json(const char *file, const struct exam *x)
{
	jdoc *d = jdoc_object();

	jdoc_set_text(d, "file", span_str(file));
	jdoc_set_bool(d, "genuine", exam_genuine(x));
	jdoc_set(d, "checks", checks_json(x));
	if (x->at)
		set_time(d, "judged_at", x->at);
	if (x->check[EXAM_LEAF].state == EXAM_PASSED)
		jdoc_set(d, "ledger", ledger_json(x));
	if (x->check[EXAM_STAMP].state == EXAM_PASSED)
		set_time(d, "stamped_at", x->stamp.time);
	if (x->evidence)
		jdoc_set(d, "evidence", jdoc_parse(buf_span(&x->parcel.part[PARCEL_EVIDENCE]), PARCEL_PART_MAX, NULL));
	return d;
}

/* -- the work ------------------------------------------------------------------ */

static void worse(struct verification *v, int status)
{
	if (v->status == EX_OK || status == VERIFY_NOT_GENUINE)
		v->status = status;
}

static void verify(struct verification *v, const char *file)
{
	struct buf mail = BUF_INIT, error = BUF_INIT;
	struct exam x;

	if (folder_read(file, PARCEL_MAIL_MAX, &mail, &error)) {
		exam_receipt(&x, buf_span(&mail), &v->keyring, v->at, clock_now());
		if (v->has_message)
			exam_message(&x, buf_span(&v->message));
		if (v->list)
			jdoc_push(v->list, exam_json(file, &x));
		else
			put_exam(file, &x, file == v->ctl->words[0]);
		worse(v, exam_genuine(&x) ? VERIFY_GENUINE : VERIFY_NOT_GENUINE);
		exam_release(&x);
	} else {
		worse(v, ctl_fail(EX_NOINPUT, "%s", buf_str(&error)));
	}
	buf_release(&mail);
	buf_release(&error);
}

static int begin(struct verification *v)
{
	const struct ctl *c = v->ctl;
	struct buf error = BUF_INIT;
	int status = EX_OK;

	moment_init(c->conf->time_zone);
	v->has_message = c->given[CTL_MESSAGE];
	if (c->given[CTL_AT] && !clock_parse(ctl_value(c, CTL_AT), &v->at))
		status = ctl_fail(EX_USAGE, "--at %s is no time; write it as 2026-11-23T18:45:23Z", buf_str(&c->value[CTL_AT]));
	else if (!keyring_load(&v->keyring, buf_str(&c->value[CTL_TRUST]), &error))
		status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	else if (v->has_message && !folder_read(buf_str(&c->value[CTL_MESSAGE]), MESSAGE_MAX, &v->message, &error))
		status = ctl_fail(EX_NOINPUT, "%s", buf_str(&error));
	buf_release(&error);
	return status;
}

int command_verify(const struct ctl *c)
{
	struct verification v = { .ctl = c };
	bool begun;

	if (c->given[CTL_EVIDENCE_RECORD])
		return record_verify(c);
	v.list = c->json ? jdoc_array() : NULL;
	v.status = begin(&v);
	begun = v.status == EX_OK;
	if (begun)
		for (char **file = c->words; *file; file++)
			verify(&v, *file);
	if (begun && v.list)
		ctl_json(v.list, EX_OK);
	else
		jdoc_free(v.list);
	keyring_release(&v.keyring);
	buf_release(&v.message);
	return v.status;
}
