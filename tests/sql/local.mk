# The schema under pgTAP, on a private PostgreSQL.
if HAVE_PYTHON
TESTS += tests/sql/run
endif
EXTRA_DIST += tests/sql/run tests/sql/server tests/sql/ordeals.py tests/sql/lib.psql tests/sql/grants.sql tests/sql/archive.sql tests/sql/comments.sql \
	tests/sql/directory.sql tests/sql/submit.sql tests/sql/evidence.sql tests/sql/outbox.sql tests/sql/sessions.sql tests/sql/signer.sql tests/sql/ledger.sql tests/sql/retention.sql tests/sql/plans.sql tests/sql/sequencers.sql
