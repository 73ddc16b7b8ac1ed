/* Values of header fields: what was read fits its bounds and reads the same again. */
#include "libkep/header.h"
#include "tests/fuzz/fuzz.h"

static void try_mailboxes(struct span value)
{
	struct addr_list l = { NULL, 0, 0 };
	struct addr again;
	bool good = header_mailboxes(value, 20, &l);

	MUST(l.n <= 20);
	for (size_t i = 0; i < l.n && good; i++) {
		MUST(addr_parse(&again, addr_span(&l.v[i])) && addr_eq(&again, &l.v[i]));
		MUST(!addr_empty(&again));
	}
	addr_list_release(&l);
}

static bool is_lower(const char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			return false;
	return true;
}

static void try_media(struct span value)
{
	struct media m, again;
	struct buf text = BUF_INIT;

	if (!header_media(value, &m))
		return;
	MUST(memchr(m.boundary, 0, sizeof(m.boundary)) && strchr(m.type, '/'));
	MUST(is_lower(m.type) && is_lower(m.protocol) && is_lower(m.micalg) && is_lower(m.smime_type));
	buf_addf(&text, " %s", m.type);
	MUST(header_media(buf_span(&text), &again) && strcmp(again.type, m.type) == 0);
	buf_release(&text);
}

static void try_encoding(struct span value)
{
	char out[32], again[32];

	if (header_encoding(value, out))
		MUST(is_lower(out) && header_encoding(span_str(out), again) && strcmp(out, again) == 0);
}

static void try_message_id(struct span value)
{
	struct span id, again;

	if (!header_message_id(value, &id))
		return;
	MUST(id.n > 4 && id.n <= 250 && id.p >= value.p && id.p + id.n <= value.p + value.n);
	MUST(id.p[0] == '<' && id.p[id.n - 1] == '>');
	MUST(header_message_id(id, &again) && span_eq(id, again));
}

static void try_date(struct span value)
{
	int64_t t = 0;

	if (header_date(value, &t))
		MUST(t % 1000000 == 0);
}

static void try_block(struct span block)
{
	struct span name, value, before;
	int step;

	do {
		before = block;
		step = header_next(&block, &name, &value);
		if (step == 1)
			MUST(name.n > 0 && block.n < before.n && name.n + 1 + value.n <= before.n - block.n);
	} while (step == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct span) = { try_mailboxes, try_media, try_encoding, try_message_id, try_date, try_block };
	struct span in = { (const char *)data, size };
	unsigned which = fuzz_choice(&in);

	tries[which % COUNT_OF(tries)](in);
	return 0;
}
