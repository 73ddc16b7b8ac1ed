/* paint.h - colour where a person looks, plain text elsewhere.
 *
 * Colour is on when the stream is a terminal, TERM is not "dumb" and NO_COLOR is
 * unset or empty (https://no-color.org).
 */
#ifndef KEP_PAINT_H
#define KEP_PAINT_H

#include <stdio.h>

#include "libkep/base.h"

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_FAINT, PAINT_GOOD, PAINT_DOUBT, PAINT_BAD };

/* What follows on this stream looks like this; PAINT_PLAIN ends it. */
void paint(FILE *out, enum paint how);
/* A text that a stranger may have chosen: control characters and octets that are
 * no UTF-8 come out as '?'. */
void paint_text(FILE *out, struct span text);

#endif
