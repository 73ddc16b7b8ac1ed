"""dovecot.py - a private Dovecot: mailboxes over LMTP, reading over IMAP, logins for Postfix."""
import json
import os
import shutil
import signal
import socket
from pathlib import Path

from .process import Trouble, born, run, until

UID = 5000      # owns the mails; a number without a name is enough

CONF = """\
base_dir = {home}/run
state_dir = {home}/state
log_path = {log}
listen = 127.0.0.1
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{home}/mail/%d/%n
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 1
auth_mechanisms = plain login
auth_username_chars =
auth_cache_size = 0
auth_failure_delay = 0
lda_mailbox_autocreate = yes
hostname = {host}
postmaster_address = postmaster@{domain}
recipient_delimiter =
mail_fsync = always
mail_plugins = quota
protocol imap {{
  mail_max_userip_connections = 100
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_grace = 0
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = dict
  args = {home}/dict.conf
}}
userdb {{
  driver = dict
  args = {home}/dict.conf
  default_fields = uid={uid} gid={uid} home={home}/mail/%d/%n
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener {lmtp} {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {auth} {{
    mode = 0666
  }}
}}
"""

# A file a user: a passwd-file is looked at only once a second, too seldom for tests that make accounts.
DICT = """\
uri = fs:posix:prefix={home}/users/
default_pass_scheme = PLAIN
key pass {{
  key = pass/%u
  format = json
}}
key user {{
  key = user/%u
  format = json
}}
passdb_objects = pass
userdb_objects = user
"""


def program(name):
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not path:
        raise Trouble("Dovecot is missing: run tests/deps (Debian: apt-get install dovecot-imapd dovecot-lmtpd)")
    return path


class Dovecot:
    def __init__(self, place, domain):
        self.place, self.domain = place, domain
        self.home = place.home / "dovecot"
        self.conf, self.users = self.home / "dovecot.conf", self.home / "users"
        self.lmtp, self.auth = place.run("dovecot-lmtp"), place.run("dovecot-auth")

    def create(self, password):
        self.home.mkdir(mode=0o755)
        mail = self.home / "mail"
        mail.mkdir(mode=0o700)
        os.chown(mail, UID, UID)
        for directory in (self.users, self.users / "pass", self.users / "user"):
            directory.mkdir(mode=0o750)
            shutil.chown(directory, "root", "dovecot")
        (self.home / "dict.conf").write_text(DICT.format(home=self.home))
        self.place.ports("IMAP")
        self.place.write_env(PASSWORD=password, DOVECOT=self.conf, MAILBOX_LMTP=self.lmtp)
        self.conf.write_text(CONF.format(home=self.home, log=self.place.log("dovecot"), uid=UID, host=f"mx1.{self.domain}",
                                         domain=self.domain, port=self.place.address("IMAP")[1],
                                         lmtp=self.lmtp, auth=self.auth))

    def add(self, address, quota=None):
        """A mailbox and login; quota in octets."""
        self.write("pass", address, {"password": self.place.env["PASSWORD"]})
        self.write("user", address, {"quota_rule": f"*:bytes={quota}"} if quota else {"quota_rule": "*:storage=0"})

    def write(self, kind, address, fields):
        new = self.users / f"{kind}.new"
        new.write_text(json.dumps(fields))
        shutil.chown(new, "root", "dovecot")
        new.chmod(0o640)
        new.rename(self.users / kind / address)

    def remove(self, address):
        for kind in ("pass", "user"):
            (self.users / kind / address).unlink(missing_ok=True)

    def pid(self):
        try:
            pid = int((self.home / "run" / "master.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if born(pid) else None

    def start(self):
        if not self.pid():
            run(program("dovecot"), "-c", self.conf)

    def ready(self):
        until("banner of Dovecot's IMAP", lambda: self.banner(self.place.address("IMAP"), b"* OK"))
        until("banner of Dovecot's LMTP", lambda: self.banner(str(self.lmtp), b"220 "))
        until("Dovecot's login socket", lambda: self.banner(str(self.auth), b"VERSION"))

    @staticmethod
    def banner(address, first):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(5)
            client.connect(address)
            return client.recv(512).startswith(first)

    def stop(self):
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            until("end of Dovecot", lambda: not self.pid(), 15)
        for path in (self.lmtp, self.auth):
            Path(path).unlink(missing_ok=True)
