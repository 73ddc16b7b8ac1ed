#include "kepctl/witnesses.h"

#include <inttypes.h>
#include <sysexits.h>

struct hearing {
	const struct keyring *keyring;
	struct audit         *audit;
	uint64_t              unknown;
};

/* Is the line by one of our keys, and good? */
static enum note_answer judge(const struct keyring *k, struct span text, struct span line)
{
	struct buf lines = BUF_INIT;
	struct note note;
	enum note_answer answer = NOTE_FORGED;

	buf_add(&lines, line);
	buf_addc(&lines, '\n');
	if (note_parse_lines(text, buf_span(&lines), &note, NULL))
		answer = note_check_any(&note, k->keys, k->n_keys);
	buf_release(&lines);
	return answer;
}

static bool hear(void *arg, const struct span *v, size_t n)
{
	struct hearing *h = arg;
	enum note_answer answer = NOTE_FORGED;
	uint64_t size = 0;
	struct note note;

	if (n != 4)
		return false;
	for (size_t i = 0; i < v[0].n; i++)
		size = size << 8 | (unsigned char)v[0].p[i];
	if (note_parse(v[3], &note, NULL))
		answer = judge(h->keyring, note.text, v[2]);
	h->audit->row[AUDIT_WITNESSES].seen++;
	h->unknown += answer == NOTE_UNSIGNED;
	if (answer == NOTE_FORGED)
		audit_fault(h->audit, AUDIT_WITNESSES, size ? size - 1 : 0, "cosignature of %.*s under the checkpoint of size %" PRIu64 ": it is not good, or "
		            "there is no such checkpoint", (int)v[1].n, v[1].p, size);
	return true;
}

int witnesses_audit(const struct ctl *c, struct db *db, const struct keyring *k, struct audit *a)
{
	static const char sql[] = "SELECT g.size, g.name, g.line, n.note FROM kep.cosignatures AS g LEFT JOIN kep.checkpoints AS n ON n.size = g.size ORDER BY g.size, g.name";
	struct hearing h = { .keyring = k, .audit = a };
	struct buf error = BUF_INIT;
	int status = EX_OK;

	if (!db_copy(db, sql, hear, &h, &error))
		status = ctl_fail_sql(c, &error);
	if (h.unknown)
		buf_addf(&a->row[AUDIT_WITNESSES].note, "%" PRIu64 " of them are by witnesses whose keys are not in the trust folder", h.unknown);
	buf_release(&error);
	return status;
}
