"""Two sandboxes as two providers: mail between them over TLS, each proving itself with its client certificate."""
import json

import pytest

from conftest import People, refused
from sandboxlib import mail
from sandboxlib.process import until


@pytest.fixture(scope="module")
def both(house, other):
    """Each knows the other: domains, relay host, certificate."""
    for one, two in ((house, other), (other, house)):
        one.provider(two.domain, two.place.env["MX"], two.pki.fingerprint("relay"))
    yield house, other
    house.provider(other.domain, house.place.env["RELAY"], house.pki.fingerprint("client"))


def test_message_to_the_other_provider(both):
    here, there = both
    a, b = People(here).new("ayse"), People(there).new("veli")
    answer = here.send(a, [b])
    assert answer.ok, answer.words()
    got = there.mailbox(b).wait(1, 30)[0]
    assert here.pki.verify(got)
    until("our DSN says relayed", lambda: here.postgres.value(
        "SELECT count(*) FROM kep.relay_events e JOIN kep.messages m USING (kep_id) WHERE m.queue_id = "
        f"'{answer.queue_id}' AND e.action = 'relayed'") == "1", 20, 0.2)
    assert [o for o, _ in here.evidence(answer.queue_id)][:1] == ["A.1"]
    rows = there.postgres.sql("SELECT e.outcome FROM kep.evidences e JOIN kep.messages m USING (kep_id) WHERE m.message_id = "
                              f"'{mail.header(got, 'Message-ID')}' ORDER BY 1")
    assert [r[0] for r in rows] == ["B.1", "D.1"]
    assert there.postgres.sql("SELECT DISTINCT f.sender, convert_from(e.body, 'UTF8')::json -> 'sender' ->> 'address' FROM kep.message_facts f"
                              f" JOIN kep.evidences e USING (kep_id) WHERE f.message_id = '{mail.header(got, 'Message-ID')}'") == [[a, a]], \
        "the sender is the holder, not the return address of the envelope"


def test_message_to_both(both):
    """One message for an account here and one there."""
    here, there = both
    a, near, far = People(here).new(), People(here).new("yakin"), People(there).new("uzak")
    answer = here.send(a, [near, far])
    assert answer.ok, answer.words()
    assert len(here.mailbox(near).wait(1)) == 1
    assert len(there.mailbox(far).wait(1, 30)) == 1


def test_unknown_account_there(both):
    """Refused there: our sender learns it, and nothing is lost silently."""
    here, there = both
    a = People(here).new()
    answer = here.send(a, [f"yok@{there.domain}"])
    assert answer.ok, answer.words()
    until("the report of the failure", lambda: here.postgres.value(
        "SELECT count(*) FROM kep.relay_events e JOIN kep.messages m USING (kep_id) WHERE m.queue_id = "
        f"'{answer.queue_id}' AND e.action = 'failed'") == "1", 30, 0.2)


def test_mailbox_full_there(both):
    """Taken there and then not delivered: their bounce finds its way back to us as a report."""
    here, there = both
    a, b = People(here).new(), People(there).new("dolu", quota=1000)
    answer = here.send(a, [b], body="x" * 70 + "\r\n" + 20 * ("y" * 70 + "\r\n"))
    assert answer.ok, answer.words()
    until("relayed and failed", lambda: sorted(r[0] for r in here.postgres.sql(
        "SELECT e.action FROM kep.relay_events e JOIN kep.messages m USING (kep_id) WHERE m.queue_id = "
        f"'{answer.queue_id}'")) == ["failed", "relayed"], 30, 0.2)


def provider_mail(house, to, cert):
    sender = f"biri@{house.other}"
    house.pki.signer(sender)
    message = mail.sign(house.pki, mail.compose(sender, [to]), sender)
    return house.send(sender, [to], message, via="mx", cert=cert)


def test_provider_with_its_certificate(house, people):
    """The sandbox's registered provider shows PKI/client.pem."""
    b = people.new()
    house.provider(house.other, house.place.env["RELAY"], house.pki.fingerprint("client"))
    answer = until("its directory knows", lambda: (lambda a: a if a.ok else None)(provider_mail(house, b, "client")), 5, 0.2)
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, ["B.1", "D.1"])


@pytest.mark.parametrize("cert", [None, "server"])
def test_provider_without_its_certificate(house, people, cert):
    refused(provider_mail(house, people.new(), cert), "provider-not-authenticated")


def test_no_transit_between_providers(house):
    sender = f"biri@{house.other}"
    house.pki.signer(sender)
    message = mail.sign(house.pki, mail.compose(sender, ["x@ordinary.test"]), sender)
    refused(house.send(sender, ["x@ordinary.test"], message, via="mx", cert="client"), "recipient-not-ours")


def test_both_ledgers(both):
    """After all of that each of the two ledgers is what it was, with the rows of both providers' messages."""
    for one in both:
        said = json.loads(one.daemons.kepctl("fsck", "--json", "--trust", one.place.env["VERIFY"], check=False))
        assert said["well"], said
