"""Witnesses of the ledger: one that speaks C2SP tlog-witness and really checks, and a folder."""
import base64
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from conftest import TESTS, build_house, pull_down
from sandboxlib import watcher
from sandboxlib.daemons import GROUP, USER, program
from sandboxlib.process import Program, run, until


class Witness:
    def __init__(self, house):
        self.house, self.home = house, house.place.home / "witness"
        self.home.mkdir()
        house.place.ports("WITNESS")
        self.url = f"http://{house.place.env['WITNESS']}/w"
        for name in ("witness", "stranger"):
            run("openssl", "genpkey", "-algorithm", "ed25519", "-out", self.home / f"{name}.key")
        run("openssl", "pkey", "-in", house.pki.dir / "checkpoint.key", "-pubout", "-out", self.home / "log.pub")
        self.behave("good")
        self.remember(0, bytes(32))
        self.program = Program("witness", lambda: [sys.executable, TESTS / "sandboxlib" / "watcher.py", self.home, house.place.address("WITNESS")[1]],
                               house.place.home / "pids", house.place.log("witness"))
        self.program.start()
        self.key = watcher.vkey(watcher.NAME, 4, watcher.public(self.home / "witness.key"))

    def behave(self, manner):
        (self.home / "manner").write_text(manner)

    def remember(self, size, root):
        (self.home / "state").write_text(f"{size} {base64.b64encode(root).decode()}\n")

    def remembers(self):
        return int((self.home / "state").read_text().split()[0])

    def requests(self):
        path = self.home / "requests"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module", name="watched")
def fixture_watched():
    """A sandbox with a witness and a folder: the house, the witness, the folder."""
    house = build_house()
    for name in ("ayse", "ali"):
        house.add_account(f"{name}@{house.domain}")
    witness = Witness(house)
    folder = house.place.home / "board"
    folder.mkdir(mode=0o755)
    shutil.chown(folder, USER, GROUP)
    text = house.daemons.conf.read_text()
    for key, value in (("witness_urls", witness.url), ("witness_keys", witness.key), ("witness_dir", folder)):
        text = re.sub(rf"(?m)^{key} =.*$", f"{key} = {value}", text)
    house.daemons.conf.write_text(text)
    house.daemons.restart("policyd")
    yield house, witness, folder
    witness.program.stop()
    pull_down(house)


def last(house):
    return int(house.postgres.value("SELECT coalesce(max(size), 0) FROM kep.checkpoints"))


def fresh(house):
    """A message, and the checkpoint when all of its evidence is covered."""
    before = last(house)
    answer = house.send(f"ayse@{house.domain}", [f"ali@{house.domain}"])
    assert answer.ok
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    return until("a checkpoint over all evidence", lambda: last(house) > before
                 and house.postgres.value("SELECT (SELECT max(size) FROM kep.checkpoints) = (SELECT count(*) FROM kep.evidences)") == "t" and last(house), 15, 0.1)


def cosigned(house, size, seconds=15):
    return until(f"a cosignature on checkpoint {size}", lambda: house.postgres.sql(
        f"SELECT size, name, encode(key_hash, 'hex'), line FROM kep.cosignatures WHERE size >= {size} ORDER BY size LIMIT 1"), seconds, 0.1)[0]


def said(house, since, words, seconds=15):
    return until(f"kep-policyd says {words}", lambda: [line for line in house.daemons.log("policyd")[since:].splitlines() if words in line], seconds, 0.1)


def alarms(house, why):
    return int(house.postgres.value(f"SELECT count(*) FROM kep.alarms WHERE why = '{why}'"))


def text_of(house, size):
    note = bytes.fromhex(house.postgres.value(f"SELECT encode(note, 'hex') FROM kep.checkpoints WHERE size = {size}"))
    return note[:note.index(b"\n\n") + 1]


def test_cosignatures(watched):
    """Each with a proof of consistency the witness has checked; the lines of keys we do not know are passed over."""
    house, witness, _ = watched
    for _ in range(4):
        size = fresh(house)
        got = cosigned(house, size)
        assert got[1] == watcher.NAME and got[2] == watcher.key_id(watcher.NAME, 4, watcher.public(witness.home / "witness.key")).hex()
        octets = base64.b64decode(got[3].split(" ")[2])
        signed = f"cosignature/v1\ntime {int.from_bytes(octets[4:12], 'big')}\n".encode() + text_of(house, int(got[0]))
        assert watcher.openssl("pkeyutl", "-verify", "-rawin", "-inkey", witness.home / "witness.key", in_=signed, sigfile=octets[12:]).returncode == 0
    assert house.postgres.value("SELECT count(*) FROM kep.cosignatures WHERE name LIKE 'baska%'") == "0"
    assert any(r.startswith("200 old ") and not r.startswith("200 old 0") for r in witness.requests()), witness.requests()


def test_after_a_restart(watched):
    """The witness tells what it remembers, and gets a proof from there."""
    house, witness, _ = watched
    cosigned(house, fresh(house))
    before = len(witness.requests())
    house.daemons.restart("policyd")
    cosigned(house, fresh(house))
    assert [r.split(" ", 1)[0] for r in witness.requests()[before:]][:2] == ["409", "200"]


@pytest.mark.parametrize("manner, words", [
    ("forged", f"{watcher.NAME}: its signature is wrong"), ("stranger", "no signature by a key of witness_keys"),
    ("future", "signs at a time that has not come yet"), ("status 503", "the server answers 503"), ("status 404", "it does not know our ledger"),
    ("status 403", "it does not know the key of our ledger"), ("status 200", "is not cosigned"),
])
def test_a_bad_answer(watched, manner, words):
    """Nothing is kept of it, and the next one is good again."""
    house, witness, _ = watched
    since = len(house.daemons.log("policyd"))
    witness.behave(manner)
    try:
        size = fresh(house)
        said(house, since, words)
        assert house.postgres.value(f"SELECT count(*) FROM kep.cosignatures WHERE size >= {size}") == "0"
    finally:
        witness.behave("good")
    cosigned(house, size)


@pytest.mark.parametrize("manner", ["doubt", "other-root"])
def test_a_fork(watched, manner):
    """A witness that remembers another ledger: one alarm."""
    house, witness, _ = watched
    before = alarms(house, "witness-conflict")
    since = len(house.daemons.log("policyd"))
    witness.behave(manner)
    try:
        size = fresh(house)
        said(house, since, "alarm why=witness-conflict")
        time.sleep(2)
        assert alarms(house, "witness-conflict") <= before + 1
    finally:
        witness.behave("good")
    cosigned(house, size)


def test_a_witness_that_remembers_more(watched):
    """What it saw is no longer in our database."""
    house, witness, _ = watched
    since = len(house.daemons.log("policyd"))
    state = (witness.home / "state").read_text()
    witness.remember(1000000, b"x" * 32)
    size = fresh(house)
    line = said(house, since, "alarm why=witness-ahead")[0]
    assert "1000000 leaves" in line and "backup" in line
    until("the alarm", lambda: alarms(house, "witness-ahead") == 1)
    (witness.home / "state").write_text(state)
    house.daemons.restart("policyd")        # or it would go on believing it
    cosigned(house, size)


def test_a_ledger_that_was_changed(watched):
    """The witness checks the proof: with another root than the one it signed there is none."""
    house, witness, _ = watched
    cosigned(house, fresh(house))
    known = witness.remembers()
    root = (witness.home / "state").read_text().split()[1]
    witness.remember(known, b"y" * 32)
    since = len(house.daemons.log("policyd"))
    fresh(house)
    said(house, since, "does not find our checkpoint consistent")
    witness.remember(known, base64.b64decode(root))
    cosigned(house, last(house))


def test_the_folder(watched):
    """The newest checkpoint lies there for everybody; what comes back cosigned is kept, what is not ours is not."""
    house, witness, folder = watched
    witness.behave("status 503")
    try:
        size = fresh(house)
        note = until("the checkpoint", lambda: f"\n{size}\n".encode() in (folder / "checkpoint").read_bytes() and (folder / "checkpoint").read_bytes(), 15, 0.1)
        assert os.stat(folder / "checkpoint").st_mode & 0o777 == 0o644
        assert note[:note.index(b"\n\n") + 1] == text_of(house, size)
        since = len(house.daemons.log("policyd"))
        text = note[:note.index(b"\n\n") + 1]
        (folder / "bad.cosigned").write_bytes(note.replace(b"\n" + str(size).encode(), b"\n" + str(size + 1).encode(), 1) + watcher.cosign(witness.home / "witness.key", text))
        said(house, since, "bad.cosigned")
        assert house.postgres.value(f"SELECT count(*) FROM kep.cosignatures WHERE size >= {size}") == "0"
        (folder / "w1.cosigned").write_bytes(note + watcher.cosign(witness.home / "witness.key", text))
        assert int(cosigned(house, size)[0]) == size
        assert (folder / "w1.cosigned").exists()
    finally:
        witness.behave("good")


@pytest.mark.parametrize("setting, words", [
    ("witness_urls=gopher://w.test", "witness_urls: 'gopher://w.test' is no URL"),
    ("witness_keys=", "witness_keys: witness_urls names witnesses"),
    ("witness_keys=nonsense", "witness_keys: nonsense"),
    ("witness_interval=0", "witness_interval must not be 0"),
])
def test_what_is_wrong(watched, setting, words):
    house, _, _ = watched
    done = subprocess.run([program("policyd", "kep-policyd", house.daemons.tree), "-c", house.daemons.conf, "-n", "-o", setting], capture_output=True, text=True, check=False)
    assert done.returncode == 78 and words in done.stderr, done.stderr


def test_a_ledger_key_is_no_witness(watched):
    house, _, _ = watched
    key = watcher.vkey("hs01.kep.test/kep", 1, watcher.public(house.pki.dir / "checkpoint.key"))
    done = subprocess.run([program("policyd", "kep-policyd", house.daemons.tree), "-c", house.daemons.conf, "-n", "-o", "witness_keys=" + key],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "no key of a witness" in done.stderr, done.stderr
