# End to end over a real Postfix, PostgreSQL and Dovecot: pytest, run by ./check.
EXTRA_DIST += tests/e2e/conftest.py tests/e2e/sink.py tests/e2e/test_way.py tests/e2e/test_doors.py tests/e2e/test_bad.py \
	tests/e2e/test_sockets.py tests/e2e/test_faults.py tests/e2e/test_providers.py tests/e2e/test_chaos.py tests/e2e/test_sandbox.py \
	tests/e2e/test_kepctl.py tests/e2e/test_signer.py tests/e2e/test_retention.py \
	tests/e2e/test_stamps.py tests/e2e/test_pkcs11.py tests/e2e/test_witness.py tests/e2e/test_trust.py tests/e2e/test_ocsp.py tests/e2e/test_revocation.py tests/crl.py tests/ocsp.py
EXTRA_DIST += tests/e2e/test_receipts.py tests/e2e/test_verify.py tests/e2e/test_audit.py tests/e2e/test_tamper.py tests/scribe.py tests/vault.py tests/forger.py tests/stranger.py
EXTRA_DIST += tests/e2e/prove.py tests/e2e/test_ledger.py tests/e2e/test_sequencer.py
EXTRA_DIST += tests/e2e/test_archive.py tests/e2e/test_record.py tests/ageing.py
