/* ask.h - the ask socket: kep-milter and kepctl ask, one JSON object a line, one
 * answer a line, in order.  Version 1.
 *
 *  {"v":1,"ask":"mail","sender":S,"login":L,"client":IP}               may S send at all?
 *  {"v":1,"ask":"rcpt",..,"rcpt":R}                                    ... to R?
 *        -> {"v":1,"why":WIRE,"kep":BOOL}, and "provider":true when the sender is another provider's
 *  {"v":1,"ask":"submit","queue_id":Q,"sender":S,"login":L,"client":IP,"rcpts":[..],
 *   "from":F,"message_id":M,"size":N,"canonical":1,"sha256":HEX,"sha512":HEX,"signer":{..}}
 *        -> {"v":1,"why":"accepted","kep_id":UUID}: it is durable; {"v":1,"why":WIRE} otherwise
 *  {"v":1,"ask":"refuse",.., "why":WIRE}  keep a refused submission   -> {"v":1,"why":"accepted"}
 *  {"v":1,"ask":"status"}
 *        -> {"v":1,"why":"accepted","database":BOOL,"waiting":N,"domains":N,"schema":N,"version":V}
 *
 * "why" is a wire name of reason.def.  What cannot be understood is answered
 * {"v":1,"why":"unavailable","error":WORDS} and the connection is closed; a line
 * over ASK_LINE_MAX closes it at once.  Only root, our own user and conf ask_users
 * may come (SO_PEERCRED).
 */
#ifndef KEP_ASK_H
#define KEP_ASK_H

#include "policyd/daemon.h"
#include "policyd/service.h"

#define ASK_VERSION 1
#define ASK_LINE_MAX ((size_t)1 << 20)  /* octets of a question, line end included */
#define ASK_OUTSTANDING_MAX 64          /* questions of one connection not answered yet */
#define ASK_SECONDS 60                  /* longest wait for the database */

/* Who may ask, besides root and ourselves. */
struct ask {
	struct daemon *d;
	uid_t         *users;
	size_t         n;
};

/* Looks conf ask_users up.  false: *error names the user. */
bool ask_init(struct ask *a, struct daemon *d, struct buf *error);
void ask_release(struct ask *a);

/* The service's hooks; their arg is the struct ask. */
extern const struct service_hooks ask_hooks;

#endif
