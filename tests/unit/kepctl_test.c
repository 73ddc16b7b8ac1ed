/* kepctl's pure parts: tables, relay hosts, lists of main.cf, settings, local times, numbered files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "kepctl/audit.h"
#include "kepctl/finding.h"
#include "kepctl/migration.h"
#include "kepctl/moment.h"
#include "kepctl/peer.h"
#include "kepctl/postconf.h"
#include "kepctl/process.h"
#include "kepctl/progress.h"
#include "kepctl/setting.h"
#include "kepctl/table.h"

static void test_width(void **state)
{
	static const struct { struct span text; size_t width; } rows[] = {
		{ SPAN(""), 0 }, { SPAN("ali"), 3 }, { SPAN("Ayşe Öztürk"), 11 }, { SPAN("s\xcc\xa7"), 1 }, { SPAN("\xcd\xb0"), 1 }, { SPAN("📧"), 1 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(table_text_width(rows[i].text), rows[i].width);
}

/* What table_print() writes; the caller frees it. */
static char *printed(const struct table *t)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	table_print(t, out);
	fclose(out);
	return text;
}

static void test_table(void **state)
{
	static const struct table_column columns[] = {
		{ "address", TABLE_TEXT }, { "octets", TABLE_COUNT }, { "seen_by", TABLE_LIST },
	};
	struct buf json = BUF_INIT;
	struct table t;
	char *text;
	jdoc *d;

	table_init(&t, columns, COUNT_OF(columns));
	table_cell(&t, SPAN("ayşe@hs01.kep.test"));
	table_cell(&t, SPAN("7"));
	table_cell(&t, SPAN("a b"));
	table_cell(&t, SPAN("x\x1b[31m\xc2\x9b\n"));
	table_cell(&t, SPAN_NONE);
	table_cell(&t, SPAN(""));
	text = printed(&t);
	assert_string_equal(text,
		"ADDRESS             OCTETS  SEEN BY\n"
		"ayşe@hs01.kep.test  7       a b\n"
		"x?[31m??            -       \n");
	d = table_json(&t);
	jdoc_write(&json, d);
	assert_string_equal(buf_str(&json),
		"[{\"address\":\"ayşe@hs01.kep.test\",\"octets\":7,\"seen_by\":[\"a\",\"b\"]},"
		"{\"address\":\"x\\u001b[31m\xc2\x9b\\n\",\"seen_by\":[]}]");
	jdoc_free(d);
	buf_release(&json);
	free(text);
	table_release(&t);
}

static void test_relay(void **state)
{
	static const struct { struct span given; const char *wanted; } rows[] = {
		{ SPAN("mx.hs02.kep.tr:25"), "[mx.hs02.kep.tr]:25" }, { SPAN("[MX.hs02.kep.tr]:465"), "[mx.hs02.kep.tr]:465" },
		{ SPAN("[2001:DB8::1]:25"), "[2001:db8::1]:25" }, { SPAN("127.0.0.1:65535"), "[127.0.0.1]:65535" },
		{ SPAN("mx.hs02.kep.tr"), NULL }, { SPAN(""), NULL }, { SPAN(":25"), NULL }, { SPAN("mx:"), NULL }, { SPAN("mx:0"), NULL },
		{ SPAN("mx:65536"), NULL }, { SPAN("mx:2a"), NULL }, { SPAN("[]:25"), NULL }, { SPAN("2001:db8::1:25"), NULL },
		{ SPAN("m x:25"), NULL }, { SPAN("mx]:25"), NULL }, { SPAN("mx:000025"), NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out = BUF_INIT;

		assert_int_equal(peer_relay(rows[i].given, &out), rows[i].wanted != NULL);
		assert_string_equal(buf_str(&out), rows[i].wanted ? rows[i].wanted : "");
		buf_release(&out);
	}
}

static void test_words(void **state)
{
	struct span list = SPAN(" a,b  check_policy_service { unix:/x, { default_action = 451 4.3.5 no } },c"), w;
	static const char *const wanted[] = { "a", "b", "check_policy_service", "{ unix:/x, { default_action = 451 4.3.5 no } }", "c" };

	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		w = postconf_word(&list);
		assert_true(span_is(w, wanted[i]));
	}
	assert_int_equal(postconf_word(&list).n, 0);
	assert_int_equal(postconf_word(&list).n, 0);
	list = SPAN("a { open");
	postconf_word(&list);
	assert_true(span_is(postconf_word(&list), "{ open"));
	assert_true(postconf_has("chunking, Silent-Discard", "silent-discard"));
	assert_false(postconf_has("chunking-x", "chunking"));
	assert_false(postconf_has("", "chunking"));
}

static void test_settings(void **state)
{
	static const struct { enum setting_test test; const char *expected, *value; bool holds; } rows[] = {
		{ SETTING_IS, "yes", "yes", true }, { SETTING_IS, "yes", "no", false }, { SETTING_IS, "yes", "", false },
		{ SETTING_ONE_OF, "reject normalize yes", "normalize", true }, { SETTING_ONE_OF, "reject normalize yes", "no", false },
		{ SETTING_ONE_OF, "reject", "", false },
		{ SETTING_HAS, "chunking", "dsn, chunking", true }, { SETTING_HAS, "chunking", "dsn", false },
		{ SETTING_HAS, "\\0", "\\0", true },
		{ SETTING_LACKS, "dsn xforward", "", true }, { SETTING_LACKS, "dsn xforward", "8bitmime, DSN", false },
		{ SETTING_AT_LEAST, "2", "50", true }, { SETTING_AT_LEAST, "2", "1", false }, { SETTING_AT_LEAST, "2", "", false },
		{ SETTING_AT_LEAST, "2", "many", false },
		{ SETTING_UNFOLDED, "998", "0", true }, { SETTING_UNFOLDED, "998", "998", true }, { SETTING_UNFOLDED, "998", "500", false },
		{ SETTING_EMPTY, "", "", true }, { SETTING_EMPTY, "", "x", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(setting_holds(rows[i].test, rows[i].expected, rows[i].value), rows[i].holds);
}

static void test_moment(void **state)
{
	char text[MOMENT_SIZE];

	unsetenv("TZ");
	moment_init("<+03>-3");
	moment_local(text, SPAN("2026-11-23T21:45:23.101420Z"));
	assert_string_equal(text, "2026-11-24 00:45:23 +0300");
	moment_local(text, SPAN("never"));
	assert_string_equal(text, "never");
}

static void touch(const char *directory, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "-- %s\n", name);
	fclose(f);
}

static void test_migrations(void **state)
{
	char top[] = "/tmp/kepctl_test.XXXXXX", inner[64], command[128];
	struct buf error = BUF_INIT, text = BUF_INIT;
	struct migrations m;

	assert_non_null(mkdtemp(top));
	snprintf(inner, sizeof inner, "%s/migrations", top);
	assert_false(migrations_list(&m, top, &error));
	assert_non_null(strstr(buf_str(&error), "set sql_dir"));
	assert_int_equal(mkdir(inner, 0700), 0);
	touch(inner, "0010_ten.sql");
	touch(inner, "0002_two.sql");
	touch(inner, "README");
	touch(inner, "x0001_no.sql");
	touch(inner, "0003.sql");
	assert_true(migrations_list(&m, top, &error));
	assert_int_equal(m.n, 2);
	assert_string_equal(m.v[0].name, "0002_two.sql");
	assert_int_equal(m.v[1].number, 10);
	assert_true(migration_text(&m, &m.v[1], &text, &error));
	assert_string_equal(buf_str(&text), "-- 0010_ten.sql\n");
	migrations_release(&m);
	touch(inner, "0002_again.sql");
	assert_false(migrations_list(&m, inner, &error));
	assert_non_null(strstr(buf_str(&error), "have one number"));
	assert_false(migrations_list(&m, "/nowhere/at/all", &error));
	snprintf(command, sizeof command, "rm -r %s", top);
	assert_int_equal(system(command), 0);
	buf_release(&error);
	buf_release(&text);
}

static void test_process(void **state)
{
	char *talks[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "echo out; echo err >&2; exit 3" }, NULL };
	char *dies[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "kill -9 $$" }, NULL };
	char *absent[] = { (char[]){ "no-such-program-here" }, NULL };
	struct buf out = BUF_INIT, err = BUF_INIT;

	assert_int_equal(process_run(talks, &out, &err), 3);
	assert_string_equal(buf_str(&out), "out\n");
	assert_string_equal(buf_str(&err), "err\n");
	assert_int_equal(process_run(dies, &out, &err), 137);
	assert_int_equal(process_run(absent, &out, &err), 127);
	buf_release(&out);
	buf_release(&err);
}

static void test_findings(void **state)
{
	struct findings f = { NULL, 0, 0 };
	struct buf json = BUF_INIT;
	jdoc *d;

	assert_int_equal(findings_worst(&f), FINDING_OK);
	findings_add(&f, FINDING_OK, "a", NULL, "%s", "well");
	findings_add(&f, FINDING_WRONG, "b", "do %d", "no %d", 7);
	findings_add(&f, FINDING_WARNING, "c", NULL, "hm");
	assert_int_equal(findings_worst(&f), FINDING_WRONG);
	d = findings_json(&f);
	jdoc_write(&json, d);
	assert_string_equal(buf_str(&json),
		"{\"findings\":[{\"level\":\"ok\",\"what\":\"a\",\"words\":\"well\"},"
		"{\"level\":\"wrong\",\"mend\":\"do %d\",\"what\":\"b\",\"words\":\"no 7\"},"
		"{\"level\":\"warning\",\"what\":\"c\",\"words\":\"hm\"}],\"worst\":\"wrong\"}");
	jdoc_free(d);
	buf_release(&json);
	findings_release(&f);
}

static void test_audit(void **state)
{
	struct audit a = { .n_leaves = 0 };
	jdoc *d = jdoc_object();
	struct buf json = BUF_INIT;

	assert_true(audit_whole(&a));
	audit_skip(&a, AUDIT_PUBLISHED, "none");
	assert_true(audit_well(&a) && !audit_whole(&a));
	assert_int_equal(audit_near(&a, 7, 100), 7);
	audit_fault(&a, AUDIT_ROOTS, 900, "of %d", 1000);
	audit_leaf(&a, AUDIT_BODIES, 40, "one");
	audit_leaf(&a, AUDIT_TILES, 40, "the same");
	audit_leaf(&a, AUDIT_BODIES, 50, "another");
	audit_fault(&a, AUDIT_ROOTS, 950, "a later one is not told of");
	assert_int_equal(a.n_leaves, 2);
	assert_int_equal(audit_near(&a, 0, 40), 0);
	assert_int_equal(audit_near(&a, 0, 41), 40);
	assert_int_equal(audit_near(&a, 41, 100), 50);
	assert_int_equal(audit_first(&a), 40);
	assert_int_equal(a.row[AUDIT_ROOTS].first, 900);
	assert_string_equal(buf_str(&a.row[AUDIT_ROOTS].words), "of 1000");
	audit_json(&a, d);
	jdoc_write(&json, d);
	assert_non_null(strstr(buf_str(&json), "{\"bad\":2,\"first\":40,\"name\":\"bodies\",\"seen\":0,\"state\":\"failed\",\"words\":\"one\"}"));
	assert_non_null(strstr(buf_str(&json), "\"first_bad\":40"));
	assert_non_null(strstr(buf_str(&json), "\"name\":\"published\",\"seen\":0,\"skipped\":\"none\",\"state\":\"skipped\""));
	jdoc_free(d);
	buf_release(&json);
	audit_release(&a);
}

static void test_progress_number(void **state)
{
	static const struct { uint64_t n; const char *text; } rows[] = {
		{ 0, "0" }, { 999, "999" }, { 1000, "1,000" }, { 123456, "123,456" }, { 1234567, "1,234,567" }, { UINT64_MAX, "18,446,744,073,709,551,615" },
	};
	char text[32];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		progress_number(text, rows[i].n);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width), cmocka_unit_test(test_table), cmocka_unit_test(test_relay), cmocka_unit_test(test_words),
		cmocka_unit_test(test_settings), cmocka_unit_test(test_moment), cmocka_unit_test(test_migrations),
		cmocka_unit_test(test_process), cmocka_unit_test(test_findings), cmocka_unit_test(test_audit), cmocka_unit_test(test_progress_number),
	};

	return cmocka_run_group_tests_name("kepctl", tests, NULL, NULL);
}
