#include "libkep/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <errno.h>

#include "libkep/log.h"
#include "libkep/mem.h"

enum conf_type { TEXT, BOOL, COUNT, SIZE, TIME, MODE };

static const struct row {
	const char    *key;
	enum conf_type type;
	const char    *def;
	size_t         at;
} rows[] = {
#define CONF(key, type, def, help) { #key, type, def, offsetof(struct conf, key) },
#include "libkep/conf.def"
#undef CONF
};

struct place {
	const char *name;
	int         line;       /* 0: not a file */
	struct buf *error;
};

static bool complain(const struct place *at, const char *fmt, struct span what, const char *mend)
{
	buf_clear(at->error);
	if (at->line)
		buf_addf(at->error, "%s:%d: ", at->name, at->line);
	else
		buf_addf(at->error, "%s: ", at->name);
	buf_adds(at->error, fmt);
	buf_addf(at->error, " '%.*s'; %s", (int)(what.n > 80 ? 80 : what.n), what.n ? what.p : "", mend);
	return false;
}

/* A whole number followed by at most one letter. */
static bool number(struct span s, int base, uint64_t *n, char *unit)
{
	size_t i = 0;

	*n = 0;
	*unit = '\0';
	for (; i < s.n && s.p[i] >= '0' && s.p[i] < '0' + base; i++) {
		if (*n > UINT64_MAX / 16)
			return false;
		*n = *n * (unsigned)base + (unsigned)(s.p[i] - '0');
	}
	if (i == 0)
		return false;
	if (i + 1 == s.n)
		*unit = s.p[i++];
	return i == s.n && *n < (uint64_t)1 << 40;
}

static uint64_t unit_factor(char unit, const char *units, const uint64_t *factor)
{
	const char *hit = strchr(units, unit);

	return unit == '\0' ? factor[0] : hit ? factor[1 + (hit - units)] : 0;
}

static bool set_number(const struct place *at, const struct row *r, void *slot, struct span v)
{
	static const uint64_t octets[] = { 1, 1 << 10, 1 << 20 };
	static const uint64_t us[] = { 1000000, 1000000, 60000000, 3600000000, 86400000000 };
	uint64_t n, f;
	char unit;

	if (!number(v, r->type == MODE ? 8 : 10, &n, &unit))
		return complain(at, "not a number:", v, r->type == MODE ? "write an octal mode such as 0660" : "write digits, then a unit if any");
	switch (r->type) {
	case SIZE:
		f = unit_factor(unit, "KM", octets);
		*(conf_SIZE *)slot = (size_t)(n * f);
		return f ? true : complain(at, "unknown unit in", v, "sizes take K or M");
	case TIME:
		f = unit_factor(unit, "smhd", us);
		*(conf_TIME *)slot = (usec)(n * f);
		return f ? true : complain(at, "unknown unit in", v, "times take s, m, h or d");
	case MODE:
		*(conf_MODE *)slot = (unsigned)n;
		return unit == '\0' && n <= 0777 ? true : complain(at, "not a file mode:", v, "write 0000 to 0777");
	default:
		*(conf_COUNT *)slot = (size_t)n;
		return unit == '\0' ? true : complain(at, "not a count:", v, "write digits only");
	}
}

static bool set_value(const struct place *at, struct conf *c, const struct row *r, struct span v)
{
	void *slot = (char *)c + r->at;

	switch (r->type) {
	case TEXT:
		if (memchr(v.p ? v.p : "", '\0', v.n) || !utf8_valid(v))
			return complain(at, "not UTF-8 text:", v, "save the file as UTF-8");
		free(*(char **)slot);
		*(char **)slot = mem_span(v);
		return true;
	case BOOL:
		*(conf_BOOL *)slot = span_is(v, "yes");
		return span_is(v, "yes") || span_is(v, "no") ? true : complain(at, "neither yes nor no:", v, "write yes or no");
	default:
		return set_number(at, r, slot, v);
	}
}

/* trust_dir is another name of trust_anchors. */
static const struct row *find(struct span key)
{
	if (span_is(key, "trust_dir"))
		key = SPAN("trust_anchors");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_is(key, rows[i].key))
			return &rows[i];
	return NULL;
}

void conf_init(struct conf *c)
{
	struct buf error = BUF_INIT;
	struct place at = { "built-in default", 0, &error };

	memset(c, 0, sizeof *c);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!set_value(&at, c, &rows[i], span_str(rows[i].def)))
			log_panic("%s: %s", rows[i].key, buf_str(&error));
}

void conf_release(struct conf *c)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].type == TEXT) {
			free(*(char **)((char *)c + rows[i].at));
			*(char **)((char *)c + rows[i].at) = NULL;
		}
}

static bool assign(const struct place *at, struct conf *c, struct span text, bool *seen)
{
	struct span rest = text, key = span_trim(span_cut(&rest, '='));
	const struct row *r = find(key);

	if (!memchr(text.p, '=', text.n))
		return complain(at, "no '=' in", span_trim(text), "write key = value");
	if (!r)
		return complain(at, "unknown key", key, "kep.conf(5) lists the keys");
	if (seen && seen[r - rows])
		return complain(at, "given twice:", key, "keep one of the two lines");
	if (seen)
		seen[r - rows] = true;
	return set_value(at, c, r, span_trim(rest));
}

bool conf_read_text(struct conf *c, const char *name, struct span text, struct buf *error)
{
	bool seen[COUNT_OF(rows)] = { false }, ok = true;
	struct place at = { name, 0, error };
	struct buf logical = BUF_INIT;
	int line = 0;

	while (ok && (text.n || logical.n)) {
		struct span l = text.n ? span_cut(&text, '\n') : SPAN_NONE;
		bool more = l.n && (l.p[0] == ' ' || l.p[0] == '\t') && span_trim(l).n;

		line++;
		if (more && logical.n) {
			buf_addc(&logical, ' ');
			buf_add(&logical, span_trim(l));
			continue;
		}
		if (span_trim(l).n == 0 ? text.n > 0 : span_trim(l).p[0] == '#')
			continue;
		if (logical.n)
			ok = assign(&at, c, buf_span(&logical), seen);
		buf_clear(&logical);
		at.line = line;
		buf_add(&logical, span_trim(l));
	}
	buf_release(&logical);
	return ok;
}

static bool slurp(const char *file, struct buf *text, struct buf *error)
{
	FILE *f = fopen(file, "re");
	char block[4096];
	size_t n;

	if (!f) {
		buf_clear(error);
		buf_addf(error, "%s: %s; name the configuration with -c FILE", file, strerror(errno));
		return false;
	}
	while ((n = fread(block, 1, sizeof block, f)) > 0 && text->n < 1 << 20)
		buf_add(text, span_of(block, n));
	fclose(f);
	return true;
}

bool conf_read(struct conf *c, const char *file, struct buf *error)
{
	struct buf text = BUF_INIT;
	bool ok = slurp(file, &text, error) && conf_read_text(c, file, buf_span(&text), error);

	buf_release(&text);
	return ok;
}

bool conf_set(struct conf *c, const char *assignment, struct buf *error)
{
	struct place at = { "-o", 0, error };

	return assign(&at, c, span_str(assignment), NULL);
}

bool conf_open_log(const struct conf *c, const char *program, bool foreground, struct buf *error)
{
	static const char *const names[] = { "debug", "info", "warn" };
	bool to_syslog = strcmp(c->log_target, "syslog") == 0;

	buf_clear(error);
	if (!to_syslog && strcmp(c->log_target, "stderr") != 0) {
		buf_addf(error, "log_target = %s; write syslog or stderr", c->log_target);
		return false;
	}
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(c->log_level, names[i]) == 0) {
			log_open(program, to_syslog && !foreground, (enum log_level)i);
			return true;
		}
	buf_addf(error, "log_level = %s; write debug, info or warn", c->log_level);
	return false;
}

const char *conf_hostname(const struct conf *c)
{
	static char system_name[256];

	if (c->hostname[0])
		return c->hostname;
	if (!system_name[0] && gethostname(system_name, sizeof system_name - 1) != 0)
		strcpy(system_name, "localhost");
	return system_name;
}

void conf_add_origin(struct buf *out, const struct conf *c)
{
	const char *at = strrchr(c->receipt_from, '@');

	if (c->ledger_origin[0])
		buf_adds(out, c->ledger_origin);
	else
		buf_addf(out, "%s/kep", at ? at + 1 : c->receipt_from);
}
