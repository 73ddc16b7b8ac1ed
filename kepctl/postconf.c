#include "kepctl/postconf.h"

#include <stdlib.h>

#include "kepctl/process.h"
#include "libkep/mem.h"

/* Run postconf -c DIR MODE. */
static bool ask(const char *directory, const char *mode, struct buf *out, struct buf *error)
{
	char *argv[] = { mem_str("postconf"), mem_str("-c"), mem_str(directory), mem_str(mode), NULL };
	struct buf err = BUF_INIT;
	int status = process_run(argv, out, &err);
	struct span words = span_trim(buf_span(&err));

	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	buf_clear(error);
	if (status == 127)
		buf_adds(error, "postconf cannot be run; is Postfix installed on this host?");
	else if (status != 0)
		buf_addf(error, "postconf -c %s %s: %.*s", directory, mode, (int)words.n, words.n ? words.p : "it failed");
	buf_release(&err);
	return status == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct postconf_setting *)a)->name, ((const struct postconf_setting *)b)->name);
}

/* Lines "name = value", sorted. */
static struct postconf_setting *settings_of(struct span text, size_t *n)
{
	struct postconf_setting *v = NULL;
	size_t room = 0;

	*n = 0;
	while (text.n) {
		struct span rest = span_cut(&text, '\n'), name = span_trim(span_cut(&rest, '='));

		if (!name.n)
			continue;
		if (*n == room) {
			room = room ? 2 * room : 256;
			v = mem_grow(v, room * sizeof *v);
		}
		v[*n].name = mem_span(name);
		v[(*n)++].value = mem_span(span_trim(rest));
	}
	if (*n)
		qsort(v, *n, sizeof *v, by_name);
	return v;
}

static struct span field(struct span *line)
{
	struct span s = span_trim(*line);
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
		n++;
	*line = span_of(s.p + n, s.n - n);
	return span_of(s.p, n);
}

/* "smtp inet n - y - - smtpd -o ..." */
static void add_service(struct postconf *p, struct span line)
{
	struct span f[8];
	struct postconf_service *s;

	for (size_t i = 0; i < COUNT_OF(f); i++)
		f[i] = field(&line);
	if (!f[7].n)
		return;
	p->services = mem_grow(p->services, (p->n_services + 1) * sizeof *p->services);
	s = &p->services[p->n_services++];
	s->name = mem_printf("%.*s/%.*s", (int)f[0].n, f[0].p, (int)f[1].n, f[1].p);
	s->private = f[2].p[0];
	s->chroot = f[4].p[0];
	s->command = mem_span(f[7]);
	s->arguments = mem_span(span_trim(line));
}

static void read_services(struct postconf *p, struct span text)
{
	while (text.n)
		add_service(p, span_cut(&text, '\n'));
}

bool postconf_read(struct postconf *p, const char *directory, struct buf *error)
{
	struct buf main_cf = BUF_INIT, master_cf = BUF_INIT, options = BUF_INIT;
	bool ok;

	*p = (struct postconf){ .directory = mem_str(directory) };
	ok = ask(directory, "-x", &main_cf, error) && ask(directory, "-M", &master_cf, error) && ask(directory, "-xP", &options, error);
	if (ok) {
		p->settings = settings_of(buf_span(&main_cf), &p->n_settings);
		p->overrides = settings_of(buf_span(&options), &p->n_overrides);
		read_services(p, buf_span(&master_cf));
	}
	buf_release(&main_cf);
	buf_release(&master_cf);
	buf_release(&options);
	return ok;
}

static void release_settings(struct postconf_setting *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		free(v[i].value);
	}
	free(v);
}

void postconf_release(struct postconf *p)
{
	release_settings(p->settings, p->n_settings);
	release_settings(p->overrides, p->n_overrides);
	for (size_t i = 0; i < p->n_services; i++) {
		free(p->services[i].name);
		free(p->services[i].command);
		free(p->services[i].arguments);
	}
	free(p->services);
	free(p->directory);
	*p = (struct postconf){ .directory = NULL };
}

static const char *find(const struct postconf_setting *v, size_t n, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(name, v[mid].name);

		if (c == 0)
			return v[mid].value;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const char *postconf_value(const struct postconf *p, const char *name)
{
	return find(p->settings, p->n_settings, name);
}

const char *postconf_override(const struct postconf *p, const char *service, const char *name)
{
	char *key = mem_printf("%s/%s", service, name);
	const char *value = find(p->overrides, p->n_overrides, key);

	free(key);
	return value;
}

const char *postconf_effective(const struct postconf *p, const char *service, const char *name)
{
	const char *value = postconf_override(p, service, name);

	return value ? value : postconf_value(p, name);
}

const struct postconf_service *postconf_service(const struct postconf *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (strcmp(p->services[i].name, name) == 0)
			return &p->services[i];
	return NULL;
}

bool postconf_is_smtpd(const struct postconf_service *s)
{
	size_t n = strlen(s->name);

	return strcmp(s->command, "smtpd") == 0 && ((n > 5 && strcmp(s->name + n - 5, "/inet") == 0) || (n > 5 && strcmp(s->name + n - 5, "/pass") == 0));
}

static bool between(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n';
}

struct span postconf_word(struct span *list)
{
	size_t start = 0, end, depth = 0;

	while (start < list->n && between(list->p[start]))
		start++;
	for (end = start; end < list->n && (depth || !between(list->p[end])); end++) {
		if (list->p[end] == '{')
			depth++;
		else if (list->p[end] == '}' && depth)
			depth--;
	}
	if (end == start) {
		*list = SPAN_NONE;
		return SPAN_NONE;
	}
	struct span word = span_of(list->p + start, end - start);

	*list = span_of(list->p + end, list->n - end);
	return word;
}

bool postconf_has(const char *list, const char *word)
{
	struct span rest = span_str(list), w;

	while ((w = postconf_word(&rest)).n)
		if (span_caseeq(w, span_str(word)))
			return true;
	return false;
}
