"""One sandbox for all tests that leave it as they found it; another as the other provider; logs of a failed test."""
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from sandboxlib.process import Trouble                          # noqa: E402
from sandboxlib.house import DOMAIN, ORDINARY, OTHER, House     # noqa: E402

LONG = bool(os.environ.get("KEP_LONG"))
long_only = pytest.mark.skipif(not LONG, reason="takes long: ./check --long")
houses = []


def reasons():
    """The rows of reason.def: wire name -> (code, enhanced code, English words)."""
    text = (TESTS.parent / "libkep" / "reason.def").read_text(encoding="utf-8")
    rows = re.findall(r'^REASON\(\w+,\s*"([^"]+)",\s*(\d+),\s*"([^"]+)",\s*"([^"]+)"', text, re.M)
    return {name: (int(code), enhanced, words) for name, code, enhanced, words in rows}


REASONS = reasons()


def build_house(**options):
    top = Path(tempfile.mkdtemp(prefix="ke-", dir="/var/tmp"))
    top.chmod(0o755)
    house = House(top / "h", **{k: v for k, v in options.items() if k != "pki"})
    house.top = top
    house.up(pki=options.get("pki"))
    houses.append(house)
    return house


def pull_down(house):
    houses.remove(house)
    house.down()
    shutil.rmtree(house.top, ignore_errors=True)


@pytest.fixture(scope="session")
def house():
    made = build_house()
    yield made
    pull_down(made)


@pytest.fixture(scope="session")
def other(house):
    """A second sandbox: the provider hs02, with the same national CA."""
    made = build_house(domain=OTHER, other=DOMAIN, pki=house.pki.dir)
    yield made
    pull_down(made)


class People:
    """Accounts nobody else uses."""

    count = 0

    def __init__(self, house):
        self.house = house

    def new(self, name="kisi", **options):
        People.count += 1
        address = f"{name}{People.count}@{self.house.domain}"
        self.house.add_account(address, **options)
        return address

    def ordinary(self, name="siradan"):
        People.count += 1
        address = f"{name}{People.count}@{ORDINARY}"
        self.house.add_account(address)
        return address


@pytest.fixture
def people(house):
    return People(house)


@pytest.fixture
def pair(people):
    return people.new("ayse"), people.new("mehmet")


def refused(answer, why):
    """The server said no with the code and the words of a reason."""
    code, enhanced, words = REASONS[why]
    said = answer.words()
    assert not answer.ok, f"accepted, but expected {why}: {said}"
    # The sender is judged at RCPT: there Postfix makes a recipient's status of the policy service's.
    assert any(f"{code} {status}" in said for status in (enhanced, enhanced.replace("5.1.8", "5.1.2"))) and words in said, f"expected {why}: {said}"


def logged(house, why, queue_id=None):
    """Lines of kep-milter about a reason."""
    return [line for line in house.daemons.log("milter").splitlines()
            if f"why={why}" in line and (queue_id is None or queue_id in line)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    item.marks = [(house, name, size(house, name)) for house in houses for name in ("mail", "policyd", "milter", "postgres", "dovecot")]
    yield


def size(house, name):
    path = house.place.log(name)
    return path.stat().st_size if path.exists() else 0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed and call.when == "call":
        for house, name, start in getattr(item, "marks", []):
            path = house.place.log(name)
            if path.exists() and path.stat().st_size > start:
                with open(path, "rb") as log:
                    log.seek(start)
                    report.sections.append((f"{house.domain} {name}.log", log.read()[-6000:].decode("utf-8", "replace")))
        for house in houses:
            report.sections.append((f"{house.domain}: receipts on their way", on_their_way(house)))
            for one in (house.daemons.milter, house.daemons.policyd):
                if not one.pid():
                    report.sections.append((f"{house.domain}: kep-{one.name} is gone", "\n".join(house.daemons.log(one.name).splitlines()[-20:])))


@pytest.fixture(autouse=True)
def nobody_died():
    """A daemon that ends in a test fails this test, not the next ones: they find it started again."""
    yield
    fallen = []
    for house in houses:
        for one in (house.daemons.policyd, house.daemons.milter):
            if one.pid_file.exists() and not one.pid():
                one.alive(one.child.pid)
                fallen.append(f"{house.domain}: kep-{one.name} ended with status {one.child.returncode}:\n" + "\n".join(one.since_start().splitlines()[-10:]))
                house.daemons.restart("milter" if one is house.daemons.milter else "policyd")
    assert not fallen, "\n".join(fallen)


def on_their_way(house):
    try:
        rows = house.postgres.sql("SELECT now(), o.* FROM (SELECT evidence_id, recipient, owner, attempts, due_at, stored_at, error "
                                  "FROM kep.outbox WHERE sent_at IS NULL ORDER BY due_at LIMIT 20) o")
        rows += house.postgres.sql("SELECT s.size, (SELECT max(size) FROM kep.checkpoint), (SELECT count(*) FROM kep.evidence), s.cursor_txid, "
                                   "pg_snapshot_xmin(pg_current_snapshot()), s.lease_owner, s.lease_until, (SELECT opened FROM kep.outbox_gate) FROM kep.ledger_state s")
        rows += house.postgres.sql("SELECT at, why, details FROM kep.alarms ORDER BY at DESC LIMIT 5")
        return "\n".join(" ".join(str(v) for v in row) for row in rows)
    except Trouble as error:
        return str(error)
