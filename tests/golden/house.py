"""house.py - a private PostgreSQL and a kep-policyd for conversations: one server for
all of them, a fresh database, directory and daemon for each.  Standard library only.

Accounts, in hs01.kep.test: ali, veli (login "veli"), askida (suspended).  Other
providers: HS02 (hs02.kep.test, certificates AA:..:AA and BB:..:BB, relay
[192.0.2.2]:26) and HS03 (hs03.kep.test, certificate CC:..:CC, no relay).

Steps every conversation with kep-policyd knows, besides those of talk.py:

    conf KEY = VALUE        configuration, before the first other step
    sql STATEMENT           as superuser; the rows are printed, columns separated by |
    database down|up        stop the server, start it again
    freeze | thaw           the server says nothing, and goes on
    signal NAME             to kep-policyd
    restart                 end kep-policyd (it must end with status 0) and start it again
    begin                   start kep-policyd and do not wait until it is ready
    ended                   wait for its end
    kill                    SIGKILL to kep-policyd, and start it again
    run [ARGUMENT...]       another kep-policyd with the same configuration, to its end; its words and
                            status are printed (this one does not start kep-policyd)
    health                  what /healthz says
    wait WORDS              until its log holds a line with WORDS that was not printed yet; prints it
    memory start|grown KIB  not more than so much was needed since "start"
    alive                   is kep-policyd still running?
"""
import contextlib
import atexit
import glob
import importlib.machinery
import importlib.util
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import talk

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = os.path.join(HERE, "..", "sql", "server")
MIGRATIONS = os.path.join(HERE, "..", "..", "sql", "migrations")
FINGERPRINT = {c: ":".join([c * 2] * 32) for c in "ABC"}
MASKS = [(r"kep-policyd\[\d+\]", "kep-policyd"), (r"/\S*/kep-golden-[^/]*/h[^/]*/", "DIR/"),
         (r'"(schema|waiting)":\d+', r'"\1":N'), (r"version \d+(?![.\d])", "version N"),
         (r"version \d+\.[\d.]+", "version X"), (r'"version":"[^"]*"', '"version":"X"'),
         (r"not there: .*; KEP", "not there: WORDS; KEP")]

DIRECTORY = f"""
SELECT kep.domain_add('hs01.kep.test');
SELECT kep.provider_add('HS02', '2', '{{hs02.kep.test}}', '[192.0.2.2]:26', '{{{FINGERPRINT["A"]},{FINGERPRINT["B"]}}}');
SELECT kep.provider_add('HS03', '3', '{{hs03.kep.test}}', NULL, '{{{FINGERPRINT["C"]}}}');
SELECT kep.account_add('ali@hs01.kep.test', NULL, '10000000146', 'Ali');
SELECT kep.account_add('veli@hs01.kep.test', 'veli', NULL, 'Veli');
SELECT kep.account_add('askida@hs01.kep.test', NULL, NULL, 'Askıda');
SELECT kep.account_suspend('askida@hs01.kep.test', 'test');
"""

CONF = """\
hostname = mx1.hs01.kep.test
user =
log_target = stderr
provider_name = HS01
receipt_from = kep@hs01.kep.test
postqueue =
track_domain = evt.hs01.kep.test
policy_socket = unix:{dir}/policy.sock
policy_socket_group =
ask_socket = {dir}/ask.sock
lmtp_socket = unix:{dir}/lmtp.sock
lmtp_socket_group =
mailbox_lmtp = unix:{dir}/mailbox.sock
inject_socket = unix:{dir}/inject.sock
http_listen = 127.0.0.1:{port}
spool_dir = {dir}
database = host={postgres} dbname={database} user=kep_policyd
seal_certificate = {pki}/seal.pem
seal_key = {pki}/seal.key
checkpoint_key = {pki}/checkpoint.key
checkpoint_file = {dir}/checkpoint
domain_file = {dir}/domains
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Skip(Exception):
    """This machine cannot play it."""


def psql(postgres, database, text):
    bindir = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1:] or [""]
    done = subprocess.run([os.path.join(bindir[0], "psql"), "-XAtq", "-F", "|", "-P", "null=NULL", "-v", "ON_ERROR_STOP=1", "-h", postgres,
                           "-U", "postgres", "-d", database], input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"psql: {done.stderr}{text[:200]}")
    return done.stdout


class Postgres:
    """The server of this run, with a database `kep` to copy."""
    running = None

    def __init__(self):
        done = subprocess.run([SERVER, "new"], stdout=subprocess.PIPE, text=True)
        if done.returncode == 77:
            raise Skip("PostgreSQL is not installed")
        self.dir, self.count = done.stdout.strip(), 0
        atexit.register(lambda: subprocess.run([SERVER, "stop", self.dir]))
        psql(self.dir, "postgres", "CREATE DATABASE kep")
        for file in sorted(glob.glob(f"{MIGRATIONS}/*.sql")):
            with open(file, encoding="utf-8") as f:
                psql(self.dir, "kep", "BEGIN;\n" + f.read() + "\nCOMMIT;")
        psql(self.dir, "kep", DIRECTORY)

    @classmethod
    def get(cls):
        cls.running = cls.running or cls()
        return cls.running

    def database(self):
        self.count += 1
        psql(self.dir, "postgres", f"CREATE DATABASE kep{self.count} TEMPLATE kep")
        return f"kep{self.count}"

    def run(self, *words):
        subprocess.run([SERVER, *words], check=True)

    def everyone(self, number):
        with open(f"{self.dir}/data/postmaster.pid", encoding="ascii") as f:
            first = int(f.readline())
        below = subprocess.run(["ps", "-o", "pid=", "--ppid", str(first)], stdout=subprocess.PIPE, text=True).stdout
        for pid in [first, *map(int, below.split())]:
            with contextlib.suppress(ProcessLookupError):    # ended meanwhile
                os.kill(pid, number)


def make_pki(scratch):
    """DIR/pki of the run: made once."""
    path = f"{scratch}/pki"
    if not os.path.exists(path):
        loader = importlib.machinery.SourceFileLoader("pki", os.path.join(HERE, "..", "pki"))
        pki = importlib.util.module_from_spec(importlib.util.spec_from_loader("pki", loader))
        loader.exec_module(pki)
        pki.make(path + ".new")
        os.rename(path + ".new", path)
    return path


class House(talk.Talk):
    """One conversation.  SOCKET is the socket that is talked to."""
    SOCKET = "policy.sock"

    def __init__(self, build, scratch):
        self.build, self.postgres = build, Postgres.get()
        self.dir = tempfile.mkdtemp(prefix="h", dir=scratch)
        self.database = self.postgres.database()
        self.port = free_port()
        self.conf = CONF.format(port=self.port, dir=self.dir, postgres=self.postgres.dir, database=self.database, pki=make_pki(scratch))
        self.program, self.printed, self.before = None, 0, 0
        self.timeout, self.masks, self.eol, self.out = 18.0, MASKS, b"\n", []
        self.sock, self.held = socket.socket(), b""

    # kep-policyd

    def write_conf(self):
        with open(f"{self.dir}/kep.conf", "w", encoding="utf-8") as f:
            f.write(self.conf)

    def start(self, ready="ready, version"):
        self.write_conf()
        with open(f"{self.dir}/log", "ab") as log:
            self.program = subprocess.Popen([f"{self.build}/policyd/kep-policyd", "-c", f"{self.dir}/kep.conf", "-f"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.log_line(ready)

    def stop(self):
        self.program.terminate()
        return self.program.wait(20)

    def log_line(self, words):
        """The next line of the log with these words."""
        end = time.monotonic() + 20
        while True:
            with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
                lines = f.read().split("\n")[:-1]
            for i in range(self.printed, len(lines)):
                if words in lines[i]:
                    self.printed = i + 1
                    return lines[i]
            if time.monotonic() > end or self.program.poll() is not None:
                raise RuntimeError(f"the log never said '{words}' (status {self.program.poll()}):\n" + "\n".join(lines[-15:]))
            time.sleep(0.01)

    def rss(self):
        with open(f"/proc/{self.program.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))

    # steps

    def open(self):
        self.sock, self.held = talk.connect(f"{self.dir}/{self.SOCKET}", self.timeout), b""

    def on_sql(self, rest):
        self.say(f"sql {rest}")
        for row in psql(self.postgres.dir, self.database, rest).splitlines():
            self.say("  " + talk.mask(row, self.masks))

    def on_database(self, rest):
        self.postgres.run({"down": "crash", "up": "start"}[rest], self.postgres.dir)
        self.say(f"database {rest}")
        if self.program:
            self.log_line({"down": "database: not there", "up": "database: connected"}[rest])

    def on_freeze(self, rest):
        self.postgres.everyone(signal.SIGSTOP)
        self.say("freeze")

    def on_thaw(self, rest):
        self.postgres.everyone(signal.SIGCONT)
        self.say("thaw")

    def on_signal(self, rest):
        self.program.send_signal(getattr(signal, "SIG" + rest))
        self.say(f"signal {rest}")

    def on_restart(self, rest):
        self.say(f"restart   (ended with status {self.stop()})")
        self.start()
        self.open()

    def on_begin(self, rest):
        self.say("begin")
        self.start("database: ")
        self.open()

    def on_ended(self, rest):
        status, left = self.program.wait(20), [f for f in os.listdir(self.dir) if f.endswith(".sock")]
        self.say(f"ended   (with status {status}" + "".join(f", left behind: {f}" for f in left) + ")")
        self.program = None

    def on_kill(self, rest):
        self.program.kill()
        self.program.wait()
        self.say("kill")
        self.start()
        self.open()

    def on_run(self, rest):
        self.write_conf()
        done = subprocess.run([f"{self.build}/policyd/kep-policyd", "-c", f"{self.dir}/kep.conf", "-f", *rest.split()], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
        self.say(f"run {rest}".rstrip())
        for line in done.stdout.splitlines():
            self.say("  " + talk.mask(line, self.masks))
        self.say(f"  (status {done.returncode})")

    def on_health(self, rest):
        self.say(f"health {rest}".rstrip())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz{rest}", timeout=10) as answer:
                self.say(f"  {answer.status} {answer.read().decode().strip()}")
        except urllib.error.HTTPError as answer:
            self.say(f"  {answer.code} {answer.read().decode().strip()}")

    def on_wait(self, rest):
        self.say(f"wait {rest}")
        self.say("  " + talk.mask(self.log_line(rest), self.masks))

    def on_memory(self, rest):
        if rest == "start":
            self.before = self.rss()
        else:
            limit = int(rest.split()[1])
            grown = self.rss() - self.before
            self.say(f"memory {rest}" + ("" if grown <= limit else f"   (NO: {grown} KiB)"))
            return
        self.say(f"memory {rest}")

    def on_alive(self, rest):
        self.say("alive" if self.program.poll() is None else f"DEAD: status {self.program.poll()}")

    def on_conf(self, rest):
        if self.program:
            raise RuntimeError("conf comes before the first other step")
        self.conf = "".join(line for line in self.conf.splitlines(True) if line.split()[0] != rest.split()[0]) + f"{rest}\n"
        self.say(f"conf {rest}".format(dir=self.dir))

    def step(self, line):
        word, _, rest = line.partition(" ")
        known = getattr(self, f"on_{word}", None)
        if not self.program and line and word not in ("conf", "#", "run", "sql", "database", "begin"):
            self.start()
            self.open()
        if known:
            known(rest)
        else:
            super().step(line)

    def play_file(self, path):
        text, status = "", 0
        try:
            text = self.play(talk.read_steps(path, FINGERPRINT))
        finally:
            if self.program and self.program.poll() is None:
                status = self.stop()
        if status:
            with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
                text += f"# kep-policyd ended with status {status}\n" + f.read()
        return text
