#include "libkep/letterhead.h"

#include "libkep/display.h"

void letterhead_init(struct letterhead *l)
{
	*l = (struct letterhead){ .why = REASON_ACCEPTED };
}

void letterhead_clear(struct letterhead *l)
{
	struct addr_list to = { l->to.v, 0, l->to.room };

	letterhead_init(l);
	l->to = to;
}

void letterhead_release(struct letterhead *l)
{
	addr_list_release(&l->to);
	letterhead_init(l);
}

static void note(struct letterhead *l, enum reason why)
{
	if (l->why == REASON_ACCEPTED)
		l->why = why;
}

/* The only mailbox of a field. */
static bool take_one(struct span value, struct addr *a)
{
	struct addr_list one = { NULL, 0, 0 };
	bool good = header_mailboxes(value, 1, &one);

	if (good)
		*a = one.v[0];
	addr_list_release(&one);
	return good;
}

static enum reason take_from(struct letterhead *l, struct span value, size_t recipients)
{
	if (!take_one(value, &l->from))
		return REASON_FROM_SYNTAX;
	return display_honest(value, &l->from) ? REASON_ACCEPTED : REASON_FROM_DISPLAY;
}

static enum reason take_sender(struct letterhead *l, struct span value, size_t recipients)
{
	return take_one(value, &l->sender) ? REASON_ACCEPTED : REASON_SENDER_MISMATCH;
}

static enum reason take_reply_to(struct letterhead *l, struct span value, size_t recipients)
{
	return take_one(value, &l->reply_to) ? REASON_ACCEPTED : REASON_REPLY_TO_MISMATCH;
}

static enum reason take_recipients(struct letterhead *l, struct span value, size_t recipients)
{
	size_t room = recipients > l->to.n ? recipients - l->to.n : 0;

	if (header_mailboxes(value, room, &l->to))
		return REASON_ACCEPTED;
	return header_mailboxes_exceed(value, room) ? REASON_RECIPIENT_COUNT : REASON_TO_SYNTAX;
}

static enum reason take_bcc(struct letterhead *l, struct span value, size_t recipients)
{
	return REASON_BCC_PRESENT;
}

static enum reason take_date(struct letterhead *l, struct span value, size_t recipients)
{
	int64_t t;

	return header_date(value, &t) ? REASON_ACCEPTED : REASON_DATE_SYNTAX;
}

static enum reason take_message_id(struct letterhead *l, struct span value, size_t recipients)
{
	struct span id;

	if (!header_message_id(value, &id) || id.n >= sizeof(l->message_id))
		return REASON_MESSAGE_ID_SYNTAX;
	memcpy(l->message_id, id.p, id.n);
	l->message_id[id.n] = '\0';
	return REASON_ACCEPTED;
}

/* Fields that may stand once, and the reason when they do not stand at all. */
static const struct {
	struct span name;
	enum reason (*take)(struct letterhead *l, struct span value, size_t recipients);
	enum reason missing;
} fields[] = {
	{ SPAN("From"),                      take_from,       REASON_FROM_MISSING },
	{ SPAN("Date"),                      take_date,       REASON_DATE_MISSING },
	{ SPAN("Message-ID"),                take_message_id, REASON_MESSAGE_ID_MISSING },
	{ SPAN("To"),                        take_recipients, REASON_ACCEPTED },
	{ SPAN("Cc"),                        take_recipients, REASON_ACCEPTED },
	{ SPAN("Bcc"),                       take_bcc,        REASON_ACCEPTED },
	{ SPAN("Resent-Bcc"),                take_bcc,        REASON_ACCEPTED },
	{ SPAN("Subject"),                   NULL,            REASON_ACCEPTED },
	{ SPAN("Sender"),                    take_sender,     REASON_ACCEPTED },
	{ SPAN("Reply-To"),                  take_reply_to,   REASON_ACCEPTED },
	{ SPAN("MIME-Version"),              NULL,            REASON_ACCEPTED },
	{ SPAN("Content-Type"),              NULL,            REASON_ACCEPTED },
	{ SPAN("Content-Transfer-Encoding"), NULL,            REASON_ACCEPTED },
};

_Static_assert(COUNT_OF(fields) <= 8 * sizeof(unsigned), "a bit for each field");

void letterhead_field(struct letterhead *l, struct span name, struct span value, size_t recipients)
{
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (!span_caseeq(name, fields[i].name))
			continue;
		if (l->seen & 1u << i)
			note(l, REASON_FIELD_TWICE);
		else if (fields[i].take)
			note(l, fields[i].take(l, value, recipients));
		l->seen |= 1u << i;
	}
}

static bool differs(const struct letterhead *l, const struct addr *a)
{
	return !addr_empty(a) && !addr_empty(&l->from) && !addr_eq(a, &l->from);
}

void letterhead_finish(struct letterhead *l)
{
	if (differs(l, &l->sender))
		note(l, REASON_SENDER_MISMATCH);
	if (differs(l, &l->reply_to))
		note(l, REASON_REPLY_TO_MISMATCH);
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (!(l->seen & 1u << i))
			note(l, fields[i].missing);
}
