"""sandboxlib - a private mail house (PostgreSQL, Postfix, Dovecot, our daemons) for tests and the demo.

One noun a file: process, place, pki, postgres, postfix, dovecot, daemons, mail, house.
Python standard library only.
"""
