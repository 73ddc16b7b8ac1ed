#include "libkep/profile.h"

static const char *const kinds[] = { [PROFILE_SMIME] = "smime", [PROFILE_NES] = "nes", [PROFILE_PKIX] = "pkix" };
static const char *const demands[] = { [CADES_NONE] = "no", [CADES_B] = "b", [CADES_T] = "t" };
static const char *const names[] = { [CADES_NONE] = "none", [CADES_B] = "B", [CADES_T] = "T" };

const char *cades_name(enum cades c)
{
	return names[c];
}

void profile_init(struct profile *p)
{
	*p = (struct profile){ .kind = PROFILE_SMIME, .cades = CADES_NONE, .statements = "", .policies = "" };
}

/* -1: none of them. */
static int find(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

static bool complain(struct buf *error, const char *key, const char *value, const char *mend)
{
	buf_clear(error);
	buf_addf(error, "%s = %.200s; %s", key, value, mend);
	return false;
}

static struct span next(struct span *list)
{
	*list = span_trim(*list);
	return span_cut(list, ' ');
}

static bool is_oid(struct span s)
{
	bool digit = false;
	size_t dots = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && !digit)
			return false;
		if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
		digit = s.p[i] != '.';
		dots += !digit;
	}
	return digit && dots > 0;
}

static bool are_oids(const char *key, const char *list, struct buf *error)
{
	for (struct span rest = span_str(list), oid = next(&rest); oid.n; oid = next(&rest))
		if (!is_oid(oid))
			return complain(error, key, list, "write object identifiers such as 0.4.0.1862.1.1, blank-separated");
	return true;
}

bool profile_read(struct profile *p, const struct conf *conf, struct buf *error)
{
	int kind = find(kinds, COUNT_OF(kinds), conf->signature_profile), cades = find(demands, COUNT_OF(demands), conf->require_cades);

	profile_init(p);
	if (kind < 0)
		return complain(error, "signature_profile", conf->signature_profile, "write smime, nes or pkix");
	if (cades < 0)
		return complain(error, "require_cades", conf->require_cades, "write no, b or t");
	if (!are_oids("qualified_statements", conf->qualified_statements, error) ||
	    !are_oids("qualified_policies", conf->qualified_policies, error))
		return false;
	*p = (struct profile){ (enum profile_kind)kind, (enum cades)cades, conf->qualified_statements, conf->qualified_policies };
	return true;
}

bool profile_lists(const char *oids, struct span oid)
{
	for (struct span rest = span_str(oids), one = next(&rest); one.n; one = next(&rest))
		if (span_eq(one, oid))
			return true;
	return false;
}
