"""What the house really sends and keeps: kepctl verify and a stranger agree on every receipt, fsck on the ledger, and the export holds it all."""
import json
import threading

import stranger
from sandboxlib import mail
from sandboxlib.process import until


def stamped_receipts(house, address, count):
    """So many receipts, the last of them with a time-stamp of its checkpoint or not: as they came."""
    def arrived():
        found = mail.receipts(house.mailbox(address).mails())
        return len(found) >= count and found

    return until(f"{count} receipts for {address}", arrived, 30, 0.2)


def test_receipts_of_the_house(house, pair, tmp_path):
    a, b = pair
    house.send(a, [b])
    receipts = stamped_receipts(house, a, 2)
    trust = house.place.env["VERIFY"]
    copy = until("the message arrives", lambda: house.mailbox(b).mails(), 30, 0.2)[0]
    (tmp_path / "message.eml").write_bytes(copy)
    for i, octets in enumerate(receipts):
        file = tmp_path / f"{i}.eml"
        file.write_bytes(octets)
        said = json.loads(house.daemons.kepctl("verify", "--json", "--trust", trust, "--message", tmp_path / "message.eml", file))[0]
        assert said["genuine"], said
        assert {c["name"]: c["state"] for c in said["checks"]}["message"] == "passed"
        assert stranger.verify(octets, trust)[0] and stranger.same_message(octets, copy)
        assert not stranger.verify(octets.replace(b"inline", b"inlinf", 1), trust)[0]


def test_stamped_receipts_of_the_house(house, pair, tmp_path):
    """One that waited for its time-stamp is judged as of that, by both verifiers."""
    a, b = pair
    trust = house.place.env["VERIFY"]
    with house.daemons.changed("stamp_wait", "30s"):
        house.send(a, [b])
        octets = stamped_receipts(house, a, 2)[-1]
    (tmp_path / "r.eml").write_bytes(octets)
    said = json.loads(house.daemons.kepctl("verify", "--json", "--trust", trust, tmp_path / "r.eml"))[0]
    states = {c["name"]: c["state"] for c in said["checks"]}
    assert said["genuine"] and states["time-stamp"] == "passed" and said["judged_at"] == said["stamped_at"], said
    assert stranger.verify(octets, trust)[0]


def test_fsck_and_export_of_the_house(house, pair, tmp_path):
    a, b = pair
    house.send(a, [b])
    stamped_receipts(house, a, 2)
    said = json.loads(house.daemons.kepctl("fsck", "--json", "--trust", house.place.env["VERIFY"]))
    states = {c["name"]: c["state"] for c in said["checks"]}
    assert said["well"] and said["size"] >= 2 and set(states.values()) == {"passed"}, said
    assert next(c for c in said["checks"] if c["name"] == "messages")["seen"] >= 1
    house.daemons.kepctl("export", tmp_path / "export")
    assert (tmp_path / "export" / "checkpoint").read_text().splitlines()[0] == "hs01.kep.test/kep"


def test_fsck_while_mail_flows(house, pair):
    """What is added while fsck looks is not taken for damage."""
    a, b = pair
    over = threading.Event()

    def send():
        while not over.is_set():
            house.send(a, [b])

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(8):
            said = json.loads(house.daemons.kepctl("fsck", "--json", "--trust", house.place.env["VERIFY"], check=False))
            assert said["well"], said
    finally:
        over.set()
        sender.join()
