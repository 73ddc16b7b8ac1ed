#include "policyd/witness_folder.h"

#include <event2/event.h>
#include <stdlib.h>

#include "libkep/checkpoint.h"
#include "libkep/folder.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/keeper.h"
#include "policyd/ledger.h"
#include "policyd/pause.h"

struct witness_folder {
	struct daemon          *d;
	const struct cosigners *keys;
	struct keeper          *keeper;
	struct event           *timer;
	uint64_t                mark;           /* of the folder when it was read */
	bool                    marked;
	char                   *size;           /* of the checkpoint that lies there; NULL: not known */
	char                   *coming;         /* of the one that is being written */
	bool                    stopped;
};

static void wait(struct witness_folder *f)
{
	usec pause = pause_spread(f->d->conf->witness_interval);
	struct timeval tv = { (time_t)(pause / 1000000), (suseconds_t)(pause % 1000000) };

	if (!f->stopped)
		evtimer_add(f->timer, &tv);
}

/* ---- what comes back ---- */

/* One file; what is wrong with it is said, and stops nothing. */
static bool on_file(void *arg, const char *file, struct span octets, struct buf *error)
{
	struct witness_folder *f = arg;
	struct buf why = BUF_INIT;
	const struct origin *ours = ledger_origin(f->d->ledger);
	struct checkpoint head;
	struct note note;
	bool good = checkpoint_open(octets, ours->keys, ours->n, &note, &head, &why) == CHECKPOINT_GOOD;

	if (good && !span_eq(head.origin, buf_span(&ours->name))) {
		buf_adds(&why, "it is of another ledger");
		good = false;
	}
	if (!good || cosigners_keep(f->keys, f->d, head.size, &note, NULL, &why) == 0)
		log_warn("witness: %s: %s", file, buf_str(&why));
	buf_release(&why);
	return true;
}

static void read_back(struct witness_folder *f)
{
	static const char *const ends[] = { ".cosigned", NULL };
	uint64_t mark = folder_mark(f->d->conf->witness_dir);
	struct buf error = BUF_INIT;

	if (f->marked && mark == f->mark)
		return;
	f->mark = mark;
	f->marked = true;
	if (!folder_each(f->d->conf->witness_dir, ends, NOTE_MAX, on_file, f, &error))
		log_warn("witness: %s", buf_str(&error));
	buf_release(&error);
}

/* ---- what is put there ---- */

static void on_put(void *arg, bool ok, const char *words)
{
	struct witness_folder *f = arg;

	free(f->size);
	f->size = ok ? f->coming : NULL;
	if (!ok) {
		log_warn("witness: %s/checkpoint: %s", f->d->conf->witness_dir, words);
		free(f->coming);
	}
	f->coming = NULL;
	wait(f);
}

static void on_last(void *arg, enum pg_answer a, const struct pg_rows *rows, const char *sqlstate, const char *words)
{
	struct witness_folder *f = arg;
	struct buf note = BUF_INIT;

	if (a == PG_FAILED)
		log_warn("witness: kep.checkpoint_last: %s: %s", sqlstate, words);
	if (f->stopped || a != PG_DONE || pg_rows_count(rows) == 0 || (f->size && span_is(pg_value(rows, 0, 0), f->size))) {
		wait(f);
		return;
	}
	pg_bytea(rows, 0, 1, &note);
	f->coming = mem_span(pg_value(rows, 0, 0));
	keeper_put(f->keeper, buf_span(&note));
	buf_release(&note);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct witness_folder *f = arg;
	struct pg_params none = { .n = 0 };

	if (!f->d->schema || !pg_is_up(f->d->pg)) {
		wait(f);
		return;
	}
	read_back(f);
	pg_ask(f->d->pg, "SELECT size::text, note FROM kep.checkpoint_last()", &none, false, on_last, f);
}

/* ---- life ---- */

struct witness_folder *witness_folder_new(struct daemon *d, const struct cosigners *keys)
{
	struct witness_folder *f;
	char *path;

	if (!*d->conf->witness_dir)
		return NULL;
	f = mem_new(sizeof *f);
	f->d = d;
	f->keys = keys;
	path = mem_printf("%s/checkpoint", d->conf->witness_dir);
	f->keeper = keeper_new(d->base, path, on_put, f);
	free(path);
	f->timer = evtimer_new(d->base, on_timer, f);
	if (!f->timer)
		log_fatal("libevent: no timers");
	wait(f);
	return f;
}

void witness_folder_stop(struct witness_folder *f)
{
	if (!f)
		return;
	f->stopped = true;
	evtimer_del(f->timer);
}

void witness_folder_free(struct witness_folder *f)
{
	if (!f)
		return;
	keeper_free(f->keeper);
	event_free(f->timer);
	free(f->size);
	free(f->coming);
	free(f);
}
