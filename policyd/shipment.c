#include "policyd/shipment.h"

#include <stdlib.h>

#include "libkep/mem.h"

struct shipment {
	struct smtp_mail  mail;
	struct shipment  *next;         /* of the courier's */
	struct passage   *passage;
	struct leg      **legs;         /* mail.recipients[i] is for legs[i] */
	char            **params;
	char             *sender, *mail_params;
	shipment_told    *told;
};

struct shipment *shipment_new(struct passage *p, struct span sender, struct span params, shipment_told *told)
{
	struct shipment *s = mem_new(sizeof *s);

	s->next = p->courier->shipments;
	p->courier->shipments = s;
	s->passage = p;
	s->told = told;
	s->sender = mem_span(sender);
	s->mail_params = mem_span(params);
	s->legs = mem_array(p->n, sizeof *s->legs);
	s->params = mem_array(p->n, sizeof *s->params);
	s->mail.recipients = mem_array(p->n, sizeof *s->mail.recipients);
	return s;
}

void shipment_add(struct shipment *s, struct leg *l, struct span params)
{
	size_t i = s->mail.n++;

	s->legs[i] = l;
	s->params[i] = mem_span(params);
	s->mail.recipients[i] = (struct smtp_recipient){ .path = span_str(l->rcpt->path), .params = span_str(s->params[i]) };
}

size_t shipment_legs(const struct shipment *s)
{
	return s->mail.n;
}

static void shipment_free(struct shipment *s)
{
	struct shipment **at = &s->passage->courier->shipments;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	for (size_t i = 0; i < s->mail.n; i++)
		free(s->params[i]);
	smtp_mail_release(&s->mail);
	free(s->params);
	free(s->legs);
	free(s->sender);
	free(s->mail_params);
	free(s);
}

static void on_done(struct smtp_mail *m, void *arg)
{
	struct shipment *s = arg;
	struct passage *p = s->passage;

	for (size_t i = 0; i < m->n; i++)
		s->told(s->legs[i], &m->recipients[i]);
	shipment_free(s);
	passage_drop(p);
}

void shipment_send(struct shipment *s, struct smtp *to)
{
	const struct passage *p = s->passage;

	if (s->mail.n == 0) {
		shipment_free(s);
		return;
	}
	s->mail.sender = span_str(s->sender);
	s->mail.params = span_str(s->mail_params);
	s->mail.eightbit = p->envelope->eightbit;
	s->mail.utf8 = p->envelope->utf8;
	s->mail.fd = spool_fd(p->spool);
	s->mail.content = spool_memory(p->spool);
	s->mail.size = spool_size(p->spool);
	s->mail.done = on_done;
	s->mail.arg = s;
	passage_hold(s->passage);
	smtp_send(to, &s->mail);
}

void shipment_free_all(struct courier *c)
{
	while (c->shipments)
		shipment_free(c->shipments);
}
