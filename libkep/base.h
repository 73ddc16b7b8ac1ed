/* base.h - the words every other file speaks: borrowed octets, time, ids.
 *
 * A struct span is borrowed: it never owns what it points to and nothing in it
 * is freed through it.  Owned octets are a struct buf (buf.h).
 * Layer: the lowest of libkep; includes nothing of ours.
 */
#ifndef KEP_BASE_H
#define KEP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed octets; p may be NULL only when n is 0.  Not NUL-terminated. */
struct span {
	const char *p;
	size_t      n;
};

#define SPAN(lit)      ((struct span){ "" lit, sizeof(lit) - 1 })
#define SPAN_NONE      ((struct span){ NULL, 0 })
#define COUNT_OF(a)    (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)   __attribute__((format(printf, f, a)))

static inline struct span span_of(const char *p, size_t n) { return (struct span){ p, n }; }
static inline struct span span_str(const char *s) { return (struct span){ s, s ? strlen(s) : 0 }; }
static inline bool span_eq(struct span a, struct span b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool span_is(struct span a, const char *s) { return span_eq(a, span_str(s)); }

/* ASCII only, never by locale (Turkish dotted and dotless i). */
static inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline bool ascii_alnum(char c) { return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'); }

/* Equal but for ASCII case. */
bool span_caseeq(struct span a, struct span b);
/* a begins with b but for ASCII case. */
bool span_casestarts(struct span a, struct span b);
/* Without leading and trailing SP, HTAB, CR, LF. */
struct span span_trim(struct span s);
/* Cut *in at the first c: the part before it is returned, *in becomes the part
 * behind it (SPAN_NONE when there was no c; then all of *in is returned). */
struct span span_cut(struct span *in, char c);

/* Well-formed UTF-8 of RFC 3629 (no surrogates, no overlong forms, no NUL). */
bool utf8_valid(struct span s);

/* Write 2*n lower-case hexadecimal digits and a NUL to out (size >= 2*n+1). */
void hex_encode(char *out, const void *octets, size_t n);
/* Exactly 2*n hexadecimal digits into n octets.  true: done; false: not that. */
bool hex_decode(void *octets, size_t n, struct span hex);

#endif
