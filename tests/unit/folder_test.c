/* The files of a folder that somebody is changing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "libkep/folder.h"
#include "libkep/mem.h"

static const char *const ends[] = { ".pem", NULL };
static char top[] = "/tmp/kep-folder-XXXXXX";

static char *in_top(const char *name)
{
	return mem_printf("%s/%s", top, name);
}

static void put(const char *name)
{
	char *file = in_top(name);
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(name, f);
	fclose(f);
	free(file);
}

static void drop(const char *name)
{
	char *file = in_top(name);

	unlink(file);
	free(file);
}

/* Notes what it is given, and removes b.pem when it sees a.pem. */
static bool hear(void *arg, const char *file, struct span octets, struct buf *error)
{
	buf_add(arg, octets);
	buf_adds(arg, " ");
	if (span_is(octets, "a.pem"))
		drop("b.pem");
	return !span_is(octets, "bad.pem") || folder_complain(error, file, "is bad");
}

static bool read_all(struct buf *seen, struct buf *error)
{
	buf_clear(seen);
	return folder_each(top, ends, 100, hear, seen, error);
}

static int make(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int sweep(void **state)
{
	static const char *const names[] = { "a.pem", "b.pem", "c.pem", "bad.pem", "link.pem", "d.txt" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		drop(names[i]);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	return rmdir(top);
}

static void test_order_and_ends(void **state)
{
	struct buf seen = BUF_INIT, error = BUF_INIT;

	(void)state;
	put("c.pem");
	put("b.pem");
	put("d.txt");
	assert_true(read_all(&seen, &error));
	assert_string_equal(buf_str(&seen), "b.pem c.pem ");
	buf_release(&seen);
	buf_release(&error);
}

static void test_removed_meanwhile(void **state)
{
	struct buf seen = BUF_INIT, error = BUF_INIT;

	(void)state;
	put("a.pem");
	put("b.pem");
	put("c.pem");
	assert_true(read_all(&seen, &error));
	assert_string_equal(buf_str(&seen), "a.pem c.pem ");
	buf_release(&seen);
	buf_release(&error);
}

static void test_faults_are_named(void **state)
{
	struct buf seen = BUF_INIT, error = BUF_INIT;
	char *link = in_top("link.pem");

	(void)state;
	put("bad.pem");
	assert_false(read_all(&seen, &error));
	assert_non_null(strstr(buf_str(&error), "bad.pem: is bad"));
	drop("bad.pem");
	assert_int_equal(symlink("nowhere", link), 0);
	assert_false(read_all(&seen, &error));
	assert_non_null(strstr(buf_str(&error), "link.pem: No such file"));
	free(link);
	buf_release(&seen);
	buf_release(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_order_and_ends, sweep),
		cmocka_unit_test_teardown(test_removed_meanwhile, sweep),
		cmocka_unit_test_teardown(test_faults_are_named, sweep),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
