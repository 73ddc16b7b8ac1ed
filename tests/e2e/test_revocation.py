"""The whole house with revocation on: lists are fetched, a signer is revoked while mail flows, lists go stale."""
import shutil
import time

import pytest
from sandboxlib import mail
from sandboxlib.process import until

import crl
import ocsp
from conftest import logged, refused
from test_trust import Server

TAKEN = ["A.1", "D.1"]


class Lists:
    """A folder of CRLs (and OCSP responses) that kep-milter watches, and a server that kepctl trust refresh asks."""

    def __init__(self, house):
        self.house, self.pki, self.folder, self.server = house, str(house.pki.dir), house.place.home / "crls", Server()
        self.folder.mkdir()
        self.folder.chmod(0o755)

    def serve(self, ca, **how):
        self.server.pages[ca] = crl.make(self.pki, ca, **how)

    def settled(self, act):
        """Do it, and wait until kep-milter has read what it did."""
        before = self.house.daemons.log("milter").count("trust read again")
        done = act()
        until("kep-milter to read its trust again", lambda: self.house.daemons.log("milter").count("trust read again") > before, 20, 0.1)
        return done

    def refresh(self):
        return self.settled(lambda: self.house.daemons.kepctl("trust", "refresh"))

    def put(self, name, octets):
        """A file in the place of the one that is there."""
        def act():
            (self.folder / ".new").write_bytes(octets)
            (self.folder / ".new").rename(self.folder / name)
        self.settled(act)


@pytest.fixture(scope="module", name="lists")
def fixture_lists(house):
    lists = Lists(house)
    keys = f"auto\ntrust_crls = {lists.folder}\ntrust_watch = 1s\ncrl_urls = {lists.server.url('mid')} {lists.server.url('ca')}"
    # Lists of the CA in the middle are believed when kepctl knows it.
    shutil.copy(house.pki.dir / "mid.pem", house.pki.trust / "mid.pem")
    with house.daemons.changed("revocation", keys):
        yield lists
    (house.pki.trust / "mid.pem").unlink()
    shutil.rmtree(lists.folder)
    lists.server.over.set()
    lists.server.shutdown()
    lists.server.server_close()


def deliver(house, sender, to):
    answer = house.send(sender, [to])
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, TAKEN)


def test_without_lists_mail_waits(house, lists, people):
    a, b = people.new(), people.new()
    refused(house.send(a, [b]), "revocation-unknown")
    assert "every signature is answered 451 until kepctl trust refresh" in house.daemons.log("milter")
    assert house.postgres.value(f"SELECT count(*) FROM kep.messages WHERE sender = '{a}'") == "0"
    lists.serve("ca")
    lists.serve("mid", last=-3)
    assert lists.refresh().count("added") == 2
    deliver(house, a, b)
    assert "2 CRLs, the first to be replaced by" in house.daemons.log("milter")


def test_a_signer_is_revoked_while_mail_flows(house, lists, people):
    """On one connection: taken, then refused; others are not concerned."""
    a, b = people.new(), people.new()
    first, second = (mail.sign(house.pki, mail.compose(a, [b], subject=s), a) for s in ("Önce", "Sonra"))
    with house.client("submission", a) as client:
        answer = client.give(a, [b], first)
        assert answer.ok, answer.words()
        house.wait_evidence(answer.queue_id, TAKEN)
        lists.serve("mid", last=-2, revoked=[f"signers/{a}"])
        assert lists.refresh().count("replaced") == 1
        before = len(logged(house, "signer-revoked"))
        refused(client.give(a, [b], second), "signer-revoked")
    assert len(logged(house, "signer-revoked")) == before + 1
    assert [r[0] for r in house.postgres.sql(f"SELECT why FROM kep.refusals WHERE sender = '{a}'")] == ["signer-revoked"]
    assert house.postgres.value(f"SELECT count(*) FROM kep.messages WHERE sender = '{a}'") == "1"
    deliver(house, b, a)


def test_stale_lists(house, lists, people):
    """451 beyond the grace, and an OCSP response for whom there is one."""
    a, b = people.new(), people.new()
    for f in lists.folder.iterdir():
        f.unlink()
    lists.put("ca.crl", crl.make(lists.pki, "ca"))
    lists.put("mid.crl", crl.make(lists.pki, "mid", last=-9, until=-0.5))
    deliver(house, a, b)
    lists.put("mid.crl", crl.make(lists.pki, "mid", last=-9, until=-1.5))
    refused(house.send(a, [b]), "revocation-unknown")
    ocsp.responders(lists.pki)
    question = ocsp.request(lists.pki, f"signers/{a}")
    lists.put("a.ors", ocsp.respond(lists.pki, question, good=[f"signers/{a}"]))
    deliver(house, a, b)
    refused(house.send(b, [a]), "revocation-unknown")
    time.sleep(1.1)
    lists.put("a2.ors", ocsp.respond(lists.pki, question, revoked=[f"signers/{a}"]))
    refused(house.send(a, [b]), "signer-revoked")
    (lists.folder / "a.ors").unlink()
    (lists.folder / "a2.ors").unlink()
    lists.put("mid.crl", crl.make(lists.pki, "mid"))
    deliver(house, b, a)


def test_a_broken_list_changes_nothing(house, lists, people):
    a, b = people.new(), people.new()
    (lists.folder / "broken.crl").write_bytes(b"garbage")
    until("kep-milter to say so", lambda: "not read again, the old one stays: trust_crls" in house.daemons.log("milter"), 20, 0.1)
    deliver(house, a, b)
    lists.settled((lists.folder / "broken.crl").unlink)
