"""The tamper drill: every way to falsify a ledger, at a hundred random places each, is seen by kepctl fsck, which names the index."""
import json
import os
import queue
import subprocess
import threading
import time

import pytest
from conftest import LONG, TESTS                    # noqa: F401 (TESTS on sys.path)
from sandboxlib.daemons import build, program

import forger
import scribe
import vault

PLACES = int(os.environ.get("KEP_PLACES", "100"))
SEED = os.environ.get("KEP_SEED") or "postkep"
LEAVES = 800
SIZES = [1, 2, 130, 256, 257, 600, 768, 790, 800]
STAMPED = [130, 257, 768, 800]
WORKERS = os.cpu_count() or 2


class Drill:
    def __init__(self, directory):
        self.keys = scribe.Keys(str(directory / "keys"))
        self.trust, self.published = directory / "trust", directory / "checkpoint"
        self.keys.trust(str(self.trust))
        self.vault = vault.Vault(self.keys)
        self.ledger, notes = vault.fill(self.vault, LEAVES, SIZES, STAMPED)
        self.published.write_bytes(notes[LEAVES])
        # What was sent out proves as much as what was kept.
        self.receipt = directory / "evidence.tlog-proof"
        self.receipt.write_bytes(scribe.proof(7, self.ledger.hashes, notes[LEAVES]))
        forger.prepare(self.vault)
        self.forgers = queue.Queue()
        for i in range(WORKERS):
            self.vault.copy(f"worker{i}")
            self.forgers.put((f"worker{i}", forger.Forger(self.vault, f"worker{i}", self.ledger, SIZES, STAMPED)))
        self.runs = 0

    def fsck(self, database, published=None, trust=True):
        self.runs += 1
        nowhere = ["-o", "checkpoint_file="]
        done = subprocess.run([program("kepctl", "kepctl", build()), "-c", "/dev/null", "-o", f"database_auditor={self.vault.conninfo(database)}", *nowhere,
                               "fsck", "--json", *(["--trust", self.trust] if trust else []), *(["--checkpoint-file", published] if published else [])],
                              capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        assert not done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    def falsify(self, way, rng):
        """None, or what is wrong with what fsck said."""
        database, f = self.forgers.get()
        try:
            lowest, highest = getattr(f, way)(rng)
            status, said = self.fsck(database, f.checkpoint_file and rng.choice([self.published, self.receipt]))
            failed = {c["name"]: c["words"] for c in said["checks"] if c["state"] == "failed"}
            if status == 0:
                return "not seen"
            if not lowest <= said["first_bad"] <= highest:
                return f"index {said['first_bad']}, should be {lowest} to {highest}: {failed}"
            return None
        finally:
            f.undo()
            self.forgers.put((database, f))

    def stop(self):
        while not self.forgers.empty():
            self.forgers.get()[1].close()
        self.vault.stop()


@pytest.fixture(scope="module")
def drill(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drill")
    directory.chmod(0o755)
    try:
        made = Drill(directory)
    except vault.Missing as words:
        pytest.skip(str(words))
    yield made
    made.stop()


def test_whole(drill):
    """Before anything is falsified all is well, with and without keys and files."""
    for arguments in ({}, {"published": drill.published}, {"published": drill.receipt}, {"trust": False}):
        status, said = drill.fsck("kep", **arguments)
        assert (status, said["well"], said["size"]) == (0, True, LEAVES), said


@pytest.mark.parametrize("way", forger.WAYS)
def test_way(drill, way):
    wrong, lock = [], threading.Lock()
    todo = list(enumerate(forger.places(way, PLACES, SEED)))

    def work():
        while True:
            with lock:
                if not todo:
                    return
                i, rng = todo.pop()
            try:
                words = drill.falsify(way, rng)
            except Exception as error:                      # noqa: BLE001 (told below)
                words = repr(error)
            if words:
                wrong.append(f"place {i} of seed {SEED}: {words}")

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, "\n".join([f"{len(wrong)} of {PLACES}", *wrong[:5]])


def test_put_back(drill):
    """The drill left nothing behind: the detections above were of what was done, each."""
    for i in range(WORKERS):
        status, said = drill.fsck(f"worker{i}", drill.published)
        assert status == 0, said
