/* offline.h - kep-milter -t: judge saved messages, with no mail server and no
 * kep-policyd.  The envelope is taken from the header: the sender is From, the
 * recipients are To and Cc. */
#ifndef KEP_MILTER_OFFLINE_H
#define KEP_MILTER_OFFLINE_H

#include "libkep/conf.h"
#include "libkep/trust.h"

/* One line a file on standard output: "FILE: accepted|rejected why=REASON
 * signer=WHO".  A file without any CR has its LF line ends read as CRLF.
 * true: all of them were accepted. */
bool offline_judge(const struct conf *conf, const struct trust *trust, char *const *files, size_t n);

#endif
