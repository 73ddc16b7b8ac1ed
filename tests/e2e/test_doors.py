"""Who may write to whom, and what strangers try."""
import uuid

import pytest

from conftest import ORDINARY, logged, refused
from sandboxlib import mail
from sandboxlib.process import until


def test_unsigned_is_refused(house, pair):
    refused(house.send(pair[0], [pair[1]], signed=False), "not-signed")
    assert house.mailbox(pair[1]).mails() == []


def test_refusal_is_recorded(house, pair):
    house.send(pair[0], [pair[1]], signed=False, message_id=f"<kayit-{pair[0]}>")
    row = house.postgres.sql(f"SELECT why, queue_id FROM kep.refusals WHERE message_id = '<kayit-{pair[0]}>'")
    assert row and row[0][0] == "not-signed"
    assert logged(house, "not-signed", row[0][1])


def test_account_to_ordinary(house, pair):
    refused(house.send(pair[0], [f"biri@{ORDINARY}"]), "recipient-ordinary")


def test_account_to_ordinary_and_account(house, pair):
    """The ordinary recipient alone is refused."""
    answer = house.send(pair[0], [pair[1], f"biri@{ORDINARY}"])
    assert answer.ok and list(answer.refused) == [f"biri@{ORDINARY}"]


def test_ordinary_to_account(house, pair, people):
    refused(house.send(people.ordinary(), [pair[1]], signed=False), "sender-ordinary")


def test_null_sender_to_account(house, pair):
    refused(house.send("", [pair[1]], mail.compose(pair[0], [pair[1]]), signed=False, via="mx"), "sender-null")


def test_account_without_login(house, pair):
    refused(house.send(pair[0], [pair[1]], via="mx"), "login-missing")


def test_login_of_another(house, people):
    a, b, c = people.new(), people.new(), people.new()
    refused(house.send(a, [b], login=c), "login-mismatch")


def test_unknown_sender_of_ours(house, pair):
    ghost = f"hayalet@{house.domain}"
    refused(house.send(ghost, [pair[1]], login=pair[0], message=mail.compose(ghost, [pair[1]]), signed=False), "sender-unknown")


def test_unknown_recipient(house, pair):
    refused(house.send(pair[0], [f"yok@{house.domain}"]), "recipient-unknown")


def test_suspended_account(house, pair):
    a, b = pair
    house.daemons.kepctl("account", "suspend", a, "--reason", "test")
    until("the cache forgets", lambda: not house.send(a, [b]).ok, 5)
    refused(house.send(a, [b]), "sender-inactive")
    refused(house.send(b, [a]), "recipient-inactive")
    house.daemons.kepctl("account", "resume", a, "--reason", "test")
    until("the account works again", lambda: house.send(a, [b]).ok, 5)


def test_ordinary_to_ordinary_passes_untouched(house, people):
    to = people.ordinary()
    message = mail.compose("biri@disarida.test", [to], "sıradan\r\n", extra=("X-KEP-ID: ordinary mail keeps it",))
    assert house.send("biri@disarida.test", [to], message, signed=False).ok
    got = house.mailbox(to).wait(1)[0]
    assert got.endswith(message[message.index(b"\r\n\r\n"):])


def test_ordinary_login_to_ordinary(house, people):
    a, b = people.ordinary(), people.ordinary()
    assert house.send(a, [b], signed=False, via="submission", login=a).ok
    house.mailbox(b).wait(1)


def test_no_open_relay(house):
    answer = house.send("biri@disarida.test", ["biri@baska.test"], signed=False)
    assert not answer.ok and "Relay access denied" in answer.words()


def test_bcc_field(house, people):
    """Postfix drops the field itself; who stands in it only is a hidden recipient."""
    a, b, c = people.new(), people.new(), people.new()
    refused(house.send(a, [b, c], mail.compose(a, [b], extra=(f"Bcc: <{c}>",))), "recipient-hidden")


def test_hidden_recipient(house, people):
    a, b, c = people.new(), people.new(), people.new()
    refused(house.send(a, [b, c], mail.compose(a, [b])), "recipient-hidden")


def test_address_in_to_not_offered(house, people):
    a, b, c = people.new(), people.new(), people.new()
    refused(house.send(a, [b], mail.compose(a, [b, c])), "recipient-not-offered")


def test_from_is_not_the_sender(house, people):
    a, b, c = people.new(), people.new(), people.new()
    refused(house.send(a, [b], mail.sign(house.pki, mail.compose(c, [b]), a)), "from-mismatch")


def test_forged_kep_fields_are_removed(house, pair):
    a, b = pair
    extra = (f"X-KEP-ID: {uuid.uuid4()}", f"X-KEP-Evidence: {uuid.uuid4()}", "X-KEP-Type: receipt", "X-KEP-Anything: 1")
    message = mail.sign(house.pki, mail.compose(a, [b], extra=extra), a)
    answer = house.send(a, [b], message)
    assert answer.ok, answer.words()
    got = house.mailbox(b).wait(1)[0]
    head = got.partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"x-kep-") == 1 and mail.header(got, "X-KEP-ID") not in extra[0]
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])


def test_forged_receipt_from_outside(house, pair):
    """The return address of receipts, used by a stranger: an ordinary sender."""
    forged = mail.compose("kep@hs01.kep.test", [pair[1]], extra=(f"X-KEP-Evidence: {uuid.uuid4()}",))
    answer = house.send(f"receipt+{uuid.uuid4()}@evt.{house.domain}", [pair[1]], forged, signed=False, via="mx")
    assert not answer.ok, answer.words()
    assert house.mailbox(pair[1]).mails() == []


def test_return_address_takes_reports_only(house):
    """A report from outside to a return address is taken, kept out of mailboxes and starts nothing."""
    before = house.postgres.value("SELECT count(*) FROM kep.evidences")
    address = f"receipt+{uuid.uuid4()}@evt.{house.domain}"
    house.send("", [address], mail.compose("mailer-daemon@disarida.test", [address]), signed=False, via="mx")
    house.postfix.drained()
    assert house.postgres.value("SELECT count(*) FROM kep.evidences") == before


def test_local_submission_of_kep_sender_never_sticks(house, pair):
    a, b = pair
    house.postfix.sendmail(mail.compose(a, [b]), "-f", a, b)
    until("an empty maildrop", lambda: not house.postfix.queue(), 20, 0.2)
    assert house.mailbox(b).mails() == []
    assert logged(house, "local-submission")


def test_local_submission_to_ordinary_works(house, people):
    to = people.ordinary()
    house.postfix.sendmail(mail.compose("root@disarida.test", [to]), "-f", "root@disarida.test", to)
    house.mailbox(to).wait(1)


def test_local_submission_to_account_never_sticks(house, pair):
    house.postfix.sendmail(mail.compose("root@disarida.test", [pair[1]]), "-f", "root@disarida.test", pair[1])
    until("an empty queue", lambda: not house.postfix.queue(), 20, 0.2)
    assert house.mailbox(pair[1]).mails() == []


@pytest.fixture
def settings(house):
    """main.cf settings that go back afterwards."""
    names = []

    def change(name, value):
        names.append((name, house.postfix.get(name)))
        house.postfix.set(f"{name}={value}")
    yield change
    for name, value in names:
        house.postfix.set(f"{name}={value}")


def test_alias_map_rewriting(house, people, settings):
    """Postfix rewrites the recipient after the milter: the delivery counts for the one that was recorded."""
    a, alias, real = people.new(), people.new("takma"), people.new("asil")
    settings("virtual_alias_maps", f"inline:{{ {{ {alias} = {real} }} }}")
    answer = house.send(a, [alias])
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    assert house.postgres.value(f"SELECT recipient FROM kep.message_facts WHERE queue_id = '{answer.queue_id}'") == alias
    assert len(house.mailbox(real).wait(1)) == 1


def test_recipient_added_behind_our_back(house, people, settings):
    """always_bcc and the like: who was not recorded gets nothing; the others do."""
    a, b, spy = people.new(), people.new(), people.new("casus")
    settings("always_bcc", spy)
    answer = house.send(a, [b])
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    house.postfix.drained()
    assert house.mailbox(spy).mails() == [] and len(house.mailbox(b).mails()) == 1


def test_content_changed_behind_the_milter(house, pair, settings):
    """A header rewritten between milter and hop: refused by the hop, alarmed, never delivered."""
    settings("lmtp_header_checks", "regexp:" + header_check(house, "/^Subject:/ REPLACE Subject: changed"))
    answer = house.send(pair[0], [pair[1]])
    assert answer.ok, answer.words()
    assert until("an alarm", lambda: house.postgres.value(
        f"SELECT a.why FROM kep.alarms a JOIN kep.messages m USING (kep_id) WHERE m.queue_id = '{answer.queue_id}'"),
        15, 0.2) == "digest-differs"
    assert house.mailbox(pair[1]).mails() == []


def header_check(house, line):
    path = house.postfix.config / "test_header_checks"
    path.write_text(line + "\n")
    return str(path)
