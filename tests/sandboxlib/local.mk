# The private mail house, and the commands that use it: tests/sandbox, ./demo, ./check.
EXTRA_DIST += .ci/run tests/deps tests/build tests/walk tests/suite tests/sandbox \
	tests/sandboxlib/__init__.py tests/sandboxlib/process.py tests/sandboxlib/place.py tests/sandboxlib/pki.py \
	tests/sandboxlib/postgres.py tests/sandboxlib/postfix.py tests/sandboxlib/dovecot.py tests/sandboxlib/daemons.py \
	tests/sandboxlib/mail.py tests/sandboxlib/tsa.py tests/sandboxlib/authority.py tests/sandboxlib/watcher.py tests/sandboxlib/house.py
