#include "kepctl/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "config.h"
#include "libkep/log.h"
#include "libkep/mem.h"

#define SCHEMES        "http,https"
#define CONNECT_TIME   10000L   /* ms */

struct answer {
	struct buf *octets;
	size_t      limit;
	bool        too_large;
};

/* Fewer octets than offered: libcurl stops. */
static size_t take(char *octets, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	if (n > a->limit - a->octets->n) {
		a->too_large = true;
		return 0;
	}
	buf_add(a->octets, span_of(octets, n));
	return n;
}

static bool set_up(CURL *c, const char *url, const struct fetch_limits *limits, struct answer *a, char *words)
{
	/* The limit is kept by take(); a server that tells its size is stopped at once. */
	return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, SCHEMES) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, SCHEMES) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, limits->redirects > 0 ? 1L : 0L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_MAXREDIRS, limits->redirects) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(limits->time / 1000)) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIME) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)limits->size) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_USERAGENT, "kepctl/" PACKAGE_VERSION) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, a) == CURLE_OK;
}

static void say_size(const struct fetch_limits *limits, struct buf *error)
{
	buf_addf(error, "larger than %zu octets", limits->size);
	if (limits->size_key)
		buf_addf(error, "; see %s in kep.conf(5)", limits->size_key);
}

static bool judge(CURL *c, CURLcode code, const struct answer *a, const struct fetch_limits *limits, const char *words, struct buf *error)
{
	long status = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status == 200)
		return true;
	buf_clear(error);
	if (a->too_large || code == CURLE_FILESIZE_EXCEEDED)
		say_size(limits, error);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		buf_addf(error, "not there after %lld seconds; see %s in kep.conf(5)", (long long)(limits->time / 1000000), limits->time_key);
	else if (code == CURLE_UNSUPPORTED_PROTOCOL)
		buf_adds(error, "only http and https are fetched");
	else if (code == CURLE_OK)
		buf_addf(error, "the server answers %ld instead of 200", status);
	else
		buf_adds(error, *words ? words : curl_easy_strerror(code));
	return false;
}

/* What is posted; NULL: it is a GET. */
struct posted {
	struct span        body;
	const char        *ca;
	struct curl_slist *type;
};

static bool set_post(CURL *c, const struct posted *p)
{
	return curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body.n) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_POSTFIELDS, p->body.p) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->type) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL) == CURLE_OK &&
	    (!*p->ca || curl_easy_setopt(c, CURLOPT_CAINFO, p->ca) == CURLE_OK);
}

static bool fetch(const char *url, const struct posted *posted, const struct fetch_limits *limits, struct buf *octets, struct buf *error)
{
	struct answer a = { octets, limits->size, false };
	char words[CURL_ERROR_SIZE] = "";
	CURL *c;
	bool ok;

	buf_clear(octets);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(c = curl_easy_init()))
		log_fatal("libcurl cannot start");
	if (!set_up(c, url, limits, &a, words) || (posted && !set_post(c, posted)))
		log_fatal("libcurl does not know what it must; 7.85 or later is needed");
	ok = judge(c, curl_easy_perform(c), &a, limits, words, error);
	curl_easy_cleanup(c);
	curl_global_cleanup();
	return ok;
}

bool fetch_url(const char *url, const struct fetch_limits *limits, struct buf *octets, struct buf *error)
{
	return fetch(url, NULL, limits, octets, error);
}

bool fetch_post(const char *url, const char *type, struct span body, const char *ca, const struct fetch_limits *limits, struct buf *octets,
                struct buf *error)
{
	char *header = mem_printf("Content-Type: %s", type);
	struct posted p = { body, ca, curl_slist_append(NULL, header) };
	bool ok;

	if (!p.type)
		log_fatal("out of memory");
	ok = fetch(url, &p, limits, octets, error);
	curl_slist_free_all(p.type);
	free(header);
	return ok;
}
