"""kepctl fsck and export: a ledger in several partitions, a restored backup, a pruned store, a terminal; and files that a stranger can check."""
import hashlib
import json
import os
import pty
import re
import subprocess
import time

import pytest
from conftest import TESTS                          # noqa: F401 (TESTS on sys.path)
from sandboxlib.daemons import build, program

import scribe
import stranger
import vault

LEAVES, SIZES = 1030, [1, 256, 300, 900, 1030]
KEPCTL = program("kepctl", "kepctl", build())


class Store:
    def __init__(self, directory):
        self.keys = scribe.Keys(str(directory / "keys"))
        self.trust, self.published = directory / "trust", directory / "checkpoint"
        self.keys.trust(str(self.trust))
        self.vault = vault.Vault(self.keys)
        self.vault.psql("UPDATE kep.ledger_state SET partition_size = 200; SELECT kep.ledger_partitions(8)")
        self.ledger, self.notes = vault.fill(self.vault, LEAVES, SIZES, [256, 900])
        self.published.write_bytes(self.notes[LEAVES])

    def command(self, name, *arguments, database=None, user="kep_auditor"):
        return [KEPCTL, "-c", "/dev/null", "-o", f"database_auditor={self.vault.conninfo(database, user)}", "-o", "checkpoint_file=", name, *map(str, arguments)]

    def run(self, *arguments, **options):
        done = subprocess.run(self.command(*arguments, **options), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def fsck(self, **options):
        status, out, words = self.run("fsck", "--json", "--trust", self.trust, "--checkpoint-file", self.published, **options)
        return status, json.loads(out) if out else None, words


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ledger")
    try:
        made = Store(directory)
    except vault.Missing as words:
        pytest.skip(str(words))
    yield made
    made.vault.stop()


def states(said):
    return {c["name"]: c["state"] for c in said["checks"]}


def test_partitions(store):
    assert int(store.vault.psql("SELECT count(DISTINCT tableoid) FROM kep.leaf")) == 6
    status, said, _ = store.fsck()
    assert (status, said["size"], set(states(said).values())) == (0, LEAVES, {"passed"}), said
    assert said["root"] == scribe.root(store.ledger.hashes).hex()


def test_the_role_reads_only(store):
    """Nothing is needed but what the auditor may read, in transactions that cannot write."""
    status, said, words = store.fsck(user="kep_auditor options='-c default_transaction_read_only=on'")
    assert status == 0, (said, words)
    status, _, words = store.fsck(user="kep_policyd")
    assert status == 77 and "role" in words


def test_restored_backup(store):
    """A dump read back, in another database: all is as it was.  With what was published since, it is an older copy."""
    dump = subprocess.run(["pg_dump", "-h", store.vault.host, "-U", "postgres", "kep"], capture_output=True, check=True).stdout
    store.vault.psql("CREATE DATABASE restored TEMPLATE template0 ENCODING UTF8", "postgres")
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", store.vault.host, "-U", "postgres", "-d", "restored"], input=dump, check=True, capture_output=True)
    status, said, _ = store.fsck(database="restored")
    assert status == 0, said
    older = store.published.read_bytes()
    more = scribe.Ledger(store.keys, [*store.ledger.bodies, b"{}"])
    store.published.write_bytes(store.keys.note(more.text()))
    status, said, _ = store.fsck(database="restored")
    store.published.write_bytes(older)
    assert (status, said["first_bad"], states(said)["published"]) == (1, LEAVES, "failed"), said


def test_a_terminal_shows_how_far_it_is(store):
    """The bar is on standard error of a terminal alone, and gone at the end; the answer has colours."""
    try:
        master, slave = pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminals here: {error}")
    done = subprocess.Popen(store.command("fsck", "--trust", store.trust, "--checkpoint-file", store.published), stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    out = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    assert done.wait() == 0
    os.close(master)
    assert b"\033[" in out and b"the ledger is what it was" in out
    status, out, words = store.run("fsck", "--trust", store.trust)
    assert status == 0 and "\033" not in out and words == "" and "nothing is wrong in what was looked at" in out
    assert re.search(r"1,030 leaves in [\d.]+ s: [\d,]+ a second; [\d,]+ a second of this program's own time", out)


def test_what_is_not_looked_at_is_said(store):
    status, out, _ = store.run("fsck", "--json")
    said = json.loads(out)
    assert status == 0 and [n for n, s in states(said).items() if s == "skipped"] == ["signatures", "seals", "stamps", "witnesses", "published"]


def test_pruned(store):
    """Bodies removed after their 20 years, as the schema does it: fsck passes and counts them; evidence of it that says less does not cover them."""
    store.vault.copy("aged")
    psql = lambda sql: store.vault.psql(sql, "aged")                                            # noqa: E731
    rng = scribe.random.Random(9)
    old = [scribe.evidence(rng, time.time() - 21 * 365.25 * 86400) for _ in range(4)]
    database, store.vault.database = store.vault.database, "aged"
    try:
        store.vault.add([(e, scribe.canonical(e)) for e in old])
        while store.vault.extend(1000) < LEAVES + 4:
            pass
        body = scribe.canonical({"actor": "kep_operator", "count": 2, "event": "Pruning", "event_time": scribe.moment(time.time() - 30), "form": "kep-prune-1",
                                 "id": "019ab1c2-0000-7000-8000-00000000000a", "leaves": [{"first": LEAVES, "last": LEAVES + 1}], "outcome": "P.1"})
        psql("INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) SELECT u, u, 0, 'P.1', "
             f"{vault.text(scribe.moment(time.time() - 30))}, b, sha256(b), 'infinity' FROM (SELECT '019ab1c2-0000-7000-8000-00000000000a'::uuid AS u, {vault.hexed(body)} AS b) AS v")
        prune = ("ALTER TABLE kep.evidence DISABLE TRIGGER ALL; UPDATE kep.evidence SET body = NULL, pruned_by = '019ab1c2-0000-7000-8000-00000000000a' "
                 "WHERE id IN (SELECT evidence_id FROM kep.ledger_leaves WHERE index IN ({}))")
        psql(prune.format(f"{LEAVES}, {LEAVES + 1}"))
        status, said, _ = store.fsck(database="aged")
        row = next(c for c in said["checks"] if c["name"] == "bodies")
        assert (status, row["state"]) == (0, "passed") and row["note"].startswith("2 of them"), said
        psql(prune.format(LEAVES + 3))
        status, said, _ = store.fsck(database="aged")
        assert (status, said["first_bad"]) == (1, LEAVES + 3), said
    finally:
        store.vault.database = database


def test_witnesses(store):
    """Cosignatures of a witness whose key is trusted are judged, those of others counted."""
    status, said, _ = store.fsck()
    row = next(c for c in said["checks"] if c["name"] == "witnesses")
    assert (status, row["seen"], row["state"], "note" in row) == (0, 2, "passed", False)
    whole = (store.trust / "ledger.vkey").read_text()
    (store.trust / "ledger.vkey").write_text(store.keys.vkey() + "\n")
    status, said, _ = store.fsck()
    (store.trust / "ledger.vkey").write_text(whole)
    row = next(c for c in said["checks"] if c["name"] == "witnesses")
    assert (status, row["state"]) == (0, "passed") and row["note"].startswith("2 of them")


def test_body_gone(store):
    """A body that is gone wants evidence of its removal, however well the row is dressed up."""
    store.vault.copy("pruned")
    store.vault.psql("ALTER TABLE kep.evidence DISABLE TRIGGER ALL; UPDATE kep.evidence SET body = NULL, pruned_by = gen_random_uuid() WHERE id IN "
                     "(SELECT evidence_id FROM kep.ledger_leaves WHERE index IN (3, 4, 700))", "pruned")
    status, said, _ = store.fsck(database="pruned")
    words = next(c for c in said["checks"] if c["name"] == "bodies")["words"]
    assert (status, said["first_bad"]) == (1, 3) and "no evidence says" in words


# -- export

def read_export(folder):
    """The bodies by index, of a reader who knows tlog-tiles: every hash computed again up to the signed root."""
    listed = {}
    for line in (folder / "MANIFEST.sha256").read_text().splitlines():
        digest, name = line.split("  ", 1)
        listed[name] = digest
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert set(listed) == {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()} - {"MANIFEST.sha256"}
    assert list(listed) == sorted(listed)
    origin, size, root = (folder / "checkpoint").read_text().split("\n")[:3]
    size = int(size)
    hashes, level = b"", 0
    expected = None
    while size >> 8 * level:
        n = size >> 8 * level
        names = [f"tile/{level}/{path(i)}" for i in range(n // 256)] + ([f"tile/{level}/{path(n // 256)}.p/{n % 256}"] if n % 256 else [])
        hashes = b"".join((folder / name).read_bytes() for name in names)
        assert len(hashes) == 32 * n
        one = [hashes[i:i + 32] for i in range(0, len(hashes), 32)]
        assert expected is None or one == expected
        expected = [scribe.root(one[i:i + 256]) for i in range(0, n - 255, 256)]
        if level == 0:
            leaves = one
        level += 1
    assert stranger.unbase64(root.encode()) == scribe.root(leaves)
    bodies = {}
    for file in sorted(folder.glob("tile/entries/**/*")):
        if file.is_file():
            name = re.sub(r"\.p/\d+$", "", str(file.relative_to(folder / "tile" / "entries")))
            index, octets = 256 * int(name.replace("x", "").replace("/", "")), file.read_bytes()
            while octets:
                n = int.from_bytes(octets[:2], "big")
                bodies[index], octets, index = octets[2:2 + n], octets[2 + n:], index + 1
    assert all(scribe.leaf_hash(b) == leaves[i] for i, b in bodies.items())
    lines = {}
    for file in folder.glob("evidence/**/*.jsonl"):
        first = 256 * int(str(file.relative_to(folder / "evidence"))[:-6].replace("x", "").replace("/", ""))
        lines.update({first + i: line for i, line in enumerate(file.read_bytes().split(b"\n")[:-1]) if line})
    assert all(scribe.leaf_hash(b) == leaves[i] for i, b in lines.items())
    return bodies, lines


def path(n):
    groups = [f"{n % 1000:03d}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03d}")
    return "/".join(groups)


def test_export(store, tmp_path):
    status, out, words = store.run("export", tmp_path / "all")
    assert (status, words) == (0, "") and "1,030 leaves" in out
    entries, lines = read_export(tmp_path / "all")
    assert entries == lines == dict(enumerate(store.ledger.bodies))
    for size in SIZES:
        text = store.ledger.text(size)
        lines = (tmp_path / "all" / "checkpoints" / str(size)).read_bytes()
        assert lines.startswith(store.notes[size]) and (lines != store.notes[size]) is (size in (256, 900))
        assert stranger.sealed((tmp_path / "all" / "checkpoints" / f"{size}.p7s").read_bytes(), text, store.trust, 1796000000)
    for size in (256, 900):
        assert stranger.stamped((tmp_path / "all" / "stamps" / f"{size}-1.tst").read_bytes(), store.ledger.text(size), store.trust)
    assert len(list((tmp_path / "all" / "certificates").iterdir())) == 2


def test_what_was_kept_with_a_stamp(store, tmp_path):
    """Chain and revocation data, as they were kept."""
    store.vault.copy("kept")
    pem = scribe.pki.read(store.keys.dir + "/tsa/ca.pem")
    der = scribe.pki.openssl("x509", "-outform", "DER", stdin=pem)
    store.vault.psql(f"ALTER TABLE kep.stamp DISABLE TRIGGER ALL; UPDATE kep.stamp SET chain = ARRAY[{vault.hexed(der)}, {vault.hexed(der)}], "
                     "revocation = ARRAY['\\x300101'::bytea, '\\x300102'::bytea] WHERE size = 900", "kept")
    status, _, words = store.run("export", tmp_path / "kept", "--to", "1", database="kept")
    assert status == 0, words
    assert (tmp_path / "kept" / "stamps" / "900-1.chain.pem").read_bytes() == 2 * scribe.pki.openssl("x509", stdin=pem)
    assert (tmp_path / "kept" / "stamps" / "900-1.revocation.der").read_bytes() == bytes.fromhex("300101300102")
    assert not (tmp_path / "kept" / "stamps" / "256-1.chain.pem").exists()


def test_export_of_a_part(store, tmp_path):
    status, out, _ = store.run("export", tmp_path / "part", "--from", "250", "--to", "530")
    assert status == 0 and "280 evidences (index 250 to 529)" in out
    entries, lines = read_export(tmp_path / "part")
    assert sorted(lines) == list(range(250, 530)) and sorted(entries) == list(range(256, 512))
    status, out, _ = store.run("export", tmp_path / "later", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z")
    assert status == 64
    status, out, _ = store.run("export", tmp_path / "time", "--from", "2020-01-01T00:00:00Z")
    assert status == 0 and "1,030 evidences" in out


def test_export_refuses(store, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    status, _, words = store.run("export", tmp_path / "full")
    assert status == 73 and "empty" in words
    status, _, words = store.run("export", tmp_path / "x", "--from", "never")
    assert status == 64 and "never" in words
    store.vault.copy("broken")
    store.vault.psql("ALTER TABLE kep.tile DISABLE TRIGGER ALL; UPDATE kep.tile SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE level = 0 AND number = 1", "broken")
    status, _, words = store.run("export", tmp_path / "broken", database="broken")
    assert status == 65 and "fsck" in words and not (tmp_path / "broken" / "MANIFEST.sha256").exists()
