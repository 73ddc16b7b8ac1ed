#include "policyd/dsn.h"

#include <stdlib.h>

#include "libkep/header.h"
#include "libkep/mem.h"
#include "libkep/mime.h"

/* ---- finding the part ---- */

struct finder {
	struct buf *part;
	size_t      index;      /* of the part among the children; 0: not seen yet */
};

static void on_header(void *arg, const struct mime_place *place, const struct media *m, const char *encoding)
{
	struct finder *f = arg;

	if (f->index == 0 && place->depth == 1 && strcmp(m->type, "message/delivery-status") == 0)
		f->index = place->index;
}

static void on_leaf(void *arg, const struct mime_place *place, struct span octets)
{
	struct finder *f = arg;
	size_t room = DSN_PART_MAX - f->part->n;

	if (f->index && place->depth == 1 && place->index == f->index)
		buf_add(f->part, span_of(octets.p, octets.n < room ? octets.n : room));
}

bool dsn_find(struct span message, struct buf *part)
{
	static const struct mime_limits limits = { .header_size = 65536, .header_count = 500, .depth = 10, .parts = 100 };
	static const struct mime_hooks hooks = { .header = on_header, .leaf = on_leaf };
	struct finder f = { part, 0 };
	struct mime *m = mime_new(&limits, &hooks, &f);

	/* The verdict does not matter: what follows the part may be anything. */
	mime_push(m, span_of(message.p, message.n < DSN_MESSAGE_MAX ? message.n : DSN_MESSAGE_MAX));
	mime_free(m);
	return f.index != 0;
}

/* ---- reading it ---- */

/* Unfolded, printable, of bounded length. */
static char *clean(struct span value)
{
	struct buf b = BUF_INIT;
	bool utf8 = utf8_valid(value);

	value = span_trim(value);
	for (size_t i = 0; i < value.n && b.n < DSN_VALUE_MAX; i++) {
		unsigned char c = (unsigned char)value.p[i];
		bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';

		if (space && b.n && b.p[b.n - 1] == ' ')
			continue;
		buf_addc(&b, space ? ' ' : c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : (char)c);
	}
	return buf_take(&b);
}

static void set(char **slot, struct span value)
{
	if (*slot)
		return;         /* the first one counts */
	*slot = clean(value);
}

static void set_lower(char **slot, struct span value)
{
	set(slot, value);
	for (char *c = *slot; *c; c++)
		*c = ascii_lower(*c);
}

/* "rfc822; x@y" */
static void set_address(struct addr *a, struct span value)
{
	span_cut(&value, ';');
	if (addr_empty(a))
		addr_parse(a, span_trim(value));
}

static void recipient_field(struct dsn_recipient *r, struct span name, struct span value)
{
	if (span_caseeq(name, SPAN("Original-Recipient")))
		set_address(&r->original, value);
	else if (span_caseeq(name, SPAN("Final-Recipient")))
		set_address(&r->final, value);
	else if (span_caseeq(name, SPAN("Action")))
		set_lower(&r->action, value);
	else if (span_caseeq(name, SPAN("Status")))
		set(&r->status, value);
	else if (span_caseeq(name, SPAN("Diagnostic-Code")))
		set(&r->diagnostic, value);
}

static void message_field(struct dsn *d, struct span name, struct span value)
{
	if (span_caseeq(name, SPAN("Original-Envelope-Id")))
		set(&d->envelope_id, value);
	else if (span_caseeq(name, SPAN("Reporting-MTA")))
		set(&d->reporter, value);
}

static void skip_blank_lines(struct span *in)
{
	while (in->n && (in->p[0] == '\r' || in->p[0] == '\n'))
		*in = span_of(in->p + 1, in->n - 1);
}

static void recipient_done(struct dsn *d, struct dsn_recipient *r)
{
	set(&r->action, SPAN_NONE);
	set(&r->status, SPAN_NONE);
	set(&r->diagnostic, SPAN_NONE);
	if ((d->n & (d->n - 1)) == 0)
		d->recipients = mem_grow(d->recipients, (d->n ? 2 * d->n : 1) * sizeof *r);
	d->recipients[d->n++] = *r;
}

/* One group of fields up to its blank line.  false: not fields. */
static bool read_group(struct dsn *d, struct span *in, struct dsn_recipient *r)
{
	struct span name, value;
	int got;

	skip_blank_lines(in);
	while ((got = header_next(in, &name, &value)) == 1)
		if (r)
			recipient_field(r, name, value);
		else
			message_field(d, name, value);
	return got == 0;
}

bool dsn_read(struct dsn *d, struct span part)
{
	bool good;

	*d = (struct dsn){ 0 };
	good = read_group(d, &part, NULL);
	skip_blank_lines(&part);
	while (good && part.n && d->n < DSN_RECIPIENTS_MAX) {
		struct dsn_recipient r = { 0 };

		good = read_group(d, &part, &r);
		recipient_done(d, &r);
		skip_blank_lines(&part);
	}
	set(&d->envelope_id, SPAN_NONE);
	set(&d->reporter, SPAN_NONE);
	if (good && d->n)
		return true;
	dsn_release(d);
	return false;
}

void dsn_release(struct dsn *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->recipients[i].action);
		free(d->recipients[i].status);
		free(d->recipients[i].diagnostic);
	}
	free(d->recipients);
	free(d->envelope_id);
	free(d->reporter);
	*d = (struct dsn){ 0 };
}
