#include "kepctl/ways.h"

#include <stdlib.h>

#include "kepctl/dial.h"
#include "kepctl/process.h"
#include "libkep/mem.h"

#define SMTP_WAIT 10000         /* ms; postscreen waits 6 s before it greets, a dead smtpd says nothing at all */

/* Append what packaging/postfix/master.cf says of a service. */
static void complain_missing(const struct wiring *w, const char *name, const char *entry, enum finding_level level, const char *why)
{
	char *what = mem_printf("postfix %s", name);
	char *mend = mem_printf("postconf -c %s -M '%s=%s'", w->postfix->directory, name, entry);

	findings_add(w->findings, level, what, mend, "master.cf has no such service: %s", why);
	free(what);
	free(mend);
}

static void check_hop(const struct wiring *w)
{
	const struct postconf_service *s = postconf_service(w->postfix, "kep/unix");
	const char *flags = s ? strstr(s->arguments, "flags=") : NULL;

	if (!s)
		complain_missing(w, "kep/unix", "kep unix - - n - - lmtp flags=X", FINDING_WRONG, "KEP mail cannot leave the queue");
	else if (strcmp(s->command, "lmtp") != 0)
		findings_add(w->findings, FINDING_WRONG, "postfix kep/unix", "postconf -F kep/unix/command='lmtp flags=X'", "it runs %s, not lmtp", s->command);
	else if (!flags || !memchr(flags + 6, 'X', strcspn(flags + 6, " \t")))
		findings_add(w->findings, FINDING_WARNING, "postfix kep/unix", "postconf -F kep/unix/command='lmtp flags=X'",
		             "without flags=X Postfix says 'relayed' where a message was delivered");
	else if (s->chroot == 'y')
		findings_add(w->findings, FINDING_WRONG, "postfix kep/unix", "postconf -F kep/unix/chroot=n", "in the chroot it does not find %s", w->conf->lmtp_socket);
	else
		findings_add(w->findings, FINDING_OK, "postfix kep/unix", NULL, "takes KEP mail out of the queue");
}

/* conf inject_socket is the socket Postfix makes. */
static bool same_file(const char *a, const char *b)
{
	char *ra = realpath(a, NULL), *rb = realpath(b, NULL);
	bool same = ra && rb && strcmp(ra, rb) == 0;

	free(ra);
	free(rb);
	return same;
}

static void check_inject(const struct wiring *w)
{
	const struct postconf_service *s = postconf_service(w->postfix, "kepinject/unix");
	const char *queue = postconf_value(w->postfix, "queue_directory"), *conf = w->conf->inject_socket;
	char *made = mem_printf("%s/public/kepinject", queue ? queue : "");
	const char *path = strncmp(conf, "unix:", 5) == 0 ? conf + 5 : conf;

	if (!s)
		complain_missing(w, "kepinject/unix", "kepinject unix n - n - 8 smtpd", FINDING_WRONG,
		                 "receipts cannot be sent; take the whole entry, with its options, from packaging/postfix/master.cf");
	else if (strcmp(s->command, "smtpd") != 0)
		findings_add(w->findings, FINDING_WRONG, "postfix kepinject/unix", "postconf -F kepinject/unix/command=smtpd", "it runs %s, not smtpd", s->command);
	else if (s->private != 'n')
		findings_add(w->findings, FINDING_WRONG, "postfix kepinject/unix", "postconf -F kepinject/unix/private=n", "it is private, so only Postfix itself can reach it");
	else if (path[0] == '/' && !same_file(path, made))
		findings_add(w->findings, FINDING_WRONG, "inject_socket", made, "%s is not the socket of kepinject; name this one in kep.conf", path);
	else
		findings_add(w->findings, FINDING_OK, "postfix kepinject/unix", NULL, "takes our own mail");
	free(made);
}

/* A service in the chroot cannot reach /run/kep. */
static void check_chroot(const struct wiring *w)
{
	const char *queue = postconf_value(w->postfix, "queue_directory"), *socket = w->conf->policy_socket;
	size_t n = queue ? strlen(queue) : 0;

	if (strncmp(socket, "unix:/", 6) != 0 || (n && strncmp(socket + 5, queue, n) == 0))
		return;
	for (size_t i = 0; i < w->postfix->n_services; i++) {
		const struct postconf_service *s = &w->postfix->services[i];
		char *what, *mend;

		if (s->chroot != 'y' || !(postconf_is_smtpd(s) || strcmp(s->name, "cleanup/unix") == 0))
			continue;
		what = mem_printf("postfix %s", s->name);
		mend = mem_printf("postconf -c %s -F %s/chroot=n", w->postfix->directory, s->name);
		findings_add(w->findings, FINDING_WRONG, what, mend, "it runs in a chroot and cannot reach %s", socket + 5);
		free(what);
		free(mend);
	}
}

void ways_check_services(const struct wiring *w)
{
	check_hop(w);
	check_inject(w);
	if (w->n_theirs && !postconf_service(w->postfix, "kepout/unix"))
		complain_missing(w, "kepout/unix", "kepout unix - - n - - smtp -o smtp_tls_security_level=encrypt -o smtp_discard_ehlo_keywords=dsn",
		                 FINDING_WRONG, "mail for other providers cannot be relayed");
	check_chroot(w);
}

/* What one table says of a key; false: nothing. */
static bool look_up(const struct wiring *w, struct span table, const char *key, struct buf *value)
{
	char *name = mem_span(table), *copy = mem_str(key), *directory = mem_str(w->postfix->directory);
	char *argv[] = { (char[]){ "postmap" }, (char[]){ "-c" }, directory, (char[]){ "-q" }, copy, name, NULL };
	struct buf err = BUF_INIT;
	int status;

	buf_clear(value);
	status = process_run(argv, value, &err);
	while (value->n && (value->p[value->n - 1] == '\n'))
		value->p[--value->n] = '\0';
	buf_release(&err);
	free(name);
	free(copy);
	free(directory);
	return status == 0 && value->n;
}

/* The first answer of the tables in a list. */
static bool look_up_all(const struct wiring *w, const char *list, const char *key, struct buf *value)
{
	struct span rest = span_str(list ? list : ""), table;

	while ((table = postconf_word(&rest)).n)
		if (memchr(table.p, ':', table.n) && look_up(w, table, key, value))
			return true;
	return false;
}

/* The domain is a word of a list, or a key of a table in it. */
static bool listed(const struct wiring *w, const char *name, const char *domain)
{
	const char *list = postconf_value(w->postfix, name);
	struct buf value = BUF_INIT;
	bool hit = list && (postconf_has(list, domain) || look_up_all(w, list, domain, &value));

	buf_release(&value);
	return hit;
}

/* Where mail for the domain goes: transport_maps, or the transport of its class. */
static void find_transport(const struct wiring *w, const char *domain, struct buf *transport)
{
	const char *maps = postconf_value(w->postfix, "transport_maps"), *class = "default_transport";
	char *address = mem_printf("kepctl-check@%s", domain);

	if (!look_up_all(w, maps, address, transport) && !look_up_all(w, maps, domain, transport)) {
		if (listed(w, "mydestination", domain))
			class = "local_transport";
		else if (listed(w, "virtual_mailbox_domains", domain))
			class = "virtual_transport";
		else if (listed(w, "relay_domains", domain))
			class = "relay_transport";
		buf_clear(transport);
		buf_adds(transport, postconf_value(w->postfix, class) ? postconf_value(w->postfix, class) : "");
	}
	free(address);
}

/* The transport reaches lmtp_socket; a unix socket may be named by another way. */
static bool goes_to_hop(const struct wiring *w, struct span transport)
{
	const char *socket = w->conf->lmtp_socket;
	struct span next;
	char *path;
	bool same;

	if (!span_casestarts(transport, SPAN("kep:")))
		return false;
	next = span_of(transport.p + 4, transport.n - 4);
	if (next.n == 0 || span_eq(next, span_str(socket)))
		return next.n > 0;
	path = mem_span(next);
	same = strncmp(path, "unix:", 5) == 0 && strncmp(socket, "unix:", 5) == 0 && same_file(path + 5, socket + 5);
	free(path);
	return same;
}

static bool check_domain(const struct wiring *w, struct span name, bool inbound)
{
	char *domain = mem_span(name), *what = mem_printf("domain %s", domain), *mend;
	struct buf transport = BUF_INIT;
	size_t before = w->findings->n;

	find_transport(w, domain, &transport);
	if (!goes_to_hop(w, buf_span(&transport))) {
		mend = mem_printf("put '%s kep:%s' into a table of transport_maps", domain, w->conf->lmtp_socket);
		findings_add(w->findings, FINDING_WRONG, what, mend, "its mail goes to '%s', past the hop: no evidence of delivery", buf_str(&transport));
		free(mend);
	}
	if (inbound && listed(w, "mydestination", domain)) {
		findings_add(w->findings, FINDING_WRONG, what, "take it out of mydestination, put it into relay_domains",
		             "it stands in mydestination: aliases and .forward files apply, and unknown users are refused by another rule");
	} else if (inbound && !listed(w, "relay_domains", domain) && !listed(w, "virtual_mailbox_domains", domain)) {
		mend = mem_printf("postconf -c %s -e 'relay_domains = %s, %s'", w->postfix->directory,
		                  postconf_value(w->postfix, "relay_domains") ? postconf_value(w->postfix, "relay_domains") : "", domain);
		findings_add(w->findings, FINDING_WRONG, what, mend, "Postfix does not take mail for it from outside (relay access denied)");
		free(mend);
	}
	free(domain);
	free(what);
	buf_release(&transport);
	return w->findings->n == before;
}

/* Below another domain of theirs: a tracking domain, to which only reports go, and these on their own way. */
static bool tracks(const struct wiring *w, struct span domain)
{
	for (size_t i = 0; i < w->n_theirs; i++) {
		size_t n = w->theirs[i].n;

		if (domain.n > n && domain.p[domain.n - n - 1] == '.' && span_eq(span_of(domain.p + domain.n - n, n), w->theirs[i]))
			return true;
	}
	return false;
}

void ways_check_domains(const struct wiring *w)
{
	size_t good = 0, all = w->n_ours;

	for (size_t i = 0; i < w->n_ours; i++)
		good += check_domain(w, w->ours[i], true);
	for (size_t i = 0; i < w->n_theirs; i++)
		if (!tracks(w, w->theirs[i])) {
			all++;
			good += check_domain(w, w->theirs[i], false);
		}
	if (*w->conf->track_domain) {
		all++;
		good += check_domain(w, span_str(w->conf->track_domain), true);
	}
	if (all && good == all)
		findings_add(w->findings, FINDING_OK, "domains", NULL, "%zu go through the hop", all);
}

/* "127.0.0.1:25", "25" and "smtp" of master.cf as an address to connect to; on
 * all interfaces the loopback one is as good as any.  NULL: none we can name. */
static char *address_of(const struct wiring *w, const struct postconf_service *s)
{
	const char *interfaces = postconf_value(w->postfix, "inet_interfaces");
	char *listen = mem_span(span_of(s->name, strlen(s->name) - 5)), *colon = strrchr(listen, ':'), *address;
	struct span rest = span_str(interfaces ? interfaces : "all"), first = postconf_word(&rest);
	char *host = mem_span(first);
	bool loopback = span_is(first, "all") || span_is(first, "localhost") || span_is(first, "loopback-only") || strchr(host, '$');

	if (strcmp(s->name + strlen(s->name) - 5, "/inet") != 0)
		address = NULL;
	else if (colon && colon != listen)
		address = mem_printf("inet:%s", listen);
	else
		address = mem_printf("inet:%s%s%s:%s", strchr(host, ':') && *host != '[' ? "[" : "", loopback ? "127.0.0.1" : host,
		                     strchr(host, ':') && *host != '[' ? "]" : "", listen);
	free(listen);
	free(host);
	return address;
}

static bool wrapped(const struct wiring *w, const struct postconf_service *s)
{
	const char *wrap = postconf_effective(w->postfix, s->name, "smtpd_tls_wrappermode");

	return wrap && strcmp(wrap, "yes") == 0;
}

/* What answers clients on the network: smtpd, or postscreen before it. */
static bool answers(const struct wiring *w, const struct postconf_service *s)
{
	return (postconf_is_smtpd(s) || strcmp(s->command, "postscreen") == 0) && !wrapped(w, s);
}

/* Say a line; its reply must be of the class given, '0' for any but 4xx. */
static bool ask(struct dial *d, const char *line, char class, struct buf *error)
{
	struct buf said = BUF_INIT;
	bool ok = (!line || dial_say(d, line, false)) && dial_reply(d, &said, error) != 0;

	if (ok && (class == '0' ? said.p[0] == '4' : said.p[0] != class)) {
		buf_addf(error, "it answers %s with '%s'", line ? line : "the connection", buf_str(&said));
		ok = false;
	}
	if (!ok && !error->n)
		buf_adds(error, "it closed the connection");
	buf_release(&said);
	return ok;
}

/* Connection, EHLO, MAIL, QUIT: a milter that is away shows only at MAIL, and
 * where a login or TLS is wanted MAIL is refused, which is as good.  What is
 * wrong is appended to *error. */
static void talk(const char *address, struct buf *error)
{
	struct dial *d = dial_open(address, SMTP_WAIT, error);

	if (d && ask(d, NULL, '2', error) && ask(d, "EHLO kepctl.check.invalid", '2', error) && ask(d, "MAIL FROM:<>", '0', error))
		dial_say(d, "QUIT", false);
	dial_close(d);
}

static void check_session(const struct wiring *w, const struct postconf_service *s, const char *address)
{
	struct buf error = BUF_INIT;
	char *what = mem_printf("session with %s", address + 5);

	talk(address, &error);
	if (error.n)
		findings_add(w->findings, FINDING_WRONG, what,
		             "look for 'fatal' and 'milter' in Postfix's log; a default_action with blanks needs braces of its own, and postfix check does not notice",
		             "smtpd of %s does not work: %s", s->name, buf_str(&error));
	else
		findings_add(w->findings, FINDING_OK, what, NULL, "smtpd lives");
	free(what);
	buf_release(&error);
}

void ways_check_smtpd(const struct wiring *w)
{
	size_t tried = 0;

	for (size_t i = 0; i < w->postfix->n_services; i++) {
		const struct postconf_service *s = &w->postfix->services[i];
		char *address = answers(w, s) ? address_of(w, s) : NULL;

		if (address) {
			check_session(w, s, address);
			tried++;
		}
		free(address);
	}
	if (!tried)
		findings_add(w->findings, FINDING_WRONG, "session", "add 'smtp inet n - n - - smtpd' to master.cf", "no smtpd listens on the network");
}
