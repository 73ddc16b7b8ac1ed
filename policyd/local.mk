# policyd: kep-policyd remembers, proves and sends.
sbin_PROGRAMS += policyd/kep-policyd
# Sessions and judgements know no socket and no libevent: the unit tests link these.
policyd_session = \
	policyd/attempt.c policyd/attempt.h \
	policyd/request.c policyd/request.h \
	policyd/decide.c policyd/decide.h \
	policyd/accounts.c policyd/accounts.h \
	policyd/domains.c policyd/domains.h policyd/directory.c policyd/directory.h \
	policyd/policy.c policyd/policy.h \
	policyd/ask.c policyd/ask.h \
	policyd/service.h policyd/daemon.h
policyd_kep_policyd_SOURCES = \
	policyd/main.c \
	policyd/listen.c policyd/listen.h \
	policyd/service.c \
	policyd/cable.c policyd/cable.h policyd/database.c policyd/database.h \
	policyd/http.c policyd/http.h \
	policyd/flush.c policyd/flush.h \
	policyd/keeper.c policyd/keeper.h policyd/ledger.c policyd/ledger.h \
	policyd/origin.c policyd/origin.h policyd/trouble.c policyd/trouble.h policyd/trouble.def \
	policyd/fetch.c policyd/fetch.h policyd/pause.c policyd/pause.h \
	policyd/revocation.c policyd/revocation.h policyd/tsa.c policyd/tsa.h \
	policyd/alarm.c policyd/alarm.h policyd/cosigner.c policyd/cosigner.h \
	policyd/witness.c policyd/witness.h policyd/witness_folder.c policyd/witness_folder.h \
	$(policyd_session) \
	$(policyd_kep_policyd_END)
policyd_kep_policyd_END =
policyd_kep_policyd_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(EVENT_CFLAGS) $(EVENT_EXTRA_CFLAGS)
policyd_kep_policyd_LDADD = policyd/libhop.a $(KEP_SQL_LIBS) $(KEP_LIBS) $(CURL_LIBS) $(EVENT_LIBS) $(EVENT_EXTRA_LIBS)

# The mail side: the hop, the outbox, our SMTP client; a library, so that its pure parts are tested alone.
noinst_LIBRARIES += policyd/libhop.a
policyd_libhop_a_SOURCES = \
	policyd/reply.c policyd/reply.h policyd/dots.c policyd/dots.h policyd/command.c policyd/command.h \
	policyd/lmtp.c policyd/lmtp.h policyd/spool.c policyd/spool.h policyd/dsn.c policyd/dsn.h \
	policyd/endpoint.c policyd/endpoint.h policyd/smtp.c policyd/smtp.h policyd/smtp_connection.c policyd/smtp_connection.h policyd/signer.c \
	policyd/signer.h policyd/record.c policyd/record.h policyd/outbox.c policyd/outbox.h \
	policyd/published.c policyd/published.h policyd/lacking.c policyd/lacking.h \
	policyd/passage.c policyd/passage.h policyd/leg.h policyd/passage_message.c policyd/passage_deliver.c \
	policyd/passage_receipt.c policyd/passage_report.c policyd/shipment.c policyd/shipment.h policyd/hop.c policyd/hop.h
policyd_libhop_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(EVENT_EXTRA_CFLAGS)
dist_man_MANS += docs/kep-policyd.8
