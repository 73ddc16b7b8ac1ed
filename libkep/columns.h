/* columns.h - do the columns beside an evidence say what its octets say?  Pure.
 *
 * A store keeps some members of the canonical JSON (evidence.h) in columns, for
 * people and indices.  The octets are proved by the ledger, the columns are not;
 * so they are held against the octets, without parsing: in canonical JSON a member
 * can be written in one way only, and no text can hold one, as its '"' is escaped.
 */
#ifndef KEP_COLUMNS_H
#define KEP_COLUMNS_H

#include "libkep/base.h"

struct columns {
	struct span id, kep_id;         /* UUIDs */
	struct span outcome;            /* "D.1" */
	struct span event_time;         /* RFC 3339 in UTC, six digits */
	struct span previous;           /* UUID, or SPAN_NONE */
	uint64_t    recipient;          /* 0: all */
};

/* NULL: they do; else the name of the first column that does not.  Of P.1, the
 * evidence that bodies were removed (form kep-prune-1), as well. */
const char *columns_differ(const struct columns *c, struct span evidence);

#endif
