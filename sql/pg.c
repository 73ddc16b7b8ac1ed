/* pg.c - see pg.h.  The only file that includes libpq-fe.h.
 *
 * A batch is what one PQpipelineSync ends: one implicit transaction, committed
 * when the server comes to the sync.  Its steps (a setting, preparations,
 * questions) are remembered in order, and each result belongs to the step whose
 * turn it is.  Rows are held until the sync has come back, that is after COMMIT.
 */
#include "sql/pg.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "sql/pipeline.h"

enum {
	BACKOFF_MIN_MS = 100,
	BACKOFF_MAX_MS = 5000,
	PATIENCE_MS    = 10000,         /* above statement_timeout */
};

/* ---- rows ---- */

struct pg_rows {
	PGresult *result;
};

static bool in_range(const struct pg_rows *r, size_t row, size_t column)
{
	return row < pg_rows_count(r) && column < pg_rows_width(r);
}

size_t pg_rows_count(const struct pg_rows *r)
{
	return (size_t)PQntuples(r->result);
}

size_t pg_rows_width(const struct pg_rows *r)
{
	return (size_t)PQnfields(r->result);
}

const char *pg_rows_name(const struct pg_rows *r, size_t column)
{
	return column < pg_rows_width(r) ? PQfname(r->result, (int)column) : "";
}

struct span pg_value(const struct pg_rows *r, size_t row, size_t column)
{
	if (!in_range(r, row, column))
		return SPAN("");
	return span_of(PQgetvalue(r->result, (int)row, (int)column), (size_t)PQgetlength(r->result, (int)row, (int)column));
}

bool pg_is_null(const struct pg_rows *r, size_t row, size_t column)
{
	return !in_range(r, row, column) || PQgetisnull(r->result, (int)row, (int)column);
}

/* ---- what both connections share ---- */

static PGconn *open_connection(const char *conninfo, const char *name, bool wait)
{
	/* What stands in conninfo ("dbname" is expanded) may be overruled only by what follows it. */
	const char *keys[] = { "fallback_application_name", "dbname", "client_encoding", NULL };
	const char *values[] = { name, conninfo, "UTF8", NULL };

	return wait ? PQconnectdbParams(keys, values, 1) : PQconnectStartParams(keys, values, 1);
}

/* libpq's words end in, and may hold, line breaks; ours are one line. */
static void add_words(struct buf *out, const char *words)
{
	struct span s = span_trim(span_str(words));

	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == '\t' ? ' ' : s.p[i]);
}

/* "message (hint)"; never the detail, which may quote a whole row. */
static void add_error(struct buf *out, const PGresult *r)
{
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);

	add_words(out, message != NULL ? message : PQresultErrorMessage(r));
	if (hint != NULL) {
		buf_adds(out, " (");
		add_words(out, hint);
		buf_addc(out, ')');
	}
}

static const char *error_state(const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return state != NULL ? state : "08006";
}

static bool is_good(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	return s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK;
}

static void on_notice(void *arg, const char *words)
{
	struct buf line = BUF_INIT;

	add_words(&line, words);
	log_warn("database: %s", buf_str(&line));
	buf_release(&line);
}

/* ---- the pipeline connection ---- */

static void answer(struct question *x, enum pg_answer a, const char *sqlstate, const char *words)
{
	struct pg_rows rows = { x->rows };

	x->answered(x->arg, a, a == PG_DONE ? &rows : NULL, sqlstate, words);
	PQclear(x->rows);
	free(x);
}

/* The hook hears of each cause once, not of each attempt. */
static void complain(struct pg *pg, const char *words)
{
	bool news = pg->state == UP || strcmp(words, buf_str(&pg->complaint)) != 0;

	pg->state = DOWN;
	if (!news)
		return;
	buf_clear(&pg->complaint);
	buf_adds(&pg->complaint, words);
	pg->hooks.state(pg->arg, false, words);
}

static void hang_up(struct pg *pg)
{
	if (pg->conn != NULL) {
		pg->hooks.watch(pg->arg, -1, false, false);
		PQfinish(pg->conn);
	}
	pg->conn = NULL;
	pg->n_statements = 0;
	pg->n_steps = pg->at = 0;
}

static void answer_lost(struct pg *pg, const char *words)
{
	struct queue all = { NULL, NULL, 0 };
	struct question *x;

	queue_join(&all, &pg->waiting);
	queue_join(&all, &pg->flight);
	pg->eager = 0;
	pg->later_at = 0;
	while ((x = queue_pop(&all)) != NULL)
		answer(x, PG_LOST, "08006", words);
}

/* The state is DOWN before the first callback: what it asks is answered at once. */
void pipeline_lost(struct pg *pg, const char *words)
{
	struct buf kept = BUF_INIT;

	add_words(&kept, words);        /* they may be the connection's own */
	hang_up(pg);
	complain(pg, buf_str(&kept));
	answer_lost(pg, buf_str(&kept));
	pipeline_due_in(pg, pg->backoff);
	pg->backoff = pg->backoff * 2 < BACKOFF_MAX_MS ? pg->backoff * 2 : BACKOFF_MAX_MS;
	buf_release(&kept);
}

static void lost_connection(struct pg *pg)
{
	const char *words = PQerrorMessage(pg->conn);

	pipeline_lost(pg, *words != '\0' ? words : "the connection to the database was lost");
}

/* ---- connecting ---- */

/* synchronous_commit is left to the server (on, remote_apply) but for "off",
 * under which PG_DONE would be a lie. */
static const char session[] =
	"SET statement_timeout = 8000; SET lock_timeout = 3000; SET idle_in_transaction_session_timeout = 15000;"
	"SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning; SET jit = off;"
	"SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex';"
	"SET standard_conforming_strings = on;"
	"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

static void set_up(struct pg *pg)
{
	struct buf sql = BUF_INIT;

	buf_adds(&sql, session);
	for (size_t i = 0; i < pg->n_channels; i++)
		buf_addf(&sql, "LISTEN %s;", pg->channels[i]);
	pg->state = SETTING_UP;
	if (PQsetnonblocking(pg->conn, 1) != 0 || !PQsendQuery(pg->conn, buf_str(&sql)))
		lost_connection(pg);
	else
		pg->hooks.watch(pg->arg, PQsocket(pg->conn), true, PQflush(pg->conn) == 1);
	buf_release(&sql);
}

static void connect_go_on(struct pg *pg)
{
	/* libpq may close one socket and open the next under the same number. */
	pg->hooks.watch(pg->arg, -1, false, false);
	switch (PQconnectPoll(pg->conn)) {
	case PGRES_POLLING_OK:
		set_up(pg);
		break;
	case PGRES_POLLING_READING:
		pg->hooks.watch(pg->arg, PQsocket(pg->conn), true, false);
		break;
	case PGRES_POLLING_WRITING:
		pg->hooks.watch(pg->arg, PQsocket(pg->conn), false, true);
		break;
	default:
		lost_connection(pg);
	}
}

void pipeline_connect(struct pg *pg)
{
	pg->conn = open_connection(pg->conninfo, pg->name, false);
	if (pg->conn == NULL)
		log_fatal("out of memory");
	pg->state = CONNECTING;
	pipeline_due_in(pg, PATIENCE_MS);
	if (PQstatus(pg->conn) == CONNECTION_BAD) {
		lost_connection(pg);
		return;
	}
	PQsetNoticeProcessor(pg->conn, on_notice, NULL);
	pg->hooks.watch(pg->arg, PQsocket(pg->conn), false, true);
}

static void set_up_go_on(struct pg *pg)
{
	PGresult *r;
	bool good = true;

	if (PQflush(pg->conn) == -1 || !PQconsumeInput(pg->conn)) {
		lost_connection(pg);
		return;
	}
	while (good && !PQisBusy(pg->conn)) {
		r = PQgetResult(pg->conn);
		if (r == NULL)
			break;
		good = is_good(r);
		PQclear(r);
	}
	if (!good || PQstatus(pg->conn) == CONNECTION_BAD) {
		lost_connection(pg);
	} else if (PQisBusy(pg->conn)) {
		pg->hooks.watch(pg->arg, PQsocket(pg->conn), true, PQflush(pg->conn) == 1);
	} else if (!PQenterPipelineMode(pg->conn)) {
		lost_connection(pg);
	} else {
		pg->state = UP;
		pg->deadline = 0;
		pg->backoff = BACKOFF_MIN_MS;
		buf_clear(&pg->complaint);
		pg->hooks.watch(pg->arg, PQsocket(pg->conn), true, false);
		pg->hooks.state(pg->arg, true, "connected");
	}
}

/* ---- sending a batch ---- */

static bool step_send(struct pg *pg, struct question *x)
{
	size_t s = pipeline_statement(pg, x->sql);
	char name[24];

	snprintf(name, sizeof(name), "s%zu", s);
	if (pg->statements[s].state == UNKNOWN) {
		if (!PQsendPrepare(pg->conn, name, x->sql, 0, NULL))
			return false;
		pg->statements[s].state = ASKED;
		pg->steps[pg->n_steps++] = (struct step){ x, s, true };
	}
	if (!PQsendQueryPrepared(pg->conn, name, (int)x->n, x->values, x->lengths, x->formats, 0))
		return false;
	pg->steps[pg->n_steps++] = (struct step){ x, s, false };
	return true;
}

static bool setting_send(struct pg *pg)
{
	/* As SET LOCAL, but without its warning outside of BEGIN. */
	if (!PQsendQueryParams(pg->conn, "SELECT set_config('synchronous_commit', 'off', true)", 0, NULL, NULL, NULL, NULL, 0))
		return false;
	pg->steps[pg->n_steps++] = (struct step){ NULL, 0, false };
	return true;
}

static void flush(struct pg *pg)
{
	int left = PQflush(pg->conn);

	if (left == -1)
		lost_connection(pg);
	else
		pg->hooks.watch(pg->arg, PQsocket(pg->conn), true, left == 1);
}

static void batch_send(struct pg *pg)
{
	bool sent = true;

	pipeline_take(pg);
	pg->n_steps = pg->at = 0;
	pg->failed = false;
	pg->guilty = NULL;
	if (!pipeline_is_durable(pg))
		sent = setting_send(pg);
	for (struct question *x = pg->flight.head; sent && x != NULL; x = x->next)
		sent = step_send(pg, x);
	if (!sent || !PQpipelineSync(pg->conn)) {
		lost_connection(pg);
		return;
	}
	pipeline_due_in(pg, PATIENCE_MS);
	flush(pg);
}

/* ---- reading its answers ---- */

/* The function behind a prepared statement was replaced by one with other
 * columns (a migration): the statement must be prepared anew, under a new name. */
static bool is_stale(const char *sqlstate)
{
	return strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0;
}

static void note_failure(struct pg *pg, const PGresult *r)
{
	if (pg->failed)
		return;
	pg->failed = true;
	pg->guilty = pg->at < pg->n_steps ? pg->steps[pg->at].question : NULL;
	snprintf(pg->sqlstate, sizeof(pg->sqlstate), "%s", error_state(r));
	buf_clear(&pg->words);
	add_error(&pg->words, r);
	if (pg->guilty != NULL && is_stale(pg->sqlstate))
		pg->statements[pg->steps[pg->at].statement].sql = NULL;
}

static void take_result(struct pg *pg, PGresult *r)
{
	const struct step *s = pg->at < pg->n_steps ? &pg->steps[pg->at] : NULL;
	bool good = is_good(r);

	if (PQresultStatus(r) == PGRES_FATAL_ERROR)
		note_failure(pg, r);
	if (s != NULL && s->prepares)
		pg->statements[s->statement].state = good ? PREPARED : UNKNOWN;
	if (good && s != NULL && s->question != NULL && !s->prepares && s->question->rows == NULL)
		s->question->rows = r;
	else
		PQclear(r);
}

/* The batch was rolled back.  The guilty question is asked again alone, after
 * the others, which are asked again together; when nobody is (the commit
 * failed), all go alone.  Each round has fewer questions or smaller batches. */
static void ask_again(struct pg *pg, struct queue *batch)
{
	struct queue again = { NULL, NULL, 0 }, last = { NULL, NULL, 0 };
	struct question *x;

	while ((x = queue_pop(batch)) != NULL) {
		PQclear(x->rows);
		x->rows = NULL;
		x->alone = pg->guilty == NULL || pg->guilty == x;
		pg->eager++;
		x->later = false;
		queue_push(pg->guilty == x ? &last : &again, x);
	}
	queue_join(&pg->waiting, &last);
	queue_join(&pg->waiting, &again);
}

/* Alone it gets a second try only where another transaction was in its way, or
 * its statement was stale. */
static bool may_try_again(const struct pg *pg, const struct queue *batch)
{
	return batch->n > 1 || (!batch->head->alone && (strncmp(pg->sqlstate, "40", 2) == 0 || is_stale(pg->sqlstate)));
}

/* A durable question that did something: looking for work and finding none does
 * not try the disk. */
static bool batch_wrote(const struct queue *batch)
{
	for (const struct question *x = batch->head; x != NULL; x = x->next)
		if (x->durable && x->rows != NULL && PQntuples(x->rows) > 0)
			return true;
	return false;
}

static void batch_end(struct pg *pg)
{
	struct queue batch = pg->flight;
	struct question *x;

	pg->flight = (struct queue){ NULL, NULL, 0 };
	pg->deadline = 0;
	if (pg->failed && may_try_again(pg, &batch)) {
		ask_again(pg, &batch);
		return;
	}
	if (!pg->failed && batch_wrote(&batch))
		pg->written_at = pipeline_now();
	pg->answering = true;
	while ((x = queue_pop(&batch)) != NULL)
		answer(x, pg->failed ? PG_FAILED : PG_DONE, pg->failed ? pg->sqlstate : "00000", pg->failed ? buf_str(&pg->words) : "");
	pg->answering = false;
}

/* Every step's results end with a NULL, and so does the error of a failed
 * commit; one NULL more than that means we have lost count.
 * false: the connection is gone. */
static bool read_results(struct pg *pg)
{
	while (pg->flight.head != NULL && !PQisBusy(pg->conn)) {
		PGresult *r = PQgetResult(pg->conn);

		if (PQstatus(pg->conn) == CONNECTION_BAD || (r == NULL && pg->at > pg->n_steps)) {
			PQclear(r);
			lost_connection(pg);
			return false;
		}
		if (r == NULL) {
			pg->at++;
		} else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
			PQclear(r);
			batch_end(pg);
		} else {
			take_result(pg, r);
		}
	}
	return true;
}

static void read_notifications(struct pg *pg)
{
	PGnotify *n;

	while (pg->conn != NULL && (n = PQnotifies(pg->conn)) != NULL) {
		pg->hooks.notify(pg->arg, n->relname, n->extra);
		PQfreemem(n);
	}
}

static void work(struct pg *pg, bool readable)
{
	if (readable && !PQconsumeInput(pg->conn)) {
		lost_connection(pg);
		return;
	}
	if (!read_results(pg))
		return;
	read_notifications(pg);
	if (pg->flight.head == NULL && pg->eager > 0)
		batch_send(pg);
	else
		flush(pg);
}

/* ---- the outside ---- */

struct pg *pg_new(const char *conninfo, const char *name, const struct pg_hooks *hooks, void *arg)
{
	struct pg *pg = mem_new(sizeof(*pg));

	pg->conninfo = mem_str(conninfo);
	pg->name = mem_str(name);
	pg->hooks = *hooks;
	pg->arg = arg;
	pg->backoff = BACKOFF_MIN_MS;
	pipeline_due_in(pg, 0);
	return pg;
}

void pg_free(struct pg *pg)
{
	if (pg == NULL)
		return;
	hang_up(pg);
	pg->state = DOWN;
	answer_lost(pg, "the program is ending");
	buf_release(&pg->complaint);
	buf_release(&pg->words);
	free(pg->statements);
	free(pg->conninfo);
	free(pg->name);
	free(pg);
}

void pg_ready(struct pg *pg, bool readable, bool writable)
{
	switch (pg->state) {
	case DOWN:
		break;
	case CONNECTING:
		connect_go_on(pg);
		break;
	case SETTING_UP:
		set_up_go_on(pg);
		break;
	case UP:
		work(pg, readable);
		break;
	}
}

/* ---- the blocking connection ---- */

struct db {
	PGconn         *conn;
	struct pg_rows  rows;
};

struct db *db_open(const char *conninfo, const char *name, struct buf *error)
{
	struct db *db = mem_new(sizeof(*db));

	db->conn = open_connection(conninfo, name, true);
	if (db->conn == NULL)
		log_fatal("out of memory");
	if (PQstatus(db->conn) != CONNECTION_OK) {
		add_words(error, PQerrorMessage(db->conn));
		buf_adds(error, " (is PostgreSQL running, and does the configuration name the right database and role?)");
		db_close(db);
		return NULL;
	}
	PQsetNoticeProcessor(db->conn, on_notice, NULL);
	PQclear(PQexec(db->conn, "SET client_min_messages = warning; SET TimeZone = 'UTC'; SET DateStyle = 'ISO';"
	                         "SET bytea_output = 'hex'; SET standard_conforming_strings = on"));
	return db;
}

void db_close(struct db *db)
{
	if (db == NULL)
		return;
	PQclear(db->rows.result);
	PQfinish(db->conn);
	free(db);
}

static bool db_take(struct db *db, PGresult *r, struct buf *error)
{
	PQclear(db->rows.result);
	db->rows.result = r;
	if (is_good(r))
		return true;
	buf_addf(error, "%s: ", error_state(r));
	add_error(error, r);
	return false;
}

const struct pg_rows *db_ask(struct db *db, const char *sql, const struct pg_params *params, struct buf *error)
{
	struct question *x = question_new(sql, params);
	bool good;

	if (x == NULL) {
		buf_adds(error, "22021: a value holds a NUL octet or is too long for the database");
		return NULL;
	}
	good = db_take(db, PQexecParams(db->conn, sql, (int)x->n, NULL, x->values, x->lengths, x->formats, 0), error);
	free(x);
	return good ? &db->rows : NULL;
}

bool db_run(struct db *db, const char *statements, struct buf *error)
{
	return db_take(db, PQexec(db->conn, statements), error);
}

/* ---- COPY ---- */

#define COPY_COLUMNS_MAX 32
#define COPY_HEAD        11     /* octets of the signature; then flags, and the size of an extension */

static uint32_t be32(const char *p)
{
	const unsigned char *o = (const unsigned char *)p;

	return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
}

/* The head stands before the first row. */
static bool copy_head(struct span *in)
{
	if (in->n < COPY_HEAD + 8 || memcmp(in->p, "PGCOPY\n\377\r\n", COPY_HEAD) != 0 || be32(in->p + COPY_HEAD + 4) != 0)
		return false;
	*in = span_of(in->p + COPY_HEAD + 8, in->n - COPY_HEAD - 8);
	return true;
}

/* The fields of one row; -1: it is none, or the end. */
static int copy_fields(struct span in, struct span *v)
{
	size_t n = in.n < 2 ? 0 : ((size_t)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1]), at = 2;

	if (n == 0 || n > COPY_COLUMNS_MAX)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint32_t size = at + 4 <= in.n ? be32(in.p + at) : 0;

		at += 4;
		v[i] = SPAN_NONE;
		if (size == UINT32_MAX)
			continue;
		if (at > in.n || size > in.n - at)
			return -1;
		v[i] = span_of(in.p + at, size);
		at += size;
	}
	return (int)n;
}

/* Rows up to the end, or until one says enough; what follows is read and dropped. */
static bool copy_rows(struct db *db, db_row *row, void *arg)
{
	struct span v[COPY_COLUMNS_MAX];
	bool more = true, first = true, good = true;
	char *message;
	int n;

	while ((n = PQgetCopyData(db->conn, &message, 0)) > 0) {
		struct span in = span_of(message, (size_t)n);
		int fields;

		good = good && (!first || copy_head(&in));
		first = false;
		fields = good && more ? copy_fields(in, v) : -1;
		if (fields > 0)
			more = row(arg, v, (size_t)fields);
		PQfreemem(message);
	}
	return n == -1 && good;
}

bool db_copy(struct db *db, const char *query, db_row *row, void *arg, struct buf *error)
{
	char *sql = mem_printf("COPY (%s) TO STDOUT (FORMAT binary)", query);
	PGresult *r = PQexec(db->conn, sql);
	bool good = PQresultStatus(r) == PGRES_COPY_OUT;

	free(sql);
	if (good) {
		PQclear(r);
		good = copy_rows(db, row, arg);
		r = PQgetResult(db->conn);
	}
	if (!db_take(db, r, error))
		good = false;
	else if (!good)
		buf_adds(error, "08000: the rows of the database could not be read");
	while ((r = PQgetResult(db->conn)))
		PQclear(r);
	return good;
}
