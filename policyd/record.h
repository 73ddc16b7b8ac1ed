/* record.h - a message as it is recorded, and the evidence about it. */
#ifndef KEP_RECORD_H
#define KEP_RECORD_H

#include "libkep/addr.h"
#include "libkep/buf.h"
#include "libkep/clock.h"
#include "libkep/conf.h"
#include "libkep/digest.h"
#include "libkep/outcome.h"
#include "sql/pg.h"

enum record_state { RECORD_WAITING, RECORD_DELIVERED, RECORD_RELAYED, RECORD_FAILED };

struct record_recipient {
	size_t            index;        /* from 1 */
	struct addr       address;
	bool              ours;         /* else at another provider */
	char             *relay;        /* "[host]:port" of that provider, or NULL */
	enum record_state state;
};

struct record {
	char     kep_id[37];
	bool     accepted;              /* there is evidence A.1 or B.1 */
	char    *host, *queue_id, *message_id;
	char    *sender, *login;
	bool     sender_ours;
	usec     sent_at;
	uint64_t size;
	int      canonical;             /* version of the canonical form of the digests */
	struct fingerprint fingerprint;
	char    *signer, *identity;     /* subject of the certificate; identity may be NULL */
	char    *cades;                 /* level of the signature, or NULL */
	unsigned char certificate[SHA256_SIZE];
	char     previous[37];          /* id of the newest evidence, or "" */
	struct record_recipient *recipients;    /* in the order of their index */
	size_t   n;
};

/* Read the first row of kep.hop_open().  false: it is not one (*r is empty).
 * record_release() what was read. */
bool record_read(struct record *r, const char *kep_id, const struct pg_rows *rows);
void record_release(struct record *r);

/* NULL: none of the recorded recipients. */
struct record_recipient *record_find(const struct record *r, const struct addr *a);

/* One evidence to be made of it. */
struct proof {
	enum outcome outcome;
	size_t       recipient;         /* index; 0: concerns all of them */
	struct span  reason_code, reason_text;
	usec         at;
	char         id[37];            /* filled in by record_prove() */
	struct buf   body;              /* filled in; release it */
};
/* Compose the evidence; its id is fresh. */
void record_prove(const struct record *r, const struct conf *conf, struct proof *p);

#endif
