/* The catalogue of attacks (tests/attack/catalogue) through the gate: each message
 * has the reason it was made for, whichever way its octets come, and each class
 * has honest neighbours that are accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/clock.h"
#include "tests/unit/pieces.h"
#include "tests/unit/pki.h"

#define SMALL 2048      /* every split point of messages up to this size, every 157th of others */

struct row {
	struct span name, kind, reason, options, sender, recipients, why;
};

static struct trust *trust;

static struct row cut_row(struct span line)
{
	struct row r;
	struct span *fields[] = { &r.name, &r.kind, &r.reason, &r.options, &r.sender, &r.recipients, &r.why };

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		*fields[i] = span_cut(&line, '\t');
	return r;
}

static void set_options(struct conf *c, struct span options)
{
	struct buf error = BUF_INIT;

	conf_init(c);
	while (options.n > 0 && !span_is(options, "-")) {
		char *one = mem_span(span_cut(&options, ' '));

		if (!conf_set(c, one, &error))
			fail_msg("%s", buf_str(&error));
		free(one);
	}
	buf_release(&error);
}

static void add_addresses(struct addr_list *l, struct span addresses)
{
	struct addr a;

	while (addresses.n > 0) {
		assert_true(addr_parse(&a, span_cut(&addresses, ',')));
		addr_list_add(l, &a);
	}
}

/* What the milter says: the verdict, then the envelope. */
static enum reason conclude(const struct row *r, const struct verdict *v)
{
	struct addr_list offered = { NULL, 0, 0 };
	enum reason why = v->why;
	struct addr sender;

	if (why == REASON_ACCEPTED && span_is(r->sender, "-")) {
		why = gate_envelope(v, true, &v->from, &v->to, &v->to);
	} else if (why == REASON_ACCEPTED) {
		assert_true(addr_parse(&sender, r->sender));
		add_addresses(&offered, r->recipients);
		why = gate_envelope(v, true, &sender, &offered, &offered);
		addr_list_release(&offered);
	}
	return why;
}

/* The verdict at the end, which is the one of the row. */
static void finish(const struct row *r, struct gate *g, const struct verdict *first, const char *way, size_t at)
{
	struct verdict v;
	enum reason why;

	gate_finish(g, trust, clock_now(), &v);
	why = conclude(r, &v);
	if (!span_is(r->reason, reason_words(why)->wire))
		fail_msg("%.*s (%.*s), %s %zu: %s, not %.*s", (int)r->name.n, r->name.p, (int)r->why.n, r->why.p, way, at,
		         reason_words(why)->wire, (int)r->reason.n, r->reason.p);
	if (first) {
		if (memcmp(&v.fingerprint, &first->fingerprint, sizeof v.fingerprint) != 0)
			fail_msg("%.*s, %s %zu: another fingerprint", (int)r->name.n, r->name.p, way, at);
		assert_int_equal(v.size, first->size);
		assert_true(addr_eq(&v.from, &first->from));
		assert_int_equal(v.to.n, first->to.n);
		assert_string_equal(v.message_id, first->message_id);
	}
	assert_int_equal(v.signer.subject != NULL, v.why == REASON_ACCEPTED);
	verdict_release(&v);
	gate_restart(g);
}

static void try_ways(const struct row *r, struct gate *g, struct span mail)
{
	static const size_t pieces[] = { 1, 2, 7, 64, 1000 };
	size_t step = mail.n <= SMALL ? 1 : 157;
	struct verdict first;

	push(g, mail);
	gate_finish(g, trust, clock_now(), &first);
	gate_restart(g);
	push(g, mail);
	finish(r, g, &first, "whole", mail.n);
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		push_every(g, mail, pieces[i]);
		finish(r, g, &first, "in pieces of", pieces[i]);
	}
	for (size_t at = 1; at < mail.n; at += step) {
		push(g, span_of(mail.p, at));
		push(g, span_of(mail.p + at, mail.n - at));
		finish(r, g, &first, "split at", at);
	}
	/* Of a raw header that is too large only the front is kept for the fingerprint. */
	if (!memchr(mail.p, '\0', mail.n) && push_fields(g, mail))
		finish(r, g, first.why == REASON_HEADER_SIZE ? NULL : &first, "field by field", 0);
	verdict_release(&first);
}

static void try_row(const struct row *r)
{
	char *name = mem_printf("attacks/%.*s.eml", (int)r->name.n, r->name.p);
	struct buf mail = BUF_INIT;
	struct conf conf;
	struct gate *g;

	pki_read(name, &mail);
	set_options(&conf, r->options);
	g = gate_new(&conf);
	try_ways(r, g, buf_span(&mail));
	gate_free(g);
	conf_release(&conf);
	buf_release(&mail);
	free(name);
}

static void test_catalogue(void **state)
{
	struct buf index = BUF_INIT;
	struct span rest;
	size_t rows = 0, honest = 0;

	pki_read("attacks/index", &index);
	for (rest = buf_span(&index); rest.n > 0; rows++) {
		struct row r = cut_row(span_cut(&rest, '\n'));

		try_row(&r);
		honest += span_is(r.reason, "accepted");
	}
	print_message("%zu messages, %zu of them honest\n", rows, honest);
	assert_true(rows > 200 && honest > 40);
	buf_release(&index);
}

static void make_catalogue(void)
{
	char *command = mem_printf("'%s/attack/catalogue' '%s' '%s/attacks'", KEP_TESTS, pki_dir, pki_dir);

	if (system(command) != 0)
		log_fatal("tests/attack/catalogue failed");
	free(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_catalogue) };
	int failed;

	pki_make(true);
	make_catalogue();
	trust = pki_trust("trust");
	failed = cmocka_run_group_tests_name("attack", tests, NULL, NULL);
	trust_free(trust);
	return failed;
}
