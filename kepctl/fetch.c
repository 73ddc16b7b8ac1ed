#include "kepctl/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "config.h"
#include "libkep/log.h"
#include "libkep/mem.h"

#define SCHEMES        "http,https"
#define REDIRECTS      3L
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
	    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS) == CURLE_OK &&
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

static bool judge(CURL *c, CURLcode code, const struct answer *a, const struct fetch_limits *limits, const char *words, struct buf *error)
{
	long status = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status == 200)
		return true;
	buf_clear(error);
	if (a->too_large || code == CURLE_FILESIZE_EXCEEDED)
		buf_addf(error, "larger than %zu octets%s", limits->size, limits->mend);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		buf_addf(error, "not there after %lld seconds; see crl_timeout in kep.conf(5)", (long long)(limits->time / 1000000));
	else if (code == CURLE_UNSUPPORTED_PROTOCOL)
		buf_adds(error, "only http and https are fetched");
	else if (code == CURLE_OK)
		buf_addf(error, "the server answers %ld instead of 200", status);
	else
		buf_adds(error, *words ? words : curl_easy_strerror(code));
	return false;
}

/* What is sent; NULL: nothing, it is a GET. */
struct question {
	struct span        body;
	struct curl_slist *fields;
};

static bool set_body(CURL *c, const struct question *q)
{
	return curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body.p) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_HTTPHEADER, q->fields) == CURLE_OK;
}

static bool fetch(const char *url, const struct question *q, const struct fetch_limits *limits, struct buf *octets, struct buf *error)
{
	struct answer a = { octets, limits->size, false };
	char words[CURL_ERROR_SIZE] = "";
	CURL *c;
	bool ok;

	buf_clear(octets);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(c = curl_easy_init()))
		log_fatal("libcurl cannot start");
	if (!set_up(c, url, limits, &a, words) || (q && !set_body(c, q)))
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

bool fetch_post(const char *url, const char *type, struct span body, const struct fetch_limits *limits, struct buf *octets, struct buf *error)
{
	char *field = mem_printf("Content-Type: %s", type);
	struct question q = { body, curl_slist_append(NULL, field) };
	bool ok;

	if (!q.fields)
		log_fatal("out of memory");
	ok = fetch(url, &q, limits, octets, error);
	curl_slist_free_all(q.fields);
	free(field);
	return ok;
}
