#include "libkep/columns.h"

#include "libkep/evidence.h"
#include "libkep/outcome.h"

/* Cut these octets off the front of *in.  false: they are not there. */
static bool eat(struct span *in, struct span octets)
{
	if (in->n < octets.n || (octets.n && memcmp(in->p, octets.p, octets.n) != 0))
		return false;
	*in = span_of(in->p + octets.n, in->n - octets.n);
	return true;
}

/* Go on behind the first place of these octets. */
static bool seek(struct span *in, struct span octets)
{
	const char *hit = memmem(in->p, in->n, octets.p, octets.n);

	if (!hit)
		return false;
	*in = span_of(hit + octets.n, in->n - (size_t)(hit - in->p) - octets.n);
	return true;
}

/* "VALUE" behind what was cut off. */
static bool eat_text(struct span *in, struct span value)
{
	return eat(in, value) && eat(in, SPAN("\""));
}

static bool recipient_differs(struct span rest, uint64_t recipient)
{
	uint64_t n = 0;

	if (!seek(&rest, SPAN(",\"recipient\":")))
		return recipient != 0;
	while (rest.n && rest.p[0] >= '0' && rest.p[0] <= '9' && n < UINT32_MAX) {
		n = 10 * n + (uint64_t)(rest.p[0] - '0');
		rest = span_of(rest.p + 1, rest.n - 1);
	}
	return n != recipient;
}

/* Evidence of our own that bodies were removed after their retention. */
static const char *pruning_differs(const struct columns *c, struct span in)
{
	if (!seek(&in, SPAN(",\"event\":\"Pruning\",\"event_time\":\"")) || !eat_text(&in, c->event_time))
		return "event_time";
	if (!eat(&in, SPAN(",\"form\":\"kep-prune-1\",\"id\":\"")) || !eat_text(&in, c->id))
		return "evidence_id";
	if (!span_eq(c->kep_id, c->id))
		return "kep_id";
	return c->previous.n ? "previous" : c->recipient ? "recipient_index" : NULL;
}

const char *columns_differ(const struct columns *c, struct span in)
{
	enum outcome outcome = outcome_find(c->outcome);

	if (span_is(c->outcome, "P.1"))
		return pruning_differs(c, in);
	if (outcome == OUTCOME_COUNT || !eat(&in, SPAN("{\"event\":\"")) || !eat_text(&in, span_str(outcome_words(outcome)->event)))
		return "outcome";
	if (!eat(&in, SPAN(",\"event_time\":\"")) || !eat_text(&in, c->event_time))
		return "event_time";
	if (!eat(&in, SPAN(",\"form\":\"" EVIDENCE_FORM "\",\"id\":\"")) || !eat_text(&in, c->id))
		return "evidence_id";
	if (!seek(&in, SPAN(",\"kep_id\":\"")) || !eat_text(&in, c->kep_id))
		return "kep_id";
	if (!seek(&in, SPAN(",\"outcome\":\"")) || !eat_text(&in, c->outcome))
		return "outcome";
	if (eat(&in, SPAN(",\"previous\":\"")) ? !eat_text(&in, c->previous) || !c->previous.n : c->previous.n > 0)
		return "previous";
	return recipient_differs(in, c->recipient) ? "recipient_index" : NULL;
}
