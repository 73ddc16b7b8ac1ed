/* tsp.h - the time-stamp protocol (RFC 3161): a request written, an answer and a
 * TSTInfo read.  Pure, and judges nothing; whether a token is genuine is asked of
 * stamp.h. */
#ifndef KEP_TSP_H
#define KEP_TSP_H

#include "libkep/buf.h"
#include "libkep/clock.h"

#define TSP_OID_SIZE     128
#define TSP_NUMBER_OCTETS 64        /* of a serial number or a nonce */
#define TSP_NONCE_SIZE    16        /* of ours */

struct stamp {
	const char   *digest;           /* "sha256" | "sha384" | "sha512"; NULL: nothing was read */
	unsigned char imprint[64];
	size_t        n;                /* octets of it */
	usec          time;             /* genTime, to the second */
	usec          accuracy;         /* 0: the TSA says none */
	char          policy[TSP_OID_SIZE];                     /* dotted */
	char          serial[2 * TSP_NUMBER_OCTETS + 1];        /* hexadecimal, two digits an octet, without leading zero octets */
	unsigned char nonce[TSP_NUMBER_OCTETS];                 /* big-endian, without leading zero octets */
	size_t        n_nonce;          /* 0: there is none */
};

/* Read a TSTInfo, the eContent of a token.  false: it is none, of another version,
 * its imprint is of another digest, or a number in it is negative or too long. */
bool tsp_read(struct span content, struct stamp *out);

struct tsp_question {
	const char *digest;             /* "sha256" | "sha384" | "sha512" */
	struct span imprint;
	const char *policy;             /* dotted; NULL or "": the TSA's own */
	struct span nonce;              /* empty: none */
};

/* Append a TimeStampReq of version 1; the certificates are always asked for
 * (certReq).  false: the policy is no object identifier, or the imprint has not
 * the size of its digest; nothing is appended. */
bool tsp_request(const struct tsp_question *q, struct buf *der);
/* Fresh octets for a nonce, the first one neither 0 nor above 127. */
void tsp_nonce(unsigned char nonce[TSP_NONCE_SIZE]);

/* Read a TimeStampResp.  true: it was granted, and *token is what came with it, not
 * looked at (borrowed).  false: *why says in words what the TSA says, or that this
 * is no TimeStampResp; what strangers wrote is in it as printable text. */
bool tsp_response(struct span der, struct span *token, struct buf *why);

#endif
