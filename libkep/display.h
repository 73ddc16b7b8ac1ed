/* display.h - what people see of a From: most mail programs show the name and not
 * the address, and nothing in that name is proven.  Pure. */
#ifndef KEP_DISPLAY_H
#define KEP_DISPLAY_H

#include "libkep/addr.h"

/* Is what is shown of this field (its raw value, one mailbox whose address is *a)
 * honest?  Encoded words (RFC 2047) are decoded wherever they stand.  Then
 *   - every '@' belongs to the address itself, but for case;
 *   - there are no look-alikes of '@', no octets that are not seen or that change
 *     the direction of the text, and no more than 16 blanks in a row;
 *   - an encoded word is of a charset in which ASCII is ASCII (UTF-8, ISO 8859,
 *     Windows), and well-formed. */
bool display_honest(struct span value, const struct addr *a);

#endif
