#include "kepctl/authority.h"

#include <stdlib.h>

#include "kepctl/fetch.h"
#include "libkep/mem.h"
#include "libkep/tsp.h"

#define ANSWER_MAX ((size_t)256 << 10)
#define MONTH      ((usec)30 * 86400 * 1000000)
#define SKEW       ((usec)300 * 1000000)        /* their clocks against ours */

void authority_release(struct authority *a)
{
	buf_release(&a->name);
	buf_release(&a->token);
	stamp_kept_release(&a->kept);
	strength_release(&a->strength);
}

/* "https://name:password@host/path" without the name and the password. */
static void name_of(struct span url, struct buf *name)
{
	const char *scheme = memmem(url.p, url.n, "://", 3);
	size_t head = scheme ? (size_t)(scheme - url.p) + 3 : 0, end = head, at = head;

	while (end < url.n && url.p[end] != '/')
		end++;
	for (size_t i = head; i < end; i++)
		if (url.p[i] == '@')
			at = i + 1;
	buf_clear(name);
	buf_add(name, span_of(url.p, head));
	buf_add(name, span_of(url.p + at, url.n - at));
}

/* One round of questions: what all authorities are asked. */
struct round {
	const struct conf    *conf;
	const struct trust   *tsa;
	const struct sunsets *sunsets;
	const char           *digest;
	struct span           imprint;
};

static bool judge(struct authority *a, const struct round *r, struct span answer, const struct stamp_want *want, struct buf *why)
{
	enum stamp_verdict verdict;
	struct span token, which;
	usec ends;

	if (!tsp_response(answer, &token, why))
		return false;
	verdict = stamp_verify(token, want, r->tsa, &a->stamp, &a->kept);
	if (verdict == STAMP_GOOD && !strength_read(token, buf_span(&a->kept.chain), &a->strength))
		verdict = STAMP_MALFORMED;
	if (verdict != STAMP_GOOD) {
		buf_clear(why);
		buf_adds(why, stamp_words(verdict)->english);
		return false;
	}
	ends = sunset_first(r->sunsets, buf_span(&a->strength.algorithms), &which);
	a->lasts = ends < a->strength.ends ? ends : a->strength.ends;
	buf_add(&a->token, token);
	if (a->lasts >= clock_now() + MONTH)
		return true;
	if (which.n && a->lasts == ends)
		buf_addf(why, "its time-stamp rests on %.*s, which ends too soon", (int)which.n, which.p);
	else
		buf_adds(why, "its certificate ends too soon");
	return false;
}

static bool ask_one(struct authority *a, const struct round *r, struct span url, struct buf *why)
{
	struct fetch_limits limits = { ANSWER_MAX, r->conf->tsa_timeout, 0, NULL, "tsa_timeout" };
	unsigned char nonce[TSP_NONCE_SIZE];
	struct tsp_question q = { r->digest, r->imprint, r->conf->tsa_policy, span_of((const char *)nonce, sizeof nonce) };
	struct stamp_want want = { .digest = r->digest, .imprint = r->imprint, .nonce = q.nonce, .policy = q.policy, .earliest = clock_now() - SKEW };
	struct buf request = BUF_INIT, answer = BUF_INIT;
	char *text = mem_span(url);
	bool good;

	name_of(url, &a->name);
	tsp_nonce(nonce);
	good = tsp_request(&q, &request);
	if (!good)
		buf_adds(why, "tsa_policy is no object identifier");
	good = good && fetch_post(text, "application/timestamp-query", buf_span(&request), r->conf->https_ca, &limits, &answer, why);
	want.latest = clock_now() + SKEW;
	good = good && judge(a, r, buf_span(&answer), &want, why);
	free(text);
	buf_release(&request);
	buf_release(&answer);
	return good;
}

/* The better of the two stays in *best. */
static void choose(struct authority *best, struct authority *a)
{
	if (a->lasts > best->lasts) {
		struct authority worse = *best;

		*best = *a;
		*a = worse;
	}
	authority_release(a);
}

bool authority_ask(struct authority *a, const struct conf *conf, const struct trust *tsa, const struct sunsets *sunsets, usec enough,
                   const char *digest, struct span imprint, struct buf *why)
{
	const struct round r = { conf, tsa, sunsets, digest, imprint };
	struct span rest = span_trim(span_str(conf->tsa_urls));
	struct buf one = BUF_INIT;

	*a = (struct authority){ .lasts = 0 };
	buf_clear(why);
	if (!rest.n)
		buf_adds(why, "tsa_urls of kep.conf names no time-stamping authority");
	while (rest.n && a->lasts < enough) {
		struct authority next = { .lasts = 0 };
		struct span url = span_cut(&rest, ' ');

		if (!url.n)
			continue;
		buf_clear(&one);
		if (ask_one(&next, &r, url, &one)) {
			choose(a, &next);
			continue;
		}
		buf_addf(why, "%s%s: %s", why->n ? "; " : "", buf_str(&next.name), buf_str(&one));
		authority_release(&next);
	}
	buf_release(&one);
	return a->lasts > 0;
}
