# Golden conversations: tests/golden/run plays tests/golden/X/*.in with tests/golden/X.py.
EXTRA_DIST += tests/golden/run tests/golden/talk.py tests/golden/milter.py tests/golden/milter
if HAVE_PYTHON
TESTS += tests/golden/run
endif
