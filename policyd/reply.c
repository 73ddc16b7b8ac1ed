#include "policyd/reply.h"

void reply_clear(struct reply *r)
{
	r->code = 0;
	r->lines = 0;
	buf_clear(&r->text);
}

void reply_release(struct reply *r)
{
	buf_release(&r->text);
	*r = REPLY_INIT;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "250", "250 text" or "250-text". */
static bool line_code(struct span line, int *code, bool *last)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !is_digit(line.p[1]) || !is_digit(line.p[2]))
		return false;
	*code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
	*last = line.n == 3 || line.p[3] == ' ';
	return *last || line.p[3] == '-';
}

static void add_text(struct reply *r, struct span text)
{
	if (r->lines > 1)
		buf_addc(&r->text, '\n');
	for (size_t i = 0; i < text.n; i++)
		buf_addc(&r->text, (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f ? '?' : text.p[i]);
}

static enum reply_step take_line(struct reply *r, struct span line)
{
	bool last;
	int code;

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n > REPLY_LINE_MAX || !line_code(line, &code, &last) || (r->lines && code != r->code))
		return REPLY_BAD;
	r->code = code;
	if (++r->lines > REPLY_LINES_MAX)
		return REPLY_BAD;
	add_text(r, line.n > 4 ? span_of(line.p + 4, line.n - 4) : SPAN_NONE);
	return last ? REPLY_DONE : REPLY_MORE;
}

enum reply_step reply_push(struct reply *r, struct span *in)
{
	enum reply_step step = REPLY_MORE;

	while (step == REPLY_MORE && in->n && memchr(in->p, '\n', in->n))
		step = take_line(r, span_cut(in, '\n'));
	if (step == REPLY_MORE && in->n > REPLY_LINE_MAX + 1)
		return REPLY_BAD;
	return step;
}

/* Up to three digits; how many there are. */
static size_t digits(struct span s, size_t from)
{
	size_t n = 0;

	while (from + n < s.n && n < 4 && is_digit(s.p[from + n]))
		n++;
	return n > 3 ? 0 : n;
}

bool reply_status(const struct reply *r, char out[REPLY_STATUS_SIZE])
{
	struct span t = buf_span(&r->text);
	size_t subject = digits(t, 2), detail = subject ? digits(t, 3 + subject) : 0, n = 3 + subject + detail;

	out[0] = '\0';
	if (!subject || !detail || t.p[0] - '0' != reply_class(r) || t.p[1] != '.' || t.p[2 + subject] != '.')
		return false;
	if (n < t.n && t.p[n] != ' ' && t.p[n] != '\n')
		return false;
	memcpy(out, t.p, n);
	out[n] = '\0';
	return true;
}

struct span reply_queue_id(const struct reply *r)
{
	static const char mark[] = "queued as ";
	const char *hit = strstr(buf_str(&r->text), mark);
	struct span rest, id;

	if (!hit)
		return SPAN_NONE;
	rest = span_str(hit + sizeof mark - 1);
	rest = span_cut(&rest, '\n');
	id = span_cut(&rest, ' ');
	return id.n && id.n <= 64 ? id : SPAN_NONE;
}

void reply_write(struct buf *out, const struct reply *r)
{
	buf_addf(out, "%03d", r->code);
	if (r->text.n)
		buf_addc(out, ' ');
	for (size_t i = 0; i < r->text.n; i++)
		buf_addc(out, r->text.p[i] == '\n' ? ' ' : r->text.p[i]);
}
