/* kepctl check: the doctor.  Looks at configuration, files, sockets, database and
 * Postfix, says what would break evidence, and how to mend it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "kepctl/ctl.h"
#include "kepctl/dial.h"
#include "kepctl/finding.h"
#include "kepctl/migration.h"
#include "kepctl/postconf.h"
#include "kepctl/setting.h"
#include "kepctl/stamped.h"
#include "kepctl/ways.h"
#include "kepctl/wiring.h"
#include "libkep/clock.h"
#include "libkep/library.h"
#include "libkep/mem.h"
#include "libkep/pkcs11.h"
#include "libkep/trust.h"

#define SOCKET_WAIT 5000        /* ms */

/* One run. */
struct doctor {
	const struct ctl  *ctl;
	const struct conf *conf;
	struct findings    findings;
	struct span       *ours, *theirs;       /* KEP domains; owned texts */
	size_t             n_ours, n_theirs;
};

static void check_file(struct doctor *d, const char *key, const char *path)
{
	if (access(path, R_OK) == 0)
		findings_add(&d->findings, FINDING_OK, key, NULL, "%s", path);
	else
		findings_add(&d->findings, FINDING_WRONG, key, "put the file there, or set the key in kep.conf to where it is", "%s: %s", path, strerror(errno));
}

/* Of a key in a module the words of its URI and the file of its PIN; no module runs here. */
static void check_uri(struct doctor *d, const char *key, const char *uri)
{
	struct buf error = BUF_INIT;
	struct pkcs11 *k = pkcs11_parse(uri, &error);

	if (k)
		findings_add(&d->findings, FINDING_OK, key, NULL, "in a PKCS#11 module; kep-policyd -n looks whether it is there");
	else
		findings_add(&d->findings, FINDING_WRONG, key, "see PKCS#11 in kep-policyd(8)", "%s", buf_str(&error));
	pkcs11_free(k);
	buf_release(&error);
}

/* A private key's mode only; its content is for the signer's eyes. */
static void check_file_of_key(struct doctor *d, const char *key, const char *path, const char *absent)
{
	char *mend = mem_printf("chmod 0400 %s", path);
	struct stat st;

	if (stat(path, &st) != 0)
		findings_add(&d->findings, FINDING_WRONG, key, absent, "%s: %s", path, strerror(errno));
	else if (st.st_mode & 077)
		findings_add(&d->findings, FINDING_WRONG, key, mend, "%s has mode %04o: others than its owner may read the private key", path,
		             (unsigned)st.st_mode & 07777);
	else
		findings_add(&d->findings, FINDING_OK, key, NULL, "%s", path);
	free(mend);
}

static void check_key(struct doctor *d, const char *key, const char *where, const char *absent)
{
	if (pkcs11_is_uri(where))
		check_uri(d, key, where);
	else
		check_file_of_key(d, key, where, absent);
}

/* What the loaded store is worth; NULL: all is well, and *level says so. */
static const char *judge_trust(const struct trust *t, const struct conf *conf, enum finding_level *level)
{
	usec until;

	*level = FINDING_OK;
	if (!trust_rules(t)->revocation && strcmp(conf->revocation, "off") == 0)
		return NULL;
	*level = FINDING_WARNING;
	if (!trust_rules(t)->revocation)
		return "set trust_crls to a folder of CRLs, or revocation = off if this is what you want";
	if (trust_crls(t, &until) == 0) {
		*level = FINDING_WRONG;
		return "set crl_urls, run 'kepctl trust refresh', and start kep-trust.timer";
	}
	if (until != 0 && until < clock_now())
		return "run 'kepctl trust refresh', and look whether kep-trust.timer is active; remove CRLs that nobody issues any more";
	if (*conf->ocsp_signers && trust_responses(t) == 0)
		return "ocsp_signers is set, but there is no OCSP response: run 'kepctl trust refresh', and look whether kep-trust.timer is active";
	*level = FINDING_OK;
	return NULL;
}

static void check_trust(struct doctor *d)
{
	struct buf words = BUF_INIT;
	struct trust *t = trust_configure(d->conf, &words);
	const char *mend = "put the CA certificates into trust_anchors and their CRLs into trust_crls of kep.conf";
	enum finding_level level = FINDING_WRONG;

	if (t) {
		mend = judge_trust(t, d->conf, &level);
		trust_describe(t, d->conf, &words);
	}
	findings_add(&d->findings, level, "trust", mend, "%s", buf_str(&words));
	trust_free(t);
	buf_release(&words);
}

static void check_conf(struct doctor *d)
{
	if (d->ctl->conf_error)
		findings_add(&d->findings, FINDING_WRONG, "configuration", "see kep.conf(5); name the file with -c FILE", "%s", d->ctl->conf_error);
	else
		findings_add(&d->findings, FINDING_OK, "configuration", NULL, "%s", d->ctl->file);
	if (!*d->conf->receipt_from)
		findings_add(&d->findings, FINDING_WRONG, "receipt_from", "receipt_from = kep@YOUR-DOMAIN", "it is empty, and kep-policyd needs it");
	if (!*d->conf->track_domain)
		findings_add(&d->findings, FINDING_WRONG, "track_domain", "track_domain = evt.YOUR-DOMAIN", "it is empty, and kep-policyd needs it");
}

static void check_library(struct doctor *d)
{
	unsigned long version = library_version();
	struct buf name = BUF_INIT, words = BUF_INIT;

	library_name(version, &name);
	if (!library_suffices(version, d->conf->require_openssl, &words))
		findings_add(&d->findings, FINDING_WRONG, "openssl", "update OpenSSL, or set require_openssl in kep.conf", "%s: kep-milter does not start", buf_str(&words));
	else if (!library_repaired(version, &words))
		findings_add(&d->findings, FINDING_WARNING, "openssl", "update OpenSSL; or set require_openssl to the version whose package has them", "%s", buf_str(&words));
	else
		findings_add(&d->findings, FINDING_OK, "openssl", NULL, "version %s", buf_str(&name));
	buf_release(&name);
	buf_release(&words);
}

/* One of our sockets: somebody listens, and greets where `greets`. */
static void check_socket(struct doctor *d, const char *key, const char *address, const char *mend, bool greets)
{
	struct buf error = BUF_INIT, said = BUF_INIT;
	struct dial *l = dial_open(address, SOCKET_WAIT, &error);
	int code = l && greets ? dial_reply(l, &said, &error) : 0;

	if (l && greets && code != 220 && !error.n)
		buf_addf(&error, "it greets with '%s'", buf_str(&said));
	if (l && greets)
		dial_say(l, "QUIT", false);
	if (error.n)
		findings_add(&d->findings, FINDING_WRONG, key, mend, "%s: %s", address, buf_str(&error));
	else
		findings_add(&d->findings, FINDING_OK, key, NULL, "%s answers", address);
	dial_close(l);
	buf_release(&said);
	buf_release(&error);
}

/* Each of the blank-separated addresses. */
static void check_sockets_of(struct doctor *d, const char *key, const char *addresses, const char *mend, bool greets)
{
	struct span rest = span_str(addresses);

	while (rest.n) {
		struct span one = span_cut(&rest, ' ');
		char *address = mem_span(one);

		if (one.n)
			check_socket(d, key, address, mend, greets);
		free(address);
	}
}

static void judge_status(struct doctor *d, const jdoc *answer)
{
	struct span version = jdoc_text(answer, "version"), ledger = jdoc_text(answer, "ledger");
	long long waiting = (long long)jdoc_int(answer, "waiting", 0);

	if (!jdoc_bool(answer, "database", false))
		findings_add(&d->findings, FINDING_WRONG, "kep-policyd", "systemctl status postgresql; see 'database' in kep.conf(5)", "it has no database: KEP mail is answered 451");
	else
		findings_add(&d->findings, FINDING_OK, "kep-policyd", NULL, "%lld domains, %lld questions wait for the database",
		             (long long)jdoc_int(answer, "domains", 0), waiting);
	if (ledger.n && !span_is(ledger, "ok"))
		findings_add(&d->findings, FINDING_WRONG, "ledger", "see the log of kep-policyd, and run kepctl fsck", "no checkpoint is signed and receipts wait: %.*s",
		             (int)ledger.n, ledger.p);
	if (version.n && !span_is(version, PACKAGE_VERSION))
		findings_add(&d->findings, FINDING_WARNING, "kep-policyd", "systemctl restart kep-policyd kep-milter", "it runs version %.*s, this is %s",
		             (int)version.n, version.p, PACKAGE_VERSION);
}

static void check_ask(struct doctor *d)
{
	struct buf error = BUF_INIT, line = BUF_INIT;
	struct dial *l = dial_open(d->conf->ask_socket, SOCKET_WAIT, &error);
	jdoc *answer = NULL;

	if (l && dial_say(l, "{\"v\":1,\"ask\":\"status\"}", true) && dial_hear(l, &line, &error))
		answer = jdoc_parse(buf_span(&line), 1 << 16, &error);
	if (answer)
		judge_status(d, answer);
	else
		findings_add(&d->findings, FINDING_WRONG, "ask_socket", "systemctl start kep-policyd; run kepctl check as root, or as a user of ask_users",
		             "%s: %s", d->conf->ask_socket, error.n ? buf_str(&error) : "it closed the connection");
	jdoc_free(answer);
	dial_close(l);
	buf_release(&line);
	buf_release(&error);
}

static void check_sockets(struct doctor *d)
{
	check_ask(d);
	check_sockets_of(d, "policy_socket", d->conf->policy_socket, "systemctl start kep-policyd", false);
	check_sockets_of(d, "lmtp_socket", d->conf->lmtp_socket, "systemctl start kep-policyd", true);
	check_socket(d, "milter_socket", d->conf->milter_socket, "systemctl start kep-milter", false);
	check_socket(d, "mailbox_lmtp", d->conf->mailbox_lmtp, "systemctl start dovecot; see packaging/dovecot", true);
	check_socket(d, "inject_socket", d->conf->inject_socket, "postfix start; see packaging/postfix/master.cf", true);
}

static void judge_version(struct doctor *d, int version)
{
	struct migrations files;
	struct buf error = BUF_INIT;

	if (!migrations_list(&files, d->conf->sql_dir, &error))
		findings_add(&d->findings, FINDING_WARNING, "sql_dir", "set sql_dir to the directory of the migrations", "%s", buf_str(&error));
	else if (version < files.v[files.n - 1].number)
		findings_add(&d->findings, FINDING_WRONG, "schema", "kepctl db upgrade", "it has version %d of %d", version, files.v[files.n - 1].number);
	else if (version > files.v[files.n - 1].number)
		findings_add(&d->findings, FINDING_WRONG, "schema", "install the newer postkep", "it has version %d, this program knows up to %d",
		             version, files.v[files.n - 1].number);
	else
		findings_add(&d->findings, FINDING_OK, "schema", NULL, "version %d", version);
	migrations_release(&files);
	buf_release(&error);
}

static void keep_domain(struct span **list, size_t *n, struct span domain)
{
	*list = mem_grow(*list, (*n + 1) * sizeof **list);
	(*list)[*n] = span_of(mem_span(domain), domain.n);
	(*n)++;
}

static void read_domains(struct doctor *d, const struct pg_rows *rows)
{
	for (size_t i = 0; i < pg_rows_count(rows); i++)
		if (pg_is_null(rows, i, 1))
			keep_domain(&d->ours, &d->n_ours, pg_value(rows, i, 0));
		else
			keep_domain(&d->theirs, &d->n_theirs, pg_value(rows, i, 0));
	if (!d->n_ours)
		findings_add(&d->findings, FINDING_WARNING, "domains", "kepctl domain add DOMAIN", "none of our own is registered");
}

#define DAY      ((usec)86400 * 1000000)
#define UNARCHIVED (7 * DAY)    /* so long may pass until a stamped checkpoint is archived */

/* Is kepctl renew run?  Nothing mends a proof that was not renewed in time. */
static void judge_archive(struct doctor *d, const struct pg_rows *rows)
{
	static const char mend[] = "run 'kepctl renew' every day; kep-renew.timer does";
	usec now = clock_now(), ends = 0, waiting = 0;
	struct span volumes = pg_value(rows, 0, 0), first = pg_value(rows, 0, 1), oldest = pg_value(rows, 0, 2);

	if (oldest.n && clock_parse(oldest, &waiting) && waiting < now - UNARCHIVED)
		findings_add(&d->findings, FINDING_WARNING, "archive", mend, "a checkpoint that was time-stamped at %.19sZ is not archived yet", oldest.p);
	if (!first.n || !clock_parse(first, &ends))
		return;
	if (ends <= now)
		findings_add(&d->findings, FINDING_WRONG, "archive", mend, "an archive time-stamp ended at %.19sZ and was not renewed", first.p);
	else if (ends - d->conf->archive_margin / 2 <= now)
		findings_add(&d->findings, FINDING_WARNING, "archive", mend, "an archive time-stamp ends at %.19sZ", first.p);
	else
		findings_add(&d->findings, FINDING_OK, "archive", NULL, "%.*s volumes; the first archive time-stamp ends at %.19sZ", (int)volumes.n, volumes.p, first.p);
}

static void check_archive(struct doctor *d, struct db *db)
{
	static const struct pg_params none;
	struct buf error = BUF_INIT;
	const struct pg_rows *rows = db_ask(db,
		"select count(*), kep.time_text(min(v.ends)), (select kep.time_text(min(t.gen_time)) from kep.stamps as t "
		"where t.size > coalesce((select max(a.first + a.size) from kep.archive_volumes as a), 0)) from kep.archive_volumes as v", &none, &error);

	if (rows && pg_rows_count(rows) == 1)
		judge_archive(d, rows);
	buf_release(&error);
}

static void check_role(struct doctor *d, const char *key, const char *conninfo)
{
	struct buf error = BUF_INIT;
	struct db *db = db_open(conninfo, "kepctl", &error);
	static const struct pg_params none;
	const struct pg_rows *rows = db ? db_ask(db, "select kep.schema_version()", &none, &error) : NULL;

	if (!rows) {
		findings_add(&d->findings, FINDING_WRONG, key, db ? "kepctl db init" : "see 'database' in kep.conf(5), pg_hba.conf and pg_ident.conf of PostgreSQL",
		             "%s", buf_str(&error));
	} else if (strcmp(key, "database_operator") == 0) {
		judge_version(d, (int)strtol(pg_value(rows, 0, 0).p, NULL, 10));
		rows = db_ask(db, "select domain, provider from kep.domains()", &none, &error);
		if (rows)
			read_domains(d, rows);
	} else {
		findings_add(&d->findings, FINDING_OK, key, NULL, "the role can log in");
		check_archive(d, db);
		stamped_check(d->conf, db, &d->findings);
	}
	db_close(db);
	buf_release(&error);
}

static void check_postfix(struct doctor *d)
{
	struct buf error = BUF_INIT;
	struct postconf p;
	struct wiring w = { d->conf, &p, d->ours, d->theirs, d->n_ours, d->n_theirs, &d->findings };
	const char *name;

	if (!postconf_read(&p, d->conf->postfix_config, &error)) {
		findings_add(&d->findings, FINDING_WRONG, "postfix", "set postfix_config in kep.conf to the directory of main.cf", "%s", buf_str(&error));
	} else {
		name = postconf_value(&p, "myhostname");
		if (name && strcmp(name, conf_hostname(d->conf)) != 0)
			findings_add(&d->findings, FINDING_WRONG, "hostname", "write the same name into hostname of kep.conf and myhostname of main.cf",
			             "kep.conf says %s, Postfix says %s: evidence names messages by host and queue id", conf_hostname(d->conf), name);
		settings_check(&p, d->n_theirs > 0, &d->findings);
		wiring_check_policy(&w);
		wiring_check_milter(&w);
		ways_check_services(&w);
		ways_check_domains(&w);
		ways_check_smtpd(&w);
	}
	postconf_release(&p);
	buf_release(&error);
}

static void release(struct doctor *d)
{
	for (size_t i = 0; i < d->n_ours; i++)
		free((char *)d->ours[i].p);
	for (size_t i = 0; i < d->n_theirs; i++)
		free((char *)d->theirs[i].p);
	free(d->ours);
	free(d->theirs);
	findings_release(&d->findings);
}

int command_check(const struct ctl *c)
{
	struct doctor d = { .ctl = c, .conf = c->conf };
	int worst;

	check_conf(&d);
	check_library(&d);
	check_trust(&d);
	check_file(&d, "seal_certificate", c->conf->seal_certificate);
	check_key(&d, "seal_key", c->conf->seal_key, "put the file there, or set the key in kep.conf to where it is");
	check_key(&d, "checkpoint_key", c->conf->checkpoint_key, "make it with 'kepctl ledger keygen FILE', or set the key in kep.conf to where it is");
	check_role(&d, "database_operator", c->conf->database_operator);
	check_role(&d, "database_auditor", c->conf->database_auditor);
	check_sockets(&d);
	check_postfix(&d);
	worst = (int)findings_worst(&d.findings);
	if (c->json)
		ctl_json(findings_json(&d.findings), worst);
	else
		findings_print(&d.findings);
	release(&d);
	return worst;
}
