/* kepctl trust refresh, the OCSP part.  What comes over the network is believed only
 * when the CA of the signer has signed it, or a responder of that CA; what is there
 * stays until something newer has been proved. */
#include "kepctl/staple.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "kepctl/fetch.h"
#include "kepctl/fetched.h"
#include "libkep/folder.h"
#include "libkep/mem.h"
#include "libkep/ocsp.h"

#define SIGNER_LIMIT (256u << 10)       /* octets of a signer's file */

struct round {
	const struct conf   *conf;
	const struct trust  *trust;
	const char          *folder;
	usec                 now;
	jdoc                *rows;
	struct staple_count *count;
	struct buf           silent;    /* URLs that did not answer, each with a line end */
};

/* One signer. */
struct staple {
	const char          *source;
	struct ocsp_inquiry *inquiry;
	char                *file;
	enum fetched_state     state;
	struct ocsp_answer   answer;
	struct buf           error;
};

static const char *word_of(const struct staple *s)
{
	return s->answer.word == OCSP_REVOKED ? "revoked" : "good";
}

static void print(const struct staple *s)
{
	char text[CLOCK_TEXT_SIZE] = "";

	printf("%-9s %s\n", fetched_word(s->state), s->inquiry ? ocsp_url(s->inquiry) : s->source);
	if (s->state == FETCHED_FAILED)
		printf("          %s\n", buf_str(&s->error));
	if (s->answer.next_update)
		clock_text(text, s->answer.next_update);
	if (s->inquiry)
		printf("          %s%s%s%s%.19s%s\n", s->state == FETCHED_FAILED ? "" : word_of(s), s->state == FETCHED_FAILED ? "" : ": ",
		       ocsp_subject(s->inquiry), *text ? ", next update " : "", text, *text ? "Z" : "");
}

static jdoc *row_of(const struct staple *s)
{
	jdoc *row = jdoc_object();

	jdoc_set_text(row, "signer", span_str(s->source));
	jdoc_set_str(row, "state", fetched_word(s->state));
	if (s->inquiry) {
		jdoc_set_str(row, "url", ocsp_url(s->inquiry));
		jdoc_set_str(row, "file", s->file);
		jdoc_set_str(row, "certificate", ocsp_certificate(s->inquiry));
		jdoc_set_text(row, "subject", span_str(ocsp_subject(s->inquiry)));
	}
	if (s->state == FETCHED_FAILED)
		jdoc_set_text(row, "error", buf_span(&s->error));
	else
		jdoc_set_str(row, "status", word_of(s));
	fetched_time(row, "this_update", s->answer.this_update);
	fetched_time(row, "next_update", s->answer.next_update);
	return row;
}

/* Is the one that is there newer, or the same?  One that is not believed is neither. */
static bool is_newer(const struct round *r, const struct staple *s, struct span fresh, bool *same)
{
	struct buf old = BUF_INIT, why = BUF_INIT;
	struct ocsp_answer answer;
	bool there = folder_read(s->file, OCSP_SIZE_LIMIT, &old, &why) &&
	    ocsp_judge(s->inquiry, buf_span(&old), r->trust, r->conf->crl_grace, r->now, &answer, &why);
	bool newer = there && answer.this_update > s->answer.this_update;

	*same = there && span_eq(buf_span(&old), fresh);
	buf_release(&old);
	buf_release(&why);
	return newer;
}

static void store(const struct round *r, struct staple *s, struct span fresh)
{
	bool same, newer = is_newer(r, s, fresh, &same);

	if (newer)
		buf_adds(&s->error, "older than the response that is there already, which stays");
	else if (same)
		s->state = FETCHED_UNCHANGED;
	else
		s->state = fetched_put(s->file, fresh, &s->error);
}

/* A dead responder is waited for once, not once for each of its signers. */
static bool fetch(struct round *r, struct staple *s, struct buf *octets)
{
	const struct fetch_limits limits = { OCSP_SIZE_LIMIT, r->conf->crl_timeout, 3, NULL, "crl_timeout" };
	const char *url = ocsp_url(s->inquiry);
	char *line = mem_printf("%s\n", url);
	bool silent = strstr(buf_str(&r->silent), line) != NULL, ok = false;

	if (silent)
		buf_adds(&s->error, "not asked, as this responder has just failed");
	else if (!(ok = fetch_post(url, "application/ocsp-request", ocsp_request(s->inquiry), "", &limits, octets, &s->error)))
		buf_adds(&r->silent, line);
	free(line);
	return ok;
}

static void refresh(struct round *r, struct staple *s, struct span signer)
{
	struct buf octets = BUF_INIT;

	if ((s->inquiry = ocsp_inquire(signer, r->trust, r->now, &s->error))) {
		s->file = mem_printf("%s/%.32s.ors", r->folder, ocsp_certificate(s->inquiry));
		if (fetch(r, s, &octets) &&
		    ocsp_judge(s->inquiry, buf_span(&octets), r->trust, r->conf->crl_grace, r->now, &s->answer, &s->error))
			store(r, s, buf_span(&octets));
	}
	buf_release(&octets);
}

static bool take(void *arg, const char *file, struct span octets, struct buf *error)
{
	struct staple s = { .source = file };
	struct round *r = arg;

	refresh(r, &s, octets);
	if (r->rows)
		jdoc_push(r->rows, row_of(&s));
	else
		print(&s);
	r->count->asked++;
	r->count->failed += s.state == FETCHED_FAILED;
	ocsp_inquiry_free(s.inquiry);
	free(s.file);
	buf_release(&s.error);
	return true;
}

int staple_refresh(const struct ctl *c, const struct trust *trust, jdoc *rows, struct staple_count *count)
{
	static const char *const ends[] = { ".pem", ".crt", ".cer", ".der", NULL };
	struct round r = { c->conf, trust, trust_ocsp_folder(c->conf), clock_now(), rows, count, BUF_INIT };
	struct buf error = BUF_INIT;
	struct stat st;
	int status = EX_OK;

	if (!r.folder || stat(r.folder, &st) != 0 || !S_ISDIR(st.st_mode))
		status = ctl_fail(EX_CONFIG, "there is no folder for OCSP responses; make one, owned by the user who runs this, and name it in trust_ocsp");
	else if (!folder_each(c->conf->ocsp_signers, ends, SIGNER_LIMIT, take, &r, &error))
		status = ctl_fail(EX_CONFIG, "ocsp_signers: %s", buf_str(&error));
	buf_release(&r.silent);
	buf_release(&error);
	return status;
}
