/* kepctl fsck: the whole ledger computed again from the stored evidence, and held against all that is written down. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "kepctl/paint.h"
#include "kepctl/progress.h"
#include "kepctl/stock.h"
#include "kepctl/survey.h"
#include "kepctl/witnesses.h"
#include "libkep/mem.h"

enum { FSCK_WELL = 0, FSCK_WRONG = 1 };

struct fsck {
	const struct ctl *ctl;
	struct db        *db[2];
	struct keyring    keyring;
	bool              has_keys;
	struct audit      audit;
	struct survey     survey;
	int               status;
};

static bool load_keys(struct fsck *f)
{
	const struct ctl *c = f->ctl;
	const char *path = c->given[CTL_TRUST] ? buf_str(&c->value[CTL_TRUST]) : c->conf->verify_trust;
	struct buf error = BUF_INIT;
	char *why;

	if (!c->given[CTL_TRUST] && access(path, F_OK) != 0) {
		why = mem_printf("there is no %s with the keys to judge by; make it, or name another with --trust", path);
		audit_skip(&f->audit, AUDIT_SIGNATURES, why);
		audit_skip(&f->audit, AUDIT_SEALS, why);
		audit_skip(&f->audit, AUDIT_STAMPS, why);
		audit_skip(&f->audit, AUDIT_WITNESSES, why);
		free(why);
		return true;
	}
	f->has_keys = keyring_load(&f->keyring, path, &error);
	if (!f->has_keys)
		f->status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	buf_release(&error);
	return f->has_keys;
}

static bool publish(struct fsck *f, const char *file)
{
	struct buf error = BUF_INIT;
	bool ok = heads_publish(f->survey.heads, file, &error);

	if (!ok)
		f->status = ctl_fail(EX_DATAERR, "%s", buf_str(&error));
	buf_release(&error);
	return ok;
}

/* Those that are named, or the one that policyd keeps on this host. */
static bool publish_all(struct fsck *f)
{
	struct span rest = ctl_value(f->ctl, CTL_CHECKPOINT_FILE);
	const char *own = f->ctl->conf->checkpoint_file;
	bool ok = true;

	if (!f->ctl->given[CTL_CHECKPOINT_FILE] && *own && access(own, R_OK) == 0)
		return publish(f, own);
	if (!f->ctl->given[CTL_CHECKPOINT_FILE])
		audit_skip(&f->audit, AUDIT_PUBLISHED, *own && access(own, F_OK) == 0 ?
		           "this user may not read checkpoint_file; name a copy of it, or a proof out of a receipt, with --checkpoint-file" :
		           "no file was named (--checkpoint-file): that the tail was not cut off, or all of it made anew with the real keys, can be seen only there");
	while (ok && rest.n) {
		char *file = mem_span(span_cut(&rest, ','));

		ok = publish(f, file);
		free(file);
	}
	return ok;
}

static bool connect(struct fsck *f)
{
	for (int i = 0; i < 2 && f->status == EX_OK; i++)
		f->db[i] = ctl_connect(f->ctl, f->ctl->conf->database_auditor, &f->status);
	return f->status == EX_OK;
}

static void work(struct fsck *f)
{
	struct survey *s = &f->survey;

	*s = (struct survey){ .ctl = f->ctl, .db = f->db[0], .audit = &f->audit };
	s->heads = heads_new(f->ctl, f->db[1], f->has_keys ? &f->keyring : NULL, &f->audit);
	s->shelf = shelf_new(f->ctl, f->db[1]);
	if (publish_all(f)) {
		survey_run(s);
		if (s->status == EX_OK && f->has_keys)
			heads_stamps(s->heads);
		if (s->status == EX_OK && f->has_keys)
			s->status = witnesses_audit(f->ctl, f->db[1], &f->keyring, &f->audit);
		if (s->status == EX_OK)
			s->status = stock_audit(f->ctl, f->db[1], f->has_keys ? &f->keyring : NULL, clock_now(), &f->audit);
		f->status = s->status != EX_OK ? s->status : heads_status(s->heads);
	}
	heads_free(s->heads);
	shelf_free(s->shelf);
}

/* -- what was found ------------------------------------------------------------ */

static uint64_t rate(const struct survey *s, usec time)
{
	return time > 0 ? s->size * 1000000 / (uint64_t)time : 0;
}

static void add_notes(struct fsck *f)
{
	if (f->survey.pruned)
		buf_addf(&f->audit.row[AUDIT_BODIES].note, "%" PRIu64 " of them were removed after their retention; their hashes stay", f->survey.pruned);
}

static void print(const struct fsck *f)
{
	const struct survey *s = &f->survey;
	char leaves[32], ours[32], all[32];
	bool well = audit_well(&f->audit);

	audit_print(&f->audit);
	progress_number(leaves, s->size);
	progress_number(ours, rate(s, s->cpu));
	progress_number(all, rate(s, s->wall));
	printf("\n%s leaves in %.2f s: %s a second; %s a second of this program's own time\n", leaves, (double)s->wall / 1e6, all, ours);
	paint(stdout, well ? PAINT_GOOD : PAINT_BAD);
	if (well)
		puts(audit_whole(&f->audit) ? "the ledger is what it was" : "nothing is wrong in what was looked at; what was not is said above");
	else
		printf("THE LEDGER IS NOT WHAT IT WAS; the first bad index is %" PRIu64 "\n", audit_first(&f->audit));
	paint(stdout, PAINT_PLAIN);
}

static void print_json(const struct fsck *f)
{
	const struct survey *s = &f->survey;
	char root[2 * MERKLE_SIZE + 1];
	jdoc *d = jdoc_object();

	hex_encode(root, s->root.o, MERKLE_SIZE);
	jdoc_set_bool(d, "well", audit_well(&f->audit));
	jdoc_set_int(d, "size", (int64_t)s->size);
	jdoc_set_str(d, "root", root);
	audit_json(&f->audit, d);
	jdoc_set_int(d, "leaves_per_second", (int64_t)rate(s, s->wall));
	jdoc_set_int(d, "leaves_per_second_of_own_time", (int64_t)rate(s, s->cpu));
	ctl_json(d, EX_OK);
}

int command_fsck(const struct ctl *c)
{
	struct fsck f = { .ctl = c, .status = EX_OK };

	if (load_keys(&f) && connect(&f))
		work(&f);
	if (f.status == EX_OK) {
		add_notes(&f);
		if (c->json)
			print_json(&f);
		else
			print(&f);
		f.status = audit_well(&f.audit) ? FSCK_WELL : FSCK_WRONG;
	}
	db_close(f.db[0]);
	db_close(f.db[1]);
	keyring_release(&f.keyring);
	audit_release(&f.audit);
	return f.status;
}
