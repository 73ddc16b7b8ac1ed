/* jdoc.h - JSON documents; the one door to jansson.
 *
 * Used for the ask protocol, evidence and --json output.  A jdoc is owned; the
 * objects and arrays taken out of it (jdoc_get, jdoc_at) are borrowed from it.
 */
#ifndef KEP_JDOC_H
#define KEP_JDOC_H

#include "libkep/base.h"
#include "libkep/buf.h"

typedef struct json_t jdoc;

jdoc *jdoc_object(void);
jdoc *jdoc_array(void);
void  jdoc_free(jdoc *d);                       /* NULL is fine */

/* One JSON object from text of at most `limit` octets, nothing behind it, no
 * key twice.  NULL: not that; *why (may be NULL) says in words. */
jdoc *jdoc_parse(struct span text, size_t limit, struct buf *why);

/* Set a member.  Octets that are no UTF-8 are written as U+FFFD; a NULL string
 * or SPAN_NONE leaves the member out. */
void jdoc_set_text(jdoc *object, const char *key, struct span value);
void jdoc_set_str(jdoc *object, const char *key, const char *value);
void jdoc_set_int(jdoc *object, const char *key, int64_t value);
void jdoc_set_bool(jdoc *object, const char *key, bool value);
void jdoc_set(jdoc *object, const char *key, jdoc *value);      /* takes value over */
void jdoc_push_text(jdoc *array, struct span value);
void jdoc_push(jdoc *array, jdoc *value);                       /* takes value over */

/* Get a member; the fallback when it is absent or of another type.  Texts are
 * borrowed from d and NUL-terminated at p[n]. */
struct span jdoc_text(const jdoc *d, const char *key);
int64_t     jdoc_int(const jdoc *d, const char *key, int64_t fallback);
bool        jdoc_bool(const jdoc *d, const char *key, bool fallback);
const jdoc *jdoc_get(const jdoc *d, const char *key);           /* NULL: absent */
size_t      jdoc_count(const jdoc *array);                      /* 0 where it is no array */
const jdoc *jdoc_at(const jdoc *array, size_t i);               /* NULL: out of range */
struct span jdoc_text_at(const jdoc *array, size_t i);          /* SPAN_NONE: no text there */

/* Append as RFC 8785 canonical JSON (sorted keys, no white space).  Only
 * objects, arrays, strings, integers of at most 53 bits and booleans occur. */
void jdoc_write(struct buf *out, const jdoc *d);

/* true: text is one object in exactly the form of RFC 8785, of at most `limit`
 * octets, and made only of what we write: objects, arrays, strings without NUL,
 * integers from -(2^53-1) to 2^53-1, true and false.  So two texts that are
 * canonical are the same octets or say different things. */
bool jdoc_canonical(struct span text, size_t limit, struct buf *why);

#endif
