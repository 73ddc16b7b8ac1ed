/* kepctl show: the life of one message, for people or as JSON. */
#include <stdio.h>
#include <sysexits.h>

#include "kepctl/ctl.h"
#include "kepctl/life.h"
#include "kepctl/moment.h"
#include "kepctl/paint.h"
#include "kepctl/table.h"

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

	put_label(label);
	if (utc.n) {
		moment_local(local, utc);
		printf("%s  ", local);
		paint(stdout, PAINT_FAINT);
		paint_text(stdout, utc);
		paint(stdout, PAINT_PLAIN);
	} else {
		putchar('-');
	}
	putchar('\n');
}

static enum paint colour_of(struct span what)
{
	static const struct { const char *what; enum paint how; } colours[] = {
		{ "accepted", PAINT_GOOD }, { "accepted by provider", PAINT_GOOD }, { "delivered", PAINT_GOOD }, { "read", PAINT_GOOD },
		{ "deemed read", PAINT_GOOD }, { "refused", PAINT_BAD }, { "refused by provider", PAINT_BAD }, { "failed", PAINT_BAD },
		{ "relay failed", PAINT_BAD }, { "alarm", PAINT_BAD }, { "void", PAINT_DOUBT }, { "pending", PAINT_DOUBT }, { "waiting", PAINT_DOUBT },
	};

	for (size_t i = 0; i < COUNT_OF(colours); i++)
		if (span_is(what, colours[i].what))
			return colours[i].how;
	return PAINT_PLAIN;
}

static void put_coloured(struct span what, size_t width)
{
	paint(stdout, colour_of(what));
	paint_text(stdout, what);
	paint(stdout, PAINT_PLAIN);
	for (size_t w = table_text_width(what); w < width; w++)
		putchar(' ');
}

static void put_title(const char *title)
{
	paint(stdout, PAINT_BOLD);
	puts(title);
	paint(stdout, PAINT_PLAIN);
}

/* "VALUE (LABEL MORE, LABEL MORE)" on one line. */
static void put_with(const char *label, struct span value, const char *names[2], const struct span more[2])
{
	bool open = false;

	put_label(label);
	paint_text(stdout, value);
	for (size_t i = 0; i < 2; i++)
		if (more[i].n) {
			printf("%s%s ", open ? ", " : " (", names[i]);
			paint_text(stdout, more[i]);
			open = true;
		}
	puts(open ? ")" : "");
}

static void put_message(const jdoc *m)
{
	put_title("Message");
	put_line("KEP id", jdoc_text(m, "kep_id"));
	put_label("state");
	put_coloured(jdoc_text(m, "state"), 0);
	putchar('\n');
	put_with("sender", jdoc_text(m, "sender"), (const char *[]){ "login", "from" },
	         (const struct span[]){ jdoc_text(m, "login"), jdoc_text(m, "client") });
	put_line("provider", jdoc_text(m, "provider"));
	put_with("signer", jdoc_text(m, "signer"), (const char *[]){ "identity", "digest" },
	         (const struct span[]){ jdoc_text(m, "signer_identity"), jdoc_text(m, "signer_digest") });
	put_line("issuer", jdoc_text(m, "signer_issuer"));
	put_line("certificate", jdoc_text(m, "signer_certificate"));
	put_line("Message-ID", jdoc_text(m, "message_id"));
	put_with("queue id", jdoc_text(m, "queue_id"), (const char *[]){ "on", "" },
	         (const struct span[]){ jdoc_text(m, "host"), SPAN_NONE });
	put_label("size");
	printf("%lld octets, canonical form %lld\n", (long long)jdoc_int(m, "size", 0), (long long)jdoc_int(m, "canonical", 0));
	put_line("SHA-256", jdoc_text(m, "sha256"));
	put_line("SHA-512", jdoc_text(m, "sha512"));
}

static void put_facts(const jdoc *facts)
{
	for (size_t i = 0; i < jdoc_count(facts); i++) {
		const jdoc *f = jdoc_at(facts, i);

		put_label("to");
		paint(stdout, PAINT_BOLD);
		paint_text(stdout, jdoc_text(f, "recipient"));
		paint(stdout, PAINT_PLAIN);
		fputs("  ", stdout);
		put_coloured(jdoc_text(f, "state"), 0);
		putchar('\n');
		put_time("sent", jdoc_text(f, "sent_at"));
		put_time("accepted", jdoc_text(f, "accepted_at"));
		put_time("delivered", jdoc_text(f, "delivered_at"));
		put_time("read", jdoc_text(f, "read_at"));
		if (jdoc_text(f, "deemed_read_at").n)
			put_time("deemed read", jdoc_text(f, "deemed_read_at"));
	}
}

static void put_step(const jdoc *s)
{
	struct span recipient = jdoc_text(s, "recipient"), details = jdoc_text(s, "details");

	fputs("  ", stdout);
	paint_text(stdout, jdoc_text(s, "local"));
	paint(stdout, PAINT_FAINT);
	printf("  %-27.*s  ", (int)jdoc_text(s, "at").n, jdoc_text(s, "at").p);
	paint(stdout, PAINT_PLAIN);
	printf("%-3.*s  ", (int)jdoc_text(s, "outcome").n, jdoc_text(s, "outcome").n ? jdoc_text(s, "outcome").p : "");
	put_coloured(jdoc_text(s, "what"), recipient.n ? 21 : 0);
	paint_text(stdout, recipient);
	putchar('\n');
	if (details.n) {
		paint(stdout, PAINT_FAINT);
		fputs("        ", stdout);
		paint_text(stdout, details);
		paint(stdout, PAINT_PLAIN);
		putchar('\n');
	}
}

static void put_timeline(const jdoc *timeline)
{
	putchar('\n');
	put_title("Timeline (local time, UTC)");
	for (size_t i = 0; i < jdoc_count(timeline); i++)
		put_step(jdoc_at(timeline, i));
}

static void put_refusal(const jdoc *r)
{
	put_title("Refused");
	put_time("at", jdoc_text(r, "at"));
	put_with("why", jdoc_text(r, "why"), (const char *[]){ "that is:", "" }, (const struct span[]){ jdoc_text(r, "words"), SPAN_NONE });
	put_with("sender", jdoc_text(r, "sender"), (const char *[]){ "login", "from" },
	         (const struct span[]){ jdoc_text(r, "login"), jdoc_text(r, "client") });
	put_line("recipients", jdoc_text(r, "recipients"));
	put_line("From", jdoc_text(r, "from_address"));
	put_line("Message-ID", jdoc_text(r, "message_id"));
	put_with("queue id", jdoc_text(r, "queue_id"), (const char *[]){ "on", "" },
	         (const struct span[]){ jdoc_text(r, "host"), SPAN_NONE });
}

static void put_attempt(const jdoc *a)
{
	put_title("Asked for at RCPT");
	put_time("at", jdoc_text(a, "at"));
	put_line("answer", jdoc_text(a, "why"));
	put_with("sender", jdoc_text(a, "sender"), (const char *[]){ "login", "from" },
	         (const struct span[]){ jdoc_text(a, "login"), jdoc_text(a, "client") });
	put_line("recipient", jdoc_text(a, "recipient"));
}

static void put_life(const jdoc *life)
{
	const jdoc *messages = jdoc_get(life, "messages"), *refusals = jdoc_get(life, "refusals"), *attempts = jdoc_get(life, "attempts");

	for (size_t i = 0; i < jdoc_count(messages); i++) {
		if (i)
			putchar('\n');
		put_message(jdoc_at(messages, i));
		putchar('\n');
		put_title("Facts (local time, UTC)");
		put_facts(jdoc_get(jdoc_at(messages, i), "facts"));
		put_timeline(jdoc_get(jdoc_at(messages, i), "timeline"));
	}
	for (size_t i = 0; i < jdoc_count(refusals); i++)
		put_refusal(jdoc_at(refusals, i));
	for (size_t i = 0; i < jdoc_count(attempts); i++)
		put_attempt(jdoc_at(attempts, i));
}

int command_show(const struct ctl *c)
{
	int status = EX_OK;
	struct db *db = ctl_connect(c, c->conf->database_auditor, &status);
	jdoc *life = db ? life_read(c, db, c->words[0], &status) : NULL;

	db_close(db);
	if (!life)
		return status;
	if (jdoc_count(jdoc_get(life, "messages")) + jdoc_count(jdoc_get(life, "refusals")) + jdoc_count(jdoc_get(life, "attempts")) == 0) {
		jdoc_free(life);
		return ctl_fail(EX_NOINPUT, "nothing is recorded of '%s'; give a queue id of Postfix's log, a KEP id, or a Message-ID", c->words[0]);
	}
	if (c->json)
		return ctl_json(life, EX_OK);
	put_life(life);
	jdoc_free(life);
	return EX_OK;
}
