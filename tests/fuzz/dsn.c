/* Delivery status notifications: addresses and texts stay in bounds. */
#include "policyd/dsn.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text)
{
	MUST(text && strlen(text) <= DSN_VALUE_MAX && utf8_valid(span_str(text)));
	for (; *text; text++)
		MUST((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void read_part(struct span part)
{
	struct dsn d;

	if (!dsn_read(&d, part)) {
		MUST(d.n == 0);
		return;
	}
	MUST(d.n > 0 && d.n <= DSN_RECIPIENTS_MAX);
	check_text(d.envelope_id);
	check_text(d.reporter);
	for (size_t i = 0; i < d.n; i++) {
		check_text(d.recipients[i].action);
		check_text(d.recipients[i].status);
		check_text(d.recipients[i].diagnostic);
	}
	dsn_release(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct buf part = BUF_INIT;

	if (dsn_find(in, &part)) {
		MUST(part.n <= DSN_PART_MAX);
		read_part(buf_span(&part));
	}
	read_part(in);
	buf_release(&part);
	return 0;
}
