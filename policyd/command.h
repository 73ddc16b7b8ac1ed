/* command.h - the arguments of MAIL and RCPT: a path and its parameters.  Pure.
 * Source: RFC 5321 sections 4.1.2 and 4.1.1.11.
 */
#ifndef KEP_COMMAND_H
#define KEP_COMMAND_H

#include "libkep/base.h"

#define COMMAND_PATH_MAX 320

/* Cut "KEYWORD" off the front of *line: everything up to a blank. */
struct span command_word(struct span *line);
/* Cut "FROM:<path>" or "TO:<path>" off the front of *line (one blank behind the
 * colon is passed over).  false: not that, or longer than COMMAND_PATH_MAX;
 * *path is without the angle brackets. */
bool command_path(struct span *line, const char *keyword, struct span *path);
/* Cut the next parameter off: 1: *key and *value ("" when there is no '=');
 * 0: the line is used up; -1: not a parameter. */
int command_param(struct span *line, struct span *key, struct span *value);

#endif
