"""The archive ages by twenty years, from 2026 to 2046 if it is 2026 now: authorities end and others take over, SHA-256 breaks, and everything still verifies; what was renewed wrongly does not."""
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from sandboxlib.daemons import build, program

import ageing
import scribe
import vault as vaults
from ageing import Broken, Record, moment

DAY = 86400
FAKETIME = next(Path("/usr").glob("lib*/**/libfaketime.so.1"), None)
NOW = int(time.time())
YEAR = time.gmtime(NOW + 2 * 86400).tm_year
BREAKS = YEAR + 14      # when SHA-256 does
PARTS = ["evidence.json", "evidence.tlog-proof", "checkpoint.p7s", "timestamp.tst"]
pytestmark = pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian: faketime)")


class World:
    """A database, authorities, and the year it is."""

    def __init__(self, top):
        self.top = top
        self.keys = scribe.Keys(f"{top}/keys")
        self.vault = vaults.Vault(self.keys)
        self.authorities = [ageing.Authority(f"{top}/tsa", name, years, sha) for name, years, sha in (
            ("old", (YEAR, YEAR + 5), "sha256"), ("middle", (YEAR + 3, YEAR + 13), "sha256"), ("late", (YEAR + 10, YEAR + 18), "sha512"), ("last", (YEAR + 16, YEAR + 26), "sha512"))]
        self.server = ageing.Server(self.authorities)
        self.random = random.Random(4998)
        self.anchors, self.trust = top / "anchors", top / "trust"
        self.anchors.mkdir()
        self.keys.trust(str(self.trust))
        for a in self.authorities:
            (self.anchors / f"{a.name}.pem").write_bytes(a.root())
            (self.trust / "tsa" / f"{a.name}.pem").write_bytes(a.root())
        (self.trust / "algorithms").write_text(f"# from the catalogue\nsha256 {BREAKS}-01-01\n")
        self.roots = str(top / "roots.pem")
        Path(self.roots).write_bytes(b"".join(p.read_bytes() for p in sorted((self.trust / "tsa").glob("*.pem"))))
        self.conf = top / "kep.conf"
        self.database, self.digest = "kep", "sha256"

    def configure(self):
        v = self.vault
        self.conf.write_text("".join(f"{k} = {w}\n" for k, w in {
            "database_auditor": v.conninfo(self.database), "database_operator": v.conninfo(self.database, "kep_operator"), "tsa_anchors": self.anchors,
            "tsa_urls": self.server.urls(), "archive_digest": self.digest, "archive_volume": 8, "algorithm_ends": f"sha256 {BREAKS}-01-01",
            "time_zone": "UTC"}.items()))

    def kepctl(self, *words, at=None):
        env = {**os.environ, "LD_PRELOAD": str(FAKETIME), "FAKETIME": time.strftime("@%Y-%m-%d %H:%M:%S", time.gmtime(at)), "TZ": "UTC",
               "FAKETIME_DONT_FAKE_MONOTONIC": "1"} if at else None
        done = subprocess.run([program("kepctl", "kepctl", build()), "-c", self.conf, *map(str, words)], capture_output=True, text=True, check=False, env=env)
        return done.returncode, done.stdout, done.stderr

    def grow(self, n, at):
        """n evidences of that time, under a checkpoint with a time-stamp."""
        v = self.vault
        objects = [scribe.evidence(self.random, at - 60) for _ in range(n)]
        v.add([(e, scribe.canonical(e)) for e in objects])
        size = v.extend(1000)
        ledger = scribe.Ledger(self.keys, [body for _, body in v.leaves()])
        assert size == len(ledger.hashes)
        v.publish(ledger, size)
        v.stamp(ledger, size, by=scribe.Certificate(f"{self.top}/tsa/old"))
        return size

    def renew(self, at):
        self.server.now = at
        self.configure()
        return self.kepctl("renew", at=at)

    def export(self, index, at=None):
        folder = Path(tempfile.mkdtemp(dir=self.top)) / "record"
        self.configure()
        status, out, err = self.kepctl("renew", "--export", folder, index)
        assert status == 0, err
        assert [Path(line).name for line in out.split()] == [*PARTS, "evidence.ers"]
        return folder

    def verify(self, folder, at, record=None, parts=PARTS):
        """(is it genuine, what --json says)."""
        status, out, err = self.kepctl("verify", *(folder / p for p in parts), "--evidence-record", record or folder / "evidence.ers",
                                       "--trust", self.trust, "--at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), "--json")
        assert status in (0, 1), err
        said = json.loads(out)
        assert said["genuine"] == (status == 0)
        return status == 0, said

    def second_opinion(self, folder, at, octets=None):
        objects = [(folder / p).read_bytes() for p in PARTS]
        return Record(octets or (folder / "evidence.ers").read_bytes()).check(objects, self.roots, at, {"sha256": moment(BREAKS)})

    def branch(self, name):
        """Another future, from here on."""
        self.vault.copy(name)
        self.database = name

    def stop(self):
        self.server.stop()
        self.vault.stop()


@pytest.fixture(scope="module")
def world():
    top = Path(tempfile.mkdtemp(prefix="ke-", dir="/var/tmp"))
    made = World(top)
    yield made
    made.stop()
    shutil.rmtree(top, ignore_errors=True)


def kinds(w):
    return w.vault.psql("SELECT string_agg(kind || ' ' || digest || ' ' || extract(year FROM gen_time), ', ' ORDER BY stamp) FROM kep.archive_stamps", w.database)


def expect(w, folder, at, verdict, record=None):
    good, said = w.verify(folder, at, record)
    assert (good, said["verdict"]) == (verdict == "good", verdict), said
    octets = Path(record).read_bytes() if record else None
    if verdict == "good":
        w.second_opinion(folder, at, octets)
    else:
        with pytest.raises((Broken, IndexError, KeyError, StopIteration, ValueError)):
            w.second_opinion(folder, at, octets)


def test_twenty_years(world):
    w = world
    assert w.renew(NOW) == (0, "nothing to archive yet: no checkpoint of the ledger has a time-stamp\n", "")
    assert w.grow(21, time.time()) == 21
    status, out, err = w.renew(NOW + DAY)
    assert status == 0 and "leaves 0 to 7 are" in out and "leaves 16 to 20 are" in out and "archived: 3 of 3 volumes, sha256, by " in out, out + err
    folder = w.export(0)
    expect(w, folder, NOW + 3 * DAY, "good")
    expect(w, folder, NOW + 3600, "record-future")
    expect(w, folder, moment(YEAR + 5, 1, 2), "record-ended")
    assert w.renew(moment(YEAR + 1, 3))[1] == f"nothing to renew: 3 volumes, the first end is {YEAR + 5}-01-01\n"

    # Two futures in which nobody was careful.
    w.branch("forgot")
    assert "prove nothing from then on" in w.renew(moment(YEAR + 5, 6))[2]
    expect(w, w.export(4), moment(YEAR + 5, 7), "record-renewed-late")
    w.database = "kep"

    # The first authority is about to end, and does not answer any more; the next one takes over.
    w.server.down.add("old")
    w.grow(5, time.time())
    status, out, err = w.renew(moment(YEAR + 4, 2))
    assert status == 0 and "archived: 1 of 4 volumes" in out and "time-stamp renewed: 3 of 4 volumes, sha256, by " in out, out + err
    assert w.server.asked[-1][0] == "middle"
    folder = w.export(0)
    expect(w, folder, moment(YEAR + 7), "good")
    assert [len(stamps) for _, stamps in Record((folder / "evidence.ers").read_bytes()).chains] == [2]

    w.branch("unaware")         # the digest breaks, and is renewed a year too late
    w.digest = "sha512"
    w.server.now = moment(YEAR + 11, 1, 2)
    for at in (moment(YEAR + 12, 2), moment(YEAR + 15, 2)):
        w.configure()
        w.conf.write_text(w.conf.read_text().replace(f"sha256 {BREAKS}-01-01", "" if at < moment(BREAKS) else f"sha256 {BREAKS}-01-01"))
        w.server.now = at
        status, out, err = w.kepctl("renew", at=at)
        assert status == 0, err
    good, said = w.verify(w.export(0), moment(YEAR + 15, 3))
    assert (good, said["verdict"]) in ((False, "record-digest-late"), (False, "record-renewed-late"))
    w.database = "kep"

    # SHA-256 will break: a hash-tree renewal, by an authority that does not sign with it.
    w.digest = "sha256"
    assert w.renew(moment(YEAR + 13, 2))[0] == 78
    w.digest = "sha512"
    w.server.down.add("middle")
    status, out, err = w.renew(moment(YEAR + 12, 2))
    assert status == 0, err
    w.branch("pruned")          # a body is gone before: it has no place in the new tree, and its neighbours have theirs
    w.vault.psql("ALTER TABLE kep.evidence DISABLE TRIGGER ALL; UPDATE kep.evidence SET body = NULL, pruned_by = id WHERE id = (SELECT evidence_id FROM kep.leaf WHERE index = 3)", "pruned")
    assert w.renew(moment(YEAR + 13, 2))[0] == 0
    expect(w, w.export(2), moment(YEAR + 15), "good")
    assert archive_row(w, moment(YEAR + 15))["bad"] == 0
    w.configure()
    status, out, err = w.kepctl("renew", "--export", w.top / "gone", 3)
    assert status == 0 and "was removed after its retention" in err and "evidence.json" not in out, err
    w.database = "kep"

    status, out, err = w.renew(moment(YEAR + 13, 2))
    assert status == 0 and "hash tree renewed: 4 of 4 volumes, sha512, by " in out, out + err
    folder = w.export(2)
    expect(w, folder, moment(YEAR + 15), "good")
    assert len(Record((folder / "evidence.ers").read_bytes()).chains) == 2

    # And the years go on.
    for year in range(YEAR + 14, YEAR + 21):
        status, out, err = w.renew(moment(year, 3))
        assert status == 0, err
    assert {name for name, _ in w.server.asked} == {"old", "middle", "late", "last"}
    assert w.server.asked[-1] == ("last", YEAR + 17)
    for index in range(26):
        folder = w.export(index)
        good, said = w.verify(folder, moment(YEAR + 20, 12))
        assert good and said["since"][:4] == str(YEAR if index < 21 else YEAR + 4) and said["digest"] == "sha512", said
        assert [a["passed"] for a in said["also"]] == [True] * 3 and {a["name"] for a in said["also"]} == {"proof", "checkpoint-seal", "time-stamp"}
        w.second_opinion(folder, moment(YEAR + 20, 12))
    expect(w, folder, moment(YEAR + 26, 2), "record-ended")


def old_record(w):
    """A folder, its record, and the archive time-stamps in it."""
    folder = w.export(0)
    record = Record((folder / "evidence.ers").read_bytes())
    return folder, record, record.stamps()


def test_wrong_orders(world):
    """The record after twenty years, its archive time-stamps put in another order or left out."""
    w = world
    folder, record, chains = old_record(w)
    now = moment(YEAR + 20, 12)
    assert [len(c) for c in chains] == [3, 2]
    (a, b, c), (d, e) = chains
    for number, (made, verdict) in enumerate([
            ([[a, b, c], [d, e]], "good"), ([[b, a, c], [d, e]], "record-data"), ([[a, c, b], [d, e]], "record-stamp-renewal"),
            ([[a, b, c], [e, d]], "record-tree-renewal"), ([[d, e], [a, b, c]], "record-data"), ([[a, b], [d, e]], "record-tree-renewal"),
            ([[a, c], [d, e]], "record-stamp-renewal"), ([[b, c], [d, e]], "record-data"), ([[a, b, c], [e]], "record-tree-renewal"),
            ([[a, b, c], [d]], "record-ended"), ([[a, b, c]], "record-ended"), ([[d, e]], "record-data"), ([[a, b, c, d, e]], "record-digest-differs"),
            ([[a], [b, c], [d, e]], "record-tree-renewal"), ([[a, b, c], [d], [e]], "record-tree-renewal"),
            ([[a, b, c], [d, e], [d, e]], "record-tree-renewal"), ([[a, b, c, c], [d, e]], "record-stamp-renewal"),
            ([[a, b, c], [], [d, e]], "record-empty"), ([], "record-empty")]):
        path = folder / f"order-{number}.ers"
        path.write_bytes(record.encode(made))
        expect(w, folder, now, verdict, path)


def test_other_data(world):
    w = world
    folder, record, chains = old_record(w)
    other, now = w.export(1), moment(YEAR + 20, 12)
    for part in PARTS[:2]:
        damaged = folder.parent / "damaged"
        shutil.copytree(folder, damaged)
        (damaged / part).write_bytes((other / part).read_bytes())
        expect(w, damaged, now, "record-data")
        shutil.rmtree(damaged)
    expect(w, folder, now, "record-data", other / "evidence.ers")
    theirs = Record((other / "evidence.ers").read_bytes()).stamps()
    (folder / "swapped.ers").write_bytes(record.encode([chains[0], theirs[1]]))
    expect(w, folder, now, "record-tree-renewal", folder / "swapped.ers")


def test_bits(world):
    """A bit of the record turned over, at 60 places."""
    w, rng = world, random.Random(1)
    folder, record, _ = old_record(w)
    octets = (folder / "evidence.ers").read_bytes()
    end = octets.index(record.chains[-1][1][-1][1].token.octets)
    good = 0
    for _ in range(60):
        at = rng.randrange(record.start, end)       # cryptoInfos and the certificates of the last token prove nothing
        (folder / "bit.ers").write_bytes(octets[:at] + bytes([octets[at] ^ 1 << rng.randrange(8)]) + octets[at + 1:])
        good += w.verify(folder, moment(YEAR + 20, 12), folder / "bit.ers")[0]
    assert good == 0


def archive_row(w, at=None):
    """What fsck says of the archive."""
    w.configure()
    status, out, err = w.kepctl("fsck", "--trust", w.trust, "--json", at=at or moment(YEAR + 20, 12))
    assert status in (0, 1), err
    return next(c for c in json.loads(out)["checks"] if c["name"] == "archive")


def test_tampered_database(world):
    """What stands in the archive's tables does not fit any more: nothing is exported, nothing renewed on top of it."""
    w = world
    for number, (table, change) in enumerate([
            ("archive_hashes", "hashes = set_byte(hashes, 3, get_byte(hashes, 3) # 1) WHERE volume = 0 AND chain = 0"),
            ("archive_member", "leaf = set_byte(leaf, 3, get_byte(leaf, 3) # 1) WHERE volume = 0 AND chain = 0 AND number = 0"),
            ("archive_stamp", "root = set_byte(root, 3, get_byte(root, 3) # 1) WHERE stamp = 0"),
            ("archive_member", "position = 77 WHERE volume = 0 AND chain = 0 AND number = 1"),
            ("archive_member", "number = number + 5 WHERE volume = 0 AND chain = 1"),
            ("archive_member", "chain = chain + 1 WHERE volume = 0 AND chain = 1"),
            ("archive_stamp", "token = (SELECT token FROM kep.archive_stamp WHERE stamp = 1) WHERE stamp = 0"),
            ("evidence", "body = set_byte(body, 3, get_byte(body, 3) # 1), digest = sha256(set_byte(body, 3, get_byte(body, 3) # 1)) WHERE id = (SELECT evidence_id FROM kep.leaf WHERE index = 0)")]):
        name = f"tampered{number}"
        w.branch(name)
        w.vault.psql(f"ALTER TABLE kep.{table} DISABLE TRIGGER ALL; UPDATE kep.{table} SET {change}", name)
        w.configure()
        status, out, err = w.kepctl("renew", "--export", w.top / name, 0)
        assert status == 65 and "run 'kepctl fsck'" in err, (table, out, err)
        row = archive_row(w)
        assert row["bad"] >= 1 and row["first"] == 0, (table, change, row)
    w.branch("swapped")         # the last token: nothing but its own imprint tells
    w.vault.psql("ALTER TABLE kep.archive_stamp DISABLE TRIGGER ALL; UPDATE kep.archive_stamp SET token = (SELECT token FROM kep.archive_stamp WHERE stamp = 1)"
                 " WHERE stamp = (SELECT max(stamp) FROM kep.archive_stamp)", "swapped")
    row = archive_row(w)
    assert row["bad"] == 4 and "a time-stamp" in row["words"] or "hash algorithms" in row["words"], row
    w.database = "kep"
    row = archive_row(w)
    assert (row["seen"], row["bad"]) == (4, 0), row
    assert archive_row(w, moment(YEAR + 27))["bad"] == 4


LONG = bool(os.environ.get("KEP_LONG"))
PLACES = 100 if LONG else 12


def falsify(rng, members, stamps):
    """SQL of one false order of renewals, SQL that takes it back, and the volumes it is about."""
    volume = rng.choice(sorted({m[0] for m in members}))
    mine = [m for m in members if m[0] == volume]
    one = rng.choice(mine)
    brothers = [m for m in mine if m[1] == one[1] and m != one]
    row = "UPDATE kep.archive_member SET {} WHERE volume = {} AND chain = {} AND number = {};"

    def move(a, b, name):           # swaps what both say of a column
        at = "chain number stamp position leaf".split().index(name) + 1
        return row.format(f"{name} = {b[at]}", *a[:3]) + row.format(f"{name} = {a[at]}", *b[:3]), row.format(f"{name} = {a[at]}", *a[:3]) + row.format(f"{name} = {b[at]}", *b[:3])

    def sharing(*shared):           # all that stand in these trees
        return sorted({m[0] for m in members if m[3] in shared})

    way = rng.choice(["stamp", "stamp", "chain", "number", "token", "bit", "leaf"])
    if way == "stamp" and brothers:
        other = rng.choice(brothers)
        return way, *move(one, other, "stamp"), sharing(one[3], other[3])
    if way in ("chain", "number", "stamp"):
        column = "chain" if way == "chain" else "number"
        key = (one[0], one[1] + 40, one[2]) if way == "chain" else (one[0], one[1], one[2] + 40)
        return way, row.format(f"{column} = {column} + 40", *one[:3]), row.format(f"{column} = {column} - 40", *key), [volume]
    place = rng.randrange(32)
    if way == "leaf":
        flip = row.format(f"leaf = set_byte(leaf, {place}, get_byte(leaf, {place}) # 16)", *one[:3])
        return way, flip, flip, sharing(one[3])
    if way == "token":
        other = rng.choice([s for s in stamps if s != one[3]])
        swap = ("UPDATE kep.archive_stamp AS a SET token = b.token FROM kep.archive_stamp AS b WHERE (a.stamp, b.stamp) IN "
                f"(({one[3]}, {other}), ({other}, {one[3]}));")
        return way, swap, swap, sharing(one[3], other)
    flip = f"UPDATE kep.archive_stamp SET token = set_byte(token, {place + 100}, get_byte(token, {place + 100}) # 4) WHERE stamp = {one[3]};"
    return way, flip, flip, sharing(one[3])


def test_false_orders(world):
    """Archive time-stamps in a false order, at random places: fsck names the first leaf it is about."""
    w = world
    w.branch("orders")
    psql = lambda sql: w.vault.psql(sql, "orders")
    psql("ALTER TABLE kep.archive_member DISABLE TRIGGER ALL; ALTER TABLE kep.archive_stamp DISABLE TRIGGER ALL;"
         "ALTER TABLE kep.archive_member DROP CONSTRAINT archive_member_stamp_position_key, DROP CONSTRAINT archive_member_stamp_volume_key")
    members = [tuple(map(int, line.split("|"))) for line in psql("SELECT volume, chain, number, stamp, position FROM kep.archive_member ORDER BY 1, 2, 3").splitlines()]
    stamps = sorted({m[3] for m in members})
    first = dict(tuple(map(int, line.split("|"))) for line in psql("SELECT volume, first FROM kep.archive_volume").splitlines())
    for seed in range(PLACES):
        way, there, back, volumes = falsify(random.Random(seed), members, stamps)
        psql(f"BEGIN; {there} COMMIT")
        row = archive_row(w)
        psql(f"BEGIN; {back} COMMIT")
        assert row["bad"] == len(volumes) and row["first"] == first[volumes[0]], (seed, way, volumes, row)
    assert archive_row(w)["bad"] == 0
    w.database = "kep"


def test_check(world):
    """The doctor says when nobody renews."""
    w = world
    w.configure()
    for at, state in ((moment(YEAR + 20), "ok"), (moment(YEAR + 25, 11), "warning"), (moment(YEAR + 26, 2), "wrong")):
        said = json.loads(w.kepctl("check", "--json", at=at)[1])["findings"]
        assert [f["level"] for f in said if f["what"] == "archive"] == [state], said
    w.branch("idle")
    w.vault.psql("ALTER TABLE kep.archive_volume DISABLE TRIGGER ALL; ALTER TABLE kep.archive_member DISABLE TRIGGER ALL; DELETE FROM kep.archive_member WHERE volume = 3;"
                 "DELETE FROM kep.archive_volume WHERE volume = 3", "idle")
    w.configure()
    said = json.loads(w.kepctl("check", "--json", at=NOW + 9 * DAY)[1])["findings"]
    assert ["is not archived yet" in f["words"] for f in said if f["what"] == "archive"] == [True, False], said
    w.database = "kep"


def test_usage(world):
    w = world
    w.configure()
    assert w.kepctl("renew", "0")[0] == 64
    assert w.kepctl("renew", "--export", w.top / "x")[0] == 64
    assert w.kepctl("renew", "--export", w.top / "x", 99)[0] == 66
    folder = w.export(3)
    status, out, err = w.kepctl("renew", "--export", folder, 3)
    assert status == 73 and "is there already" in err
    status, out, _ = w.kepctl("verify", folder / "evidence.json", "--evidence-record", folder / "evidence.ers", "--trust", w.trust, "--at", f"{YEAR + 20}-01-01T00:00:00Z")
    assert status == 0 and "existed at" in out and "genuine" in out and "existed at" in out
    (w.top / "junk").write_bytes(b"junk")
    status, out, _ = w.kepctl("verify", folder / "evidence.json", "--evidence-record", w.top / "junk", "--trust", w.trust)
    assert status == 1 and "NOT GENUINE" in out and "no EvidenceRecord" in out


def test_receipt(world):
    """A receipt stands for the evidence in it."""
    w = world
    bodies = [body for _, body in w.vault.leaves()]
    ledger = scribe.Ledger(w.keys, bodies)
    folder = w.export(7)
    (folder / "receipt.eml").write_bytes(ledger.receipt(7))
    good, said = w.verify(folder, moment(YEAR + 20, 12), parts=["receipt.eml"])
    assert said["verdict"] == "good" and good, said
    (folder / "receipt.eml").write_bytes(ledger.receipt(8))
    assert w.verify(folder, moment(YEAR + 20, 12), parts=["receipt.eml"])[1]["verdict"] == "record-data"
