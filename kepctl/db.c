/* kepctl db: the schema, made and brought up to date.  Each file is one
 * transaction that writes down its own number, so a run that broke off goes on
 * where it stopped. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "kepctl/ctl.h"
#include "kepctl/migration.h"
#include "kepctl/table.h"

/* One run: files and database side by side. */
struct upgrade {
	const struct ctl *ctl;
	struct migrations files;
	struct db        *db;
	int               version;      /* in the database; 0: no schema of ours */
};

static bool read_version(struct upgrade *u, int *status)
{
	const struct pg_rows *rows = ctl_ask(u->ctl, u->db,
		"select to_regprocedure('kep.schema_version()') is not null, to_regnamespace('kep') is not null", NULL, status);

	u->version = 0;
	if (!rows)
		return false;
	if (!span_is(pg_value(rows, 0, 0), "t")) {
		if (span_is(pg_value(rows, 0, 1), "t"))
			*status = ctl_fail(EX_CONFIG, "this database holds a schema 'kep' that is not ours; name another database in database_owner");
		return *status == EX_OK;
	}
	rows = ctl_ask(u->ctl, u->db, "select coalesce(kep.schema_version(), 0)", NULL, status);
	if (rows)
		u->version = atoi(pg_value(rows, 0, 0).p);
	return rows != NULL;
}

static int newest(const struct upgrade *u)
{
	return u->files.v[u->files.n - 1].number;
}

/* Files listed, connected, version read.  false: it was said why not. */
static bool begin(struct upgrade *u, const struct ctl *c, int *status)
{
	struct buf error = BUF_INIT;

	*u = (struct upgrade){ .ctl = c };
	if (!migrations_list(&u->files, c->conf->sql_dir, &error))
		*status = ctl_fail(EX_CONFIG, "%s", buf_str(&error));
	else
		u->db = ctl_connect(c, c->conf->database_owner, status);
	buf_release(&error);
	if (!u->db || !read_version(u, status))
		return false;
	if (u->version > newest(u))
		*status = ctl_fail(EX_CONFIG, "the schema has version %d, this program knows up to %d: install the newer postkep", u->version, newest(u));
	return *status == EX_OK;
}

static int end(struct upgrade *u, int status)
{
	migrations_release(&u->files);
	db_close(u->db);
	return status;
}

static bool apply_one(struct upgrade *u, const struct migration *m, int *status)
{
	struct buf text = BUF_INIT, error = BUF_INIT;

	if (!migration_text(&u->files, m, &text, &error)) {
		*status = ctl_fail(EX_NOINPUT, "%s", buf_str(&error));
	} else if (!db_run(u->db, buf_str(&text), &error)) {
		ctl_fail(0, "%s was not applied, and nothing of it stayed", m->name);
		*status = ctl_fail_sql(u->ctl, &error);
	} else if (read_version(u, status) && u->version != m->number) {
		*status = ctl_fail(EX_SOFTWARE, "%s did not write down its number; the file is damaged, install it anew", m->name);
	} else if (*status == EX_OK) {
		printf("%s\n", m->name);
	}
	buf_release(&text);
	buf_release(&error);
	return *status == EX_OK;
}

static int apply(struct upgrade *u)
{
	int status = EX_OK;

	/* Two upgrades at once: the second waits here, then finds nothing to do. */
	if (!ctl_ask(u->ctl, u->db, "select pg_advisory_lock(hashtext('kep.migration'))", NULL, &status) || !read_version(u, &status))
		return status;
	for (size_t i = 0; status == EX_OK && i < u->files.n; i++)
		if (u->files.v[i].number > u->version)
			apply_one(u, &u->files.v[i], &status);
	if (status == EX_OK)
		printf("schema version %d\n", u->version);
	return status;
}

int command_db_init(const struct ctl *c)
{
	struct upgrade u;
	int status = EX_OK;

	if (!begin(&u, c, &status))
		return end(&u, status);
	if (u.version == 0)
		status = apply(&u);
	else if (u.version < newest(&u))
		status = ctl_fail(EX_CONFIG, "the schema is there, with version %d: run 'kepctl db upgrade' to bring it to %d", u.version, newest(&u));
	else
		printf("schema version %d, nothing to do\n", u.version);
	return end(&u, status);
}

int command_db_upgrade(const struct ctl *c)
{
	struct upgrade u;
	int status = EX_OK;

	if (!begin(&u, c, &status))
		return end(&u, status);
	if (u.version == 0)
		status = ctl_fail(EX_CONFIG, "this database holds no schema of ours: run 'kepctl db init'");
	else if (u.version == newest(&u))
		printf("schema version %d, nothing to do\n", u.version);
	else
		status = apply(&u);
	return end(&u, status);
}

static jdoc *status_json(const struct upgrade *u)
{
	jdoc *d = jdoc_object(), *pending = jdoc_array();

	for (size_t i = 0; i < u->files.n; i++)
		if (u->files.v[i].number > u->version)
			jdoc_push_text(pending, span_str(u->files.v[i].name));
	jdoc_set_int(d, "version", u->version);
	jdoc_set_int(d, "newest", newest(u));
	jdoc_set(d, "pending", pending);
	return d;
}

static void status_print(const struct upgrade *u)
{
	printf("schema version %d of %d\n", u->version, newest(u));
	for (size_t i = 0; i < u->files.n; i++)
		if (u->files.v[i].number > u->version)
			printf("pending %s\n", u->files.v[i].name);
	if (u->version == 0)
		puts("run 'kepctl db init' to make the schema");
	else if (u->version < newest(u))
		puts("run 'kepctl db upgrade' to apply what is pending");
}

int command_db_status(const struct ctl *c)
{
	struct upgrade u;
	int status = EX_OK;

	if (begin(&u, c, &status)) {
		if (c->json)
			ctl_json(status_json(&u), EX_OK);
		else
			status_print(&u);
	}
	return end(&u, status);
}
