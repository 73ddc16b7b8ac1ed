"""process.py - programs we start: running to the end, pid files, waiting with a deadline, stopping."""
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path


class Trouble(Exception):
    """Something the reader of the message can mend; shown without a traceback."""


def run(*command, stdin=None, user=None, group=None, check=True, env=None, timeout=120):
    """Run a program to its end; its output as text. A failure says command, status and words.
    Output goes through files: a daemon that keeps a pipe open would let us wait for ever."""
    extra = {}
    if user is not None:
        extra = {"user": user, "group": group or user, "extra_groups": []}
    data = stdin.encode() if isinstance(stdin, str) else stdin or b""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as words:
        done = subprocess.run([str(c) for c in command], input=data, stdout=out, stderr=words, cwd="/", timeout=timeout,
                              env=None if env is None else {**os.environ, **env}, **extra)
        said, complained = (read_all(f) for f in (out, words))
    if check and done.returncode != 0:
        raise Trouble(f"{' '.join(str(c) for c in command)}: exit status {done.returncode}\n{(complained + said).strip()}")
    return said


def read_all(file):
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def until(what, ready, seconds=20.0, pause=0.02):
    """Ask ready() until it gives something true; Trouble after the deadline. Exceptions of the network count as not yet."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            answer = ready()
            if answer:
                return answer
        except (OSError, EOFError) as error:
            last = error
        if time.monotonic() > end:
            raise Trouble(f"waited {seconds:g} s in vain: {what}" + (f" ({last})" if last else ""))
        time.sleep(pause)


def born(pid):
    """Start time of a living process in ticks, or None: dead, or only a zombie. Guards against reused pids."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def children(pid):
    """All descendants of a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def memory(pid):
    """Resident octets of a process now, and the most it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return tuple(int(fields[k].split()[0]) * 1024 for k in ("VmRSS", "VmHWM"))


class Program:
    """A daemon in the foreground, known by a pid file, its output in a log; command() is asked at every start."""

    def __init__(self, name, command, pids, log):
        self.name, self.command = name, command
        self.pid_file, self.log = Path(pids) / f"{name}.pid", Path(log)

    def pid(self):
        """The pid while it lives, else None."""
        try:
            pid, start = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if born(pid) == start else None

    def start(self, env=None):
        if self.pid():
            return
        with open(self.log, "ab") as log:
            self.mark = log.tell()
            child = subprocess.Popen([str(c) for c in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                     start_new_session=True, env=None if env is None else {**os.environ, **env})
        self.pid_file.write_text(f"{child.pid} {born(child.pid) or '-'}\n")
        self.child = child

    def since_start(self):
        """What it has said since start(), or ever where another process started it."""
        with open(self.log, "rb") as log:
            log.seek(getattr(self, "mark", 0))
            return log.read().decode("utf-8", "replace")

    def send(self, number):
        pid = self.pid()
        if pid:
            os.kill(pid, number)

    def stop(self, number=signal.SIGTERM, seconds=10.0):
        """Signal, wait, and at the deadline SIGKILL. True: it went by itself."""
        pid, clean = self.pid(), True
        if pid:
            family = children(pid)
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, number)
            try:
                until(f"end of {self.name}", lambda: not self.alive(pid), seconds)
            except Trouble:
                clean = False
                for one in [pid, *family]:
                    try:
                        os.kill(one, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                until(f"end of {self.name}", lambda: not self.alive(pid), 5)
        self.pid_file.unlink(missing_ok=True)
        return clean

    def alive(self, pid):
        child = getattr(self, "child", None)
        if child and child.pid == pid:
            child.poll()
        return born(pid) is not None
