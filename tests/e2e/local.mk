# End to end over a real Postfix, PostgreSQL and Dovecot: pytest, run by ./check.
EXTRA_DIST += tests/e2e/conftest.py tests/e2e/sink.py tests/e2e/test_way.py tests/e2e/test_doors.py tests/e2e/test_bad.py \
	tests/e2e/test_sockets.py tests/e2e/test_faults.py tests/e2e/test_providers.py tests/e2e/test_chaos.py tests/e2e/test_sandbox.py \
	tests/e2e/test_kepctl.py tests/e2e/test_signer.py \
	tests/e2e/test_trust.py tests/e2e/test_ocsp.py tests/e2e/test_revocation.py tests/crl.py tests/ocsp.py
