# policyd: kep-policyd remembers, proves and sends.
sbin_PROGRAMS += policyd/kep-policyd
policyd_kep_policyd_SOURCES = \
	policyd/main.c policyd/daemon.h \
	policyd/listen.c policyd/listen.h \
	$(policyd_kep_policyd_END)
policyd_kep_policyd_END =
policyd_kep_policyd_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(EVENT_EXTRA_CFLAGS)
policyd_kep_policyd_LDADD = $(SQL_LIBS) $(KEP_LIBS) $(EVENT_LIBS) $(EVENT_EXTRA_LIBS)
