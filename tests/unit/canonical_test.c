/* Canonical JSON (RFC 8785): an encoder against a second one that knows only the
 * definition, and a decoder that takes nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "libkep/evidence.h"
#include "libkep/jdoc.h"
#include "tests/unit/canonical.h"
#include "tests/unit/dice.h"
#include "tests/unit/exact.h"
#include "tests/unit/samples.h"

static void test_texts(void **state)
{
	static const struct { struct span text; const char *why; } rows[] = {
		{ SPAN("{}"), NULL }, { SPAN("{\"a\":1}"), NULL }, { SPAN("{\"a\":[],\"b\":{},\"c\":\"\",\"d\":true,\"e\":false}"), NULL },
		{ SPAN("{\"a\":9007199254740991,\"b\":-9007199254740991,\"c\":0}"), NULL }, { SPAN("{\"\":1}"), NULL },
		{ SPAN("{\"a\":\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0001\\u001f\x7f\xc5\x9f\xe2\x82\xac\xf0\x9f\x90\x87\"}"), NULL },
		/* The order of RFC 8785 section 3.2.3, less the key that is a NUL. */
		{ SPAN("{\"\\r\":1,\"1\":2,\"\xc2\x80\":3,\"\xc3\xb6\":4,\"\xe2\x82\xac\":5,\"\xf0\x9f\x98\x80\":6,\"\xef\xac\xb3\":7}"), NULL },
		{ SPAN("{\"\\r\":1,\"1\":2,\"\xc2\x80\":3,\"\xc3\xb6\":4,\"\xe2\x82\xac\":5,\"\xef\xac\xb3\":7,\"\xf0\x9f\x98\x80\":6}"), "canonical" },
		{ SPAN("{\"a\":1,\"aa\":2,\"b\":3}"), NULL }, { SPAN("{\"aa\":2,\"a\":1}"), "canonical" }, { SPAN("{\"b\":3,\"a\":1}"), "canonical" },
		{ SPAN(" {}"), "canonical" }, { SPAN("{} "), "canonical" }, { SPAN("{}\n"), "canonical" }, { SPAN("{ }"), "canonical" },
		{ SPAN("{\"a\": 1}"), "canonical" }, { SPAN("{\"a\" :1}"), "canonical" }, { SPAN("{\"a\":[1, 2]}"), "canonical" },
		{ SPAN("{\"a\":-0}"), "canonical" }, { SPAN("{\"a\":9007199254740992}"), "53 bits" }, { SPAN("{\"a\":-9007199254740992}"), "53 bits" },
		{ SPAN("{\"a\":9223372036854775807}"), "53 bits" }, { SPAN("{\"a\":1.0}"), "53 bits" }, { SPAN("{\"a\":1e2}"), "53 bits" }, { SPAN("{\"a\":0.5}"), "53 bits" },
		{ SPAN("{\"a\":null}"), "53 bits" }, { SPAN("{\"a\":[{\"b\":[null]}]}"), "53 bits" }, { SPAN("{\"a\":[{\"b\":[1.5]}]}"), "53 bits" },
		{ SPAN("{\"a\":\"\\/\"}"), "canonical" }, { SPAN("{\"a\":\"\\u0041\"}"), "canonical" }, { SPAN("{\"a\":\"\\u001F\"}"), "canonical" },
		{ SPAN("{\"a\":\"\\u0008\"}"), "canonical" }, { SPAN("{\"a\":\"\\u20ac\"}"), "canonical" }, { SPAN("{\"a\":\"\\ud83d\\udc07\"}"), "canonical" },
		{ SPAN("{\"\\u0061\":1}"), "canonical" },
		/* What is no JSON of ours at all. */
		{ SPAN(""), "" }, { SPAN("[]"), "" }, { SPAN("1"), "" }, { SPAN("\"a\""), "" }, { SPAN("{}{}"), "" }, { SPAN("{\"a\":1,\"a\":1}"), "" },
		{ SPAN("{\"a\":1,}"), "" }, { SPAN("{\"a\":01}"), "" }, { SPAN("{\"a\":+1}"), "" }, { SPAN("{\"a\":18446744073709551616}"), "" },
		{ SPAN("{'a':1}"), "" }, { SPAN("{a:1}"), "" }, { SPAN("{\"a\":\"\n\"}"), "" }, { SPAN("{\"a\":\"\\u0000\"}"), "" }, { SPAN("{\"a\\u0000\":1}"), "" },
		{ SPAN("{\"a\":\"\xff\"}"), "" }, { SPAN("{\"a\":\"\xed\xa0\x80\"}"), "" }, { SPAN("{\"a\":\"\xc0\x80\"}"), "" }, { SPAN("{\"a\":\"\\ud83d\"}"), "" },
		{ SPAN("{\"a\":\"\\udc07\\ud83d\"}"), "" }, { SPAN("\xef\xbb\xbf{}"), "" }, { SPAN("{}\0"), "" }, { SPAN("{\"a\":\"\0\"}"), "" }, { SPAN("{\"a\":NaN}"), "" },
	};
	struct buf why = BUF_INIT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = exact(rows[i].text);
		bool good;

		buf_clear(&why);
		good = jdoc_canonical(text, 1000, &why);
		if (good != canonical_says(text) || good != !rows[i].why || good != (why.n == 0) || (!good && !strstr(buf_str(&why), rows[i].why)))
			fail_msg("row %zu: %s", i, buf_str(&why));
		exact_free(text);
	}
	assert_true(jdoc_canonical(SPAN("{\"a\":1}"), 7, NULL));
	assert_false(jdoc_canonical(SPAN("{\"a\":1}"), 6, NULL));
	buf_release(&why);
}

/* Nested as deep as the parser goes, and deeper. */
static void test_depth(void **state)
{
	for (size_t depth = 1; depth < 10000; depth = depth * 3 / 2 + 1) {
		struct buf text = BUF_INIT;

		for (size_t i = 0; i < depth; i++)
			buf_adds(&text, "{\"a\":");
		buf_adds(&text, "{}");
		for (size_t i = 0; i < depth; i++)
			buf_addc(&text, '}');
		assert_int_equal(jdoc_canonical(buf_span(&text), text.n, NULL), depth < 2048);
		buf_release(&text);
	}
}

/* -- random documents, each made twice: as a jdoc in any order, and as text by the
 * definition alone */

struct member {
	uint32_t    key[4];     /* code points, 0 at the end */
	struct buf  name, text; /* written by the definition */
	jdoc       *value;
};

static void add_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 63)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 63)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 63)));
	}
	if (c >= 0x80)
		buf_addc(out, (char)(0x80 | (c & 63)));
}

/* RFC 8785 section 3.2.2.2, once more and differently. */
static void add_escaped(struct buf *out, uint32_t c)
{
	switch (c) {
	case '\b': buf_adds(out, "\\b"); break;
	case '\t': buf_adds(out, "\\t"); break;
	case '\n': buf_adds(out, "\\n"); break;
	case '\f': buf_adds(out, "\\f"); break;
	case '\r': buf_adds(out, "\\r"); break;
	case '"':  buf_adds(out, "\\\""); break;
	case '\\': buf_adds(out, "\\\\"); break;
	default:
		if (c < 0x20)
			buf_addf(out, "\\u%04x", c);
		else
			add_utf8(out, c);
	}
}

/* Any Unicode character but NUL and surrogates; those that sort or escape oddly often. */
static uint32_t any_character(void)
{
	static const uint32_t odd[] = { 1, 8, 9, 0x1f, ' ', '"', '\\', '/', 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x10ffff };
	uint32_t c;

	if (dice(2))
		return dice(2) ? odd[dice(COUNT_OF(odd))] : (uint32_t)('a' + dice(3));
	do
		c = (uint32_t)(1 + dice_wide(21) % 0x10ffff);
	while (c >= 0xd800 && c < 0xe000);
	return c;
}

static size_t utf16(const uint32_t *key, uint16_t *out)
{
	size_t n = 0;

	for (; *key; key++) {
		if (*key >= 0x10000)
			out[n++] = (uint16_t)(0xd800 + ((*key - 0x10000) >> 10));
		out[n++] = (uint16_t)(*key >= 0x10000 ? 0xdc00 + ((*key - 0x10000) & 0x3ff) : *key);
	}
	return n;
}

static int by_units(const void *a, const void *b)
{
	uint16_t p[8], q[8];
	size_t n = utf16(((const struct member *)a)->key, p), m = utf16(((const struct member *)b)->key, q);

	for (size_t i = 0; i < n && i < m; i++)
		if (p[i] != q[i])
			return p[i] < q[i] ? -1 : 1;
	return n < m ? -1 : n > m;
}

static jdoc *any_object(unsigned depth, struct buf *text);

/* A value that goes into `holder` under `key` (NULL: an array), and its text. */
static void any_value(unsigned depth, jdoc *holder, const char *key, struct buf *text)
{
	struct buf octets = BUF_INIT;
	jdoc *list;
	int64_t number;

	switch (dice(depth ? 6 : 4)) {
	case 0:
		number = (int64_t)dice_wide(53) * (dice(2) ? 1 : -1);
		if (key) {
			jdoc_set_int(holder, key, number);
			buf_addf(text, "%lld", (long long)number);
			break;
		}
		/* fall through */
	case 1:
		if (key) {
			jdoc_set_bool(holder, key, true);
			buf_adds(text, "true");
			break;
		}
		/* fall through */
	case 2:
	case 3:
		buf_addc(text, '"');
		for (size_t n = dice(6); n; n--) {
			uint32_t c = any_character();

			add_utf8(&octets, c);
			add_escaped(text, c);
		}
		buf_addc(text, '"');
		if (key)
			jdoc_set_text(holder, key, span_of(buf_str(&octets), octets.n));
		else
			jdoc_push_text(holder, span_of(buf_str(&octets), octets.n));
		buf_release(&octets);
		break;
	case 4:
		list = jdoc_array();
		buf_addc(text, '[');
		for (size_t i = 0, n = dice(4); i < n; i++) {
			buf_adds(text, i ? "," : "");
			any_value(depth - 1, list, NULL, text);
		}
		buf_addc(text, ']');
		(key ? jdoc_set(holder, key, list) : jdoc_push(holder, list));
		break;
	case 5:
		list = any_object(depth - 1, text);
		(key ? jdoc_set(holder, key, list) : jdoc_push(holder, list));
		break;
	}
}

static bool taken(const struct member *members, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(members[i].key, members[n].key, sizeof members[n].key) == 0)
			return true;
	return false;
}

static jdoc *any_object(unsigned depth, struct buf *text)
{
	struct member members[6];
	size_t n = 0;
	jdoc *d = jdoc_object();

	memset(members, 0, sizeof members);
	for (size_t want = dice(COUNT_OF(members)); want; want--) {
		struct member *m = &members[n];

		memset(m->key, 0, sizeof m->key);
		for (size_t k = dice(4); k; k--)
			m->key[k - 1] = any_character();
		if (taken(members, n))
			continue;
		for (size_t k = 0; m->key[k]; k++)
			add_utf8(&m->name, m->key[k]);
		any_value(depth, d, buf_str(&m->name), &m->text);
		n++;
	}
	qsort(members, n, sizeof *members, by_units);
	buf_addc(text, '{');
	for (size_t i = 0; i < n; i++) {
		buf_adds(text, i ? ",\"" : "\"");
		for (size_t k = 0; members[i].key[k]; k++)
			add_escaped(text, members[i].key[k]);
		buf_adds(text, "\":");
		buf_add(text, buf_span(&members[i].text));
		buf_release(&members[i].name);
		buf_release(&members[i].text);
	}
	buf_addc(text, '}');
	return d;
}

/* Something done to the octets: changed, doubled, taken out, put in. */
static void damage(struct buf *text)
{
	static const char more[] = " \n\t0\",:{}[]\\u/\x01\xc3\xff";
	size_t at = dice(text->n);
	struct buf out = BUF_INIT;

	buf_add(&out, span_of(text->p, at));
	switch (dice(4)) {
	case 0:
		buf_addc(&out, (char)(text->p[at] ^ (1 << dice(8))));
		at++;
		break;
	case 1:
		buf_addc(&out, text->p[at]);
		break;
	case 2:
		at++;
		break;
	case 3:
		buf_addc(&out, more[dice(sizeof more)]);
		break;
	}
	buf_add(&out, span_of(text->p + at, text->n - at));
	buf_release(text);
	*text = out;
}

/* The check is right: a reader that knows only the definition says the same. */
static void check_damaged(struct buf *text)
{
	struct span copy = exact(buf_span(text));

	if (jdoc_canonical(copy, copy.n, NULL) != canonical_says(copy))
		fail_msg("%s is %scanonical", buf_str(text), canonical_says(copy) ? "" : "not ");
	exact_free(copy);
}

static void test_random(void **state)
{
	for (int round = 0; round < 4000; round++) {
		struct buf want = BUF_INIT, text = BUF_INIT, again = BUF_INIT, why = BUF_INIT;
		jdoc *d = any_object(3, &want), *back;

		jdoc_write(&text, d);
		if (!span_eq(buf_span(&text), buf_span(&want)))
			fail_msg("round %d: %s\n is not %s", round, buf_str(&text), buf_str(&want));
		if (!jdoc_canonical(buf_span(&text), text.n, &why))
			fail_msg("round %d: %s: %s", round, buf_str(&text), buf_str(&why));
		assert_non_null(back = jdoc_parse(buf_span(&text), text.n, NULL));
		jdoc_write(&again, back);
		assert_true(span_eq(buf_span(&text), buf_span(&again)));
		for (int i = 0; i < 8 && again.n > 0; i++) {
			damage(&again);
			check_damaged(&again);
		}
		jdoc_free(back);
		jdoc_free(d);
		buf_release(&want);
		buf_release(&text);
		buf_release(&again);
		buf_release(&why);
	}
}

/* What is sealed and put into the tree. */
static void test_evidence(void **state)
{
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		struct evidence e = sample_evidence((enum outcome)i);
		struct buf text = BUF_INIT;

		e.sender = i % 2 ? e.sender : SPAN("a\"\\\x01\xff@x");
		evidence_write(&text, &e);
		assert_true(jdoc_canonical(buf_span(&text), text.n, NULL));
		buf_release(&text);
	}
}

static int seed(void **state)
{
	dice_seed();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_texts), cmocka_unit_test(test_depth), cmocka_unit_test(test_random), cmocka_unit_test(test_evidence) };

	return cmocka_run_group_tests_name("canonical", tests, seed, NULL);
}
