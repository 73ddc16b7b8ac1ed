/* setting.h - settings of Postfix that keep evidence true, and those that break it (settings.def). */
#ifndef KEP_SETTING_H
#define KEP_SETTING_H

#include "kepctl/finding.h"
#include "kepctl/postconf.h"

enum setting_test {
	SETTING_IS,             /* the value, word for word */
	SETTING_ONE_OF,         /* one of the blank-separated words */
	SETTING_HAS,            /* a list that holds the word */
	SETTING_LACKS,          /* a list that does not hold any of the words */
	SETTING_AT_LEAST,       /* a number, that or more */
	SETTING_UNFOLDED,       /* 0 (no limit), or that or more */
	SETTING_EMPTY,          /* nothing */
};

/* Pure: does a value pass? */
bool setting_holds(enum setting_test test, const char *expected, const char *value);

/* Judge every row of settings.def; a finding for each that does not pass, and
 * one "ok" when all do. */
void settings_check(const struct postconf *p, bool peers, struct findings *f);

#endif
