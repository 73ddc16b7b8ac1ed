#include "policyd/command.h"

struct span command_word(struct span *line)
{
	return span_cut(line, ' ');
}

/* The index of the '>' that ends a path, quoted strings passed over. */
static size_t path_end(struct span s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && quoted)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '>' && !quoted)
			return i;
	}
	return s.n;
}

bool command_path(struct span *line, const char *keyword, struct span *path)
{
	struct span s = *line, k = span_str(keyword);
	size_t end;

	if (!span_casestarts(s, k))
		return false;
	s = span_of(s.p + k.n, s.n - k.n);
	if (s.n && s.p[0] == ' ')
		s = span_of(s.p + 1, s.n - 1);
	if (s.n < 2 || s.p[0] != '<')
		return false;
	s = span_of(s.p + 1, s.n - 1);
	end = path_end(s);
	if (end == s.n || end > COMMAND_PATH_MAX || (end + 1 < s.n && s.p[end + 1] != ' '))
		return false;
	*path = span_of(s.p, end);
	*line = span_of(s.p + end + 1, s.n - end - 1);
	return true;
}

static bool is_key(char c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

int command_param(struct span *line, struct span *key, struct span *value)
{
	struct span word;

	while (line->n && line->p[0] == ' ')
		*line = span_of(line->p + 1, line->n - 1);
	if (line->n == 0)
		return 0;
	word = span_cut(line, ' ');
	*key = span_cut(&word, '=');
	*value = word;
	for (size_t i = 0; i < key->n; i++)
		if (!is_key(key->p[i]))
			return -1;
	return key->n ? 1 : -1;
}
