/* wiring.h - does Postfix ask us?  The policy service and the milter in its lists. */
#ifndef KEP_WIRING_H
#define KEP_WIRING_H

#include "kepctl/finding.h"
#include "kepctl/postconf.h"
#include "libkep/conf.h"

/* What the wiring is judged against. */
struct wiring {
	const struct conf     *conf;
	const struct postconf *postfix;
	const struct span     *ours, *theirs;   /* KEP domains: of this provider, of others */
	size_t                 n_ours, n_theirs;
	struct findings       *findings;
};

/* The same definition of our policy service in all three lists, before any permit. */
void wiring_check_policy(const struct wiring *w);
/* kep-milter in smtpd_milters and non_smtpd_milters, failing closed. */
void wiring_check_milter(const struct wiring *w);

#endif
