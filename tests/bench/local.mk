# make bench: ratios measured in one run; built only then.
EXTRA_PROGRAMS += tests/bench/hashmilter tests/bench/smtpload tests/bench/verify tests/bench/evidence tests/bench/tree
tests_bench_hashmilter_SOURCES = tests/bench/hashmilter.c
tests_bench_hashmilter_CFLAGS = $(AM_CFLAGS) $(MILTER_CFLAGS)
tests_bench_hashmilter_LDADD = $(MILTER_LIBS) $(CRYPTO_LIBS)
tests_bench_smtpload_SOURCES = tests/bench/smtpload.c
tests_bench_smtpload_LDADD = $(KEP_LIBS)
tests_bench_verify_SOURCES = tests/bench/verify.c tests/unit/oracle.h tests/unit/pki.h
tests_bench_verify_CFLAGS = $(AM_CFLAGS) -DKEP_TESTS='"$(abs_top_srcdir)/tests"'
tests_bench_verify_LDADD = $(KEP_LIBS)
tests_bench_tree_SOURCES = tests/bench/tree.c
tests_bench_tree_LDADD = $(KEP_LIBS)
tests_bench_evidence_SOURCES = tests/bench/evidence.c tests/unit/pki.h tests/unit/samples.h
tests_bench_evidence_CFLAGS = $(AM_CFLAGS) -DKEP_TESTS='"$(abs_top_srcdir)/tests"'
tests_bench_evidence_LDADD = $(KEP_SQL_LIBS) $(KEP_LIBS)
CLEANFILES += $(EXTRA_PROGRAMS)

bench: all tests/bench/hashmilter tests/bench/smtpload tests/bench/verify tests/bench/tree tests/bench/evidence
	tests/bench/verify
	tests/bench/tree
	KEP_BUILD=$(abs_builddir) $(PYTHON3) $(srcdir)/tests/bench/audit
	KEP_BUILD=$(abs_builddir) $(PYTHON3) $(srcdir)/tests/bench/bench
.PHONY: bench
EXTRA_DIST += tests/bench/audit tests/bench/bench tests/bench/policy
