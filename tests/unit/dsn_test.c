/* Delivery status notifications: by hand, and as Postfix wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/mem.h"
#include "policyd/dsn.h"

#define SAMPLES "/corpora/mta-samples/dsn/"

static bool read_exact(struct dsn *d, struct span part)
{
	char *copy = memcpy(mem_new(part.n ? part.n : 1), part.n ? part.p : "", part.n);
	bool good = dsn_read(d, span_of(copy, part.n));

	free(copy);
	return good;
}

static void test_two_recipients(void **state)
{
	struct dsn d;

	assert_true(read_exact(&d, SPAN(
		"Reporting-MTA: dns; mx1.kep.test\r\nOriginal-Envelope-Id: KEP-EV9\r\n\r\n"
		"Final-Recipient: rfc822; h@hard.test\r\nOriginal-Recipient: rfc822;H+x@Hard.test\r\nAction: Failed\r\nStatus: 5.3.0\r\n"
		"Diagnostic-Code: smtp; 500 5.3.0 Error:\r\n    command\t failed\r\n\r\n"
		"Action: delayed\r\nFinal-Recipient: rfc822;d@down.test\r\n\r\n\r\n")));
	assert_string_equal(d.envelope_id, "KEP-EV9");
	assert_string_equal(d.reporter, "dns; mx1.kep.test");
	assert_int_equal(d.n, 2);
	assert_string_equal(d.recipients[0].original.text, "h+x@hard.test");
	assert_string_equal(d.recipients[0].final.text, "h@hard.test");
	assert_string_equal(d.recipients[0].action, "failed");
	assert_string_equal(d.recipients[0].status, "5.3.0");
	assert_string_equal(d.recipients[0].diagnostic, "smtp; 500 5.3.0 Error: command failed");
	assert_string_equal(d.recipients[1].action, "delayed");
	assert_string_equal(d.recipients[1].final.text, "d@down.test");
	assert_true(addr_empty(&d.recipients[1].original));
	assert_string_equal(d.recipients[1].diagnostic, "");
	dsn_release(&d);
}

static void test_not_that(void **state)
{
	static const struct span rows[] = {
		SPAN(""), SPAN("\r\n\r\n"), SPAN("Reporting-MTA: dns; x\r\n"), SPAN("Reporting-MTA: dns; x\r\n\r\n"),
		SPAN("not a field\r\n\r\nAction: failed\r\n"), SPAN("Reporting-MTA: dns; x\r\n\r\nAction failed\r\n"),
	};
	struct dsn d;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_false(read_exact(&d, rows[i]));
}

static void test_limits(void **state)
{
	struct buf part = BUF_INIT;
	struct dsn d;

	buf_adds(&part, "Reporting-MTA: dns; x\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		buf_adds(&part, "Action: failed\r\nAction: delayed\r\nStatus: 5.0.\x80\r\n\r\n");
	assert_true(read_exact(&d, buf_span(&part)));
	assert_int_equal(d.n, DSN_RECIPIENTS_MAX);
	assert_string_equal(d.recipients[0].action, "failed");
	assert_string_equal(d.recipients[0].status, "5.0.?");
	dsn_release(&d);
	buf_clear(&part);
	buf_adds(&part, "Reporting-MTA: dns; x\r\n\r\nDiagnostic-Code: ");
	while (part.n < 5000)
		buf_addc(&part, 'y');
	assert_true(read_exact(&d, buf_span(&part)));
	assert_int_equal(strlen(d.recipients[0].diagnostic), DSN_VALUE_MAX);
	dsn_release(&d);
	buf_release(&part);
}

static bool slurp(const char *name, struct buf *out)
{
	const char *shared = getenv("KEP_SHARED");
	char *path = mem_printf("%s" SAMPLES "%s", shared ? shared : KEP_TESTS "/../../shared", name);
	FILE *f = fopen(path, "rb");
	char block[4096];
	size_t n;

	free(path);
	if (!f)
		return false;
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(out, span_of(block, n));
	fclose(f);
	return true;
}

static void test_samples(void **state)
{
	static const struct { const char *file, *envelope_id, *recipient, *action, *status, *diagnostic; } rows[] = {
		{ "delay.eml", "KEP-4jYF8S1fqRz1cnMD", "d@down.test", "delayed", "4.4.1",
		  "X-Postfix; connect to 127.0.0.1[127.0.0.1]:13127: Connection refused" },
		{ "failure.eml", "KEP-EV9", "h+x@hard.test", "failed", "5.3.0", "smtp; 500 5.3.0 Error: command failed" },
		{ "success-relayed.eml", "KEP-1", "x@nodsn.test", "relayed", "2.0.0", "smtp; 250 2.0.0 Ok" },
		{ "success-local-delivered.eml", "", "ali@kep1.test", "delivered", "2.0.0",
		  "smtp; 250 2.0.0 <ali@kep1.test> OLEhCXeIBGvSeAAAg+zDdQ Saved" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf message = BUF_INIT, part = BUF_INIT;
		struct dsn d;

		if (!slurp(rows[i].file, &message)) {
			print_message("no samples of mail servers here (KEP_SHARED)\n");
			skip();
		}
		assert_true(dsn_find(buf_span(&message), &part));
		assert_true(read_exact(&d, buf_span(&part)));
		assert_int_equal(d.n, 1);
		assert_string_equal(d.envelope_id, rows[i].envelope_id);
		assert_string_equal(d.recipients[0].original.text, rows[i].recipient);
		assert_string_equal(d.recipients[0].action, rows[i].action);
		assert_string_equal(d.recipients[0].status, rows[i].status);
		assert_string_equal(d.recipients[0].diagnostic, rows[i].diagnostic);
		dsn_release(&d);
		buf_release(&message);
		buf_release(&part);
	}
}

static void test_find(void **state)
{
	struct buf part = BUF_INIT;

	assert_false(dsn_find(SPAN("From: a@b\r\n\r\nbody\r\n"), &part));
	assert_false(dsn_find(SPAN("Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x--\r\n"), &part));
	assert_true(dsn_find(SPAN("Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n"
		"--x\r\nContent-Type: message/delivery-status\r\n\r\nA: b\r\n\r\nAction: failed\r\n--x\r\n\r\nbad \0 octet"), &part));
	assert_string_equal(buf_str(&part), "A: b\r\n\r\nAction: failed");
	buf_release(&part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_recipients), cmocka_unit_test(test_not_that), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_find), cmocka_unit_test(test_samples),
	};

	return cmocka_run_group_tests_name("dsn", tests, NULL, NULL);
}
