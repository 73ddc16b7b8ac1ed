#include "policyd/request.h"

#include "libkep/attr.h"

static const struct { const char *name; size_t at; } wanted[] = {
	{ "request",          offsetof(struct request, request) },
	{ "protocol_state",   offsetof(struct request, state) },
	{ "policy_context",   offsetof(struct request, context) },
	{ "instance",         offsetof(struct request, instance) },
	{ "client_address",   offsetof(struct request, client) },
	{ "ccert_fingerprint", offsetof(struct request, tls) },
	{ "sasl_username",    offsetof(struct request, login) },
	{ "sender",           offsetof(struct request, sender) },
	{ "recipient",        offsetof(struct request, recipient) },
	{ "queue_id",         offsetof(struct request, queue_id) },
	{ "recipient_count",  offsetof(struct request, recipient_count) },
	{ "size",             offsetof(struct request, size) },
};

/* false: the attribute stands twice. */
static bool keep(struct request *r, struct span name, struct span value)
{
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (span_is(name, wanted[i].name)) {
			struct span *slot = (struct span *)((char *)r + wanted[i].at);
			bool first = slot->p == NULL;

			*slot = value;
			return first;
		}
	return true;
}

static enum request_read refuse(const char **why, const char *words)
{
	*why = words;
	return REQUEST_REFUSED;
}

static enum request_read finish(const struct request *r, const char **why)
{
	if (!span_is(r->request, "smtpd_access_policy"))
		return refuse(why, "not a request=smtpd_access_policy");
	return r->state.n ? REQUEST_WHOLE : refuse(why, "no protocol_state");
}

enum request_read request_read(struct span in, struct request *r, size_t *used, const char **why)
{
	struct span rest = span_of(in.p, in.n < REQUEST_SIZE_MAX ? in.n : REQUEST_SIZE_MAX), name, value;
	size_t attributes = 0;

	*r = (struct request){ 0 };
	for (;;) {
		const char *line = rest.p;
		int got = attr_next(&rest, &name, &value);

		*used = (size_t)(rest.p - in.p);
		if (got == 0)
			return finish(r, why);
		if (got < 0)
			return refuse(why, "a line is not name=value");
		if ((got == 2 ? rest.n : (size_t)(rest.p - line)) > REQUEST_LINE_MAX)
			return refuse(why, "a line is longer than 8192 octets");
		if (got == 2)
			return in.n < REQUEST_SIZE_MAX ? REQUEST_MORE : refuse(why, "the request is longer than 16384 octets");
		if (++attributes > REQUEST_ATTRIBUTES_MAX)
			return refuse(why, "more than 64 attributes");
		if (!keep(r, name, value))
			return refuse(why, "an attribute stands twice");
	}
}
