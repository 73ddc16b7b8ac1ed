#include "milter/offline.h"

#include <errno.h>
#include <stdio.h>

#include "libkep/gate.h"

/* true: a CR stands somewhere in the file, which is rewound. */
static bool has_cr(FILE *f)
{
	char block[65536];
	bool found = false;
	size_t n;

	while (!found && (n = fread(block, 1, sizeof block, f)) > 0)
		found = memchr(block, '\r', n) != NULL;
	rewind(f);
	return found;
}

static void push_lines(struct gate *g, struct span octets)
{
	while (octets.n) {
		const char *lf = memchr(octets.p, '\n', octets.n);
		struct span line = span_cut(&octets, '\n');

		gate_push(g, line);
		if (lf)
			gate_push(g, SPAN("\r\n"));
	}
}

static bool push_file(struct gate *g, FILE *f)
{
	bool raw = has_cr(f);
	char block[65536];
	size_t n;

	while ((n = fread(block, 1, sizeof block, f)) > 0)
		if (raw)
			gate_push(g, span_of(block, n));
		else
			push_lines(g, span_of(block, n));
	return !ferror(f);
}

static bool judge(struct gate *g, const struct trust *trust, const char *name, FILE *f)
{
	struct verdict v;
	const char *who = NULL;
	enum reason why;

	gate_restart(g);
	if (!push_file(g, f)) {
		fprintf(stderr, "%s: cannot be read: %s\n", name, strerror(errno));
		return false;
	}
	memset(&v, 0, sizeof v);
	gate_finish(g, trust, clock_now(), &v);
	why = v.why == REASON_ACCEPTED ? gate_envelope(&v, true, &v.from, &v.to, &v.to) : v.why;
	if (v.why == REASON_ACCEPTED)
		who = v.signer.identity ? v.signer.identity : v.signer.subject;
	printf("%s: %s why=%s signer=%s\n", name, why == REASON_ACCEPTED ? "accepted" : "rejected", reason_words(why)->wire, who ? who : "-");
	fflush(stdout);         /* before what the next file has to say on standard error */
	verdict_release(&v);
	return why == REASON_ACCEPTED;
}

bool offline_judge(const struct conf *conf, const struct trust *trust, char *const *files, size_t n)
{
	struct gate *g = gate_new(conf);
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		FILE *f = fopen(files[i], "re");

		if (f) {
			all = judge(g, trust, files[i], f) && all;
			fclose(f);
		} else {
			fprintf(stderr, "%s: %s\n", files[i], strerror(errno));
			all = false;
		}
	}
	gate_free(g);
	return all;
}
