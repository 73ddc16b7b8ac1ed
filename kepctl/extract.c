/* kepctl renew --export: the evidence record of one evidence, and the files it is about. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "kepctl/record.h"
#include "kepctl/volume.h"
#include "libkep/custody_token.h"
#include "libkep/mem.h"

#define RECORD_FILE "evidence.ers"

struct extract {
	const struct ctl *ctl;
	struct db        *db;
	struct crowns    *crowns;
	struct volume     volume;
	size_t            leaf;
	int               status;
};

/* -- where it is -------------------------------------------------------------- */

/* An id, or an index of the ledger.  false: it was said why not. */
static bool find(struct extract *x, int64_t *volume)
{
	struct span word = span_str(x->ctl->words[0]);
	struct pg_params params = { .n = 0 };
	const struct pg_rows *rows;

	pg_text(&params, uuid_valid(word) ? word : SPAN_NONE);
	pg_text(&params, uuid_valid(word) ? SPAN_NONE : word);
	rows = ctl_ask(x->ctl, x->db,
		"SELECT l.index, v.volume, l.index - v.first, v.stamp IS NOT NULL FROM kep.ledger_leaves AS l "
		"LEFT JOIN kep.archive_volumes AS v ON l.index >= v.first AND l.index < v.first + v.size "
		"WHERE l.evidence_id = $1::uuid OR l.index = $2::bigint", &params, &x->status);
	if (!rows)
		return false;
	if (pg_rows_count(rows) == 0)
		x->status = ctl_fail(EX_NOINPUT, "there is no evidence '%s' in the ledger; give its id, or its index", x->ctl->words[0]);
	else if (!span_is(pg_value(rows, 0, 3), "t"))
		x->status = ctl_fail(EX_TEMPFAIL, "evidence %s is not archived yet; 'kepctl renew' does it once a checkpoint above it has a time-stamp", x->ctl->words[0]);
	*volume = crown_number(rows, 0, 1);
	x->leaf = (size_t)crown_number(rows, 0, 2);
	return x->status == EX_OK;
}

/* -- files -------------------------------------------------------------------- */

/* Never over a file that is there. */
static bool put(struct extract *x, const char *name, struct span octets)
{
	char *file = mem_printf("%s/%s", buf_str(&x->ctl->value[CTL_EXPORT]), name);
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool ok = fd >= 0;

	while (ok && octets.n) {
		ssize_t n = write(fd, octets.p, octets.n);

		ok = n > 0 || (n < 0 && errno == EINTR);
		octets = n > 0 ? span_of(octets.p + n, octets.n - (size_t)n) : octets;
	}
	ok = (fd < 0 || close(fd) == 0) && ok;
	if (!ok)
		x->status = ctl_fail(EX_CANTCREAT, "%s: %s", file, errno == EEXIST ? "is there already; name another folder" : strerror(errno));
	else
		puts(file);
	free(file);
	return ok;
}

static bool put_parts(struct extract *x)
{
	struct buf part = BUF_INIT;
	bool ok = volume_evidence(&x->volume, x->leaf, &part, &x->status);

	if (ok && part.n)
		ok = put(x, volume_files[VOLUME_EVIDENCE], buf_span(&part));
	else if (ok)
		ctl_fail(0, "the body of this evidence was removed after its retention; its record is about the copy its owner has");
	buf_clear(&part);
	ok = ok && volume_proof(&x->volume, x->leaf, &part, &x->status) && put(x, volume_files[VOLUME_PROOF], buf_span(&part)) &&
	    put(x, volume_files[VOLUME_SEAL], buf_span(&x->volume.cms)) && put(x, volume_files[VOLUME_STAMP], buf_span(&x->volume.stamp));
	buf_release(&part);
	return ok;
}

static bool put_record(struct extract *x)
{
	struct buf infos = BUF_INIT, record = BUF_INIT;
	bool ok;

	if (x->volume.certificates.n)
		custody_tokens_infos(&infos, buf_span(&x->volume.certificates));
	archive_record(x->volume.archive, x->leaf, buf_span(&infos), &record);
	ok = put(x, RECORD_FILE, buf_span(&record));
	buf_release(&infos);
	buf_release(&record);
	return ok;
}

static bool make_folder(struct extract *x)
{
	const char *folder = buf_str(&x->ctl->value[CTL_EXPORT]);

	if (mkdir(folder, 0755) == 0 || errno == EEXIST)
		return true;
	x->status = ctl_fail(EX_CANTCREAT, "%s: %s", folder, strerror(errno));
	return false;
}

int record_export(const struct ctl *c)
{
	struct extract x = { .ctl = c };
	int64_t volume;

	if (!c->words[0])
		return ctl_fail(EX_USAGE, "name the evidence whose record is wanted, by its id or its index in the ledger");
	x.db = ctl_connect(c, c->conf->database_auditor, &x.status);
	x.crowns = crowns_new(c, x.db);
	if (x.db && find(&x, &volume) && volume_read(&x.volume, c, x.db, volume, &x.status) && volume_chains(&x.volume, x.crowns, &x.status) &&
	    make_folder(&x) && put_parts(&x))
		put_record(&x);
	volume_complain(&x.volume);
	volume_release(&x.volume);
	crowns_free(x.crowns);
	db_close(x.db);
	return x.status;
}
