#include "policyd/domains.h"

#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"

#define FORM "kep-domains-1"
#define END ".\n"

void domains_release(struct domains *l)
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

void domains_read(struct domains *l, const struct pg_rows *rows)
{
	size_t name = pg_column(rows, "domain"), provider = pg_column(rows, "provider");
	size_t tls = pg_column(rows, "tls"), relay = pg_column(rows, "relay");

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

/* ---- in a file ---- */

void domains_write(const struct domains *l, struct buf *out)
{
	buf_adds(out, FORM "\n");
	for (size_t i = 0; i < l->n; i++) {
		const struct domain *d = &l->v[i];

		buf_addf(out, "%s\t%s\t%s\t%s\n", d->name, d->provider ? d->provider : "", d->tls, d->relay);
	}
	buf_adds(out, END);
}

static bool parse_line(struct domain *d, struct span line)
{
	struct span name = span_cut(&line, '\t'), provider = span_cut(&line, '\t'), tls = span_cut(&line, '\t');

	if (name.n == 0 || !line.p || memchr(line.p, '\t', line.n))
		return false;
	d->name = fold(name);
	d->provider = provider.n ? mem_span(provider) : NULL;
	d->tls = mem_span(tls);
	d->relay = relay_of(line, d->name);
	return true;
}

static size_t count_lines(struct span text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

bool domains_parse(struct domains *l, struct span text)
{
	size_t lines = count_lines(text);
	bool good = text.n > 0 && text.p[text.n - 1] == '\n' && span_is(span_cut(&text, '\n'), FORM);

	*l = (struct domains){ good ? mem_array(lines, sizeof *l->v) : NULL, 0 };
	while (good && text.n > 0 && !span_is(text, END))
		good = parse_line(&l->v[l->n], span_cut(&text, '\n')) && ++l->n;
	if (good && text.n > 0)
		qsort(l->v, l->n, sizeof *l->v, by_name);
	else
		domains_release(l);
	return good && text.n > 0;
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
struct span domains_of(struct span address)
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

const struct domain *domains_find(const struct domains *l, struct span address)
{
	struct span domain = domains_of(address);
	struct domain key = { 0 };
	const struct domain *hit;

	if (domain.n == 0 || domain.n >= ADDR_SIZE || l->n == 0)
		return NULL;
	key.name = fold(domain);
	hit = bsearch(&key, l->v, l->n, sizeof key, by_name);
	free(key.name);
	return hit;
}
