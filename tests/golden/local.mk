# Golden conversations: tests/golden/run plays tests/golden/X/*.in with tests/golden/X.py.
EXTRA_DIST += tests/golden/run tests/golden/talk.py tests/golden/milter.py tests/golden/milter
if HAVE_PYTHON
TESTS += tests/golden/run
endif
# kep-policyd with a private PostgreSQL.
EXTRA_DIST += tests/golden/house.py tests/golden/policy.py tests/golden/policy tests/golden/ask.py tests/golden/ask
EXTRA_DIST += tests/golden/lmtp.py tests/golden/lmtp
