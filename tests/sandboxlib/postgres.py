"""postgres.py - a private PostgreSQL on a unix socket; fsync stays on, for evidence must be durable and the bench honest."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
from pathlib import Path

from .process import Trouble, born, children, run, until

USER = "postgres"
DATABASE = "kep"


def programs():
    """Directory of the newest initdb; Trouble when there is none."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    path = found[-1] if found else shutil.which("initdb")
    if not path:
        raise Trouble("PostgreSQL is missing: run tests/deps (Debian: apt-get install postgresql)")
    return Path(path).resolve().parent


class Postgres:
    def __init__(self, place):
        self.place = place
        self.data = place.home / "pg"
        self.sockets = place.run("pg")
        self.dsn = f"postgresql://{USER}@/{DATABASE}?host={self.sockets}"

    def conninfo(self, user):
        return f"host={self.sockets} dbname={DATABASE} user={user}"

    def create(self):
        """initdb, configuration, and the empty database kep."""
        # Trust without a password: so only root, postgres and the daemons' group may walk to the socket.
        for directory, mode, group in ((self.data, 0o700, USER), (self.sockets, 0o750, "postdrop")):
            directory.mkdir(mode=mode)
            os.chmod(directory, mode)
            shutil.chown(directory, USER, group)
        log = self.place.log("postgres")
        log.touch()
        shutil.chown(log, USER)
        self.tool("initdb", "-D", self.data, "-U", USER, "-A", "trust", "--no-locale", "-E", "UTF8", "-N")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{self.sockets}'\n"
                       "max_connections = 60\nlog_line_prefix = '%m [%p] %a '\ntimezone = 'UTC'\n"
                       "log_lock_waits = on\n")
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        self.place.write_env(KEP_DSN=self.dsn)

    def tool(self, name, *arguments, check=True):
        return run(programs() / name, *arguments, user=USER, check=check)

    def pid(self):
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if born(pid) else None

    def start(self):
        if not self.pid():
            self.tool("pg_ctl", "-D", self.data, "-l", self.place.log("postgres"), "-w", "-t", "60", "start")

    def stop(self, mode="fast"):
        """mode: fast, smart, or immediate (like a crash)."""
        if self.pid():
            self.tool("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "stop")

    def kill(self):
        """SIGKILL to the postmaster and all backends: the machine's power gone."""
        pid = self.pid()
        for one in [pid, *children(pid)] if pid else []:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until("end of PostgreSQL", lambda: not self.pid(), 10)
        # A zombie still looks alive to the next postmaster.
        for stale in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)

    def freeze(self):
        """Stop it in the middle of everything; thaw() lets it go on. Connections stay open and silent."""
        self.everyone(signal.SIGSTOP)

    def thaw(self):
        self.everyone(signal.SIGCONT)

    def everyone(self, number):
        pid = self.pid()
        for one in [pid, *children(pid)] if pid else []:
            try:
                os.kill(one, number)
            except ProcessLookupError:
                pass

    @contextlib.contextmanager
    def holding(self, key):
        """Hold an advisory lock, so that a trigger of a test waits for it."""
        psql = subprocess.Popen([programs() / "psql", "-XAtq", "-h", self.sockets, "-U", USER, "-d", DATABASE], cwd="/",
                                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            psql.stdin.write(f"SELECT pg_advisory_lock({key});\n".encode())
            psql.stdin.flush()
            until("the lock", lambda: self.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") != "0")
            yield
        finally:
            psql.stdin.close()
            psql.wait(10)

    def sql(self, text, database=DATABASE):
        """Run statements as superuser; the rows as lists of text (NULL is None)."""
        out = run(programs() / "psql", "-XAtq", "-F", "\x1f", "-P", "null=\\N", "-v", "ON_ERROR_STOP=1",
                  "-h", self.sockets, "-U", USER, "-d", database, stdin=text)
        return [[None if v == "\\N" else v for v in line.split("\x1f")] for line in out.split("\n")[:-1]]

    def value(self, text):
        rows = self.sql(text)
        return rows[0][0] if rows else None
