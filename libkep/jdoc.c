#include "libkep/jdoc.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

jdoc *jdoc_object(void)
{
	jdoc *d = json_object();

	if (!d)
		log_fatal("out of memory");
	return d;
}

jdoc *jdoc_array(void)
{
	jdoc *d = json_array();

	if (!d)
		log_fatal("out of memory");
	return d;
}

void jdoc_free(jdoc *d)
{
	json_decref(d);
}

jdoc *jdoc_parse(struct span text, size_t limit, struct buf *why)
{
	json_error_t e = { .text = "longer than the limit" };
	jdoc *d = text.n <= limit ? json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &e) : NULL;

	if (d && !json_is_object(d)) {
		json_decref(d);
		d = NULL;
		strcpy(e.text, "not an object");
	}
	if (!d && why)
		buf_adds(why, e.text);
	return d;
}

/* A JSON string; whatever is no UTF-8 becomes U+FFFD, octet by octet. */
static json_t *text_value(struct span s)
{
	json_t *v = utf8_valid(s) ? json_stringn(s.p ? s.p : "", s.n) : NULL;

	if (!v) {
		struct buf b = BUF_INIT;

		for (size_t i = 0; i < s.n; i++)
			buf_adds(&b, (unsigned char)s.p[i] < 0x80 && s.p[i] ? (char[2]){ s.p[i], 0 } : "\xef\xbf\xbd");
		v = json_stringn(buf_str(&b), b.n);
		buf_release(&b);
	}
	if (!v)
		log_fatal("out of memory");
	return v;
}

void jdoc_set(jdoc *object, const char *key, jdoc *value)
{
	if (json_object_set_new(object, key, value) != 0)
		log_panic("jdoc_set: '%s' cannot be set", key);
}

void jdoc_set_text(jdoc *object, const char *key, struct span value)
{
	if (value.p)
		jdoc_set(object, key, text_value(value));
}

void jdoc_set_str(jdoc *object, const char *key, const char *value)
{
	jdoc_set_text(object, key, span_str(value));
}

void jdoc_set_int(jdoc *object, const char *key, int64_t value)
{
	jdoc_set(object, key, json_integer(value));
}

void jdoc_set_bool(jdoc *object, const char *key, bool value)
{
	jdoc_set(object, key, json_boolean(value));
}

void jdoc_push(jdoc *array, jdoc *value)
{
	if (json_array_append_new(array, value) != 0)
		log_panic("jdoc_push: not an array");
}

void jdoc_push_text(jdoc *array, struct span value)
{
	jdoc_push(array, text_value(value));
}

static struct span text_of(const json_t *v)
{
	return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v)) : SPAN_NONE;
}

struct span jdoc_text(const jdoc *d, const char *key)
{
	return text_of(json_object_get(d, key));
}

int64_t jdoc_int(const jdoc *d, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(d, key);

	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool jdoc_bool(const jdoc *d, const char *key, bool fallback)
{
	const json_t *v = json_object_get(d, key);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

const jdoc *jdoc_get(const jdoc *d, const char *key)
{
	return json_object_get(d, key);
}

size_t jdoc_count(const jdoc *array)
{
	return json_array_size(array);
}

const jdoc *jdoc_at(const jdoc *array, size_t i)
{
	return json_array_get(array, i);
}

struct span jdoc_text_at(const jdoc *array, size_t i)
{
	return text_of(json_array_get(array, i));
}

/* The letter of a character's short escape; 0: it has none. */
static char short_escape(char c)
{
	static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";

	for (const char *p = shorts; *p; p += 2)
		if (*p == c)
			return p[1];
	return 0;
}

/* RFC 8785 section 3.2.2.2. */
static void write_text(struct buf *out, struct span s)
{
	buf_addc(out, '"');
	while (s.n) {
		size_t n = 0;
		char c;

		while (n < s.n && (unsigned char)s.p[n] >= 0x20 && s.p[n] != '"' && s.p[n] != '\\')
			n++;
		buf_add(out, span_of(s.p, n));
		if (n == s.n)
			break;
		if ((c = short_escape(s.p[n])))
			buf_add(out, span_of((char[]){ '\\', c }, 2));
		else
			buf_addf(out, "\\u%04x", (unsigned)s.p[n]);
		s = span_of(s.p + n + 1, s.n - n - 1);
	}
	buf_addc(out, '"');
}

/* The first octet of a character, as its first UTF-16 unit sorts: what needs two
 * units (U+10000 and up) comes before U+E000 to U+FFFF. */
static unsigned rank_of(char c)
{
	unsigned octet = (unsigned char)c;

	return octet == 0xee || octet == 0xef ? octet + 0x10 : octet;
}

/* RFC 8785 section 3.2.3: as arrays of UTF-16 units. */
static int by_utf16(const void *a, const void *b)
{
	const char *p = *(const char *const *)a, *q = *(const char *const *)b;

	for (; *p && *p == *q; p++, q++)
		;
	return rank_of(*p) < rank_of(*q) ? -1 : rank_of(*p) > rank_of(*q);
}

static void write_object(struct buf *out, const json_t *d)
{
	size_t n = json_object_size(d), i = 0;
	const char **keys = mem_array(n, sizeof *keys);

	for (void *it = json_object_iter((json_t *)(uintptr_t)d); it; it = json_object_iter_next((json_t *)(uintptr_t)d, it))
		keys[i++] = json_object_iter_key(it);
	qsort(keys, n, sizeof *keys, by_utf16);
	buf_addc(out, '{');
	for (i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		write_text(out, span_str(keys[i]));
		buf_addc(out, ':');
		jdoc_write(out, json_object_get(d, keys[i]));
	}
	buf_addc(out, '}');
	free(keys);
}

static void write_array(struct buf *out, const json_t *d)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < json_array_size(d); i++) {
		if (i)
			buf_addc(out, ',');
		jdoc_write(out, json_array_get(d, i));
	}
	buf_addc(out, ']');
}

void jdoc_write(struct buf *out, const jdoc *d)
{
	switch (json_typeof(d)) {
	case JSON_OBJECT:
		write_object(out, d);
		break;
	case JSON_ARRAY:
		write_array(out, d);
		break;
	case JSON_STRING:
		write_text(out, text_of(d));
		break;
	case JSON_INTEGER:
		buf_addf(out, "%" PRId64, (int64_t)json_integer_value(d));
		break;
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		buf_adds(out, json_is_true(d) ? "true" : json_is_false(d) ? "false" : "null");
		break;
	}
}

/* Made only of what we write: no null, no fraction, no integer that a reader of
 * IEEE 754 numbers would round. */
static bool is_plain(const json_t *d)
{
	static const json_int_t most = (INT64_C(1) << 53) - 1;

	switch (json_typeof(d)) {
	case JSON_OBJECT:
		for (void *it = json_object_iter((json_t *)(uintptr_t)d); it; it = json_object_iter_next((json_t *)(uintptr_t)d, it))
			if (!is_plain(json_object_iter_value(it)))
				return false;
		return true;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(d); i++)
			if (!is_plain(json_array_get(d, i)))
				return false;
		return true;
	case JSON_INTEGER:
		return json_integer_value(d) >= -most && json_integer_value(d) <= most;
	case JSON_STRING:
	case JSON_TRUE:
	case JSON_FALSE:
		return true;
	case JSON_REAL:
	case JSON_NULL:
		return false;
	}
	return false;
}

bool jdoc_canonical(struct span text, size_t limit, struct buf *why)
{
	jdoc *d = jdoc_parse(text, limit, why);
	struct buf again = BUF_INIT;
	const char *words = NULL;

	if (!d)
		return false;
	if (!is_plain(d)) {
		words = "a value that is no object, array, string, boolean or integer of 53 bits";
	} else {
		jdoc_write(&again, d);
		if (!span_eq(text, buf_span(&again)))
			words = "not in canonical form (RFC 8785)";
	}
	if (words && why)
		buf_adds(why, words);
	buf_release(&again);
	jdoc_free(d);
	return !words;
}
