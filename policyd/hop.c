#include "policyd/hop.h"

#include <stdlib.h>
#include <string.h>

#include "libkep/log.h"
#include "libkep/mem.h"
#include "policyd/lmtp.h"
#include "policyd/passage.h"
#include "policyd/service.h"
#include "policyd/smtp.h"
#include "policyd/spool.h"

#define HEADROOM          ((size_t)64 << 10)    /* what Postfix and the milter add to a message */
#define INPUT_MAX         ((size_t)256 << 10)
#define PEERS_MAX         200
#define ANSWER_SECONDS    590           /* Postfix's lmtp_data_done_timeout is 600 */
#define MAILBOX_MAX       60            /* connections to the mailbox server */
#define INJECT_MAX        2             /* of the eight that kepinject serves; the outbox has the others */
#define IDLE              ((usec)10 * 1000000)

struct visit;

struct hop {
	struct courier  courier;
	struct service *service;
	struct visit   *visits;
	size_t          alone;          /* visits whose peer is gone while a message is under way */
};

/* One connection of Postfix, and the message under way on it. */
struct visit {
	struct hop   *hop;
	struct visit *next;
	struct peer  *peer;             /* NULL: gone; the message goes on without it */
	struct lmtp  *lmtp;
	struct spool *spool;
	bool          busy;             /* a passage borrows envelope and spool */
};

static void visit_free(struct visit *v)
{
	struct visit **at = &v->hop->visits;

	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	lmtp_free(v->lmtp);
	spool_free(v->spool);
	free(v);
}

/* ---- from the passage ---- */

static void send_replies(struct visit *v)
{
	struct buf *out = lmtp_out(v->lmtp);

	if (v->peer && out->n)
		peer_write(v->peer, buf_span(out));
	buf_clear(out);
}

static void on_answer(void *arg, size_t i, int code, struct span text)
{
	struct visit *v = arg;

	lmtp_answer(v->lmtp, i, code, text);
	send_replies(v);
}

static void forget_spool(struct visit *v)
{
	spool_free(v->spool);
	v->spool = NULL;
}

static void on_passage_done(void *arg)
{
	struct visit *v = arg;

	v->busy = false;
	forget_spool(v);
	if (!v->peer) {
		v->hop->alone--;
		visit_free(v);
		return;
	}
	peer_deadline(v->peer, 0);
	peer_wake(v->peer);
}

/* ---- from the LMTP session ---- */

static void on_begin(void *arg)
{
	struct visit *v = arg;
	const struct conf *conf = v->hop->courier.d->conf;

	v->spool = spool_new(conf->spool_dir, conf->header_size_limit + HEADROOM);
}

static void on_octets(void *arg, struct span octets)
{
	spool_add(((struct visit *)arg)->spool, octets);
}

static void refuse_all(struct visit *v, int code, const char *text)
{
	for (size_t i = 0, n = lmtp_envelope(v->lmtp)->n; i < n; i++)
		lmtp_answer(v->lmtp, i, code, span_str(text));
}

static void on_whole(void *arg)
{
	static const struct passage_hooks hooks = { on_answer, on_passage_done };
	struct visit *v = arg;

	switch (spool_finish(v->spool)) {
	case SPOOL_GOOD:
		v->busy = true;
		peer_deadline(v->peer, ANSWER_SECONDS);
		passage_start(&v->hop->courier, lmtp_envelope(v->lmtp), v->spool, &hooks, v);
		break;
	case SPOOL_NO_ROOM:
		log_warn("-: deferred from=<%s>: spool_dir %s: %s", lmtp_envelope(v->lmtp)->sender, v->hop->courier.d->conf->spool_dir,
		         strerror(spool_error(v->spool)));
		refuse_all(v, 452, "4.3.1 no room for the message; try again later");
		break;
	case SPOOL_HEADER_SIZE:
		refuse_all(v, 552, "5.3.4 a header is larger than allowed");
		break;
	}
}

static void on_over(void *arg)
{
	struct visit *v = arg;

	if (!v->busy)
		forget_spool(v);        /* else the passage is done with it in a moment */
}

/* ---- from the service ---- */

static void *on_open(void *arg, struct peer *peer, uid_t uid)
{
	static const struct lmtp_hooks hooks = { on_begin, on_octets, on_whole, on_over };
	struct hop *h = arg;
	const struct conf *conf = h->courier.d->conf;
	struct visit *v = mem_new(sizeof *v);

	*v = (struct visit){ .hop = h, .next = h->visits, .peer = peer };
	h->visits = v;
	v->lmtp = lmtp_new(conf_hostname(conf), conf->message_size_limit + HEADROOM, &hooks, v);
	send_replies(v);
	return v;
}

static size_t on_input(void *session, struct span in)
{
	struct visit *v = session;
	size_t used = v->busy ? 0 : lmtp_push(v->lmtp, in);

	send_replies(v);
	if (lmtp_done(v->lmtp))
		peer_finish(v->peer);
	return used;
}

static void on_gone(void *session)
{
	struct visit *v = session;

	v->peer = NULL;
	if (v->busy)
		v->hop->alone++;
	else
		visit_free(v);
}

/* ---- life ---- */

static struct smtp *server(struct daemon *d, struct smtp_options o)
{
	struct buf error = BUF_INIT;
	struct smtp *s;

	o.hello = conf_hostname(d->conf);
	o.timeout = d->conf->mail_timeout;
	o.idle = IDLE;
	s = smtp_new(d->base, &o, &error);
	if (!s)
		log_fatal("%s", buf_str(&error));
	return s;
}

struct hop *hop_new(struct daemon *d, int listen_fd)
{
	static const struct service_hooks hooks = {
		.name = "lmtp", .input_max = INPUT_MAX, .peers_max = PEERS_MAX, .open = on_open, .input = on_input, .gone = on_gone };
	struct hop *h = mem_new(sizeof *h);

	h->courier.d = d;
	h->courier.mailbox = server(d, (struct smtp_options){
		.key = "mailbox_lmtp", .where = d->conf->mailbox_lmtp, .lmtp = true, .connections = MAILBOX_MAX });
	h->courier.inject = server(d, (struct smtp_options){
		.key = "inject_socket", .where = d->conf->inject_socket, .connections = INJECT_MAX });
	h->service = service_new(d->base, &hooks, h, listen_fd);
	return h;
}

void hop_stop(struct hop *h)
{
	service_stop(h->service);
}

size_t hop_busy(const struct hop *h)
{
	return service_peers(h->service) + h->alone;
}

void hop_free(struct hop *h)
{
	if (!h)
		return;
	service_free(h->service);
	smtp_free(h->courier.mailbox);
	smtp_free(h->courier.inject);
	passage_free_all(&h->courier);
	while (h->visits)
		visit_free(h->visits);
	free(h);
}
