"""daemons.py - kep-milter, kep-policyd and kepctl: found, configured, started, hurt."""
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
from pathlib import Path

from .process import Program, Trouble, memory, run, until

SOURCE = Path(__file__).resolve().parents[2]
USER, GROUP = "nobody", "postdrop"      # postdrop may walk to Postfix's public/kepinject

CONF = """\
# Made by tests/sandbox.
hostname = {host}
user = {user}
group = {group}
log_target = stderr
log_level = {level}
provider_name = {provider}
receipt_from = kep@{domain}
track_domain = {track}
milter_socket = unix:{milter}
ask_socket = {ask}
policy_socket = unix:{policy}
lmtp_socket = unix:{lmtp}
http_listen = {http}
mailbox_lmtp = unix:{mailbox}
inject_socket = unix:{inject}
spool_dir = {spool}
postfix_config = {postfix}
database = {policyd_db}
database_operator = {operator_db}
database_auditor = {auditor_db}
database_owner = {owner_db}
{sql}trust_anchors = {trust}
revocation = off
seal_certificate = {pki}/seal.pem
seal_key = {pki}/seal.key
checkpoint_key = {pki}/checkpoint.key
checkpoint_file = {ledger}/checkpoint
domain_file = {ledger}/domains
tsa_urls = {tsa}
tsa_anchors = {tsa_anchors}
tsa_policy =
tsa_digest = sha256
tsa_interval = 1s
tsa_timeout = 3s
tsa_alarm = 1h
stamp_wait = 0
https_ca =
witness_urls =
witness_keys =
witness_dir =
witness_interval = 1s
message_size_limit = 30M
outbox_retry = 2s
postqueue =
"""


def build():
    """Where our programs are: KEP_BUILD, the newest build tree of this source, or None for installed ones."""
    named = os.environ.get("KEP_BUILD")
    if named:
        if not (Path(named) / "policyd" / "kep-policyd").exists():
            raise Trouble(f"KEP_BUILD={named}: there is no policyd/kep-policyd in it; run make there")
        return Path(named).resolve()
    found = [p.parents[1] for p in [*SOURCE.glob("build*/policyd/kep-policyd"), SOURCE / "policyd" / "kep-policyd"] if p.exists()]
    return max(found, key=built_at) if found else None


def built_at(tree):
    """When the last of our programs was linked there."""
    programs = [tree / "policyd" / "kep-policyd", tree / "milter" / "kep-milter", tree / "kepctl" / "kepctl"]
    return max(p.stat().st_mtime for p in programs if p.exists())


def program(folder, name, tree):
    if tree:
        return tree / folder / name
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if not path:
        raise Trouble(f"{name} is neither built nor installed: ./configure && make, or set KEP_BUILD to the build directory")
    return Path(path)


class Daemons:
    def __init__(self, place, domain):
        self.place, self.domain = place, domain
        self.tree = Path(place.env["BUILD"]) if place.env.get("BUILD") else None
        self.conf = place.home / "etc" / "kep.conf"
        self.milter_socket, self.policy_socket = place.run("milter.sock"), place.run("policy.sock")
        self.ask_socket, self.lmtp_socket = place.run("ask.sock"), place.run("lmtp.sock")
        self.spool, self.ledger = place.home / "spool", place.home / "ledger"

    def create(self, postgres, postfix, dovecot, pki, tsa, level="info"):
        self.tree = build()
        for folder in (self.spool, self.ledger):
            folder.mkdir(mode=0o700)
            shutil.chown(folder, USER, GROUP)
        self.place.ports("HTTP")
        inject = self.place.run("postfix")      # a short way to public/kepinject
        inject.symlink_to(postfix.spool)
        sql = f"sql_dir = {SOURCE / 'sql'}\n" if self.tree else ""
        self.conf.write_text(CONF.format(
            host=postfix.host, user=USER, group=GROUP, level=level, provider=self.domain.split(".")[0].upper(),
            domain=self.domain, track=postfix.track, milter=self.milter_socket, ask=self.ask_socket,
            policy=self.policy_socket, lmtp=self.lmtp_socket, http=self.place.env["HTTP"], mailbox=dovecot.lmtp,
            inject=inject / "public" / "kepinject", spool=self.spool, postfix=postfix.config,
            policyd_db=postgres.conninfo("kep_policyd"), operator_db=postgres.conninfo("kep_operator"),
            auditor_db=postgres.conninfo("kep_auditor"), owner_db=postgres.conninfo("postgres"),
            sql=sql, trust=pki.trust, pki=pki.dir, ledger=self.ledger, tsa=tsa.url, tsa_anchors=tsa.anchors))
        self.place.write_env(BUILD=self.tree or "", MILTER_SOCKET=self.milter_socket, POLICY_SOCKET=self.policy_socket,
                             ASK_SOCKET=self.ask_socket, LMTP_SOCKET=self.lmtp_socket, CONF=self.conf)

    def kepctl(self, *arguments, check=True):
        return run(program("kepctl", "kepctl", self.tree), "-c", self.conf, *arguments, check=check)

    def give_to_verifiers(self, pki, tsa):
        """DIR/pki/verify: whom a verifier of receipts trusts."""
        folder = pki.dir / "verify"
        shutil.rmtree(folder, ignore_errors=True)
        for name, anchor in (("seal", pki.trust / "ca.pem"), ("tsa", tsa.anchors)):
            (folder / name).mkdir(parents=True)
            for file in sorted(Path(anchor).glob("*.pem")) if Path(anchor).is_dir() else [Path(anchor)]:
                shutil.copy(file, folder / name)
        (folder / "ledger.vkey").write_text(self.kepctl("ledger", "vkey"))
        self.place.write_env(VERIFY=folder)

    @property
    def policyd(self):
        return self.daemon("policyd")

    @property
    def milter(self):
        return self.daemon("milter")

    def daemon(self, folder):
        if folder not in self.__dict__.setdefault("made", {}):
            self.made[folder] = Program(folder, lambda: [program(folder, f"kep-{folder}", self.tree), "-c", self.conf, "-f"],
                                        self.place.home / "pids", self.place.log(folder))
        return self.made[folder]

    def start(self):
        for one in (self.policyd, self.milter):
            one.start()

    def ready(self, *folders):
        """Every socket is answered; a daemon that ended says its last words."""
        sockets = {"policyd": (self.policy_socket, self.ask_socket, self.lmtp_socket), "milter": (self.milter_socket,)}
        for folder in folders or sockets:
            one = self.daemon(folder)
            for path in sockets[folder]:
                until(f"kep-{folder} on {path}", lambda one=one, path=path: self.gone(one) or self.answers(path))
        if not folders or "milter" in folders:
            until("kep-milter to serve", lambda: self.gone(self.milter) or self.negotiates(self.milter_socket))

    @staticmethod
    def gone(one):
        if not one.pid():
            words = one.log.read_text(errors="replace").splitlines()[-5:] if one.log.exists() else []
            raise Trouble(f"kep-{one.name} ended:\n" + "\n".join(words))

    @staticmethod
    def answers(path):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(path))
            return True

    @staticmethod
    def negotiates(path):
        """The milter's socket is there before its trust is read: only an answer tells that it serves."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(path))
            client.sendall(struct.pack(">IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF))
            answer = client.recv(5)
            client.sendall(struct.pack(">Ic", 1, b"Q"))
            return answer[4:] == b"O"

    def stop(self):
        for one in (self.milter, self.policyd):
            one.stop()

    def restart(self, folder, number=signal.SIGTERM):
        """Stop (SIGKILL: with its children) and start again."""
        self.daemon(folder).stop(number)
        self.daemon(folder).start()
        self.ready(folder)

    @contextlib.contextmanager
    def changed(self, key, value):
        """kep.conf with another value for a while; both daemons are started again."""
        text = self.conf.read_text()
        self.conf.write_text(re.sub(rf"(?m)^{key} =.*$", f"{key} = {value}", text))
        try:
            for folder in ("policyd", "milter"):
                self.restart(folder)
            yield
        finally:
            self.conf.write_text(text)
            for folder in ("policyd", "milter"):
                self.restart(folder)

    def memory(self, folder):
        return memory(self.daemon(folder).pid())

    def log(self, folder):
        path = self.place.log(folder)
        return path.read_text(errors="replace") if path.exists() else ""
