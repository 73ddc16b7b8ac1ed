"""The whole way of a message, and everything that may lie in one."""
import re

import pytest

from conftest import REASONS
from sandboxlib import mail
from sandboxlib.process import until
from sink import Sink


def arrived(house, address, count=1):
    return house.mailbox(address).wait(count)


def content(octets):
    """What the sender sent: from the first field after those of mail servers, and without ours."""
    return re.sub(rb"(?m)^X-KEP-ID: .*\r\n", b"", octets[octets.index(b"\r\nFrom:") + 2:])


def test_happy_path(house, pair):
    a, b = pair
    answer = house.send(a, [b], body="Merhaba\r\n")
    assert answer.ok and answer.queue_id, answer.words()
    got = arrived(house, b)[0]
    assert mail.header(got, "X-KEP-ID")
    assert house.pki.verify(got).endswith(b"Merhaba\r\n")
    assert house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    assert len(arrived(house, a, 2)) == 2


def test_receipts(house, pair):
    a, b = pair
    answer = house.send(a, [b])
    receipts = arrived(house, a, 2)
    house.postfix.drained()
    outcomes = []
    for octets in receipts:
        assert house.pki.verify(octets), "the seal"
        assert mail.header(octets, "Auto-Submitted") == "auto-generated"
        assert mail.header(octets, "X-KEP-Type") == "receipt"
        text = mail.parse(octets).get_body(("plain",)).get_content()
        assert b in text and a in text
        evidence = [p for p in mail.parse(octets).walk() if p.get_filename() == "evidence.json"]
        assert len(evidence) == 1
        outcomes.append(re.search(r'"outcome":"([^"]+)"', evidence[0].get_payload(decode=True).decode()).group(1))
    assert sorted(outcomes) == ["A.1", "D.1"]
    assert len({mail.header(r, "Message-ID") for r in receipts}) == 2
    # Exactly two, none for the receipts themselves, none for the recipient.
    assert len(house.mailbox(a).mails()) == 2 and len(house.mailbox(b).mails()) == 1
    assert house.postgres.value(f"SELECT count(*) FROM kep.receipts r JOIN kep.messages m USING (kep_id) "
                                f"WHERE m.queue_id = '{answer.queue_id}'") == "2"


def test_changed_receipt_does_not_verify(house, pair):
    a, b = pair
    house.send(a, [b])
    octets = arrived(house, a, 1)[0]
    text = mail.parse(octets).get_body(("plain",))
    payload = text.get_payload(decode=False).encode()
    changed = octets.replace(payload[:40], payload[:39] + (b"A" if payload[39:40] != b"A" else b"B"))
    assert changed != octets
    with pytest.raises(Exception):
        house.pki.verify(changed)


def test_show(house, pair):
    a, b = pair
    answer = house.send(a, [b], message_id=f"<show-{a}>")
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    kep_id = mail.header(arrived(house, b)[0], "X-KEP-ID")
    for name in (answer.queue_id, kep_id, f"<show-{a}>"):
        assert kep_id in house.show(name, json_=False)
        assert kep_id in str(house.show(name))


def test_mixed_fates(house, people):
    """One message: delivered, mailbox full, no mailbox, no account, at another provider."""
    a, good, full = people.new(), people.new("iyi"), people.new("dolu", quota=2000)
    nobody = people.new("kutusuz", mailbox=False)
    unknown, away = f"yok-{a}", "biri@hs02.kep.test"
    answer = house.send(a, [good, full, nobody, unknown, away], body="x" * 60 + "\r\n" + 40 * ("y" * 70 + "\r\n"))
    assert answer.ok, answer.words()
    assert list(answer.refused) == [unknown]
    code, enhanced, words = REASONS["recipient-unknown"]
    assert answer.refused[unknown][0] == code and words in answer.refused[unknown][1]
    house.wait_evidence(answer.queue_id, ["A.1", "D.1", "D.2", "D.2"])
    rows = dict(house.postgres.sql("SELECT f.recipient, f.state FROM kep.message_facts f WHERE f.queue_id = "
                                   f"'{answer.queue_id}'"))
    assert rows[good] == "delivered" and rows[full] == "failed" and rows[nobody] == "failed"
    assert rows[away] in ("waiting", "relayed")
    assert len(arrived(house, good)) == 1
    # One receipt for the acceptance, one for each fate; Postfix's own bounces are not among them.
    found = until("four receipts", lambda: (lambda r: r if len(r) == 4 else None)(mail.receipts(house.mailbox(a).mails())))
    texts = [mail.parse(r).get_body(("plain",)).get_content() for r in found]
    assert sum(full in t for t in texts) >= 1
    house.postfix.forget(away)          # nobody listens there


def test_many_recipients(house, people):
    a, many = people.new(), [people.new("cok") for _ in range(12)]
    answer = house.send(a, many, cc=many[6:])
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, ["A.1"] + ["D.1"] * 12)
    assert all(len(house.mailbox(b).mails()) == 1 for b in many)


def same_octets(house, a, b, message):
    answer = house.send(a, [b], message)
    assert answer.ok, answer.words()
    got = arrived(house, b)[0]
    assert content(got) == content(b"\r\n" + message), "the mailbox holds what was sent"
    assert house.pki.verify(got)
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])


def signed(house, a, b, body, **options):
    return mail.sign(house.pki, mail.compose(a, [b], body, **options), a)


def test_eight_bit_body(house, pair):
    same_octets(house, *pair, signed(house, *pair, "Şişli'de çığ düştü – €\r\n"))


def test_dot_stuffing(house, pair):
    same_octets(house, *pair, signed(house, *pair, ".\r\n..\r\n.ab\r\nMAIL FROM:<x>\r\n\r\n.\r\n"))


def test_folded_headers(house, pair):
    extra = ("X-Fold: bir\r\n iki\r\n\tüç", "Subject2:sıkışık", "X-Empty:", "References: <a@b>\r\n <c@d>\r\n <e@f>")
    same_octets(house, *pair, signed(house, *pair, "x\r\n", extra=extra))


def test_body_without_last_line_end_and_blank_lines(house, pair):
    same_octets(house, *pair, signed(house, *pair, "\r\n\r\n  \r\nson satır \t\r\n\r\n\r\n"))


def test_attachment_multipart(house, pair):
    inner = ("--ic\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nEkte.\r\n--ic\r\nContent-Type: application/pdf\r\n"
             "Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--ic--\r\n")
    same_octets(house, *pair, signed(house, *pair, inner, extra=('Content-Type: multipart/mixed; boundary="ic"',)))


def test_opaque_signature(house, pair):
    a, b = pair
    plain = mail.compose(a, [b], "kapalı\r\n")
    head, _, _ = plain.partition(b"\r\n\r\n")
    fields = [f for f in re.split(rb"\r\n(?![ \t])", head) if not f.lower().startswith(b"content-")]
    entity = b"Content-Type: text/plain; charset=utf-8\r\n\r\nkapal\xc4\xb1\r\n"
    der = mail.maker.p7s(str(house.pki.dir), f"signers/{a}", entity, "-nodetach", "-md", "sha256")
    message = (b"\r\n".join(fields) + b"\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data;"
               b" name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
               + b"\r\n".join(mail.base64.encodebytes(der).split(b"\n")[:-1]) + b"\r\n")
    same_octets(house, a, b, message)


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
def test_digests(house, pair, digest):
    a, b = pair
    message = mail.sign(house.pki, mail.compose(a, [b]), a, digest=digest)
    same_octets(house, a, b, message)


def test_smtputf8_addresses(house, people):
    """A mailbox server that knows them (Dovecot's LMTP does not) gets them as they are."""
    a, b = people.new("ayşe"), people.new("öğretmen")
    with Sink(house.place.run("sink")) as sink, house.daemons.changed("mailbox_lmtp", f"unix:{sink.path}"):
        answer = house.send(a, [b], subject="Türkçe adres")
        assert answer.ok, answer.words()
        house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
        # Receipts of the tests before may still come, too.
        mine = until("message and receipts", lambda: len(found := [m for m in sink.mails if m.recipients in ([a], [b])]) >= 3 and found)
        house.postfix.drained()
    assert sorted((m.sender == a, m.recipients) for m in mine) == [(False, [a]), (False, [a]), (True, [b])]
    receipt = next(m.octets for m in mine if m.recipients == [a])
    assert house.pki.verify(receipt) and b in mail.parse(receipt).get_body(("plain",)).get_content()


def test_smtputf8_address_that_the_mailbox_server_refuses(house, people):
    a, b = people.new("ayse"), people.new("öğretmen")
    answer = house.send(a, [b])
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, ["A.1", "D.2"])
    assert len(arrived(house, a, 2)) >= 2


def test_utf8_fields_without_smtputf8(house, pair):
    """Postfix takes them (strict_smtputf8 = no) and passes them on as they are; so do we, since it is legal in practice."""
    a, b = pair
    message = mail.sign(house.pki, mail.compose(a, [b], subject="İhale çağrısı"), a)
    assert not mail.header(message, "Subject").isascii()
    with house.client("submission", a) as client:       # give() says SMTPUTF8 for addresses alone
        answer = client.give(a, [b], message)
    assert answer.ok, answer.words()
    assert any("İhale çağrısı".encode() in m for m in arrived(house, b))


def test_upper_case_addresses(house, people):
    a, b = people.new("buyuk"), people.new("kucuk")
    upper = b.upper().replace("KUCUK", "Kucuk")
    answer = house.send(a, [upper])
    assert answer.ok, answer.words()
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    assert len(arrived(house, b)) == 1


def test_25_megabytes_cost_the_milter_little(house, pair):
    a, b = pair
    line = b"M" * 76 + b"\r\n"
    small = signed(house, a, b, line * 20000)
    assert house.send(a, [b], small).ok
    big = signed(house, a, b, line * (25 * 1024 * 1024 // len(line)))
    assert len(big) > 25_000_000
    pid = house.daemons.milter.pid()
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")         # the high-water mark starts anew
    before = house.daemons.memory("milter")[0]
    answer = house.send(a, [b], big)
    assert answer.ok, answer.words()
    peak = house.daemons.memory("milter")[1]
    assert peak - before < 256 * 1024, f"{peak - before} octets more"
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"], 60)
    assert house.pki.verify(arrived(house, b, 2)[1])


def test_log_lines_start_with_the_queue_id(house, pair):
    answer = house.send(pair[0], [pair[1]])
    lines = [line for line in house.daemons.log("milter").splitlines() if answer.queue_id in line]
    assert any(re.search(rf"{answer.queue_id}: accepted kep_id=", line) for line in lines), lines
