/* kepctl trust refresh: fetches CRLs into trust_crls (and OCSP responses, staple.c).  What comes over the network is
 * believed only when a CA of trust_anchors has signed it; what is there stays until
 * something newer has been proved. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "kepctl/ctl.h"
#include "kepctl/fetch.h"
#include "kepctl/fetched.h"
#include "kepctl/staple.h"
#include "libkep/crl.h"
#include "libkep/digest.h"
#include "libkep/folder.h"
#include "libkep/mem.h"
#include "libkep/trust.h"

#define URL_LIMIT 200

/* One URL on its way into the folder. */
struct refresh {
	const struct conf  *conf;
	const struct trust *trust;
	usec                now;
	char               *url, *file;
	enum fetched_state    state;
	struct crl          crl;
	struct buf          der, error;
};

/* -- one file ----------------------------------------------------------------- */

static bool is_plain(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (c == '.' && !first);
}

/* A name that only depends on the URL: the host, for people, and a digest. */
static char *file_of(const char *folder, const char *url)
{
	const char *host = strstr(url, "://");
	unsigned char digest[SHA256_SIZE];
	char hex[17], name[64];
	size_t n = 0;

	for (host = host ? host + 3 : url; *host && !strchr("/:?", *host) && n < sizeof name - 1; host++, n++)
		name[n] = is_plain(*host, n == 0) ? *host : '_';
	name[n] = '\0';
	digest_sha256(digest, span_str(url));
	hex_encode(hex, digest, 8);
	return mem_printf("%s/%s-%s.crl", folder, name, hex);
}

/* Is the one that is there newer, or the same?  One that cannot be read is neither. */
static bool is_newer(struct refresh *r, bool *same)
{
	struct buf old = BUF_INIT, der = BUF_INIT, why = BUF_INIT;
	struct crl crl = { 0 };
	bool there = folder_read(r->file, r->conf->crl_size_limit, &old, &why) && crl_judge(buf_span(&old), r->trust, r->now, &crl, &der, &why);
	bool newer = there && crl.this_update > r->crl.this_update;

	*same = there && span_eq(buf_span(&der), buf_span(&r->der));
	crl_release(&crl);
	buf_release(&old);
	buf_release(&der);
	buf_release(&why);
	return newer;
}

static void store(struct refresh *r)
{
	bool same, newer = is_newer(r, &same);

	if (newer)
		buf_adds(&r->error, "older than the CRL that is there already, which stays");
	else if (same)
		r->state = FETCHED_UNCHANGED;
	else
		r->state = fetched_put(r->file, buf_span(&r->der), &r->error);
}

static void refresh(struct refresh *r)
{
	const struct fetch_limits limits = { r->conf->crl_size_limit, r->conf->crl_timeout, 3, "crl_size_limit", "crl_timeout" };
	struct buf octets = BUF_INIT;

	if (fetch_url(r->url, &limits, &octets, &r->error) && crl_judge(buf_span(&octets), r->trust, r->now, &r->crl, &r->der, &r->error)) {
		if (r->crl.next_update && r->crl.next_update + r->conf->crl_grace < r->now)
			buf_adds(&r->error, "the CRL is stale: its nextUpdate has passed; ask its CA for a newer one");
		else
			store(r);
	}
	buf_release(&octets);
}

/* -- telling ------------------------------------------------------------------ */

static jdoc *row_of(const struct refresh *r)
{
	jdoc *row = jdoc_object();

	jdoc_set_str(row, "url", r->url);
	jdoc_set_str(row, "file", r->file);
	jdoc_set_str(row, "state", fetched_word(r->state));
	if (r->state == FETCHED_FAILED)
		jdoc_set_text(row, "error", buf_span(&r->error));
	jdoc_set_str(row, "issuer", r->crl.issuer);
	fetched_time(row, "this_update", r->crl.this_update);
	fetched_time(row, "next_update", r->crl.next_update);
	if (r->crl.issuer) {
		jdoc_set_int(row, "entries", (int64_t)r->crl.entries);
		jdoc_set_bool(row, "delta", r->crl.delta);
	}
	return row;
}

static void print(const struct refresh *r)
{
	char text[CLOCK_TEXT_SIZE] = "";

	printf("%-9s %s\n", fetched_word(r->state), r->url);
	if (r->state == FETCHED_FAILED)
		printf("          %s\n", buf_str(&r->error));
	if (r->crl.next_update)
		clock_text(text, r->crl.next_update);
	if (r->crl.issuer)
		printf("          %s CRL of %s, %zu entries%s%.19s%s\n", r->crl.delta ? "delta" : "full", r->crl.issuer, r->crl.entries,
		       *text ? ", next update " : "", text, *text ? "Z" : "");
}

/* -- all of them -------------------------------------------------------------- */

/* false: it failed. */
static bool refresh_one(const struct ctl *c, const struct trust *trust, struct span url, jdoc *rows)
{
	struct refresh r = { .conf = c->conf, .trust = trust, .now = clock_now(), .url = mem_span(url) };
	bool ok;

	r.file = file_of(c->conf->trust_crls, r.url);
	refresh(&r);
	if (rows)
		jdoc_push(rows, row_of(&r));
	else
		print(&r);
	ok = r.state != FETCHED_FAILED;
	free(r.url);
	free(r.file);
	crl_release(&r.crl);
	buf_release(&r.der);
	buf_release(&r.error);
	return ok;
}

/* How many were to be had, and were not. */
struct count {
	size_t n, failed;
};

static void refresh_crls(const struct ctl *c, const struct trust *trust, struct span urls, jdoc *rows, struct count *count)
{
	while (urls.n) {
		struct span url = span_cut(&urls, ' ');

		if (url.n && count->n++ < URL_LIMIT)
			count->failed += !refresh_one(c, trust, url, rows);
	}
}

static int judge(const struct count *crls, const struct staple_count *responses)
{
	if (crls->n + responses->asked == 0)
		return ctl_fail(EX_CONFIG, "nothing to fetch: no certificate of trust_anchors names a distribution point, and crl_urls is empty; set it");
	if (crls->n > URL_LIMIT)
		return ctl_fail(EX_CONFIG, "more than %d URLs; shorten crl_urls", URL_LIMIT);
	if (crls->failed)
		ctl_fail(EX_TEMPFAIL, "%zu of %zu CRLs could not be refreshed; what was there stays", crls->failed, crls->n);
	if (responses->failed)
		ctl_fail(EX_TEMPFAIL, "%zu of %zu OCSP responses could not be refreshed; what was there stays", responses->failed, responses->asked);
	return crls->failed || responses->failed ? EX_TEMPFAIL : EX_OK;
}

static int refresh_all(const struct ctl *c, const struct trust *trust, struct span urls)
{
	jdoc *all = c->json ? jdoc_object() : NULL, *crls = all ? jdoc_array() : NULL, *ocsp = all ? jdoc_array() : NULL;
	struct staple_count responses = { 0, 0 };
	struct count lists = { 0, 0 };
	int status = EX_OK;

	refresh_crls(c, trust, urls, crls, &lists);
	if (*c->conf->ocsp_signers)
		status = staple_refresh(c, trust, ocsp, &responses);
	if (all) {
		jdoc_set(all, "crls", crls);
		jdoc_set(all, "ocsp", ocsp);
		ctl_json(all, EX_OK);
	}
	return status == EX_OK ? judge(&lists, &responses) : status;
}

/* Is there a folder for CRLs, if there is to be one? */
static int check_folder(const struct conf *conf)
{
	struct stat st;

	if (!*conf->trust_crls)
		return *conf->ocsp_signers ? EX_OK : ctl_fail(EX_CONFIG, "trust_crls is empty; name the folder the CRLs go to");
	if (stat(conf->trust_crls, &st) != 0 || !S_ISDIR(st.st_mode))
		return ctl_fail(EX_CONFIG, "trust_crls = %s is no folder; make it, owned by the user who runs this", conf->trust_crls);
	return EX_OK;
}

int command_trust_refresh(const struct ctl *c)
{
	struct conf conf = *c->conf;            /* borrowed: only one key differs */
	struct buf error = BUF_INIT, urls = BUF_INIT;
	int status = check_folder(&conf);
	struct trust *trust = NULL;

	conf.revocation = "off";                /* the old CRLs are not asked whether new ones may come */
	if (status == EX_OK && !(trust = trust_configure(&conf, &error)))
		status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	if (trust && *conf.trust_crls) {
		buf_adds(&urls, conf.crl_urls);
		crl_urls(trust, &urls);
	}
	if (trust)
		status = refresh_all(c, trust, buf_span(&urls));
	trust_free(trust);
	buf_release(&error);
	buf_release(&urls);
	return status;
}
