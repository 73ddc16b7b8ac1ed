#include "policyd/directory.h"

#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/accounts.h"

struct domain {
	char *name;             /* folded */
	char *provider;         /* NULL: ours */
	char *tls;              /* array literal {"AA:BB",...} of fingerprints */
	char *relay;            /* "[HOST]:PORT" or "" */
};

struct domains {
	struct domain *v;
	size_t         n;
};

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

/* ---- domains ---- */

static void domains_release(struct domains *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].provider);
		free(l->v[i].tls);
		free(l->v[i].relay);
	}
	free(l->v);
	*l = (struct domains){ 0 };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct domain *)a)->name, ((const struct domain *)b)->name);
}

static size_t column(const struct pg_rows *rows, const char *name)
{
	size_t c = 0;

	while (c < pg_rows_width(rows) && strcmp(pg_rows_name(rows, c), name) != 0)
		c++;
	return c;       /* out of range reads as empty */
}

static char *fold(struct span s)
{
	char *p = mem_span(s);

	for (char *c = p; *c; c++)
		*c = ascii_lower(*c);
	return p;
}

/* It goes into an answer to Postfix as it is. */
static char *relay_of(struct span s, const char *domain)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~') {
			log_warn("relay host of %s is not [HOST]:PORT; correct it with kepctl provider add", domain);
			return mem_str("");
		}
	return mem_span(s);
}

static void domains_read(struct domains *l, const struct pg_rows *rows)
{
	size_t name = column(rows, "domain"), provider = column(rows, "provider");
	size_t tls = column(rows, "tls"), relay = column(rows, "relay");

	l->n = pg_rows_count(rows);
	l->v = mem_array(l->n, sizeof *l->v);
	for (size_t i = 0; i < l->n; i++) {
		struct domain *d = &l->v[i];

		d->name = fold(pg_value(rows, i, name));
		d->provider = pg_is_null(rows, i, provider) ? NULL : mem_span(pg_value(rows, i, provider));
		d->tls = mem_span(pg_value(rows, i, tls));
		d->relay = relay_of(pg_value(rows, i, relay), d->name);
	}
	qsort(l->v, l->n, sizeof *l->v, by_name);
}

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

static size_t last(struct span s, char c)
{
	size_t i = s.n;

	while (i > 0 && s.p[i - 1] != c)
		i--;
	return i;       /* index behind it; 0: not there */
}

/* The domain an address will have for Postfix, which rewrites "user%domain",
 * "domain!user" and a dot behind the domain (trivial-rewrite(8)). */
static struct span domain_of(struct span address)
{
	struct span domain = SPAN_NONE;
	size_t at = last(address, '@');
	const char *bang;

	if (at == 0)
		at = last(address, '%');
	if (at > 0)
		domain = span_of(address.p + at, address.n - at);
	else if (address.n && (bang = memchr(address.p, '!', address.n)))
		domain = span_of(address.p, (size_t)(bang - address.p));
	while (domain.n && (domain.p[domain.n - 1] == '.' || domain.p[domain.n - 1] == '>'))
		domain.n--;
	return domain;
}

static const struct domain *domain_find(const struct directory *d, struct span address)
{
	struct span domain = domain_of(address);
	struct domain key = { 0 };
	const struct domain *hit;

	if (domain.n == 0 || domain.n >= ADDR_SIZE || d->domains.n == 0)
		return NULL;
	key.name = fold(domain);
	hit = bsearch(&key, d->domains.v, d->domains.n, sizeof key, by_name);
	free(key.name);
	return hit;
}

enum party directory_party(const struct directory *d, struct span address, struct addr *a)
{
	bool readable = addr_parse(a, address);
	const struct domain *domain;

	if (address.n == 0 || (readable && addr_empty(a)))
		return PARTY_NULL;
	if (d->conf->track_domain[0] && span_caseeq(domain_of(address), span_str(d->conf->track_domain)))
		return PARTY_TRACK;
	domain = domain_find(d, address);
	if (!domain)
		return PARTY_ORDINARY;
	if (!readable)
		return PARTY_UNREADABLE;
	return domain->provider ? PARTY_PROVIDER : PARTY_OURS;
}

bool directory_same_provider(const struct directory *d, struct span a, struct span b)
{
	const struct domain *x = domain_find(d, a), *y = domain_find(d, b);

	return x && y && x->provider && y->provider && strcmp(x->provider, y->provider) == 0;
}

struct span directory_relay(const struct directory *d, struct span rcpt)
{
	const struct domain *domain = domain_find(d, rcpt);

	return domain && domain->provider && domain->relay[0] ? span_str(domain->relay) : SPAN_NONE;
}

/* ---- the decision ---- */

static enum tls tls_of(const struct directory *d, const struct decision *q)
{
	const struct domain *domain = domain_find(d, q->sender);
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
		bool active = span_is(pg_value(rows, 0, column(rows, "state")), "active");

		account.standing = active ? PARTY_ACTIVE : PARTY_INACTIVE;
		account.login = pg_value(rows, 0, column(rows, "login"));
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
