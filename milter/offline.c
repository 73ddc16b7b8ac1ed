#include "milter/offline.h"

#include <errno.h>
#include <stdio.h>

#include "libkep/gate.h"
#include "libkep/jdoc.h"
#include "milter/question.h"

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

bool offline_time(const struct conf *conf, usec *at)
{
	*at = clock_now();
	return !conf->verification_time[0] || clock_parse(span_str(conf->verification_time), at);
}

/* What is asked of every file. */
struct inquiry {
	struct gate        *gate;
	const struct trust *trust;
	usec                at;
	bool                json;
};

static void print_line(const char *name, const struct verdict *v, enum reason why)
{
	const struct signer *s = &v->signer;
	const char *who = s->identity ? s->identity : s->subject;

	printf("%s: %s why=%s signer=%s cades=%s\n", name, why == REASON_ACCEPTED ? "accepted" : "rejected", reason_words(why)->wire,
	    who ? who : "-", who ? cades_name(s->cades) : "-");
}

static void set_hex(jdoc *d, const char *key, const unsigned char *octets, size_t n)
{
	char hex[2 * SHA512_SIZE + 1];

	hex_encode(hex, octets, n);
	jdoc_set_str(d, key, hex);
}

static void set_reason(jdoc *d, enum reason why)
{
	const struct reason_words *w = reason_words(why);

	jdoc_set_bool(d, "accepted", why == REASON_ACCEPTED);
	jdoc_set_str(d, "why", w->wire);
	jdoc_set_int(d, "code", w->code);
	jdoc_set_str(d, "status", w->status);
	jdoc_set_str(d, "words", w->english);
	jdoc_set_str(d, "turkish", w->turkish);
}

static void set_message(jdoc *d, const struct verdict *v)
{
	jdoc *to = jdoc_array();

	for (size_t i = 0; i < v->to.n; i++)
		jdoc_push_text(to, addr_span(&v->to.v[i]));
	jdoc_set_str(d, "from", v->from.text);
	jdoc_set(d, "to", to);
	jdoc_set_str(d, "message_id", v->message_id);
	jdoc_set_int(d, "size", (int64_t)v->size);
	set_hex(d, "sha256", v->fingerprint.sha256, SHA256_SIZE);
	set_hex(d, "sha512", v->fingerprint.sha512, SHA512_SIZE);
}

static void print_json(const char *name, const struct verdict *v, enum reason why, usec at)
{
	char time[CLOCK_TEXT_SIZE];
	struct buf line = BUF_INIT;
	jdoc *d = jdoc_object();

	clock_text(time, at);
	jdoc_set_str(d, "file", name);
	jdoc_set_str(d, "at", time);
	set_reason(d, why);
	set_message(d, v);
	if (v->why == REASON_ACCEPTED)
		jdoc_set(d, "signer", question_signer(&v->signer));
	jdoc_write(&line, d);
	puts(buf_str(&line));
	buf_release(&line);
	jdoc_free(d);
}

static bool judge(const struct inquiry *q, const char *name, FILE *f)
{
	struct verdict v;
	enum reason why;

	gate_restart(q->gate);
	if (!push_file(q->gate, f)) {
		fprintf(stderr, "%s: cannot be read: %s\n", name, strerror(errno));
		return false;
	}
	memset(&v, 0, sizeof v);
	gate_finish(q->gate, q->trust, q->at, &v);
	why = v.why == REASON_ACCEPTED ? gate_envelope(&v, true, &v.from, &v.to, &v.to) : v.why;
	if (q->json)
		print_json(name, &v, why, q->at);
	else
		print_line(name, &v, why);
	fflush(stdout);         /* before what the next file has to say on standard error */
	verdict_release(&v);
	return why == REASON_ACCEPTED;
}

bool offline_judge(const struct conf *conf, const struct trust *trust, bool json, char *const *files, size_t n)
{
	struct inquiry q = { .gate = gate_new(conf), .trust = trust, .json = json };
	bool all = offline_time(conf, &q.at);

	for (size_t i = 0; i < n; i++) {
		FILE *f = fopen(files[i], "re");

		if (f) {
			all = judge(&q, files[i], f) && all;
			fclose(f);
		} else {
			fprintf(stderr, "%s: %s\n", files[i], strerror(errno));
			all = false;
		}
	}
	gate_free(q.gate);
	return all;
}
