# tests: units (cmocka), golden conversations, sql (pgTAP), e2e (pytest over a private Postfix), bench.
KEP_UNIT_TESTS = \
	tests/unit/base_test \
	tests/unit/folder_test \
	tests/unit/kepctl_test \
	tests/unit/digest_test \
	tests/unit/session_test \
	tests/unit/cms_test \
	tests/unit/evidence_test \
	tests/unit/receipt_test \
	tests/unit/parcel_test \
	tests/unit/addr_test \
	tests/unit/attr_test \
	tests/unit/header_test \
	tests/unit/mime_test \
	tests/unit/pg_test \
	tests/unit/directory_test \
	tests/unit/policy_test \
	tests/unit/ask_test \
	tests/unit/reply_test \
	tests/unit/lmtp_test \
	tests/unit/spool_test \
	tests/unit/dsn_test \
	tests/unit/smtp_test \
	tests/unit/base64_test \
	tests/unit/gate_test \
	tests/unit/corpus_test \
	tests/unit/oracle_test \
	tests/unit/display_test \
	tests/unit/pkits_test \
	tests/unit/chain_test \
	tests/unit/ocsp_test \
	tests/unit/stamp_test \
	tests/unit/attack_test \
	tests/unit/library_test \
	tests/unit/signer_test \
	tests/unit/cades_test \
	tests/unit/stamp_revocation_test \
	tests/unit/key_test \
	tests/unit/fetch_test \
	tests/unit/merkle_test \
	tests/unit/ers_test \
	tests/unit/custody_test \
	tests/unit/tiles_test \
	tests/unit/note_test \
	tests/unit/logproof_test \
	tests/unit/canonical_test \
	tests/unit/published_test \
	tests/unit/keeper_test \
	tests/unit/signchild_test \
	$(KEP_UNIT_TESTS_END)
KEP_UNIT_TESTS_END =

if HAVE_CMOCKA
check_PROGRAMS += $(KEP_UNIT_TESTS)
TESTS += $(KEP_UNIT_TESTS)
endif
EXTRA_DIST += tests/attack/catalogue tests/attack/run
EXTRA_DIST += tests/pki tests/pki_signer.py tests/pki_cades.py tests/pki_rsa.py tests/pki_tsp.py tests/pki_token.py tests/layers tests/layers_test tests/documented
if HAVE_PYTHON
TESTS += tests/layers tests/layers_test tests/documented tests/attack/run
endif

TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -DKEP_TESTS='"$(abs_top_srcdir)/tests"'
TEST_LIBS = $(KEP_LIBS) $(CMOCKA_LIBS)

tests_unit_kepctl_test_SOURCES = tests/unit/kepctl_test.c $(KEPCTL_PARTS)
tests_unit_kepctl_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_kepctl_test_LDADD = $(KEP_SQL_LIBS) $(TEST_LIBS)

tests_unit_base_test_SOURCES = tests/unit/base_test.c
tests_unit_base_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_base_test_LDADD = $(TEST_LIBS)

tests_unit_folder_test_SOURCES = tests/unit/folder_test.c
tests_unit_folder_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_folder_test_LDADD = $(TEST_LIBS)

tests_unit_digest_test_SOURCES = tests/unit/digest_test.c
tests_unit_digest_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_digest_test_LDADD = $(TEST_LIBS)

tests_unit_session_test_SOURCES = tests/unit/session_test.c tests/unit/pki.h $(milter_judge_sources)
tests_unit_session_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_session_test_LDADD = $(TEST_LIBS)

tests_unit_cms_test_SOURCES = tests/unit/cms_test.c tests/unit/pki.h
tests_unit_cms_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_cms_test_LDADD = $(TEST_LIBS)

tests_unit_evidence_test_SOURCES = tests/unit/evidence_test.c tests/unit/samples.h
tests_unit_evidence_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_evidence_test_LDADD = $(TEST_LIBS)

tests_unit_custody_test_SOURCES = tests/unit/custody_test.c tests/unit/pki.h
tests_unit_custody_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_custody_test_LDADD = $(TEST_LIBS)

tests_unit_ers_test_SOURCES = tests/unit/ers_test.c tests/unit/ers_maker.h tests/unit/exact.h
tests_unit_ers_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_ers_test_LDADD = $(TEST_LIBS)

tests_unit_parcel_test_SOURCES = tests/unit/parcel_test.c tests/unit/samples.h
tests_unit_parcel_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_parcel_test_LDADD = $(TEST_LIBS)

tests_unit_receipt_test_SOURCES = tests/unit/receipt_test.c tests/unit/samples.h tests/unit/dice.h tests/unit/pki.h
tests_unit_receipt_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_receipt_test_LDADD = $(TEST_LIBS)

tests_unit_addr_test_SOURCES = tests/unit/addr_test.c tests/unit/exact.h
tests_unit_addr_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_addr_test_LDADD = $(TEST_LIBS)

tests_unit_attr_test_SOURCES = tests/unit/attr_test.c tests/unit/exact.h
tests_unit_attr_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_attr_test_LDADD = $(TEST_LIBS)

tests_unit_header_test_SOURCES = tests/unit/header_test.c tests/unit/exact.h
tests_unit_header_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_header_test_LDADD = $(TEST_LIBS)

# Sessions of kep-policyd over a database and a peer of paper.
policyd_fake = tests/unit/fake_policyd.c tests/unit/fake_policyd.h tests/unit/exact.h $(policyd_session)
tests_unit_directory_test_SOURCES = tests/unit/directory_test.c $(policyd_fake)
tests_unit_directory_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_directory_test_LDADD = $(TEST_LIBS)
tests_unit_policy_test_SOURCES = tests/unit/policy_test.c $(policyd_fake)
tests_unit_policy_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_policy_test_LDADD = $(TEST_LIBS)
tests_unit_ask_test_SOURCES = tests/unit/ask_test.c $(policyd_fake)
tests_unit_ask_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_ask_test_LDADD = $(TEST_LIBS)

# The mail side of kep-policyd.
tests_unit_reply_test_SOURCES = tests/unit/reply_test.c
tests_unit_reply_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_reply_test_LDADD = policyd/libhop.a $(TEST_LIBS)

tests_unit_lmtp_test_SOURCES = tests/unit/lmtp_test.c
tests_unit_lmtp_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_lmtp_test_LDADD = policyd/libhop.a $(TEST_LIBS)

tests_unit_spool_test_SOURCES = tests/unit/spool_test.c
tests_unit_spool_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_spool_test_LDADD = policyd/libhop.a $(TEST_LIBS)

tests_unit_dsn_test_SOURCES = tests/unit/dsn_test.c
tests_unit_dsn_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_dsn_test_LDADD = policyd/libhop.a $(TEST_LIBS)

tests_unit_published_test_SOURCES = tests/unit/published_test.c tests/unit/dice.h tests/unit/notary.h
tests_unit_published_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_published_test_LDADD = policyd/libhop.a $(TEST_LIBS)

tests_unit_signchild_test_SOURCES = tests/unit/signchild_test.c tests/unit/pki.h
tests_unit_signchild_test_CFLAGS = $(TEST_CFLAGS) $(EVENT_CFLAGS)
tests_unit_signchild_test_LDADD = policyd/libhop.a $(TEST_LIBS) $(EVENT_LIBS)

tests_unit_keeper_test_SOURCES = tests/unit/keeper_test.c policyd/keeper.c
tests_unit_keeper_test_CFLAGS = $(TEST_CFLAGS) $(EVENT_CFLAGS)
tests_unit_keeper_test_LDADD = $(TEST_LIBS) $(EVENT_LIBS)

tests_unit_smtp_test_SOURCES = tests/unit/smtp_test.c policyd/listen.c
tests_unit_smtp_test_CFLAGS = $(TEST_CFLAGS) $(EVENT_CFLAGS)
tests_unit_smtp_test_LDADD = policyd/libhop.a $(TEST_LIBS) $(EVENT_LIBS)

include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/golden/local.mk
include tests/sandboxlib/local.mk
include tests/e2e/local.mk

tests_unit_mime_test_SOURCES = tests/unit/mime_test.c tests/unit/exact.h
tests_unit_mime_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_mime_test_LDADD = $(TEST_LIBS)

tests_unit_pg_test_SOURCES = tests/unit/pg_test.c
tests_unit_pg_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_pg_test_LDADD = $(KEP_SQL_LIBS) $(TEST_LIBS)
include tests/sql/local.mk

tests_unit_base64_test_SOURCES = tests/unit/base64_test.c tests/unit/exact.h
tests_unit_base64_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_base64_test_LDADD = $(TEST_LIBS)

tests_unit_gate_test_SOURCES = tests/unit/gate_test.c tests/unit/exact.h tests/unit/pieces.h tests/unit/pki.h
tests_unit_gate_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_gate_test_LDADD = $(TEST_LIBS)

tests_unit_corpus_test_SOURCES = tests/unit/corpus_test.c tests/unit/exact.h tests/unit/pki.h
tests_unit_corpus_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_corpus_test_LDADD = $(TEST_LIBS)

tests_unit_signer_test_SOURCES = tests/unit/signer_test.c tests/unit/pki.h
tests_unit_signer_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_signer_test_LDADD = $(TEST_LIBS)

tests_unit_display_test_SOURCES = tests/unit/display_test.c tests/unit/exact.h
tests_unit_display_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_display_test_LDADD = $(TEST_LIBS)

tests_unit_pkits_test_SOURCES = tests/unit/pkits_test.c tests/unit/pki.h
tests_unit_pkits_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_pkits_test_LDADD = $(TEST_LIBS)

tests_unit_attack_test_SOURCES = tests/unit/attack_test.c tests/unit/exact.h tests/unit/pieces.h tests/unit/pki.h
tests_unit_attack_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_attack_test_LDADD = $(TEST_LIBS)

tests_unit_oracle_test_SOURCES = tests/unit/oracle_test.c tests/unit/oracle.h tests/unit/exact.h tests/unit/pki.h
tests_unit_oracle_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_oracle_test_LDADD = $(TEST_LIBS)

tests_unit_cades_test_SOURCES = tests/unit/cades_test.c tests/unit/pki.h
tests_unit_cades_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_cades_test_LDADD = $(TEST_LIBS)

tests_unit_fetch_test_SOURCES = tests/unit/fetch_test.c policyd/fetch.c policyd/pause.c
tests_unit_fetch_test_CFLAGS = $(TEST_CFLAGS) $(EVENT_CFLAGS) $(CURL_CFLAGS)
tests_unit_fetch_test_LDADD = $(TEST_LIBS) $(EVENT_LIBS) $(CURL_LIBS)

tests_unit_key_test_SOURCES = tests/unit/key_test.c tests/unit/pki.h
tests_unit_key_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_key_test_LDADD = $(TEST_LIBS)

tests_unit_stamp_test_SOURCES = tests/unit/stamp_test.c tests/unit/pki.h
tests_unit_stamp_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_stamp_test_LDADD = $(TEST_LIBS)

tests_unit_library_test_SOURCES = tests/unit/library_test.c
tests_unit_library_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_library_test_LDADD = $(TEST_LIBS)

tests_unit_chain_test_SOURCES = tests/unit/chain_test.c tests/unit/pki.h
tests_unit_chain_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_chain_test_LDADD = $(TEST_LIBS)

tests_unit_merkle_test_SOURCES = tests/unit/merkle_test.c tests/unit/dice.h tests/unit/exact.h tests/unit/pki.h
tests_unit_merkle_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_merkle_test_LDADD = $(TEST_LIBS)

tests_unit_tiles_test_SOURCES = tests/unit/tiles_test.c tests/unit/dice.h tests/unit/exact.h
tests_unit_tiles_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_tiles_test_LDADD = $(TEST_LIBS)

tests_unit_note_test_SOURCES = tests/unit/note_test.c tests/unit/dice.h tests/unit/exact.h tests/unit/notary.h
tests_unit_note_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_note_test_LDADD = $(TEST_LIBS)

tests_unit_logproof_test_SOURCES = tests/unit/logproof_test.c tests/unit/dice.h tests/unit/exact.h tests/unit/notary.h
tests_unit_logproof_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_logproof_test_LDADD = $(TEST_LIBS)

tests_unit_canonical_test_SOURCES = tests/unit/canonical_test.c tests/unit/canonical.h tests/unit/dice.h tests/unit/exact.h tests/unit/samples.h
tests_unit_canonical_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_canonical_test_LDADD = $(TEST_LIBS)
tests_unit_ocsp_test_SOURCES = tests/unit/ocsp_test.c tests/unit/pki.h
tests_unit_ocsp_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_ocsp_test_LDADD = $(TEST_LIBS)

tests_unit_stamp_revocation_test_SOURCES = tests/unit/stamp_revocation_test.c tests/unit/pki.h
tests_unit_stamp_revocation_test_CFLAGS = $(TEST_CFLAGS)
tests_unit_stamp_revocation_test_LDADD = $(TEST_LIBS)
