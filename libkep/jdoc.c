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

/* RFC 8785 section 3.2.2.2. */
static void write_text(struct buf *out, struct span s)
{
	static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";

	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		const char *hit = NULL;

		for (const char *p = shorts; *p && !hit; p += 2)
			if (*p == s.p[i])
				hit = p + 1;
		if (hit)
			buf_addf(out, "\\%c", *hit);
		else if ((unsigned char)s.p[i] < 0x20)
			buf_addf(out, "\\u%04x", (unsigned)s.p[i]);
		else
			buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
}

static int by_octets(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keys are ours and ASCII, so octet order is the UTF-16 order of RFC 8785. */
static void write_object(struct buf *out, const json_t *d)
{
	size_t n = json_object_size(d), i = 0;
	const char **keys = mem_array(n, sizeof *keys);

	for (void *it = json_object_iter((json_t *)(uintptr_t)d); it; it = json_object_iter_next((json_t *)(uintptr_t)d, it))
		keys[i++] = json_object_iter_key(it);
	qsort(keys, n, sizeof *keys, by_octets);
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
