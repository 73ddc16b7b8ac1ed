/* note.h - signed notes and the keys that verify them (C2SP signed-note,
 * tlog-cosignature); Ed25519 only.
 *
 *	TEXT
 *	(empty line)
 *	— NAME BASE64(key id, 4 octets || signature)
 *
 * Pure; nothing here knows a private key.
 */
#ifndef KEP_NOTE_H
#define KEP_NOTE_H

#include "libkep/buf.h"

#define NOTE_MAX        262144  /* octets of a note we read: 64 lines of the longest known signatures fit */
#define NOTE_LINES_MAX  64      /* signatures; the specification asks for 16 at least */
#define NOTE_NAME_MAX   255     /* octets of a key's name */
#define ED25519_KEY     32
#define ED25519_SIGNATURE 64

/* -- keys: "NAME+8 hexadecimal digits of the id+BASE64(type || public key)" */

enum vkey_type {
	VKEY_ED25519 = 1,               /* signs the text: a log's key */
	VKEY_COSIGNATURE = 4,           /* signs time and text: a witness's key (cosignature/v1) */
};

struct vkey {
	char           name[NOTE_NAME_MAX + 1];
	enum vkey_type type;
	unsigned char  id[4];           /* SHA-256(name || LF || type || key), its first four octets */
	unsigned char  key[ED25519_KEY];
};

/* true: UTF-8, 1 to NOTE_NAME_MAX octets, no space of any kind, no control, no '+'. */
bool note_name_valid(struct span name);
/* false: the name is no name of a key. */
bool vkey_make(struct vkey *out, struct span name, enum vkey_type type, const unsigned char key[ED25519_KEY]);
/* One key, with or without a line end behind it.  false: *why (may be NULL) says in words. */
bool vkey_parse(struct span text, struct vkey *out, struct buf *why);
/* Append it, without a line end. */
void vkey_write(struct buf *out, const struct vkey *k);

/* -- notes */

struct note_line {
	struct span   name, base64;     /* of key id and signature */
	struct span   line;             /* all of it with its LF */
	unsigned char id[4];
};

/* Everything in it is borrowed from what was parsed. */
struct note {
	struct span      text;          /* with its last LF: the octets that are signed */
	size_t           n;             /* at least 1 */
	struct note_line lines[NOTE_LINES_MAX];
};

/* One whole note.  false: *why (may be NULL) says in words. */
bool note_parse(struct span octets, struct note *out, struct buf *why);
/* The signature lines alone, as a witness answers them; text is what they sign. */
bool note_parse_lines(struct span text, struct span lines, struct note *out, struct buf *why);

enum note_answer {
	NOTE_GOOD,              /* every line of this key is good, and there is one */
	NOTE_UNSIGNED,          /* no line of this key */
	NOTE_FORGED,            /* a line of this key is not good */
};
/* One key.  *time (may be NULL): POSIX seconds that a cosignature states, else 0. */
enum note_answer note_check(const struct note *note, const struct vkey *key, uint64_t *time);
/* All keys we trust: GOOD when one or more are, FORGED when any is forged. */
enum note_answer note_check_any(const struct note *note, const struct vkey *keys, size_t n);

/* -- writing: text, then lines */

/* Append text (it ends with LF and is no empty line at its end) and the empty line. */
void note_start(struct buf *out, struct span text);
/* Append a line; signature is without the key id. */
void note_sign(struct buf *out, const struct vkey *key, struct span signature);
/* Append what a cosignature of that time signs; its signature is the time, eight
 * octets, the highest first, and then Ed25519 over these octets. */
void note_cosigned(struct buf *out, uint64_t time, struct span text);

/* Ed25519 (RFC 8032) over octets. */
bool note_ed25519(const unsigned char key[ED25519_KEY], struct span octets, const unsigned char signature[ED25519_SIGNATURE]);

#endif
