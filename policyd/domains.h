/* domains.h - the domains of the closed system, ours and the other providers': read
 * from the database, kept as text, looked up by address.  Pure. */
#ifndef KEP_DOMAINS_H
#define KEP_DOMAINS_H

#include "libkep/addr.h"
#include "libkep/buf.h"
#include "sql/pg.h"

struct domain {
	char *name;             /* folded */
	char *provider;         /* NULL: ours */
	char *tls;              /* array literal {"AA:BB",...} of fingerprints */
	char *relay;            /* "[HOST]:PORT" or "" */
};

struct domains {
	struct domain *v;
	size_t         n;
};

/* Read the rows of kep.domains(); *l must be empty. */
void domains_read(struct domains *l, const struct pg_rows *rows);
void domains_release(struct domains *l);

/* Append them as text: a line that names the form, a line for each domain, and a
 * line that ends it. */
void domains_write(const struct domains *l, struct buf *out);
/* Read such a text into *l, which must be empty.  false: it is none, or was torn. */
bool domains_parse(struct domains *l, struct span text);

/* The domain an address will have for Postfix, which rewrites "user%domain",
 * "domain!user" and a dot behind the domain (trivial-rewrite(8)); borrowed. */
struct span domains_of(struct span address);
/* The domain of an address; NULL: none of these, so an ordinary one. */
const struct domain *domains_find(const struct domains *l, struct span address);

#endif
