/* The ledger's keeper: a file is replaced whole, or not at all, and the loop hears of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libkep/mem.h"
#include "policyd/keeper.h"

static char dir[] = "/tmp/kep-keeper-XXXXXX";

struct heard {
	struct event_base *base;
	unsigned           n;
	bool               ok;
	struct buf         words;
};

static void on_done(void *arg, bool ok, const char *words)
{
	struct heard *h = arg;

	h->n++;
	h->ok = ok;
	buf_clear(&h->words);
	buf_adds(&h->words, words);
	event_base_loopbreak(h->base);
}

static void put(struct keeper *k, struct heard *h, struct span octets)
{
	unsigned n = h->n;

	keeper_put(k, octets);
	event_base_dispatch(h->base);
	assert_int_equal(h->n, n + 1);
}

static void test_kept(void **state)
{
	struct heard h = { .base = event_base_new() };
	char *path = mem_printf("%s/file", dir);
	struct keeper *k = keeper_new(h.base, path, on_done, &h);
	struct buf octets = BUF_INIT;
	struct stat st;

	umask(077);
	assert_int_equal(keeper_read(path, 100, &octets), KEEPER_ABSENT);
	put(k, &h, SPAN("first, which is longer"));
	assert_true(h.ok);
	put(k, &h, SPAN("second"));
	assert_int_equal(keeper_read(path, 100, &octets), KEEPER_READ);
	assert_string_equal(buf_str(&octets), "second");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(keeper_read(path, 5, &octets), KEEPER_UNREADABLE);
	assert_non_null(strstr(buf_str(&octets), path));
	assert_int_equal(keeper_read(dir, 5, &octets), KEEPER_UNREADABLE);
	/* What is under way when the end comes is finished. */
	keeper_put(k, SPAN("third"));
	keeper_free(k);
	assert_int_equal(keeper_read(path, 100, &octets), KEEPER_READ);
	assert_string_equal(buf_str(&octets), "third");
	event_base_free(h.base);
	buf_release(&octets);
	buf_release(&h.words);
	free(path);
}

static void test_not_kept(void **state)
{
	struct heard h = { .base = event_base_new() };
	char *path = mem_printf("%s/none/file", dir);
	struct keeper *k = keeper_new(h.base, path, on_done, &h);

	put(k, &h, SPAN("x"));
	assert_false(h.ok);
	assert_non_null(strstr(buf_str(&h.words), path));
	keeper_free(k);
	event_base_free(h.base);
	buf_release(&h.words);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_not_kept),
	};
	char *command;
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	command = mem_printf("rm -rf '%s'", dir);
	failed |= system(command);
	free(command);
	return failed;
}
