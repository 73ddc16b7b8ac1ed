# milter: kep-milter judges and keeps nothing.
sbin_PROGRAMS += milter/kep-milter
milter_judge_sources = \
	milter/session.c milter/session.h \
	milter/question.c milter/question.h \
	milter/strip.c milter/strip.h
milter_kep_milter_SOURCES = \
	milter/main.c \
	milter/milter.c milter/milter.h \
	milter/ask.c milter/ask.h \
	milter/anchors.c milter/anchors.h \
	milter/place.c milter/place.h \
	milter/reload.c milter/reload.h \
	milter/offline.c milter/offline.h \
	$(milter_judge_sources)
milter_kep_milter_CFLAGS = $(AM_CFLAGS) $(MILTER_CFLAGS)
milter_kep_milter_LDADD = $(KEP_LIBS) $(MILTER_LIBS)
dist_man_MANS += docs/kep-milter.8
