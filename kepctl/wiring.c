#include "kepctl/wiring.h"

#include <stdlib.h>

#include "libkep/mem.h"

static const char *const policy_lists[] = {
	"smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions",
};

/* How Postfix writes an endpoint of ours: "unix:PATH", "inet:HOST:PORT".  The
 * milter's "inet:PORT@HOST" is turned round. */
static char *endpoint(const char *ours)
{
	const char *at = strchr(ours, '@');

	if (strncmp(ours, "inet:", 5) == 0 && at)
		return mem_printf("inet:%s:%.*s", at + 1, (int)(at - ours - 5), ours + 5);
	return ours[0] == '/' ? mem_printf("unix:%s", ours) : mem_str(ours);
}

/* text names that endpoint; a unix socket below the queue directory may be
 * written relative to it. */
static bool names(const struct postconf *p, struct span text, const char *address)
{
	char *whole = mem_span(text), *full = endpoint(address);
	const char *queue = postconf_value(p, "queue_directory");
	size_t n = queue ? strlen(queue) : 0;
	bool hit = strstr(whole, full) != NULL;

	if (!hit && n && strncmp(full, "unix:", 5) == 0 && strncmp(full + 5, queue, n) == 0 && full[5 + n] == '/') {
		char *relative = mem_printf("unix:%s", full + 6 + n);

		hit = strstr(whole, relative) != NULL;
		free(relative);
	}
	free(whole);
	free(full);
	return hit;
}

/* Any of the blank-separated endpoints. */
static bool names_any(const struct postconf *p, struct span text, const char *addresses)
{
	struct span rest = span_str(addresses);
	bool hit = false;

	while (!hit && rest.n) {
		struct span one = span_cut(&rest, ' ');
		char *address = mem_span(one);

		hit = one.n && names(p, text, address);
		free(address);
	}
	return hit;
}

/* Our definition in one restriction list: the word behind check_policy_service
 * (or the braces around both).  *permit: the first permit that stands before it. */
static struct span find_policy(const struct wiring *w, const char *list, struct span *permit)
{
	struct span rest = span_str(list), word, last = SPAN_NONE;

	*permit = SPAN_NONE;
	while ((word = postconf_word(&rest)).n) {
		bool named = names_any(w->postfix, word, w->conf->policy_socket);

		if (named && (span_is(last, "check_policy_service") || word.p[0] == '{'))
			return word;
		if (span_casestarts(word, SPAN("permit")) && !permit->n)
			*permit = word;
		last = word;
	}
	return SPAN_NONE;
}

static char *what_of(const char *service, const char *name)
{
	return service ? mem_printf("postfix %s %s", service, name) : mem_printf("postfix %s", name);
}

/* One list of main.cf (service NULL) or of a service.  true: it is there. */
static bool check_list(const struct wiring *w, const char *service, const char *name, const char *list, struct span first)
{
	struct span permit, found = find_policy(w, list, &permit);
	char *what = what_of(service, name), *mend;

	if (service)
		mend = mem_printf("postconf -c %s -P '%s/%s=$kep_policy%s%s'", w->postfix->directory, service, name, *list ? "," : "", list);
	else
		mend = mem_printf("postconf -c %s -e 'kep_policy = check_policy_service { %s, timeout=20s, { default_action = 451 4.3.5 KEP policy unavailable } }' '%s = $kep_policy%s%s'",
		                  w->postfix->directory, w->conf->policy_socket, name, *list ? ", " : "", list);
	if (!found.n)
		findings_add(w->findings, service ? FINDING_WARNING : FINDING_WRONG, what, mend,
		             "the policy service %s is not in the list: KEP mail is refused here (attempt-missing)", w->conf->policy_socket);
	else if (permit.n)
		findings_add(w->findings, FINDING_WRONG, what, mend,
		             "%.*s stands before the policy service, which then never sees what that permits; put $kep_policy first", (int)permit.n, permit.p);
	else if (first.n && !span_eq(first, found))
		findings_add(w->findings, FINDING_WRONG, what, mend,
		             "the definition differs from the one in %s: write $kep_policy in all three, so that one connection serves a transaction", policy_lists[0]);
	free(what);
	free(mend);
	return found.n && !permit.n && (!first.n || span_eq(first, found));
}

/* Postfix reads "default_action = 451 words" only inside braces of its own; else smtpd dies at start. */
static bool check_braces(const struct wiring *w, struct span policy)
{
	char *text = mem_span(policy), *action = strstr(text, "default_action");
	bool inner = false, good;

	for (const char *c = text + 1; action && c < action; c++)
		inner = *c == '{' ? true : *c == '}' ? false : inner;
	good = action && (inner || !strpbrk(action, "0123456789"));
	if (action && !good)
		findings_add(w->findings, FINDING_WRONG, "postfix policy service", "write { default_action = 451 4.3.5 KEP policy unavailable } with its own braces inside the definition",
		             "default_action with blanks and without braces: every smtpd dies at start, and 'postfix check' does not notice");
	else if (!action)
		findings_add(w->findings, FINDING_WARNING, "postfix policy service", "add { default_action = 451 4.3.5 KEP policy unavailable } to the definition",
		             "no default_action: Postfix answers 451 4.3.5 Server configuration problem while kep-policyd is away");
	free(text);
	return good;
}

void wiring_check_policy(const struct wiring *w)
{
	const struct postconf *p = w->postfix;
	struct span first = SPAN_NONE, permit;
	size_t good = 0, all = 0;

	for (size_t i = 0; i < COUNT_OF(policy_lists); i++) {
		const char *list = postconf_value(p, policy_lists[i]);

		good += check_list(w, NULL, policy_lists[i], list ? list : "", first);
		all++;
		if (!first.n && list)
			first = find_policy(w, list, &permit);
		for (size_t k = 0; k < p->n_services; k++) {
			const char *own = postconf_is_smtpd(&p->services[k]) ? postconf_override(p, p->services[k].name, policy_lists[i]) : NULL;

			if (own) {
				good += check_list(w, p->services[k].name, policy_lists[i], own, first);
				all++;
			}
		}
	}
	if (first.n && check_braces(w, first) && good == all)
		findings_add(w->findings, FINDING_OK, "postfix policy service", NULL, "asked at RCPT, DATA and END-OF-MESSAGE");
}

/* The milter's own default_action inside its braces, or milter_default_action. */
static bool fails_closed(const struct wiring *w, struct span milter)
{
	char *text = mem_span(milter), *action = strstr(text, "default_action");
	bool closed = true;

	if (action) {
		action += strlen("default_action");
		action += strspn(action, " \t=");
		closed = strncmp(action, "tempfail", 8) == 0;
	}
	free(text);
	return closed;      /* milter_default_action is a row of settings.def */
}

static bool check_milters(const struct wiring *w, const char *service, const char *name, const char *list, enum finding_level level)
{
	struct span rest = span_str(list), word, found = SPAN_NONE;
	char *what = what_of(service, name), *mend;
	bool good;

	while (!found.n && (word = postconf_word(&rest)).n)
		if (names(w->postfix, word, w->conf->milter_socket))
			found = word;
	if (service)
		mend = mem_printf("postconf -c %s -P '%s/%s=$kep_milter'", w->postfix->directory, service, name);
	else
		mend = mem_printf("postconf -c %s -e 'kep_milter = { %s, connect_timeout=10s, command_timeout=60s, content_timeout=120s, default_action=tempfail }' '%s = %s%s$kep_milter'",
		                  w->postfix->directory, w->conf->milter_socket, name, list, *list ? ", " : "");
	good = found.n && fails_closed(w, found);
	if (!found.n)
		findings_add(w->findings, level, what, mend, "kep-milter (%s) is not in the list: nothing is judged here, and the hop refuses KEP mail", w->conf->milter_socket);
	else if (!good)
		findings_add(w->findings, FINDING_WRONG, what, mend, "kep-milter's default_action is not tempfail: while it is away mail goes on unjudged, or is lost");
	free(what);
	free(mend);
	return good;
}

void wiring_check_milter(const struct wiring *w)
{
	const struct postconf *p = w->postfix;
	const char *smtpd = postconf_value(p, "smtpd_milters"), *local = postconf_value(p, "non_smtpd_milters");
	bool good = check_milters(w, NULL, "smtpd_milters", smtpd ? smtpd : "", FINDING_WRONG);

	good &= check_milters(w, NULL, "non_smtpd_milters", local ? local : "", FINDING_WARNING);
	for (size_t i = 0; i < p->n_services; i++) {
		const char *own = postconf_is_smtpd(&p->services[i]) ? postconf_override(p, p->services[i].name, "smtpd_milters") : NULL;

		if (own)
			good &= check_milters(w, p->services[i].name, "smtpd_milters", own, FINDING_WARNING);
	}
	if (good)
		findings_add(w->findings, FINDING_OK, "postfix milter", NULL, "judges what comes over the network and from sendmail(1)");
}
