#include "libkep/note.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "libkep/base64.h"
#include "libkep/digest.h"
#include "libkep/log.h"

#define DASH     "\xe2\x80\x94 "         /* U+2014, space */
#define TIMED    (8 + ED25519_SIGNATURE) /* octets of a cosignature's signature */

static bool refuse(struct buf *why, const char *words)
{
	if (why)
		buf_adds(why, words);
	return false;
}

bool note_ed25519(const unsigned char key[ED25519_KEY], struct span octets, const unsigned char signature[ED25519_SIGNATURE])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_KEY);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = false;

	if (!ctx)
		log_fatal("out of memory");
	if (pkey && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1)
		good = EVP_DigestVerify(ctx, signature, ED25519_SIGNATURE, (const unsigned char *)(octets.p ? octets.p : ""), octets.n) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return good;
}

/* -- keys */

/* Octets of a white space character (White_Space of Unicode) or control at p; 0: none there. */
static size_t space_at(struct span s)
{
	const unsigned char *u = (const unsigned char *)s.p;

	if (u[0] <= ' ' || u[0] == 0x7f)
		return 1;
	if (s.n >= 2 && u[0] == 0xc2 && u[1] <= 0xa0)                                   /* C1, U+0085, U+00A0 */
		return 2;
	if (s.n < 3)
		return 0;
	if ((u[0] == 0xe1 && u[1] == 0x9a && u[2] == 0x80) ||                           /* U+1680 */
	    (u[0] == 0xe2 && u[1] == 0x80 && (u[2] <= 0x8a || u[2] == 0xa8 || u[2] == 0xa9 || u[2] == 0xaf)) ||
	    (u[0] == 0xe2 && u[1] == 0x81 && u[2] == 0x9f) ||                           /* U+205F */
	    (u[0] == 0xe3 && u[1] == 0x80 && u[2] == 0x80))                             /* U+3000 */
		return 3;
	return 0;
}

bool note_name_valid(struct span name)
{
	if (name.n == 0 || name.n > NOTE_NAME_MAX || !utf8_valid(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == '+' || space_at(span_of(name.p + i, name.n - i)))
			return false;
	return true;
}

bool vkey_make(struct vkey *out, struct span name, enum vkey_type type, const unsigned char key[ED25519_KEY])
{
	char octet = (char)type;
	unsigned char digest[SHA256_SIZE];
	struct span pieces[] = { name, SPAN("\n"), span_of(&octet, 1), span_of((const char *)key, ED25519_KEY) };

	memset(out, 0, sizeof *out);
	if (!note_name_valid(name))
		return false;
	memcpy(out->name, name.p, name.n);
	out->type = type;
	memcpy(out->key, key, ED25519_KEY);
	digest_sha256_of(digest, pieces, COUNT_OF(pieces));
	memcpy(out->id, digest, sizeof out->id);
	return true;
}

/* All of the text as base64 without line ends, of `least` to `most` octets. */
static bool decode(struct span text, size_t least, size_t most, struct buf *out)
{
	struct base64 d = { .n = 0 };

	return (text.n == 0 || (!memchr(text.p, '\n', text.n) && !memchr(text.p, '\r', text.n))) &&
	       base64_push(&d, text, out, most) == BASE64_GOOD && base64_whole(&d) && out->n >= least;
}

bool vkey_parse(struct span text, struct vkey *out, struct buf *why)
{
	struct buf octets = BUF_INIT;
	struct span rest = text, name, hash;
	unsigned char id[sizeof out->id];
	const unsigned char *u;
	bool good = false;

	if (rest.n && rest.p[rest.n - 1] == '\n')
		rest.n--;
	name = span_cut(&rest, '+');
	hash = span_cut(&rest, '+');
	if (!note_name_valid(name))
		refuse(why, "its name is empty or has a space or control in it");
	else if (!hex_decode(id, sizeof id, hash))
		refuse(why, "its name is not followed by +, 8 hexadecimal digits and +");
	else if (!decode(rest, 1, 4096, &octets))
		refuse(why, "its last part is no base64");
	else if ((u = (const unsigned char *)octets.p)[0] != VKEY_ED25519 && u[0] != VKEY_COSIGNATURE)
		refuse(why, "its type is neither 1 (Ed25519) nor 4 (Ed25519 cosignature)");
	else if (octets.n != 1 + ED25519_KEY)
		refuse(why, "its public key has not 32 octets");
	else if (!vkey_make(out, name, u[0], u + 1) || memcmp(out->id, id, sizeof id) != 0)
		refuse(why, "the hexadecimal digits are not the id of this name and key");
	else
		good = true;
	buf_release(&octets);
	return good;
}

void vkey_write(struct buf *out, const struct vkey *k)
{
	char octets[1 + ED25519_KEY] = { (char)k->type };
	char hash[2 * sizeof k->id + 1];

	memcpy(octets + 1, k->key, ED25519_KEY);
	hex_encode(hash, k->id, sizeof k->id);
	buf_addf(out, "%s+%s+", k->name, hash);
	buf_add_base64(out, span_of(octets, sizeof octets), 0);
}

/* -- notes */

/* A line without its LF. */
static bool parse_line(struct span line, struct note_line *out)
{
	struct span rest = span_of(line.p + strlen(DASH), line.n - strlen(DASH));
	struct buf octets = BUF_INIT;
	bool good;

	out->name = span_cut(&rest, ' ');
	out->base64 = rest;
	/* The id, and at least one octet of signature. */
	good = note_name_valid(out->name) && decode(rest, sizeof out->id + 1, NOTE_MAX, &octets);
	if (good)
		memcpy(out->id, octets.p, sizeof out->id);
	buf_release(&octets);
	return good;
}

/* UTF-8, and no control but LF. */
static bool is_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n')
			return false;
	return utf8_valid(s);
}

bool note_parse_lines(struct span text, struct span lines, struct note *out, struct buf *why)
{
	out->text = text;
	out->n = 0;
	if (text.n + lines.n > NOTE_MAX)
		return refuse(why, "the note is longer than 262144 octets");
	if (!is_text(text) || !is_text(lines))
		return refuse(why, "the note is no UTF-8 or has a control in it");
	if (text.n == 0 || text.p[text.n - 1] != '\n')
		return refuse(why, "the text of the note does not end with a line end");
	if (lines.n == 0 || lines.p[lines.n - 1] != '\n')
		return refuse(why, "the note does not end with a whole signature line");
	while (lines.n) {
		const char *begin = lines.p;
		struct span line = span_cut(&lines, '\n');

		if (out->n == NOTE_LINES_MAX)
			return refuse(why, "the note has more than 64 signatures");
		if (line.n < strlen(DASH) || memcmp(line.p, DASH, strlen(DASH)) != 0 || !parse_line(line, &out->lines[out->n]))
			return refuse(why, "a signature line is not \"\xe2\x80\x94 NAME BASE64\"");
		out->lines[out->n++].line = span_of(begin, line.n + 1);
	}
	return true;
}

bool note_parse(struct span octets, struct note *out, struct buf *why)
{
	const char *last = NULL;

	/* Text and signatures are parted by the last empty line. */
	for (size_t i = octets.n; i > 1 && !last; i--)
		if (octets.p[i - 1] == '\n' && octets.p[i - 2] == '\n')
			last = octets.p + i - 1;
	if (!last)
		return refuse(why, "the note has no empty line before its signatures");
	return note_parse_lines(span_of(octets.p, (size_t)(last - octets.p)),
	                        span_of(last + 1, (size_t)(octets.p + octets.n - last - 1)), out, why);
}

void note_cosigned(struct buf *out, uint64_t time, struct span text)
{
	buf_addf(out, "cosignature/v1\ntime %" PRIu64 "\n", time);
	buf_add(out, text);
}

/* octets: key id and what follows it. */
static bool cosignature_good(struct span text, const struct vkey *key, const unsigned char *octets, uint64_t *time)
{
	struct buf signed_octets = BUF_INIT;
	uint64_t t = 0;
	bool good;

	for (size_t i = 0; i < 8; i++)
		t = t << 8 | octets[sizeof key->id + i];
	note_cosigned(&signed_octets, t, text);
	good = t <= INT64_MAX && note_ed25519(key->key, buf_span(&signed_octets), octets + sizeof key->id + 8);
	if (time)
		*time = t;
	buf_release(&signed_octets);
	return good;
}

static bool line_good(struct span text, const struct note_line *line, const struct vkey *key, uint64_t *time)
{
	size_t n = sizeof key->id + (key->type == VKEY_COSIGNATURE ? TIMED : ED25519_SIGNATURE);
	struct buf octets = BUF_INIT;
	const unsigned char *u;
	bool good = false;

	if (decode(line->base64, n, n, &octets)) {
		u = (const unsigned char *)octets.p;
		good = key->type == VKEY_COSIGNATURE ? cosignature_good(text, key, u, time)
		                                     : note_ed25519(key->key, text, u + sizeof key->id);
	}
	buf_release(&octets);
	return good;
}

enum note_answer note_check(const struct note *note, const struct vkey *key, uint64_t *time)
{
	enum note_answer answer = NOTE_UNSIGNED;

	if (time)
		*time = 0;
	for (size_t i = 0; i < note->n; i++) {
		const struct note_line *line = &note->lines[i];

		if (!span_is(line->name, key->name) || memcmp(line->id, key->id, sizeof key->id) != 0)
			continue;
		if (!line_good(note->text, line, key, time))
			return NOTE_FORGED;
		answer = NOTE_GOOD;
	}
	return answer;
}

enum note_answer note_check_any(const struct note *note, const struct vkey *keys, size_t n)
{
	enum note_answer answer = NOTE_UNSIGNED, one;

	for (size_t i = 0; i < n; i++) {
		if ((one = note_check(note, &keys[i], NULL)) == NOTE_FORGED)
			return NOTE_FORGED;
		if (one == NOTE_GOOD)
			answer = NOTE_GOOD;
	}
	return answer;
}

/* -- writing */

void note_start(struct buf *out, struct span text)
{
	buf_add(out, text);
	buf_addc(out, '\n');
}

void note_sign(struct buf *out, const struct vkey *key, struct span signature)
{
	struct buf octets = BUF_INIT;

	buf_add(&octets, span_of((const char *)key->id, sizeof key->id));
	buf_add(&octets, signature);
	buf_addf(out, DASH "%s ", key->name);
	buf_add_base64(out, buf_span(&octets), 0);
	buf_addc(out, '\n');
	buf_release(&octets);
}
