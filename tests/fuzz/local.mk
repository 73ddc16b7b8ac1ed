# make fuzz [FUZZ_SECONDS=10] [FUZZ_LIBCRYPTO=DIR]: the libFuzzer targets, built with clang only then; see tests/fuzz/run.
fuzz: config.h
	$(PYTHON3) $(srcdir)/tests/fuzz/run --tree .
.PHONY: fuzz
EXTRA_DIST += tests/fuzz/run tests/fuzz/fuzz.h tests/fuzz/trusted.h tests/fuzz/addr.c tests/fuzz/base64.c tests/fuzz/cms.c tests/fuzz/crl.c \
	tests/fuzz/conf.c tests/fuzz/dsn.c tests/fuzz/exam.c tests/fuzz/gate.c tests/fuzz/header.c tests/fuzz/jdoc.c tests/fuzz/lmtp.c \
	tests/fuzz/canonical.c tests/fuzz/note.c tests/fuzz/logproof.c tests/fuzz/display.c tests/fuzz/ers.c tests/fuzz/mime.c tests/fuzz/ocsp.c tests/fuzz/outline.c tests/fuzz/reply.c tests/fuzz/request.c tests/fuzz/tsp.c tests/fuzz/stamp.c
clean-local: fuzz-clean
fuzz-clean:
	-rm -rf fuzz
.PHONY: fuzz-clean
