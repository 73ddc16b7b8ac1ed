"""house.py - the whole sandbox: what `up` makes and starts, what `down` stops, and what tests do with it."""
import json
import os
import secrets
import socket
import sys
import time
from pathlib import Path

from . import mail
from .daemons import Daemons
from .dovecot import Dovecot
from .mail import Client, Mailbox
from .pki import Pki
from .place import Place
from .postfix import Postfix
from .postgres import Postgres
from .process import Trouble, until
from .tsa import Tsa

DOMAIN, OTHER, ORDINARY = "hs01.kep.test", "hs02.kep.test", "ordinary.test"


class House:
    """A sandbox in DIR. Everything but its constructor needs root."""

    def __init__(self, directory, domain=None, other=None, quiet=True):
        self.place = Place(directory)
        self.domain = domain or self.place.env.get("DOMAIN", DOMAIN)
        self.other = other or self.place.env.get("OTHER", OTHER)
        self.quiet = quiet
        if self.place.home:
            self.furnish()

    def furnish(self):
        self.pki = Pki(self.place)
        self.postgres = Postgres(self.place)
        self.postfix = Postfix(self.place, self.domain)
        self.dovecot = Dovecot(self.place, self.domain)
        self.tsa = Tsa(self.place)
        self.daemons = Daemons(self.place, self.domain)

    # -- up and down

    def up(self, pki=None, level="info", suite=True):
        """Make (when new) and start everything; ends when everything answers."""
        if os.geteuid() != 0:
            raise Trouble("the sandbox runs PostgreSQL, Postfix and Dovecot under their own users: it must be started as root")
        began = time.monotonic()
        new = self.place.home is None
        try:
            if new:
                self.step("directories", self.place.make)
                self.furnish()
                self.create(pki, level)
            self.start(new, suite)
        except BaseException:
            self.down()
            raise
        self.say(f"up in {time.monotonic() - began:.1f} s: {self.place.dir} (programs of {self.place.env['BUILD'] or 'this system'})")

    def create(self, pki, level):
        self.place.write_env(OTHER=self.other)
        self.step("certificates", lambda: self.pki.create(self.postfix.host, pki))
        self.step("time-stamping authority", self.tsa.create)
        self.step("PostgreSQL", self.postgres.create)
        self.dovecot.create(secrets.token_hex(8))
        self.place.ports("RELAY")
        self.postfix.create(tls=self.pki.tls, mailbox=self.dovecot.lmtp, auth=self.dovecot.auth, other=self.other)
        self.daemons.create(self.postgres, self.postfix, self.dovecot, self.pki, self.tsa, level)

    def start(self, new, suite=True):
        self.postgres.start()
        if new and suite:
            self.step("schema", self.schema)
        self.dovecot.start()
        if suite:
            self.tsa.start()
            self.daemons.start()
        self.step("Postfix", self.postfix.start)
        if suite:
            self.step("kep-policyd and kep-milter", self.daemons.ready)
        self.step("Dovecot", self.dovecot.ready)
        self.step("Postfix answers", self.postfix.ready)

    def schema(self):
        """Schema, our domain, and the other provider, whose mail server shows PKI/client.pem."""
        self.daemons.kepctl("db", "init")
        self.daemons.give_to_verifiers(self.pki, self.tsa)
        self.postgres.sql(f"SELECT kep.domain_add('{self.domain}')")
        self.provider(self.other, self.place.env["RELAY"], self.pki.fingerprint("client"))

    def provider(self, domain, relay, fingerprint):
        """Register another provider, or change its relay host and certificate."""
        host, _, port = relay.rpartition(":")
        name = domain.split(".")[0].upper()
        # What it relays comes from its tracking domain, which belongs to it like the others.
        self.postgres.sql(f"SELECT kep.provider_add('{name}', '0002', '{{{domain},evt.{domain}}}', '[{host}]:{port}', '{{{fingerprint}}}')")

    def down(self):
        """Stop all that runs, also after a half-failed up. What cannot be stopped is told at the end."""
        if self.place.home is None:
            return
        self.furnish()
        trouble = []
        for name, stop in (("Postfix", self.postfix.stop), ("our daemons", self.daemons.stop), ("the time-stamping authority", self.tsa.stop),
                           ("Dovecot", self.dovecot.stop), ("PostgreSQL", self.stop_postgres)):
            try:
                stop()
            except (Trouble, OSError) as error:
                trouble.append(f"{name}: {error}")
        if trouble:
            raise Trouble("not everything could be stopped:\n" + "\n".join(trouble))
        self.place.leave()

    def stop_postgres(self):
        self.postgres.thaw()
        self.postgres.stop()

    def step(self, name, act):
        began = time.monotonic()
        act()
        self.say(f"  {time.monotonic() - began:5.1f} s  {name}")

    def say(self, words):
        if not self.quiet:
            print(words, file=sys.stderr, flush=True)

    # -- accounts, mail

    def add_account(self, address, tckn=None, mailbox=True, quota=None):
        """A KEP account with signer, login and mailbox; an ordinary address gets login and mailbox only."""
        if address.rpartition("@")[2] == self.domain:
            self.pki.signer(address, tckn)
            identity = tckn or self.pki.identity(address)
            self.daemons.kepctl("account", "add", address, "--tckn", identity)
        if mailbox:
            self.dovecot.add(address, quota)

    def client(self, via="submission", login=None, cert=None, tls=True):
        """An SMTP session; cert is a path below PKI without suffix."""
        return Client(self.place.address(via.upper()), ca=self.pki.tls / "ca.pem", tls=tls, login=login,
                      cert=cert and self.pki.dir / cert, password=self.place.env["PASSWORD"])

    def send(self, sender, recipients, message=None, signed=True, via=None, login=None, cert=None, **compose):
        """Send one message; a mail.Sent. Accounts of ours go by submission as themselves, others by MX."""
        ours = sender.rpartition("@")[2] == self.domain
        via = via or ("submission" if ours or login else "mx")
        if message is None:
            message = mail.compose(sender, recipients, **compose)
        if signed and not mail.is_signed(message):
            self.pki.signer(sender)
            message = mail.sign(self.pki, message, sender)
        if via == "submission" and login is None:
            login = sender
        with self.client(via, login, cert) as client:
            return client.give(sender, recipients, message)

    def mailbox(self, address):
        return Mailbox(address, self.place.env["PASSWORD"], self.place.address("IMAP"))

    def show(self, message, json_=True):
        """kepctl show: parsed, or as text."""
        out = self.daemons.kepctl("show", *(["--json"] if json_ else []), message)
        return json.loads(out) if json_ else out

    def ask(self, question):
        """One question over the ask socket; the line that was answered."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(self.place.env["ASK_SOCKET"])
            client.sendall(json.dumps(question).encode() + b"\n")
            return client.makefile().readline()

    # -- what tests wait for

    def evidence(self, queue_id):
        """Evidence of a message as (outcome, recipient index or None), in the order it was made."""
        return [(o, int(r) if r else None) for o, r in self.postgres.sql(
            "SELECT e.outcome, e.recipient_index FROM kep.evidences e JOIN kep.messages m USING (kep_id)"
            f" WHERE m.queue_id = '{queue_id}' ORDER BY e.event_time, e.evidence_id")]

    def wait_evidence(self, queue_id, wanted, seconds=20):
        return until(f"evidence {wanted} of {queue_id}",
                     lambda: sorted(o for o, _ in self.evidence(queue_id)) == sorted(wanted), seconds, 0.1)


def open_house(directory):
    """A sandbox that is up."""
    house = House(Path(directory))
    if house.place.home is None:
        raise Trouble(f"there is no sandbox in {directory}: tests/sandbox up {directory}")
    return house
