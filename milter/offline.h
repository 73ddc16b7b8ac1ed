/* offline.h - kep-milter -t: judge saved messages, with no mail server and no
 * kep-policyd.  The envelope is taken from the header: the sender is From, the
 * recipients are To and Cc. */
#ifndef KEP_MILTER_OFFLINE_H
#define KEP_MILTER_OFFLINE_H

#include "libkep/conf.h"
#include "libkep/trust.h"

/* The time messages are judged for: conf verification_time, or now.  false: it
 * cannot be read. */
bool offline_time(const struct conf *conf, usec *at);

/* One line a file on standard output: "FILE: accepted|rejected why=REASON
 * signer=WHO cades=LEVEL", or a JSON object (kep-milter(8)).  A file without any
 * CR has its LF line ends read as CRLF.  true: all of them were accepted. */
bool offline_judge(const struct conf *conf, const struct trust *trust, bool json, char *const *files, size_t n);

#endif
