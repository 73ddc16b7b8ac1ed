"""place.py - where a sandbox lies on the disk, its ports, and DIR/env.

Unix sockets allow 107 octets of path, and other users (postfix, postgres, dovecot) must be able to walk to
their files. So the state lies in DIR itself only where DIR is short, plain and open to walk through; otherwise
in a directory of our own under /var/tmp, to which DIR/home points, and which `down` removes.
"""
import os
import random
import re
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from .process import Trouble

LONGEST = 48


def walkable(path):
    """May every user search all directories above path?"""
    return all(os.stat(above).st_mode & stat.S_IXOTH for above in path.parents)


def plain(path):
    return len(str(path)) <= LONGEST and re.fullmatch(r"[A-Za-z0-9_./-]+", str(path)) is not None


def free_port(taken=()):
    """A loopback port below the range the kernel uses for outgoing connections, so that none of these takes it."""
    for _ in range(2000):
        port = random.SystemRandom().randrange(20000, 32000)
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Trouble("no free port between 20000 and 32000 on 127.0.0.1")


class Place:
    """DIR (what the user sees) and home (where the state is). env is what stands in DIR/env."""

    def __init__(self, directory):
        self.dir = Path(directory).absolute()
        self.env_file = self.dir / "env"
        self.env = self.read_env()
        home = self.env.get("PLACE")
        self.home = Path(home) if home and Path(home).is_dir() else None

    def read_env(self):
        try:
            lines = self.env_file.read_text().splitlines()
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def write_env(self, **values):
        self.env.update({k: str(v) for k, v in values.items()})
        bad = [k for k, v in self.env.items() if "\n" in v]
        if bad:
            raise Trouble(f"{bad[0]} may not hold a line break")
        new = self.env_file.with_suffix(".new")
        new.write_text("".join(f"{k}={v}\n" for k, v in sorted(self.env.items())))
        os.chmod(new, 0o600)
        new.rename(self.env_file)

    def make(self):
        """A fresh place; Trouble when DIR holds something that is not ours."""
        if self.dir.exists() and (not self.dir.is_dir() or any(self.dir.iterdir())):
            raise Trouble(f"{self.dir} is not an empty directory: choose another, or remove it")
        self.dir.mkdir(parents=True, exist_ok=True)
        real = self.dir.resolve()
        if plain(real) and walkable(real):
            os.chmod(real, 0o755)
            self.home = real
        else:
            base = "/var/tmp" if os.access("/var/tmp", os.W_OK) else "/tmp"
            self.home = Path(tempfile.mkdtemp(prefix="kep-", dir=base))
            os.chmod(self.home, 0o755)
            (self.dir / "home").symlink_to(self.home)
        for name in ("run", "log", "pids", "etc"):
            (self.home / name).mkdir(mode=0o755, exist_ok=True)
        if self.home != real:
            (self.dir / "etc").symlink_to(self.home / "etc")
        self.write_env(PLACE=self.home, PIDS=self.home / "pids", LOGS=self.home / "log")

    def ports(self, *names):
        """One free port a name, kept in env as NAME=127.0.0.1:PORT."""
        taken = set()
        for name in names:
            port = free_port(taken)
            taken.add(port)
            self.write_env(**{name: f"127.0.0.1:{port}"})

    def address(self, name):
        host, _, port = self.env[name].rpartition(":")
        return host, int(port)

    def run(self, name):
        return self.home / "run" / name

    def log(self, name):
        return self.home / "log" / f"{name}.log"

    def leave(self):
        """After everything stopped: a home outside DIR goes, its logs and configuration stay in DIR."""
        if self.home is None or self.home == self.dir.resolve():
            return
        for name in ("log", "etc"):
            target = self.dir / name
            if target.is_symlink():
                target.unlink()
            shutil.copytree(self.home / name, target, dirs_exist_ok=True,
                            ignore=lambda d, names: [n for n in names if not os.path.isfile(os.path.join(d, n))
                                                     and not os.path.isdir(os.path.join(d, n))])
        shutil.rmtree(self.home, ignore_errors=True)
        (self.dir / "home").unlink(missing_ok=True)
