# libkep: knows mail, signatures and evidence; knows no daemon, no SQL, no libmilter.
noinst_LIBRARIES += libkep/libkep.a
libkep_libkep_a_SOURCES = \
	libkep/base.c libkep/base.h libkep/mem.c libkep/mem.h libkep/buf.c libkep/buf.h libkep/folder.c libkep/folder.h \
	libkep/log.c libkep/log.h libkep/notify.c libkep/notify.h libkep/privilege.c libkep/privilege.h libkep/clock.c libkep/clock.h libkep/conf.c libkep/conf.h libkep/conf.def \
	libkep/jdoc.c libkep/jdoc.h libkep/reason.c libkep/reason.h libkep/reason.def \
	libkep/addr.c libkep/addr.h libkep/attr.c libkep/attr.h libkep/header.c libkep/header.h \
	libkep/base64.c libkep/base64.h libkep/display.c libkep/display.h libkep/letterhead.c libkep/letterhead.h libkep/part.c libkep/part.h libkep/mime.c libkep/mime.h libkep/digest.c libkep/digest.h libkep/library.c libkep/library.h \
	libkep/der.c libkep/der.h libkep/pss.c libkep/pss.h libkep/outline.c libkep/outline.h libkep/profile.c libkep/profile.h libkep/signer.c libkep/signer.h libkep/ess.c libkep/ess.h libkep/tsp.c libkep/tsp.h libkep/memo.c libkep/memo.h libkep/proven.c libkep/proven.h libkep/trust.c libkep/trust.h libkep/ocsp.c libkep/ocsp.h libkep/crl.c libkep/crl.h libkep/chain.c libkep/chain.h libkep/cms.c libkep/cms.h libkep/seal.c libkep/seal.h \
	libkep/stamp.c libkep/stamp.h libkep/stamp.def \
	libkep/pkcs11.c libkep/pkcs11.h libkep/key.c libkep/key.h libkep/notekey.c libkep/notekey.h \
	libkep/hashtree.c libkep/hashtree.h libkep/ers.c libkep/ers.h libkep/ers.def libkep/custody.c libkep/custody.h libkep/sunset.c libkep/sunset.h libkep/archive.c libkep/archive.h \
	libkep/strength.c libkep/strength.h libkep/custody_token.c libkep/custody_token.h \
	libkep/gate.c libkep/gate.h libkep/outcome.c libkep/outcome.h libkep/outcome.def \
	libkep/encode.c libkep/encode.h libkep/merkle.c libkep/merkle.h libkep/tiles.c libkep/tiles.h libkep/note.c libkep/note.h libkep/checkpoint.c libkep/checkpoint.h libkep/logproof.c libkep/logproof.h libkep/evidence.c libkep/evidence.h libkep/receipt.c libkep/receipt.h \
	libkep/columns.c libkep/columns.h libkep/parcel.c libkep/parcel.h libkep/keyring.c libkep/keyring.h libkep/exam.c libkep/exam.h libkep/exam.def
KEP_LIBS = libkep/libkep.a $(CRYPTO_LIBS) $(JANSSON_LIBS)
