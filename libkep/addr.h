/* addr.h - one e-mail address: syntax and folding, by rule and never by locale.
 *
 * Accepted: dot-atom local parts (RFC 5321 section 4.1.2 Dot-string) whose atoms
 * may hold UTF-8 (RFC 6531), at most 64 octets; domains of LDH labels, or of
 * UTF-8 labels, at most 255 octets.  Not accepted: quoted local parts, address
 * literals, source routes, comments, white space, control octets.
 *
 * Folding: ASCII letters of local part and domain become lower-case (addresses
 * of KEP accounts are case-insensitive); every other octet stays as it is.  Two
 * addresses are the same account if and only if their folded octets are equal.
 */
#ifndef KEP_ADDR_H
#define KEP_ADDR_H

#include "libkep/base.h"

#define ADDR_SIZE 322           /* 64 + 1 + 255 octets, a NUL, rounded up */

struct addr {
	char   text[ADDR_SIZE]; /* folded, NUL-terminated; "" for the null sender */
	size_t at;              /* index of '@' */
	size_t n;               /* octets */
};

/* Parse and fold "local@domain", with or without "<" ">".  "<>" and "" give the
 * empty address.  true: done; false: not an address we accept (*a is empty). */
bool addr_parse(struct addr *a, struct span text);
static inline bool addr_empty(const struct addr *a) { return a->n == 0; }
static inline bool addr_eq(const struct addr *a, const struct addr *b) { return span_eq(span_of(a->text, a->n), span_of(b->text, b->n)); }
static inline struct span addr_span(const struct addr *a) { return span_of(a->text, a->n); }
struct span addr_domain(const struct addr *a);          /* SPAN_NONE of the empty address */

/* May c stand in an atom (RFC 5322 section 3.2.3, with the octets of UTF-8)? */
bool addr_atext(char c);

/* Decode an ORCPT parameter's value "rfc822;xtext" or "utf-8;text" (RFC 3461
 * section 4.2, RFC 6533 section 3) into an address.  false: neither. */
bool addr_parse_orcpt(struct addr *a, struct span orcpt);

#endif
