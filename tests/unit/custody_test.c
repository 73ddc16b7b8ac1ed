/* Evidence records with real tokens of RFC 3161: what they rest on, and how long that holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/custody_token.h"
#include "libkep/hashtree.h"
#include "libkep/stamp.h"
#include "libkep/strength.h"
#include "tests/unit/pki.h"

#define DAY ((usec)86400 * 1000000)

static struct trust *tsa;
static struct buf content = BUF_INIT, token = BUF_INIT;
static usec stamped;

static void record_of(struct span of, struct span infos, struct buf *record)
{
	static const char *const digests[] = { "sha256" };
	struct buf stamp = BUF_INIT, chain = BUF_INIT, sequence = BUF_INIT;

	ers_add_stamp(&stamp, "sha256", SPAN_NONE, of);
	ers_add_sequence(&chain, buf_span(&stamp));
	ers_add_sequence(&sequence, buf_span(&chain));
	buf_clear(record);
	ers_add_record(record, digests, 1, infos, buf_span(&sequence));
	buf_release(&stamp);
	buf_release(&chain);
	buf_release(&sequence);
}

static enum ers_verdict judge(struct span record, const char *ends, usec now, struct buf *why)
{
	static struct ers e;
	struct span data = buf_span(&content);
	struct custody_tokens tokens;
	struct custody_rules rules;
	struct sunsets sunsets;
	struct custody c;
	enum ers_verdict verdict;

	assert_true(sunsets_read(span_str(ends), &sunsets, NULL));
	assert_int_equal(ers_read(record, &e), ERS_GOOD);
	custody_tokens_init(&tokens, &e, tsa, &sunsets, now, &rules);
	verdict = custody_judge(&e, &data, 1, &rules, &c);
	buf_clear(why);
	buf_add(why, buf_span(&c.why));
	if (verdict == ERS_GOOD)
		assert_in_range(c.since, stamped - DAY, stamped + DAY);
	custody_release(&c);
	custody_tokens_release(&tokens);
	return verdict;
}

static void test_strength(void **state)
{
	struct stamp_want want = { .data = buf_span(&content) };
	struct stamp_kept kept = { BUF_INIT, BUF_INIT };
	struct strength strength;
	struct stamp s;

	assert_int_equal(stamp_verify(buf_span(&token), &want, tsa, &s, &kept), STAMP_GOOD);
	assert_true(strength_read(buf_span(&token), buf_span(&kept.chain), &strength));
	assert_string_equal(buf_str(&strength.algorithms), "sha256 ec256");
	assert_true(strength.ends > s.time + 3000 * DAY && strength.ends < s.time + 4000 * DAY);
	strength_release(&strength);
	assert_false(strength_read(buf_span(&token), SPAN_NONE, &strength));
	assert_false(strength_read(buf_span(&token), SPAN("\x30\x00"), &strength));
	assert_false(strength_read(SPAN("\x30\x00"), buf_span(&kept.chain), &strength));
	stamp_kept_release(&kept);
}

static void test_ends(void **state)
{
	struct buf record = BUF_INIT, why = BUF_INIT;
	char before[CLOCK_TEXT_SIZE], line[80];

	clock_text(before, stamped - DAY);
	record_of(buf_span(&token), SPAN_NONE, &record);
	assert_int_equal(judge(buf_span(&record), "", stamped, &why), ERS_GOOD);
	assert_int_equal(judge(buf_span(&record), "sha512 2020-01-01, rsa4096 2020-01-01, ec255 2020-01-01", stamped, &why), ERS_GOOD);
	assert_int_equal(judge(buf_span(&record), "", stamped - DAY, &why), ERS_FUTURE);
	assert_int_equal(judge(buf_span(&record), "", stamped + 5000 * DAY, &why), ERS_ENDED);
	assert_string_equal(buf_str(&why), "stamp-expired: a certificate above it had ended, or not begun, at that time");
	snprintf(line, sizeof line, "ec256 %s", before);
	assert_int_equal(judge(buf_span(&record), line, stamped, &why), ERS_TOKEN);
	assert_string_equal(buf_str(&why), "ec256 was no longer secure");
	snprintf(line, sizeof line, "ec384 %s", before);
	assert_int_equal(judge(buf_span(&record), line, stamped, &why), ERS_TOKEN);
	assert_int_equal(judge(buf_span(&record), "sha256 2050-01-01", stamped, &why), ERS_GOOD);
	buf_release(&record);
	buf_release(&why);
}

/* A certificate on the way that is not in the token may come with the record. */
static void test_infos(void **state)
{
	struct buf below = BUF_INIT, candidates = BUF_INIT, infos = BUF_INIT, record = BUF_INIT, why = BUF_INIT;

	pki_read("stamps/below-alone.tst", &below);
	pki_read("stamps/candidates", &candidates);
	record_of(buf_span(&below), SPAN_NONE, &record);
	assert_int_equal(judge(buf_span(&record), "", stamped + DAY, &why), ERS_TOKEN);
	custody_tokens_infos(&infos, buf_span(&candidates));
	record_of(buf_span(&below), buf_span(&infos), &record);
	assert_int_equal(judge(buf_span(&record), "", stamped + DAY, &why), ERS_GOOD);
	buf_release(&below);
	buf_release(&candidates);
	buf_release(&infos);
	buf_release(&record);
	buf_release(&why);
}

static void test_tokens(void **state)
{
	static const struct { const char *name; enum ers_verdict verdict; } rows[] = {
		{ "good", ERS_GOOD }, { "stranger", ERS_TOKEN }, { "mail", ERS_TOKEN }, { "altered", ERS_TOKEN }, { "signature", ERS_TOKEN },
		{ "no-reference", ERS_TOKEN }, { "data", ERS_TOKEN }, { "sha1", ERS_TOKEN }, { "sha512", ERS_DIGEST_DIFFERS }, { "other-imprint", ERS_DATA },
	};
	struct buf other = BUF_INIT, record = BUF_INIT, why = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *file = mem_printf("stamps/%s.tst", rows[i].name);
		enum ers_verdict got;

		pki_read(file, &other);
		record_of(buf_span(&other), SPAN_NONE, &record);
		got = judge(buf_span(&record), "", stamped + DAY, &why);
		if (got != rows[i].verdict)
			fail_msg("%s: %s, not %s", rows[i].name, ers_words(got)->wire, ers_words(rows[i].verdict)->wire);
		free(file);
	}
	buf_release(&other);
	buf_release(&record);
	buf_release(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strength),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_infos),
		cmocka_unit_test(test_tokens),
	};
	struct stamp_want want = { .digest = NULL };
	struct stamp s;
	int status;

	pki_make(false);
	pki_more("pki_tsp.py");
	tsa = pki_trust("tsa/ca.pem");
	pki_read("stamps/content", &content);
	pki_read("stamps/good.tst", &token);
	if (stamp_verify(buf_span(&token), &want, tsa, &s, NULL) != STAMP_GOOD)
		log_fatal("the token of tests/pki_tsp.py is not good");
	stamped = s.time;
	status = cmocka_run_group_tests_name("custody", tests, NULL, NULL);
	trust_free(tsa);
	buf_release(&content);
	buf_release(&token);
	return status;
}
