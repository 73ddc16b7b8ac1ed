# libkep: knows mail, signatures and evidence; knows no daemon, no SQL, no libmilter.
noinst_LIBRARIES += libkep/libkep.a
libkep_libkep_a_SOURCES = \
	libkep/base.c libkep/base.h libkep/mem.c libkep/mem.h libkep/buf.c libkep/buf.h \
	libkep/log.c libkep/log.h libkep/notify.c libkep/notify.h libkep/privilege.c libkep/privilege.h libkep/clock.c libkep/clock.h libkep/conf.c libkep/conf.h libkep/conf.def \
	libkep/jdoc.c libkep/jdoc.h libkep/reason.c libkep/reason.h libkep/reason.def \
	libkep/addr.c libkep/addr.h libkep/attr.c libkep/attr.h libkep/header.c libkep/header.h \
