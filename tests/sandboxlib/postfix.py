"""postfix.py - a private Postfix with the suite in its way: main.cf, master.cf, queue, log.

These are the settings the suite needs; docs and `kepctl check` tell an administrator the same ones.
"""
import contextlib
import json
import os
import re
import shutil
import socket
from pathlib import Path

from .daemons import SOURCE
from .process import Trouble, born, run, until

SHIPPED = SOURCE / "packaging" / "postfix"

# The place and the house; what the suite needs comes from packaging/postfix, so that what we ship is what we test.
MAIN = """\
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
maillog_file = {maillog}
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_database_type = texthash
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 200
message_size_limit = 62914560

myhostname = {host}
mydestination =
mynetworks = 192.0.2.1/32
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:no local mail
biff = no
append_dot_mydomain = no
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
virtual_mailbox_domains = ordinary.test
virtual_mailbox_maps = static:ok
virtual_transport = lmtp:unix:{mailbox}
virtual_alias_maps =
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_tls_cert_file = {tls}/server.pem
smtpd_tls_key_file = {tls}/server.key
smtpd_tls_CAfile = {tls}/ca.pem
smtpd_tls_security_level = may
tls_random_source = dev:/dev/urandom
"""

MASTER = """\
{submission} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path={auth}
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=SUBMISSION
{mx} inet n - n - - smtpd
  -o syslog_name=postfix/mx
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""

# Extra smtpd services of the bench and of tests: the same Postfix without the suite, or with another milter.
EXTRA = """\
{listen} inet n - n - - smtpd
  -o syslog_name=postfix/{name}
  -o smtpd_milters={milters}
  -o smtpd_recipient_restrictions=
  -o smtpd_data_restrictions=
  -o smtpd_end_of_data_restrictions=
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o mynetworks=127.0.0.0/8
"""


def program(name):
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not path:
        raise Trouble("Postfix is missing: run tests/deps (Debian: apt-get install postfix)")
    return path


class Postfix:
    def __init__(self, place, domain):
        self.place, self.domain = place, domain
        self.home = place.home / "postfix"
        self.config, self.spool, self.data = self.home / "etc", self.home / "spool", self.home / "data"
        self.maillog = place.log("mail")
        self.inject = self.spool / "public" / "kepinject"
        self.host, self.track = f"mx1.{domain}", f"evt.{domain}"

    def create(self, tls, mailbox, auth, other):
        """Directories, main.cf, master.cf and the transport map."""
        for directory in (self.home, self.config, self.spool, self.data):
            directory.mkdir()
            os.chmod(directory, 0o755)
        os.chmod(self.data, 0o700)
        shutil.chown(self.data, "postfix")
        self.place.ports("SUBMISSION", "MX")
        words = dict(home=self.place.home, spool=self.spool, data=self.data, maillog=self.maillog, host=self.host,
                     tls=tls, mailbox=mailbox, auth=auth, submission=self.place.env["SUBMISSION"], mx=self.place.env["MX"])
        # The example names of what we ship become ours.
        ours = {"/run/kep/": f"{self.place.home}/run/", "/etc/postfix/": f"{self.config}/", "/etc/kep/relay.": f"{tls}/client.",
                "hs01.kep.tr": self.domain, "hs02.kep.tr": other}
        for name, first in (("main.cf", MAIN.format(**words)), ("master.cf", MASTER.format(**words)), ("kep_transport", "")):
            shipped = (SHIPPED / name).read_text(encoding="utf-8")
            for example, real in ours.items():
                shipped = shipped.replace(example, real)
            (self.config / name).write_text(first + shipped, encoding="utf-8")
        self.place.write_env(INJECT=self.inject, POSTFIX=self.config, MAILLOG=self.maillog, DOMAIN=self.domain)

    def extra(self, name, milters="", options=()):
        """One more smtpd without the suite; its address. Before start, or reload afterwards."""
        self.place.ports(name.upper())
        text = EXTRA.format(listen=self.place.env[name.upper()], name=name, milters=milters)
        with open(self.config / "master.cf", "a", encoding="utf-8") as master:
            master.write(text + "".join(f"  -o {option}\n" for option in options))
        return self.place.env[name.upper()]

    def pid(self):
        try:
            pid = int((self.spool / "pid" / "master.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if born(pid) else None

    def start(self):
        if not self.pid():
            run(program("postfix"), "-c", self.config, "start")

    def ready(self):
        """Every smtpd answers with its banner: a wrong restriction kills smtpd only when a client comes."""
        for name in ("SUBMISSION", "MX"):
            until(f"banner of Postfix on {name}", lambda name=name: self.banner(self.place.address(name)))
        until("banner of Postfix's inject service", lambda: self.banner(str(self.inject)))

    @staticmethod
    def banner(address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(5)
            client.connect(address)
            greeting = client.recv(512)
            client.sendall(b"QUIT\r\n")
            return greeting.startswith(b"220 ")

    def stop(self):
        if self.pid():
            run(program("postfix"), "-c", self.config, "stop", check=False)
            until("end of Postfix", lambda: not self.pid(), 15)

    def reload(self):
        run(program("postfix"), "-c", self.config, "reload")

    def set(self, *assignments):
        """main.cf settings, taken up at once."""
        run(program("postconf"), "-c", self.config, "-e", *assignments)
        self.reload()

    @contextlib.contextmanager
    def without(self, service):
        """master.cf without one entry (kepinject/unix) for a while."""
        path = self.config / "master.cf"
        text = path.read_text(encoding="utf-8")
        run(program("postconf"), "-c", self.config, "-M#", service)
        self.reload()
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")
            self.reload()

    def get(self, name):
        return run(program("postconf"), "-c", self.config, "-h", name).strip()

    def flush(self):
        run(program("postqueue"), "-c", self.config, "-f")

    def queue(self):
        """What waits: one dictionary a message, as postqueue -j says."""
        return [json.loads(line) for line in run(program("postqueue"), "-c", self.config, "-j").splitlines() if line]

    def forget(self, address):
        """Take messages for a recipient out of the queue."""
        for message in self.queue():
            if any(r["address"] == address for r in message["recipients"]):
                run(program("postsuper"), "-c", self.config, "-d", message["queue_id"])

    def drained(self, seconds=30):
        """Wait until the queue is empty, pushing it along."""
        def empty():
            waiting = self.queue()
            if any(m["queue_name"] == "deferred" for m in waiting):
                self.flush()
            return not waiting
        until("an empty queue", empty, seconds, 0.2)

    def sendmail(self, message, *arguments):
        """Local submission, as cron and scripts do it."""
        run(program("sendmail"), "-C", self.config, "-i", *arguments, stdin=message)

    def log(self, pattern=""):
        """Lines of the mail log that match a regular expression."""
        text = Path(self.maillog).read_text(encoding="utf-8", errors="replace") if self.maillog.exists() else ""
        return [line for line in text.splitlines() if re.search(pattern, line)]
