"""Receipts prove that their evidence is in the ledger; a ledger that is not what was published gets no signature."""
import base64
import hashlib
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import prove
from sandboxlib import mail
from sandboxlib.process import until

ORIGIN = "hs01.kep.test/kep"


def verifier(house):
    return house.place.env["VERIFY"], house.pki.dir / "mid.pem"


def receipts(house, address, count):
    """So many receipts that arrived, verified; one that was sent twice after a crash counts once."""
    def arrived():
        found = {mail.header(m, "Message-ID"): m for m in mail.receipts(house.mailbox(address).mails())}
        return len(found) >= count and list(found.values())

    made = [prove.Receipt(m) for m in until(f"{count} receipts for {address}", arrived, 30, 0.1)]
    assert len(made) == count
    for one in made:
        one.verify(*verifier(house))
    return made


def send(house, a, b):
    """One message, tried until it is taken."""
    return until("a message is taken", lambda: (answer := house.send(a, [b])).ok and answer, 20, 0.2)


def words(house, text, start):
    return [line for line in house.daemons.log("policyd")[start:].splitlines() if text in line]


def alarm(house, why, start):
    """The line of the log, and the row for the auditor where there is one."""
    return until(f"why={why} in the log", lambda: words(house, f"why={why} ", start), 20, 0.1)[0]


def test_receipts_prove(house, pair):
    a, b = pair
    house.send(a, [b])
    made = receipts(house, a, 2)
    assert sorted(r.evidence["outcome"] for r in made) == ["A.1", "D.1"] and len({r.index for r in made}) == 2
    ledger = prove.Ledger(house)
    for one in made:
        assert ledger.leaves[one.index] == prove.leaf(one.body)
        text = mail.parse(one.mail).get_body(("plain",)).get_content()
        assert f"Delil defteri, kayıt no: {ORIGIN}, {one.index}\r\n" in text and f"Evidence ledger, entry: {ORIGIN}, {one.index}\r\n" in text


def test_changed_receipts_do_not(house, pair):
    """The strange verifier is strict: each change is seen where it was made, the seal aside."""
    a, b = pair
    house.send(a, [b])
    for name, change, why in (
            ("body", lambda r: setattr(r, "body", r.body.replace(b"D.1", b"D.2")), "canonical form"),
            ("index", lambda r: setattr(r, "index", r.index ^ 1), "inclusion"),
            ("path", lambda r: setattr(r, "path", [hashlib.sha256(p).digest() for p in r.path]), "inclusion"),
            ("note", lambda r: setattr(r, "note", r.note.replace(b"\n", b"\n1", 1)), "checkpoint signature"),
            ("seal", lambda r: r.parts.update({"checkpoint.p7s": b"\x30\x00"}), "seal over the checkpoint")):
        one = next(r for r in receipts(house, a, 2) if r.evidence["outcome"] == "D.1")
        change(one)
        with pytest.raises(prove.Bad, match=why):
            one.verify(*verifier(house))


def test_time_stamp(house, pair):
    """A receipt that is made when its evidence is under a stamped checkpoint already carries the token."""
    a, b = pair
    house.postgres.sql("CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not yet'; END $$; "
                       "CREATE TRIGGER no BEFORE UPDATE OF owner ON kep.outbox FOR EACH STATEMENT EXECUTE FUNCTION public.no()")
    try:
        answer = house.send(a, [b])
        house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
        until("a stamp on all of it", lambda: house.postgres.value(
            "SELECT (SELECT max(size) FROM kep.stamps) >= (SELECT count(*) FROM kep.evidences)") == "t", 20, 0.1)
    finally:
        house.postgres.sql("DROP TRIGGER no ON kep.outbox; DROP FUNCTION public.no()")
    assert all("timestamp.tst" in r.parts for r in receipts(house, a, 2))


# -- the file

def sign_note(house, text, key=None):
    """A checkpoint by the real key, as whoever stole it would sign it."""
    with prove.files(text=text) as d:
        done = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", str(key or house.pki.dir / "checkpoint.key"), "-rawin", "-in", f"{d}/text",
                               "-out", f"{d}/signature"], capture_output=True)
        assert done.returncode == 0, done.stderr
        signature = (Path(d) / "signature").read_bytes()
    vkey = prove.Vkey((Path(house.place.env["VERIFY"]) / "ledger.vkey").read_text())
    return text + b"\n\xe2\x80\x94 " + vkey.name.encode() + b" " + base64.b64encode(bytes.fromhex(vkey.hash) + signature) + b"\n"


def head_text(size, root, origin=ORIGIN):
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


@pytest.fixture
def kept(house, people):
    """The checkpoint file, put back when the test is over; kep-policyd is stopped meanwhile."""
    file = house.daemons.ledger / "checkpoint"
    send(house, people.new(), people.new())
    until("a checkpoint", file.exists)
    house.postfix.drained()
    house.daemons.policyd.stop()
    yield file
    house.daemons.policyd.stop()
    put(file, bytes.fromhex(house.postgres.value("SELECT encode(note, 'hex') FROM kep.checkpoints ORDER BY size DESC LIMIT 1")))
    house.daemons.start()
    house.daemons.ready("policyd")


def put(file, octets):
    file.write_bytes(octets)
    shutil.chown(file, "nobody", "postdrop")


def size_of(octets):
    return int(octets.split(b"\n")[1])


def start(house):
    mark = len(house.daemons.log("policyd"))
    house.daemons.start()
    house.daemons.ready("policyd")
    return mark


FORGED = {
    "ahead": (lambda h, size, root: sign_note(h, head_text(size + 1000, root)), "ledger-behind"),
    "forked": (lambda h, size, root: sign_note(h, head_text(size, hashlib.sha256(root).digest())), "ledger-forked"),
    "forked before": (lambda h, size, root: sign_note(h, head_text(size - 1, hashlib.sha256(root).digest())), "ledger-forked"),
    "of another ledger": (lambda h, size, root: sign_note(h, head_text(size, root, "hs09.kep.test/kep")), "checkpoint-file"),
    "of another key": (lambda h, size, root: other_key(h, head_text(size, root)), "checkpoint-file"),
    "garbage": (lambda h, size, root: b"hello\n", "checkpoint-file"),
    "empty": (lambda h, size, root: b"", "checkpoint-file"),
}


def other_key(house, text):
    key = house.place.home / "other.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True, capture_output=True)
    return sign_note(house, text, key)


@pytest.mark.parametrize("name", FORGED)
def test_file_refused(house, pair, kept, name):
    """No signature, no receipt, one alarm; mail is taken all the same. The right file mends it, without a restart."""
    a, b = pair
    octets = kept.read_bytes()
    lines = octets.split(b"\n")
    make, why = FORGED[name]
    put(kept, make(house, int(lines[1]), base64.b64decode(lines[2])))
    mark, before = start(house), house.postgres.value("SELECT count(*) FROM kep.checkpoints")
    line = alarm(house, why, mark)
    assert "ledger: alarm" in line and "receipts wait" in line
    assert house.postgres.value(f"SELECT count(*) > 0 FROM kep.alarms WHERE why = '{why}'") == "t"
    assert json.loads(house.ask({"v": 1, "ask": "status"}))["ledger"] == why
    with urllib.request.urlopen(f"http://{house.place.env['HTTP']}/healthz", timeout=5) as health:
        assert health.status == 200 and health.read().decode() == f"ok, but receipts wait: {why}\n"
    size = house.postgres.value("SELECT size FROM kep.ledger")
    answer = house.send(a, [b])
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    time.sleep(2)
    assert house.postgres.value("SELECT size FROM kep.ledger") == size, "nothing is added to it"
    assert house.postgres.value("SELECT count(*) FROM kep.checkpoints") == before, "and nothing signed"
    assert not mail.receipts(house.mailbox(a).mails())
    put(kept, octets)
    if why != "checkpoint-file":        # a file that was read once is believed until the next start
        house.daemons.restart("policyd")
    receipts(house, a, 2)


def test_file_older_or_gone(house, pair, kept):
    """An older checkpoint of ours is consistent; a host that never published has no file."""
    a, b = pair
    octets = kept.read_bytes()
    start(house)
    house.send(a, [b])
    receipts(house, a, 2)
    house.postfix.drained()
    house.daemons.policyd.stop()
    assert size_of(kept.read_bytes()) > size_of(octets)
    put(kept, octets)
    start(house)
    house.send(a, [b])
    receipts(house, a, 4)
    house.postfix.drained()
    house.daemons.policyd.stop()
    kept.unlink()
    mark = start(house)
    house.send(a, [b])
    receipts(house, a, 6)
    assert words(house, "is not there: this host has published no checkpoint yet", mark)
    assert size_of(kept.read_bytes()) == int(house.postgres.value("SELECT max(size) FROM kep.checkpoints"))


def test_file_unwritable(house, pair):
    """What cannot be remembered is not published."""
    a, b = pair
    folder, mark = house.daemons.ledger, len(house.daemons.log("policyd"))
    before = house.postgres.value("SELECT max(size) FROM kep.checkpoints")
    shutil.chown(folder, "root", "root")
    folder.chmod(0o500)
    try:
        house.send(a, [b])
        alarm(house, "checkpoint-unwritable", mark)
        assert house.postgres.value("SELECT max(size) FROM kep.checkpoints") == before
        assert not mail.receipts(house.mailbox(a).mails())
    finally:
        shutil.chown(folder, "nobody", "postdrop")
        folder.chmod(0o700)
    receipts(house, a, 2)
    assert words(house, "ledger: checkpoint-unwritable is over", mark)


# -- the database

def test_older_database(house, pair):
    """An older copy is restored, and mail comes: no signature, until the newest copy is back."""
    a, b = pair
    send(house, a, b)
    receipts(house, a, 2)
    house.postfix.drained()
    copy, newest_copy = house.place.home / "pg-old", house.place.home / "pg-new"
    house.postgres.stop()
    subprocess.run(["cp", "-a", house.postgres.data, copy], check=True)
    house.postgres.start()
    send(house, a, b)
    receipts(house, a, 4)
    house.postfix.drained()
    mark = len(house.daemons.log("policyd"))
    house.postgres.stop()
    house.postgres.data.rename(newest_copy)
    copy.rename(house.postgres.data)
    house.postgres.start()
    try:
        assert "alarm" in alarm(house, "ledger-behind", mark)
        size = house.postgres.value("SELECT size FROM kep.ledger")
        for _ in range(3):                      # it would soon be larger than what was published
            send(house, a, b)
        house.postfix.drained()
        time.sleep(1)
        assert house.postgres.value("SELECT size FROM kep.ledger") == size
        assert len(mail.receipts(house.mailbox(a).mails())) == 4
    finally:
        house.postgres.stop()
        shutil.rmtree(house.postgres.data)
        newest_copy.rename(house.postgres.data)
        house.postgres.start()
    until("the newest copy is good", lambda: words(house, "ledger: ledger-behind is over", mark), 30)
    send(house, a, b)
    receipts(house, a, 6)
    house.postfix.drained()


@pytest.fixture
def unlocked(house):
    """A superuser who has taken the locks off."""
    tables = ("kep.tile", "kep.evidence", "kep.ledger_state")
    for t in tables:
        house.postgres.sql(f"ALTER TABLE {t} DISABLE TRIGGER USER")
    yield
    for t in tables:
        for (name,) in house.postgres.sql(f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{t}'::regclass AND NOT tgisinternal"):
            house.postgres.sql(f"ALTER TABLE {t} ENABLE ALWAYS TRIGGER {name}")


def test_changed_evidence(house, pair, unlocked):
    """An evidence is changed between the ledger and its receipt: nothing is sent that could not be proved."""
    a, b = pair
    house.postgres.sql("CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not yet'; END $$; "
                       "CREATE TRIGGER no BEFORE UPDATE OF owner ON kep.outbox FOR EACH STATEMENT EXECUTE FUNCTION public.no()")
    mark = len(house.daemons.log("policyd"))
    try:
        answer = house.send(a, [b])
        house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
        ids = house.postgres.sql(f"SELECT evidence_id FROM kep.evidences e JOIN kep.messages m USING (kep_id) WHERE m.queue_id = '{answer.queue_id}' AND outcome = 'D.1'")
        where = f"WHERE id = '{ids[0][0]}'"
        until("both are leaves of a checkpoint", lambda: house.postgres.value(
            f"SELECT index < (SELECT max(size) FROM kep.checkpoint) FROM kep.leaf WHERE evidence_id = '{ids[0][0]}'") == "t")
        swap = "UPDATE kep.evidence SET body = convert_to(replace(convert_from(body, 'UTF8'), '{0}', '{1}'), 'UTF8'), " \
               "digest = sha256(convert_to(replace(convert_from(body, 'UTF8'), '{0}', '{1}'), 'UTF8')) " + where
        house.postgres.sql(swap.format("RD01", "RD09"))
    finally:
        house.postgres.sql("DROP TRIGGER no ON kep.outbox; DROP FUNCTION public.no()")
    until("the alarm", lambda: words(house, f"outbox: alarm why=ledger-proof evidence={ids[0][0]}", mark), 20, 0.1)
    assert house.postgres.value("SELECT count(*) > 0 FROM kep.alarms WHERE why = 'ledger-proof'") == "t"
    assert receipts(house, a, 1)[0].evidence["outcome"] == "A.1"
    house.postgres.sql(swap.format("RD09", "RD01"))
    receipts(house, a, 2)


def test_changed_tile(house, pair, unlocked):
    """A tile that the next checkpoint rests on was changed."""
    a, b = pair
    send(house, a, b)
    receipts(house, a, 2)
    house.postfix.drained()
    send(house, a, b)
    receipts(house, a, 4)
    mark = len(house.daemons.log("policyd"))
    where = "WHERE level = 0 AND number = (SELECT max(number) FROM kep.tile WHERE level = 0)"
    flip = f"UPDATE kep.tile SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) {where}"
    house.postgres.sql(flip)
    send(house, a, b)
    until("refused", lambda: words(house, "ledger: alarm why=", mark), 20, 0.1)
    time.sleep(1)
    assert len(mail.receipts(house.mailbox(a).mails())) == 4
    assert house.postgres.value("SELECT max(size) FROM kep.checkpoints") < house.postgres.value("SELECT size FROM kep.ledger")
    house.postgres.sql(flip)
    house.postgres.sql("UPDATE kep.ledger_state SET root = kep.ledger_root(size)")          # all is put back
    send(house, a, b)
    receipts(house, a, 8)
    house.postfix.drained()
