/* ways.h - does KEP mail go the ways it must?  The services of master.cf, the
 * domains' transports, and whether smtpd lives. */
#ifndef KEP_WAYS_H
#define KEP_WAYS_H

#include "kepctl/wiring.h"

/* kep, kepinject and kepout in master.cf; smtpd outside the chroot. */
void ways_check_services(const struct wiring *w);
/* Every KEP domain goes to the hop; ours are taken from outside. */
void ways_check_domains(const struct wiring *w);
/* One session with each smtpd on the network that we can name an address of. */
void ways_check_smtpd(const struct wiring *w);

#endif
