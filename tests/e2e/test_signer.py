"""Who may sign: over real SMTP, with signatures that are good and not the sender's."""
import json
import re

import pytest

from conftest import logged, refused
from sandboxlib import mail
from sandboxlib.pki import maker


def signed_by(house, sender, to, signer):
    """A message of sender that signer (a path below PKI) signed."""
    return mail.sign(house.pki, mail.compose(sender, [to]), sender, who=signer)


def test_signed_by_another_holder(house, people):
    """A certificate that is good, of a person with an account of his own."""
    a, b, other = people.new(), people.new(), people.new()
    before = len(logged(house, "signer-not-authorised"))
    answer = house.send(a, [b], signed_by(house, a, b, f"signers/{other}"), signed=False)
    refused(answer, "signer-not-authorised")
    assert len(logged(house, "signer-not-authorised")) > before
    rows = house.postgres.sql(f"SELECT why FROM kep.refusals WHERE sender = '{a}'")
    assert [r[0] for r in rows] == ["signer-not-authorised"]
    assert house.postgres.value(f"SELECT count(*) FROM kep.messages WHERE sender = '{a}'") == "0"
    assert house.mailbox(b).mails() == []
    assert house.send(a, [b]).ok, "and with his own certificate it goes"


def test_another_certificate_of_the_holder(house, people):
    """The person counts, not the certificate or the address in it."""
    a, b = people.new(), people.new()
    maker.signer(str(house.pki.dir), f"ikinci.{a}", house.pki.identity(a))
    answer = house.send(a, [b], signed_by(house, a, b, f"signers/ikinci.{a}"), signed=False)
    assert answer.ok, answer.words()


def company(house, address):
    """An account whose holder has no identity number."""
    house.postgres.sql(f"SELECT kep.account_add('{address}', NULL, NULL, 'Bir Şirket')")
    house.dovecot.add(address, None)
    house.pki.signer(address)
    return address


def test_account_without_identity_number(house, people):
    """Its address in the certificate, or a pinned certificate."""
    a, b = company(house, "sirket@hs01.kep.test"), people.new()
    clerk = people.new()
    assert house.send(a, [b]).ok
    refused(house.send(a, [b], signed_by(house, a, b, f"signers/{clerk}"), signed=False), "signer-not-authorised")
    print_of = house.pki.fingerprint(f"signers/{clerk}")
    house.daemons.kepctl("account", "pin", a, print_of)
    assert house.send(a, [b], signed_by(house, a, b, f"signers/{clerk}"), signed=False).ok
    pins = json.loads(house.daemons.kepctl("--json", "pin", "list"))
    assert [(p.get("account"), p.get("provider"), p["certificate"]) for p in pins if p.get("account") == a] == [(a, None, print_of.replace(":", "").lower())]
    assert a in house.daemons.kepctl("pin", "list")
    house.daemons.kepctl("account", "unpin", a, print_of)
    assert a not in house.daemons.kepctl("pin", "list")
    refused(house.send(a, [b], signed_by(house, a, b, f"signers/{clerk}"), signed=False), "signer-not-authorised")


@pytest.mark.parametrize("binding, pinned, good", [("identity", False, True), ("mailbox", False, False), ("certificate", False, False),
                                                   ("certificate", True, True)])
def test_binding_of_a_provider(house, people, binding, pinned, good):
    """Another provider's sender, signed with a certificate that holds a number but another address."""
    sender, b = f"{binding}@{house.other}", people.new()
    house.pki.signer(f"baska@{house.other}")
    name = house.other.split(".")[0].upper()
    house.daemons.kepctl("provider", "bind", name, binding)
    if pinned:
        house.daemons.kepctl("provider", "pin", name, house.pki.fingerprint(f"signers/baska@{house.other}"))
    try:
        answer = house.send(sender, [b], signed_by(house, sender, b, f"signers/baska@{house.other}"), signed=False, via="mx", cert="client")
        if good:
            assert answer.ok, answer.words()
        else:
            refused(answer, "signer-not-authorised")
    finally:
        house.daemons.kepctl("provider", "bind", name, "identity")
        if pinned:
            house.daemons.kepctl("provider", "unpin", name, house.pki.fingerprint(f"signers/baska@{house.other}"))


@pytest.mark.parametrize("options, level", [((), "none"), (("-cades",), "B")])
def test_level_in_evidence(house, people, options, level):
    """What the signature is of CAdES stands in the log line and in every evidence of the message."""
    a, b = people.new(), people.new()
    head, _, body = mail.compose(a, [b]).partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", head)
    inside = [f for f in fields if f.lower().startswith(b"content-")]
    entity = b"\r\n".join(inside) + b"\r\n\r\n" + body
    der = maker.p7s(str(house.pki.dir), f"signers/{a}", entity, "-md", "sha256", *options)
    message = b"\r\n".join(f for f in fields if f not in inside) + b"\r\n" + maker.multipart_signed(entity, der)
    answer = house.send(a, [b], message, signed=False)
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    rows = house.postgres.sql("SELECT convert_from(e.body, 'UTF8')::jsonb -> 'sender' ->> 'cades' FROM kep.evidence AS e JOIN kep.message AS m"
                              f" USING (kep_id) WHERE m.queue_id = '{answer.queue_id}'")
    assert [r[0] for r in rows] == [level, level]
    lines = [line for line in house.daemons.log("milter").splitlines() if answer.queue_id in line and "accepted" in line]
    assert lines and lines[-1].endswith(f" cades={level}"), lines
