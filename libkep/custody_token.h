/* custody_token.h - RFC 3161 tokens in evidence records, for custody.h: genuine by
 * stamp.h, and good as long as their certificates last and no algorithm they rest on
 * has ended.  No network, no clock. */
#ifndef KEP_CUSTODY_TOKEN_H
#define KEP_CUSTODY_TOKEN_H

#include "libkep/custody.h"
#include "libkep/sunset.h"
#include "libkep/trust.h"

struct custody_tokens {
	const struct trust   *tsa;              /* anchors of time-stamping authorities */
	const struct sunsets *sunsets;          /* NULL: no algorithm ends */
	struct buf            certificates;     /* DER, one behind the other: candidates for the way to an anchor */
};

/* Ready for custody_judge(), at that time; e is the record, whose cryptoInfos may hold
 * certificates.  t must outlive the rules; release it afterwards. */
void custody_tokens_init(struct custody_tokens *t, const struct ers *e, const struct trust *tsa, const struct sunsets *sunsets,
                         usec now, struct custody_rules *rules);
void custody_tokens_release(struct custody_tokens *t);

/* The value of a cryptoInfos attribute (id-aa-ets-certValues, RFC 5126 section
 * 6.3.3) for certificates in DER, one behind the other; appended. */
void custody_tokens_infos(struct buf *out, struct span certificates);

#endif
