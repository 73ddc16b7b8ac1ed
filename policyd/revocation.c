#include "policyd/revocation.h"

#include <event2/event.h>
#include <stdlib.h>

#include "libkep/crl.h"
#include "libkep/ocsp.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/fetch.h"

#define URLS_MAX 8                              /* of one chain that are asked */
#define KEPT_MAX 32                             /* CRLs that are remembered */
#define KEPT_FOR ((usec)3600 * 1000000)
#define DEAD_FOR ((usec)300 * 1000000)          /* an URL that failed is not asked again for so long */

/* What an URL gave last. */
struct kept {
	char      *url;
	struct buf der;                         /* empty: it failed */
	usec       until;
};

struct revocation {
	struct daemon  *d;
	struct fetcher *fetcher;
	struct kept     kept[KEPT_MAX];
	size_t          n;                      /* ever kept; the oldest is driven out */
};

struct gathering {
	struct revocation   *r;
	const struct trust  *trust;
	struct ocsp_inquiry *inquiry;           /* of the leaf; NULL: it names no responder */
	bool                 inquired;
	struct buf           chain, urls, answers, words;
	struct span          rest;              /* of the URLs */
	size_t               asked;
	char                *url;               /* being asked; with the certificate's digest behind it, of a responder */
	struct fetch        *fetch;
	struct event        *step;
	bool                 revoked;
	revocation_gathered *answered;
	void                *arg;
};

/* ---- what is remembered ---- */

static struct kept *find(struct revocation *r, const char *url)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		if (r->kept[i].url && strcmp(r->kept[i].url, url) == 0)
			return &r->kept[i];
	return NULL;
}

/* The place of an URL, empty. */
static struct kept *place(struct revocation *r, const char *url)
{
	struct kept *k = find(r, url);

	if (!k)
		k = &r->kept[r->n++ % KEPT_MAX];
	if (!k->url || strcmp(k->url, url) != 0) {
		free(k->url);
		k->url = mem_str(url);
	}
	buf_clear(&k->der);
	return k;
}

/* ---- gathering ---- */

void revocation_cancel(struct gathering *g)
{
	if (!g)
		return;
	fetch_cancel(g->fetch);
	event_free(g->step);
	buf_release(&g->chain);
	buf_release(&g->urls);
	buf_release(&g->answers);
	ocsp_inquiry_free(g->inquiry);
	buf_release(&g->words);
	free(g->url);
	free(g);
}

static void finish(struct gathering *g)
{
	const struct gathered all = { buf_span(&g->answers), g->revoked, g->words.n ? buf_str(&g->words) : NULL };

	g->answered(g->arg, &all);
	revocation_cancel(g);
}

static const char *source(const struct gathering *g)
{
	return g->inquired ? g->url : ocsp_url(g->inquiry);
}

static void complain(struct gathering *g, const char *why)
{
	if (!g->revoked)
		buf_addf(&g->words, "%sno %s from %s: %s", g->words.n ? "; " : "", g->inquired ? "CRL" : "OCSP response", source(g), why);
}

static void is_revoked(struct gathering *g)
{
	g->revoked = true;
	buf_clear(&g->words);
	buf_addf(&g->words, "why=stamp-revoked (%s says that a certificate of its chain is revoked)", source(g));
}

static void remember(struct kept *k, struct span der, usec next_update)
{
	if (!k)
		return;
	buf_add(&k->der, der);
	k->until = clock_now() + KEPT_FOR;
	if (next_update && next_update < k->until)
		k->until = next_update;
}

/* An answer of the responder that is there. */
static void use_ocsp(struct gathering *g, struct span octets, struct kept *keep)
{
	struct buf why = BUF_INIT;
	struct ocsp_answer a;

	if (!ocsp_judge(g->inquiry, octets, g->trust, 0, clock_now(), &a, &why)) {
		complain(g, buf_str(&why));
	} else {
		buf_add(&g->answers, octets);
		remember(keep, octets, a.next_update);
		if (a.word == OCSP_REVOKED)
			is_revoked(g);
	}
	buf_release(&why);
}

/* A CRL that is there: does it list one of ours? */
static void use_crl(struct gathering *g, struct span octets, struct kept *keep)
{
	struct buf der = BUF_INIT, why = BUF_INIT;
	struct crl_finding f;

	if (!crl_of_chain(octets, buf_span(&g->chain), clock_now(), &f, &der, &why)) {
		complain(g, buf_str(&why));
	} else {
		buf_add(&g->answers, buf_span(&der));
		remember(keep, buf_span(&der), f.crl.next_update);
		if (f.revoked)
			is_revoked(g);
		crl_release(&f.crl);
	}
	buf_release(&der);
	buf_release(&why);
}

static void use(struct gathering *g, struct span octets, struct kept *keep)
{
	if (g->inquired)
		use_crl(g, octets, keep);
	else
		use_ocsp(g, octets, keep);
}

/* What was asked is behind us, the responder first. */
static void next(struct gathering *g)
{
	g->inquired = true;
	event_active(g->step, EV_TIMEOUT, 0);
}

static void on_answer(void *arg, const struct fetch_answer *a)
{
	struct gathering *g = arg;
	struct kept *k = place(g->r, g->url);

	g->fetch = NULL;
	k->until = clock_now() + DEAD_FOR;
	if (a->status == 200)
		use(g, a->octets, k);
	else
		complain(g, a->words);
	next(g);
}

static void ask(struct gathering *g)
{
	const struct conf *conf = g->r->d->conf;
	struct fetch_order order = { .url = g->url, .limit = conf->crl_size_limit, .time = conf->tsa_timeout };

	if (!g->inquired) {
		order = (struct fetch_order){ .url = ocsp_url(g->inquiry), .body = ocsp_request(g->inquiry), .type = "application/ocsp-request",
		                              .accept = "application/ocsp-response", .limit = OCSP_SIZE_LIMIT, .time = conf->tsa_timeout };
	}
	g->fetch = fetch_start(g->r->fetcher, &order, on_answer, g);
}

/* What there is of g->url, or else it is asked. */
static void look(struct gathering *g)
{
	struct kept *k = find(g->r, g->url);

	if (!k || k->until <= clock_now()) {
		ask(g);
		return;
	}
	if (k->der.n)
		use(g, buf_span(&k->der), NULL);
	next(g);
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct gathering *g = arg;

	if (!g->inquired && g->inquiry) {
		g->url = mem_printf("%s %s", ocsp_url(g->inquiry), ocsp_certificate(g->inquiry));
		look(g);
		return;
	}
	g->inquired = true;
	if (g->rest.n == 0 || g->asked++ == URLS_MAX || g->revoked) {
		finish(g);
		return;
	}
	free(g->url);
	g->url = mem_span(span_cut(&g->rest, ' '));
	look(g);
}

struct gathering *revocation_gather(struct revocation *r, const struct trust *trust, struct span chain, revocation_gathered *answered, void *arg)
{
	struct gathering *g = mem_new(sizeof *g);

	g->r = r;
	g->answered = answered;
	g->arg = arg;
	g->trust = trust;
	g->inquiry = ocsp_inquire_chain(chain);
	buf_add(&g->chain, chain);
	crl_urls_of(chain, &g->urls);
	g->rest = buf_span(&g->urls);
	g->step = event_new(r->d->base, -1, 0, on_step, g);
	if (!g->step)
		log_fatal("libevent: no events");
	event_active(g->step, EV_TIMEOUT, 0);
	return g;
}

/* ---- life ---- */

struct revocation *revocation_new(struct daemon *d, struct fetcher *fetcher)
{
	struct revocation *r = mem_new(sizeof *r);

	r->d = d;
	r->fetcher = fetcher;
	return r;
}

void revocation_free(struct revocation *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < KEPT_MAX; i++) {
		free(r->kept[i].url);
		buf_release(&r->kept[i].der);
	}
	free(r);
}
