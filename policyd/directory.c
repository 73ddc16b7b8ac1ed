#include "policyd/directory.h"

#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/accounts.h"
#include "policyd/domains.h"

struct directory {
	const struct conf *conf;
	struct pg         *pg;
	struct domains     domains;
	struct accounts   *accounts;
	bool               loaded, loading, again;
	usec               loaded_at;
	uint64_t           age;         /* counts directory_renew(): older answers are not remembered */
	void             (*on_loaded)(void *arg);
	void              *arg;
};

/* ---- the list of domains ---- */

static void load(struct directory *d);

static void domains_came(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct directory *d = arg;

	d->loading = false;
	if (a == PG_DONE) {
		domains_release(&d->domains);
		domains_read(&d->domains, rows);
		d->loaded = true;
		d->loaded_at = clock_now();
		if (d->on_loaded)
			d->on_loaded(d->arg);
	} else if (a == PG_FAILED) {
		log_warn("list of domains not loaded: %s: %s; kepctl db status tells whether schema and grants are whole", sqlstate, words);
	}
	if (d->again && a == PG_DONE)
		load(d);
}

static void load(struct directory *d)
{
	struct pg_params none = { .n = 0 };

	d->again = d->loading;
	if (d->loading)
		return;
	d->loading = true;
	pg_ask(d->pg, "SELECT * FROM kep.domains()", &none, false, domains_came, d);
}

struct directory *directory_new(const struct conf *conf, struct pg *pg)
{
	struct directory *d = mem_new(sizeof *d);

	d->conf = conf;
	d->pg = pg;
	d->accounts = accounts_new(DIRECTORY_ACCOUNTS_MAX, DIRECTORY_AGE);
	return d;
}

bool directory_recall(struct directory *d, struct span text)
{
	d->loaded = d->loaded || domains_parse(&d->domains, text);
	return d->loaded;
}

void directory_write(const struct directory *d, struct buf *out)
{
	domains_write(&d->domains, out);
}

void directory_on_loaded(struct directory *d, void (*loaded)(void *arg), void *arg)
{
	d->on_loaded = loaded;
	d->arg = arg;
}

void directory_free(struct directory *d)
{
	if (!d)
		return;
	domains_release(&d->domains);
	accounts_free(d->accounts);
	free(d);
}

void directory_renew(struct directory *d)
{
	d->age++;
	accounts_clear(d->accounts);
	load(d);
}

void directory_tick(struct directory *d)
{
	usec since = clock_now() - d->loaded_at;

	if (pg_is_up(d->pg) && (!d->loaded || since < 0 || since >= DIRECTORY_AGE))
		load(d);
}

bool directory_loaded(const struct directory *d)
{
	return d->loaded;
}

size_t directory_domains(const struct directory *d)
{
	return d->domains.n;
}

/* ---- whose address ---- */

enum party directory_party(const struct directory *d, struct span address, struct addr *a)
{
	bool readable = addr_parse(a, address);
	const struct domain *domain;

	if (address.n == 0 || (readable && addr_empty(a)))
		return PARTY_NULL;
	if (d->conf->track_domain[0] && span_caseeq(domains_of(address), span_str(d->conf->track_domain)))
		return PARTY_TRACK;
	domain = domains_find(&d->domains, address);
	if (!domain)
		return PARTY_ORDINARY;
	if (!readable)
		return PARTY_UNREADABLE;
	return domain->provider ? PARTY_PROVIDER : PARTY_OURS;
}

bool directory_same_provider(const struct directory *d, struct span a, struct span b)
{
	const struct domain *x = domains_find(&d->domains, a), *y = domains_find(&d->domains, b);

	return x && y && x->provider && y->provider && strcmp(x->provider, y->provider) == 0;
}

struct span directory_relay(const struct directory *d, struct span rcpt)
{
	const struct domain *domain = domains_find(&d->domains, rcpt);

	return domain && domain->provider && domain->relay[0] ? span_str(domain->relay) : SPAN_NONE;
}

/* ---- the decision ---- */

static enum tls tls_of(const struct directory *d, const struct decision *q)
{
	const struct domain *domain = domains_find(&d->domains, q->sender);
	struct span rest = domain ? span_str(domain->tls) : SPAN_NONE;

	if (!q->tls_known)
		return TLS_UNKNOWN;
	while (rest.n && q->tls.n) {
		struct span one = span_cut(&rest, ',');

		while (one.n && strchr("{\"", one.p[0]))
			one = span_of(one.p + 1, one.n - 1);
		while (one.n && strchr("}\"", one.p[one.n - 1]))
			one.n--;
		if (span_caseeq(one, q->tls))
			return TLS_REGISTERED;
	}
	return TLS_OTHER;
}

/* A login is the account's when it is the same octets, or the same address. */
static bool login_fits(struct span login, struct span own)
{
	struct addr a, b;

	return own.n && (span_eq(login, own) || (addr_parse(&a, login) && addr_parse(&b, own) && addr_eq(&a, &b)));
}

static void decision_step(struct decision *q);

static void account_is(struct decision *q, const struct account *account)
{
	if (q->sender_party == PARTY_OURS) {
		q->sender_party = account->standing;
		q->login_right = login_fits(q->login, account->login);
	} else {
		q->rcpt_party = account->standing;
	}
}

static void answer(struct decision *q, enum reason why)
{
	bool kep = decide_is_kep(q->sender_party);

	q->why = why;
	q->kep = kep || (why != REASON_ACCEPTED && q->with_rcpt && decide_is_kep(q->rcpt_party));
	q->answered(q->arg);
}

static void account_came(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct decision *q = arg;
	struct account account = { PARTY_NO_ACCOUNT, SPAN_NONE };
	const struct addr *address = q->sender_party == PARTY_OURS ? &q->sender_addr : &q->rcpt_addr;

	if (a != PG_DONE) {
		if (a == PG_FAILED)
			log_warn("account <%s> not looked up: %s: %s", address->text, sqlstate, words);
		answer(q, REASON_UNAVAILABLE);
		return;
	}
	if (pg_rows_count(rows) > 0) {
		bool active = span_is(pg_value(rows, 0, pg_column(rows, "state")), "active");

		account.standing = active ? PARTY_ACTIVE : PARTY_INACTIVE;
		account.login = pg_value(rows, 0, pg_column(rows, "login"));
	}
	if (q->age == q->directory->age)
		accounts_put(q->directory->accounts, addr_span(address), &account, clock_now());
	account_is(q, &account);
	decision_step(q);
}

/* true: it is known now; false: asked for, decision_step() comes again. */
static bool look_up(struct decision *q, const struct addr *address)
{
	struct directory *d = q->directory;
	const struct account *known = accounts_find(d->accounts, addr_span(address), clock_now());
	struct pg_params p = { .n = 0 };

	if (known) {
		account_is(q, known);
		return true;
	}
	q->age = d->age;
	pg_text(&p, addr_span(address));
	pg_ask(d->pg, "SELECT * FROM kep.account($1::text)", &p, false, account_came, q);
	return false;
}

static void decision_step(struct decision *q)
{
	struct directory *d = q->directory;
	enum login login = q->login.n == 0 ? LOGIN_NONE : q->login_right ? LOGIN_RIGHT : LOGIN_WRONG;
	enum reason why;

	if (q->sender_party == PARTY_OURS) {
		if (look_up(q, &q->sender_addr))
			decision_step(q);
		return;
	}
	why = decide_sender(q->sender_party, login, tls_of(d, q));
	if (why != REASON_ACCEPTED || !q->with_rcpt) {
		answer(q, why);
		return;
	}
	if (q->rcpt_party == PARTY_OURS && decide_needs_account(q->sender_party) && !look_up(q, &q->rcpt_addr))
		return;
	answer(q, decide_rcpt(q->sender_party, q->rcpt_party, strcmp(d->conf->closed, "host") == 0));
}

void directory_decide(struct directory *d, struct decision *q)
{
	q->directory = d;
	q->login_right = false;
	q->sender_party = directory_party(d, q->sender, &q->sender_addr);
	q->rcpt_party = q->with_rcpt ? directory_party(d, q->rcpt, &q->rcpt_addr) : PARTY_NULL;
	if (d->loaded)
		decision_step(q);
	else
		answer(q, REASON_UNAVAILABLE);
}
