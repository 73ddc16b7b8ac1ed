#include "kepctl/setting.h"

#include <stdlib.h>

#include "libkep/mem.h"

#define HOP    "kep/unix"
#define INJECT "kepinject/unix"

enum scope { SCOPE_MAIN, SCOPE_SMTPD, SCOPE_PEERS, SCOPE_QUEUE, SCOPE_HOP, SCOPE_INJECT };

static const struct setting {
	enum scope         scope;
	const char        *name;
	enum setting_test  test;
	const char        *expected;
	enum finding_level level;
	const char        *why;
} settings[] = {
#define SETTING(scope, name, test, expected, level, why) { SCOPE_##scope, #name, SETTING_##test, expected, FINDING_##level, why },
#include "kepctl/settings.def"
#undef SETTING
};

/* list holds a word of `words`. */
static bool has_any(const char *list, const char *words)
{
	struct span rest = span_str(words), w;
	bool hit = false;

	while (!hit && (w = postconf_word(&rest)).n) {
		char *word = mem_span(w);

		hit = postconf_has(list, word);
		free(word);
	}
	return hit;
}

bool setting_holds(enum setting_test test, const char *expected, const char *value)
{
	char *end;
	long number = strtol(value, &end, 10);
	bool is_number = end != value && *end == '\0';

	switch (test) {
	case SETTING_IS:
		return span_caseeq(span_str(value), span_str(expected));
	case SETTING_ONE_OF:
		return *value && postconf_has(expected, value);
	case SETTING_HAS:
		return postconf_has(value, expected);
	case SETTING_LACKS:
		return !has_any(value, expected);
	case SETTING_AT_LEAST:
		return is_number && number >= atol(expected);
	case SETTING_UNFOLDED:
		return is_number && (number == 0 || number >= atol(expected));
	case SETTING_EMPTY:
		break;
	}
	return *value == '\0';
}

/* The value that would pass. */
static char *right_value(const struct setting *s, const char *value)
{
	struct span rest = span_str(s->expected);

	if (s->test == SETTING_ONE_OF)
		return mem_span(postconf_word(&rest));
	if (s->test == SETTING_HAS && *value)
		return mem_printf("%s, %s", value, s->expected);
	if (s->test == SETTING_UNFOLDED)
		return mem_str("0");
	return mem_str(s->test == SETTING_LACKS ? "" : s->expected);
}

/* service NULL: main.cf. */
static void complain(const struct postconf *p, const struct setting *s, const char *service, const char *value, struct findings *f)
{
	char *right = right_value(s, value), *mend, *what;
	bool own = s->scope == SCOPE_HOP || s->scope == SCOPE_INJECT;

	if (!service && !postconf_value(p, s->name))
		mend = mem_printf("install a Postfix that knows %s (3.7.11, 3.8.6 or later)", s->name);
	else if (!service)
		mend = mem_printf("postconf -c %s -e '%s = %s'", p->directory, s->name, right);
	else if (own)
		mend = mem_printf("postconf -c %s -P '%s/%s=%s'", p->directory, service, s->name, right);
	else
		mend = mem_printf("postconf -c %s -PX %s/%s", p->directory, service, s->name);
	what = mem_printf("postfix %s%s%s", service ? service : "", service ? " " : "", s->name);
	findings_add(f, service && !own ? FINDING_WARNING : s->level, what, mend, "'%s': %s", value, s->why);
	free(right);
	free(mend);
	free(what);
}

static bool overridden_everywhere(const struct postconf *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (postconf_is_smtpd(&p->services[i]) && !postconf_override(p, p->services[i].name, name))
			return false;
	return true;
}

static bool ours(const char *service)
{
	return strcmp(service, INJECT) == 0 || strcmp(service, HOP) == 0 || strcmp(service, "kepout/unix") == 0;
}

/* main.cf, and what services make of it. */
static size_t check_wide(const struct postconf *p, const struct setting *s, struct findings *f)
{
	const char *value = postconf_value(p, s->name);
	size_t bad = 0;

	if (!value && s->test != SETTING_EMPTY && s->test != SETTING_LACKS)
		value = "";     /* a Postfix that is too old to know it */
	if (value && !((s->scope == SCOPE_SMTPD || s->scope == SCOPE_PEERS) && overridden_everywhere(p, s->name)) && !setting_holds(s->test, s->expected, value)) {
		complain(p, s, NULL, value, f);
		bad++;
	}
	for (size_t i = 0; i < p->n_services; i++) {
		const char *name = p->services[i].name, *own = ours(name) ? NULL : postconf_override(p, name, s->name);

		if (own && !setting_holds(s->test, s->expected, own)) {
			complain(p, s, name, own, f);
			bad++;
		}
	}
	return bad;
}

static size_t check_service(const struct postconf *p, const struct setting *s, const char *service, struct findings *f)
{
	const char *value = postconf_service(p, service) ? postconf_effective(p, service, s->name) : NULL;

	if (!value || setting_holds(s->test, s->expected, value))
		return 0;
	complain(p, s, service, value, f);
	return 1;
}

void settings_check(const struct postconf *p, bool peers, struct findings *f)
{
	size_t bad = 0;

	for (size_t i = 0; i < COUNT_OF(settings); i++) {
		const struct setting *s = &settings[i];

		if (s->scope == SCOPE_HOP)
			bad += check_service(p, s, HOP, f);
		else if (s->scope == SCOPE_INJECT)
			bad += check_service(p, s, INJECT, f);
		else if (s->scope == SCOPE_PEERS ? peers : s->scope != SCOPE_QUEUE || postconf_service(p, HOP))
			bad += check_wide(p, s, f);
	}
	if (bad == 0)
		findings_add(f, FINDING_OK, "postfix settings", NULL, "%zu are as they must be", COUNT_OF(settings));
}
