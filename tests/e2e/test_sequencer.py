"""The sequencer is killed, stalled and doubled: nothing is lost, and no two checkpoints contradict each other."""
import os
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest

import prove
from conftest import LONG
from sandboxlib import mail
from sandboxlib.daemons import program
from sandboxlib.process import Program, until
from test_ledger import receipts, send, verifier

SECONDS = 60 if LONG else 10
LOCK = 4711


PLANT = ("INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) "
         "SELECT i, i, 0, 'A.1', now(), b, sha256(b), now() + interval '20 years' FROM (SELECT gen_random_uuid() AS i, "
         "convert_to(gen_random_uuid()::text, 'UTF8') AS b FROM generate_series(1, 100)) AS v; NOTIFY kep_ledger")


def vkey(house):
    return prove.Vkey((Path(house.place.env["VERIFY"]) / "ledger.vkey").read_text())


def no_fork(house, *heads):
    """All checkpoints that were ever signed are heads of the one tree: those of the database, of the files, of receipts."""
    ledger = prove.Ledger(house)
    notes = [bytes.fromhex(r[0]) for r in house.postgres.sql("SELECT encode(note, 'hex') FROM kep.checkpoints ORDER BY size")]
    notes += [f.read_bytes() for f in house.daemons.ledger.glob("checkpoint*") if f.suffix != ".new"]
    assert notes
    texts = {prove.Checkpoint(n, vkey(house)).text for n in notes[-20:]} | {n.partition(b"\n\n")[0] + b"\n" for n in notes} | set(heads)
    for text in texts:
        _, size, hashed, _ = text.decode().split("\n")
        assert ledger.root(int(size)) == prove.base64.b64decode(hashed), f"checkpoint {size} is of another tree"
    return ledger


# -- killed at a certain point

POINTS = {
    "while leaves are written": ("BEFORE INSERT ON kep.leaf FOR EACH STATEMENT", False),
    "while tiles grow": ("BEFORE INSERT OR UPDATE ON kep.tile FOR EACH STATEMENT", False),
    "between the file and the database": ("BEFORE INSERT ON kep.checkpoint FOR EACH STATEMENT", True),
    "while receipts are taken": ("BEFORE UPDATE OF owner ON kep.outbox FOR EACH STATEMENT", False),
    "while a receipt is stored": ("BEFORE UPDATE OF mail ON kep.outbox FOR EACH STATEMENT", False),
    "while a receipt is marked": ("BEFORE UPDATE OF queue_id ON kep.outbox FOR EACH STATEMENT", False),
}
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.mark.parametrize("fate", ["done after all", "undone"])
@pytest.mark.parametrize("point", POINTS)
def test_killed(house, pair, point, fate):
    """The statement under way when kep-policyd dies is committed, or it is not."""
    a, b = pair
    when, ahead = POINTS[point]
    house.postgres.sql("CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS "
                       f"$$ BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NULL; END $$; "
                       f"CREATE TRIGGER wait {when} EXECUTE FUNCTION public.wait()")
    table = re.search(r"kep\.\w+", when)[0]
    try:
        with house.postgres.holding(LOCK):
            house.send(a, [b])
            until("kep-policyd waits there", lambda: house.postgres.sql(WAITING), 20, 0.05)
            house.daemons.policyd.stop(signal.SIGKILL)
            if ahead:
                note = (house.daemons.ledger / "checkpoint").read_bytes()
                assert int(note.split(b"\n")[1]) > int(house.postgres.value("SELECT coalesce(max(size), 0) FROM kep.checkpoints"))
            if fate == "undone":
                house.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS w")
        until("nobody waits", lambda: not house.postgres.sql(WAITING))
    finally:
        house.postgres.sql(f"DROP TRIGGER wait ON {table}; DROP FUNCTION public.wait()")
        house.daemons.start()
        house.daemons.ready("policyd")
    made = receipts(house, a, 2)
    no_fork(house, *[prove.Checkpoint(r.note, vkey(house)).text for r in made])


# -- killed at any point, under load

class Sender(threading.Thread):
    def __init__(self, house, a, b, end):
        super().__init__()
        self.house, self.a, self.b, self.end, self.taken = house, a, b, end, 0

    def run(self):
        while time.monotonic() < self.end:
            try:
                self.taken += self.house.send(self.a, [self.b]).ok
            except (OSError, EOFError, mail.smtplib.SMTPException):
                time.sleep(0.1)


def test_killed_under_load(house, people):
    seed = int(os.environ.get("KEP_SEED", random.randrange(1 << 30)))
    print(f"KEP_SEED={seed}")
    dice = random.Random(seed)
    end = time.monotonic() + SECONDS
    senders = [Sender(house, people.new("gonderen"), people.new("alan"), end) for _ in range(3)]
    for one in senders:
        one.start()
    kills = 0
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.02, 1.2))
        house.daemons.restart("policyd", signal.SIGKILL)
        kills += 1
    for one in senders:
        one.join()
    house.postfix.drained(90)
    print(f"{kills} times killed, {[s.taken for s in senders]} messages taken")
    until("all receipts are sent", lambda: house.postgres.value("SELECT count(*) FROM kep.outbox WHERE sent_at IS NULL") == "0", 60, 0.2)
    house.postfix.drained(60)
    ledger = no_fork(house)
    assert len(ledger.leaves) == int(house.postgres.value("SELECT count(*) FROM kep.evidences")), "each evidence is a leaf, once"
    for one in senders:
        account_for(house, one, ledger)


def account_for(house, sender, ledger):
    """Every accepted message has its evidence, each receipt proves it."""
    made = {}
    for octets in mail.receipts(house.mailbox(sender.a).mails()):
        receipt = prove.Receipt(octets)
        made.setdefault(receipt.body, receipt)
    ids = {r.evidence["message"]["kep_id"] for r in made.values() if r.evidence["outcome"] == "D.1"}
    assert sender.taken and len(ids) >= sender.taken
    for receipt in list(made.values())[:10]:
        receipt.verify(*verifier(house))
    for receipt in made.values():
        size, hashed = receipt.note.split(b"\n")[1:3]
        root = prove.base64.b64decode(hashed)
        assert ledger.root(int(size)) == root
        assert prove.included(receipt.index, int(size), prove.leaf(receipt.body), receipt.path, root)


# -- two of them

@pytest.fixture
def second(house):
    """A kep-policyd of another host on the same database; it has no mail to move but receipts."""
    conf = house.daemons.conf.read_text()
    house.place.ports("HTTP2")
    for key, value in {"hostname": "mx2.hs01.kep.test", "http_listen": house.place.env["HTTP2"], "ask_socket": house.place.run("ask2.sock"),
                       "policy_socket": f"unix:{house.place.run('policy2.sock')}", "lmtp_socket": f"unix:{house.place.run('lmtp2.sock')}",
                       "checkpoint_file": house.daemons.ledger / "checkpoint2"}.items():
        conf = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", conf)
    path = house.place.home / "etc" / "kep2.conf"
    path.write_text(conf)
    one = Program("policyd2", lambda: [program("policyd", "kep-policyd", house.daemons.tree), "-c", path, "-f"], house.place.home / "pids",
                  house.place.log("policyd2"))
    one.start()
    until("the second kep-policyd", lambda: "ready, version" in one.log.read_text())
    yield one
    one.stop()


def hosts(house, since):
    return {r[0] for r in house.postgres.sql(f"SELECT DISTINCT host FROM kep.checkpoints WHERE size > {since}")}


def size(house):
    return int(house.postgres.value("SELECT coalesce(max(size), 0) FROM kep.checkpoints"))


def test_two_hosts(house, pair, second):
    """One has the lease; when it dies or stalls the other goes on, and when it comes back it does no harm."""
    a, b = pair
    before = size(house)
    send(house, a, b)
    receipts(house, a, 2)
    house.postfix.drained()
    first = hosts(house, before)
    assert len(first) == 1
    holder = second if first == {"mx2.hs01.kep.test"} else house.daemons.policyd
    other = house.daemons.policyd if holder is second else second
    # It stalls in the middle of everything: the other takes over when the lease is past.
    holder.send(signal.SIGSTOP)
    before = size(house)
    house.postgres.sql(PLANT)
    until("the other takes over", lambda: size(house) >= before + 100, 40, 0.1)
    assert hosts(house, before) == {"mx1.hs01.kep.test", "mx2.hs01.kep.test"} - first
    holder.send(signal.SIGCONT)
    send(house, a, b)
    receipts(house, a, 4)
    # The one that has the lease now is killed.
    other.stop(signal.SIGKILL)
    before = size(house)
    house.postgres.sql(PLANT)
    until("the first takes over again", lambda: size(house) >= before + 100, 40, 0.1)
    house.daemons.start()
    house.daemons.ready("policyd")
    send(house, a, b)
    receipts(house, a, 6)
    house.postfix.drained()
    no_fork(house)
