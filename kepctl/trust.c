/* kepctl trust refresh: fetches CRLs into trust_crls.  What comes over the network is
 * believed only when a CA of trust_anchors has signed it; what is there stays until
 * something newer has been proved. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "kepctl/ctl.h"
#include "kepctl/fetch.h"
#include "libkep/crl.h"
#include "libkep/digest.h"
#include "libkep/folder.h"
#include "libkep/mem.h"
#include "libkep/trust.h"

#define URL_LIMIT 200

enum state { FAILED, UNCHANGED, REPLACED, ADDED };
static const char *const states[] = { [FAILED] = "failed", [UNCHANGED] = "unchanged", [REPLACED] = "replaced", [ADDED] = "added" };

/* One URL on its way into the folder. */
struct refresh {
	const struct conf  *conf;
	const struct trust *trust;
	usec                now;
	char               *url, *file;
	enum state          state;
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

static bool complain(struct refresh *r, const char *what)
{
	return folder_complain(&r->error, r->file, what);
}

/* Whole and durable under another name, then renamed: readers see the old or the new. */
static bool put(struct refresh *r)
{
	const char *slash = strrchr(r->file, '/');
	char *fresh = mem_printf("%.*s/.%s.XXXXXX", (int)(slash - r->file), r->file, slash + 1);
	int fd = mkostemp(fresh, O_CLOEXEC);
	bool ok = fd >= 0;
	size_t at = 0;

	while (ok && at < r->der.n) {
		ssize_t n = write(fd, r->der.p + at, r->der.n - at);

		ok = n > 0 || (n < 0 && errno == EINTR);
		at += n > 0 ? (size_t)n : 0;
	}
	ok = ok && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
	ok = (fd < 0 || close(fd) == 0) && ok && rename(fresh, r->file) == 0;
	if (!ok)
		complain(r, strerror(errno));
	if (!ok && fd >= 0)
		unlink(fresh);
	free(fresh);
	return ok;
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
	bool there = access(r->file, F_OK) == 0, same, newer = is_newer(r, &same);

	if (newer)
		buf_adds(&r->error, "older than the CRL that is there already, which stays");
	else if (same)
		r->state = UNCHANGED;
	else if (put(r))
		r->state = there ? REPLACED : ADDED;
}

static void refresh(struct refresh *r)
{
	const struct fetch_limits limits = { r->conf->crl_size_limit, r->conf->crl_timeout, "crl_size_limit", "crl_timeout" };
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

static void set_time(jdoc *row, const char *key, usec at)
{
	char text[CLOCK_TEXT_SIZE];

	if (at == 0)
		return;
	clock_text(text, at);
	jdoc_set_str(row, key, text);
}

static jdoc *row_of(const struct refresh *r)
{
	jdoc *row = jdoc_object();

	jdoc_set_str(row, "url", r->url);
	jdoc_set_str(row, "file", r->file);
	jdoc_set_str(row, "state", states[r->state]);
	if (r->state == FAILED)
		jdoc_set_text(row, "error", buf_span(&r->error));
	jdoc_set_str(row, "issuer", r->crl.issuer);
	set_time(row, "this_update", r->crl.this_update);
	set_time(row, "next_update", r->crl.next_update);
	if (r->crl.issuer) {
		jdoc_set_int(row, "entries", (int64_t)r->crl.entries);
		jdoc_set_bool(row, "delta", r->crl.delta);
	}
	return row;
}

static void print(const struct refresh *r)
{
	char text[CLOCK_TEXT_SIZE] = "";

	printf("%-9s %s\n", states[r->state], r->url);
	if (r->state == FAILED)
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
	ok = r.state != FAILED;
	free(r.url);
	free(r.file);
	crl_release(&r.crl);
	buf_release(&r.der);
	buf_release(&r.error);
	return ok;
}

static int refresh_all(const struct ctl *c, const struct trust *trust, struct span urls)
{
	jdoc *all = c->json ? jdoc_object() : NULL, *rows = c->json ? jdoc_array() : NULL;
	size_t n = 0, failed = 0;

	while (urls.n) {
		struct span url = span_cut(&urls, ' ');

		if (url.n && n++ < URL_LIMIT)
			failed += !refresh_one(c, trust, url, rows);
	}
	if (all) {
		jdoc_set(all, "crls", rows);
		ctl_json(all, EX_OK);
	}
	if (n == 0)
		return ctl_fail(EX_CONFIG, "nothing to fetch: no certificate of trust_anchors names a distribution point, and crl_urls is empty; set it");
	if (n > URL_LIMIT)
		return ctl_fail(EX_CONFIG, "more than %d URLs; shorten crl_urls", URL_LIMIT);
	return failed ? ctl_fail(EX_TEMPFAIL, "%zu of %zu CRLs could not be refreshed; what was there stays", failed, n) : EX_OK;
}

int command_trust_refresh(const struct ctl *c)
{
	struct conf conf = *c->conf;            /* borrowed: only one key differs */
	struct buf error = BUF_INIT, urls = BUF_INIT;
	struct trust *trust;
	struct stat st;
	int status;

	if (!*conf.trust_crls)
		return ctl_fail(EX_CONFIG, "trust_crls is empty; name the folder the CRLs go to");
	if (stat(conf.trust_crls, &st) != 0 || !S_ISDIR(st.st_mode))
		return ctl_fail(EX_CONFIG, "trust_crls = %s is no folder; make it, owned by the user who runs this", conf.trust_crls);
	conf.revocation = "off";                /* the old CRLs are not asked whether new ones may come */
	if (!(trust = trust_configure(&conf, &error))) {
		status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	} else {
		buf_adds(&urls, conf.crl_urls);
		crl_urls(trust, &urls);
		status = refresh_all(c, trust, buf_span(&urls));
	}
	trust_free(trust);
	buf_release(&error);
	buf_release(&urls);
	return status;
}
