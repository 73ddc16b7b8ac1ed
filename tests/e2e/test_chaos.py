"""Mail flows while everything is killed again and again: what was accepted is told once, and nothing else is."""
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from conftest import LONG, People
from sandboxlib import mail
from sandboxlib.process import Trouble, until

SECONDS = 120 if LONG else 12
SENDERS = 4


def kill_policyd(house):
    house.daemons.restart("policyd", signal.SIGKILL)


def kill_milter(house):
    house.daemons.restart("milter", signal.SIGKILL)


def kill_postgres(house):
    house.postgres.kill()
    house.postgres.start()


def freeze_postgres(house):
    house.postgres.freeze()
    time.sleep(0.5)
    house.postgres.thaw()


def drop_connections(house):
    house.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kep_policyd'")


def stop_mailboxes(house):
    house.dovecot.stop()
    house.dovecot.start()
    house.dovecot.ready()


BLOWS = (kill_policyd, kill_milter, kill_postgres, freeze_postgres, drop_connections, stop_mailboxes)


class Sender(threading.Thread):
    """Sends one message after another and remembers what it was told about each Message-ID."""

    def __init__(self, house, a, b, end):
        super().__init__()
        self.house, self.a, self.b, self.end, self.told = house, a, b, end, {}

    def run(self):
        n = 0
        while time.monotonic() < self.end:
            n += 1
            name = f"<chaos-{n}-{self.a}>"
            try:
                answer = self.house.send(self.a, [self.b], message_id=name)
                self.told[name] = "yes" if answer.ok else "later" if answer.code < 500 else answer.words()
            except (OSError, EOFError, mail.smtplib.SMTPException):
                self.told[name] = "unknown"
            if self.told[name] != "yes":
                time.sleep(0.2)


def healed(house):
    house.postgres.start()
    house.dovecot.start()
    house.dovecot.ready()
    house.daemons.start()
    house.daemons.ready()


@pytest.fixture
def people(house):
    return People(house)


def test_chaos(house, people):
    seed = int(os.environ.get("KEP_SEED", random.randrange(1 << 30)))
    print(f"KEP_SEED={seed}")
    dice = random.Random(seed)
    end = time.monotonic() + SECONDS
    pairs = [(people.new("gonderen"), people.new("alan")) for _ in range(SENDERS)]
    senders = [Sender(house, a, b, end) for a, b in pairs]
    for one in senders:
        one.start()
    blows = Counter()
    try:
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.1, 1.5))
            blow = dice.choice(BLOWS)
            blows[blow.__name__] += 1
            try:
                blow(house)
            except Trouble as error:        # one blow may hit what the one before is still mending
                print(f"{blow.__name__}: {error}")
                healed(house)
    finally:
        for one in senders:
            one.join()
        healed(house)
    print(dict(blows), {o.a: Counter(o.told.values()) for o in senders})
    for one in senders:
        account_for(house, one)


def account_for(house, sender):
    told = sender.told
    yes = [name for name, what in told.items() if what == "yes"]
    assert yes, "nothing was accepted at all"
    assert not [w for w in told.values() if w not in ("yes", "later", "unknown")], "refused for ever by a fault that passes"
    house.postfix.drained(90)
    rows = until("every accepted message delivered", lambda: evidence(house, sender.a, yes), 60, 0.5)
    taken = {name for name, found in rows.items() if found}
    assert set(yes) <= taken <= {name for name, what in told.items() if what != "later"}, "only what might have been accepted"
    assert all(found == ["A.1", "D.1"] for found in rows.values() if found), "each evidence once"
    arrived = Counter(mail.header(m, "Message-ID") for m in house.mailbox(sender.b).mails())
    assert set(arrived) == taken, "what has evidence is in the mailbox, and nothing else is"
    until("both receipts of each", lambda: len(receipts(house, sender.a)) >= 2 * len(taken), 60, 0.5)
    house.postfix.drained(60)
    assert len(receipts(house, sender.a)) == 2 * len(taken), "two receipts, none beside them"


def evidence(house, sender, yes):
    """Outcomes of each message of a sender, once those that were accepted are delivered; else None."""
    rows = {}
    for name, outcome in house.postgres.sql(
            "SELECT m.message_id, e.outcome FROM kep.messages m LEFT JOIN kep.evidences e USING (kep_id) "
            f"WHERE m.sender = '{sender}' ORDER BY 1, 2"):
        rows.setdefault(name, [])
        if outcome:
            rows[name].append(outcome)
    done = all(rows.get(name) == ["A.1", "D.1"] for name in yes) and all(len(found) != 1 for found in rows.values())
    return rows if done else None


def receipts(house, address):
    """Message-IDs of receipts: sent twice after a crash they are still one."""
    return {mail.header(m, "Message-ID") for m in mail.receipts(house.mailbox(address).mails())}
