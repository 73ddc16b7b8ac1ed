"""Bad input over real SMTP: each kind has its own reason, in the reply and in a log line with the queue id."""
import base64
import re

import pytest

from conftest import REASONS, logged, refused
from sandboxlib import mail
from sandboxlib.pki import maker


def fields(message):
    return re.split(rb"\r\n(?![ \t])", message.partition(b"\r\n\r\n")[0]), message.partition(b"\r\n\r\n")[2]


def without(message, name):
    head, body = fields(message)
    return b"\r\n".join(f for f in head if not f.lower().startswith(name + b":")) + b"\r\n\r\n" + body


def replaced(message, name, value):
    head, body = fields(message)
    return b"\r\n".join(value if f.lower().startswith(name + b":") else f for f in head) + b"\r\n\r\n" + body


class Kit:
    """What the cases build from: sender, recipient, and ways to sign."""

    def __init__(self, house, a, b):
        self.house, self.a, self.b, self.dir = house, a, b, str(house.pki.dir)

    def plain(self, body="Merhaba\r\n", **options):
        return mail.compose(self.a, [self.b], body, **options)

    def signed(self, body="Merhaba\r\n", **options):
        return mail.sign(self.house.pki, self.plain(body, **options), self.a)

    def by(self, who):
        return mail.sign(self.house.pki, self.plain(), self.a, who=who)

    def with_signature(self, change):
        """A message whose p7s went through change(der)."""
        message = self.plain()
        head, body = fields(message)
        inside = [f for f in head if f.lower().startswith(b"content-")]
        entity = b"\r\n".join(inside) + b"\r\n\r\n" + body
        der = maker.p7s(self.dir, f"signers/{self.a}", entity, "-md", "sha256")
        return b"\r\n".join(f for f in head if f not in inside) + b"\r\n" + maker.multipart_signed(entity, change(der))

    def p7s_text(self, change):
        """A message whose base64 lines of the p7s went through change(text)."""
        message = self.signed()
        start = message.index(b'filename="smime.p7s"\r\n\r\n') + len(b'filename="smime.p7s"\r\n\r\n')
        end = message.rindex(b"--kep-")
        return message[:start] + change(message[start:end]) + message[end:]


def two_signers(k):
    head, body = fields(k.plain())
    inside = [f for f in head if f.lower().startswith(b"content-")]
    entity = b"\r\n".join(inside) + b"\r\n\r\n" + body
    other = f"{k.dir}/signers/ali@hs01.kep.test"
    der = maker.p7s(k.dir, f"signers/{k.a}", entity, "-md", "sha256", "-signer", other + ".pem", "-inkey", other + ".key")
    return b"\r\n".join(f for f in head if f not in inside) + b"\r\n" + maker.multipart_signed(entity, der)


def nested(inner, k):
    """A multipart/mixed with boundary `inner` inside a multipart/signed with boundary `dis`."""
    body = b"--%s\r\n\r\nx\r\n--%s--\r\n" % (inner, inner)
    entity = b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n' % inner + body
    der = maker.p7s(k.dir, f"signers/{k.a}", entity, "-md", "sha256")
    signed = maker.multipart_signed(entity, der)
    boundary = re.search(rb'boundary="([^"]+)"', signed).group(1)
    head, _ = fields(k.plain())
    return b"\r\n".join(f for f in head if not f.lower().startswith(b"content-")) + b"\r\n" + signed.replace(boundary, b"dis")


CASES = {
    "two From headers": ("field-twice", lambda k: b"From: <%s>\r\n" % k.a.encode() + k.signed()),
    "From list": ("from-syntax", lambda k: replaced(k.signed(), b"from", b"From: <%s>, <x@y.test>" % k.a.encode())),
    "From group": ("from-syntax", lambda k: replaced(k.signed(), b"from", b"From: grup:<%s>;" % k.a.encode())),
    "missing From": ("from-missing", lambda k: without(k.signed(), b"from")),
    "missing Date": ("date-missing", lambda k: without(k.signed(), b"date")),
    "bad Date": ("date-syntax", lambda k: replaced(k.signed(), b"date", b"Date: yesterday")),
    "missing Message-ID": ("message-id-missing", lambda k: without(k.signed(), b"message-id")),
    "bad Message-ID": ("message-id-syntax", lambda k: replaced(k.signed(), b"message-id", b"Message-ID: no brackets")),
    "unreadable To": ("to-syntax", lambda k: replaced(k.signed(), b"to", b"To: <<%s>" % k.b.encode())),
    "bare CR": ("bare-cr", lambda k: k.signed("a\rb\r\n")),
    "line over 998": ("line-length", lambda k: k.signed("a" * 999 + "\r\n")),
    "line far over 998": ("line-length", lambda k: k.signed("a" * 70000 + "\r\n")),
    "header over 64 KiB": ("header-size", lambda k: k.signed(extra=tuple(f"X-{i}: " + "a" * 900 for i in range(80)))),
    "too many header fields": ("header-count", lambda k: k.signed(extra=tuple(f"X-{i}: a" for i in range(501)))),
    "8-bit header that is no UTF-8": ("header-8bit", lambda k: b"X-Latin: \xfe\xff\r\n" + k.signed()),
    "boundary inside boundary": ("mime-boundary", lambda k: nested(b"dis-ic", k)),
    "boundary twice": ("mime-boundary", lambda k: nested(b"dis", k)),
    "text after the closing boundary": ("mime-epilogue", lambda k: k.signed() + b"P.S.\r\n"),
    "no closing boundary": ("mime-unclosed", lambda k: k.signed()[:-4 - len(b"--kep-") - 32]),
    "third part": ("signed-parts", lambda k: third_part(k)),
    "truncated p7s": ("signature-der", lambda k: k.with_signature(lambda der: der[:-9])),
    "trailing bytes after the p7s": ("signature-trailing", lambda k: k.with_signature(lambda der: der + b"\0\0")),
    "base64 junk": ("signature-base64", lambda k: k.p7s_text(lambda text: b"!!" + text)),
    "p7s of junk": ("signature-der", lambda k: k.p7s_text(lambda text: base64.b64encode(b"junk" * 40) + b"\r\n")),
    "unsigned": ("not-signed", lambda k: k.plain()),
    "signed by an unknown CA": ("signer-untrusted", lambda k: k.by("bad/unknown-ca")),
    "expired signer": ("signer-expired", lambda k: k.by("bad/expired")),
    "weak key": ("signer-weak", lambda k: k.by("bad/rsa1024")),
    "certificate of a server": ("signer-usage", lambda k: k.by("bad/server-auth")),
    "altered after signing": ("content-altered", lambda k: k.signed().replace(b"Merhaba", b"Merhabe")),
    "two signers": ("two-signers", two_signers),
    "header line without colon": (None, lambda k: replaced(k.signed(), b"subject", b"Subject: x\r\nno colon here")),
}


def third_part(k):
    message = k.signed()
    boundary = re.search(rb'boundary="([^"]+)"', message).group(1)
    return message[:-len(boundary) - 6] + b"--" + boundary + b"\r\n\r\nthird\r\n--" + boundary + b"--\r\n"


@pytest.fixture(scope="module")
def sides(house):
    for address in ("kotu@hs01.kep.test", "iyi@hs01.kep.test"):
        house.add_account(address)
    return "kotu@hs01.kep.test", "iyi@hs01.kep.test"


def row(house, message_id):
    return house.postgres.sql(f"SELECT why, queue_id FROM kep.refusals WHERE message_id = '{message_id}'")


@pytest.mark.parametrize("name", CASES)
def test_bad_input(house, sides, name):
    why, build = CASES[name]
    message = build(Kit(house, *sides))
    before = len(logged(house, why)) if why else 0
    answer = house.send(sides[0], [sides[1]], message, signed=False)
    assert not answer.ok, answer.words()
    if why:
        refused(answer, why)
        lines = logged(house, why)
        assert len(lines) == before + 1 and re.search(r"\b[0-9A-Za-z]{10,}: rejected why=", lines[-1]), lines[-1:]
    assert house.mailbox(sides[1]).mails() == []


def test_nul_octet(house, sides):
    """Postfix is told to refuse it, or the milter does; it never passes."""
    answer = house.send(sides[0], [sides[1]], Kit(house, *sides).signed(b"a\0b\r\n"), signed=False)
    assert answer.code == 550, answer.words()
    assert house.mailbox(sides[1]).mails() == []


@pytest.mark.parametrize("octets", [b"a\nb\r\n", b"a\r\n.\nMAIL FROM:<x@y.test>\r\n", b"a\r\n.\r.\r\n"], ids=["LF", "smuggling", "CR"])
def test_bare_newline(house, sides, octets):
    """Postfix refuses a bare LF itself, before it can end a message."""
    message = Kit(house, *sides).plain() + octets
    try:
        answer = house.send(sides[0], [sides[1]], message, signed=False)
        assert not answer.ok, answer.words()
    except mail.smtplib.SMTPServerDisconnected:
        pass
    assert house.mailbox(sides[1]).mails() == []


def test_message_over_the_limit(house, sides):
    message = Kit(house, *sides).signed(b"M" * 76 + b"\r\n" + (b"M" * 76 + b"\r\n") * (31 * 1024 * 1024 // 78))
    refused(house.send(sides[0], [sides[1]], message, signed=False), "message-size")


def test_3600_recipients(house, people):
    """What is over the limit is refused recipient by recipient and for now; nothing dies."""
    a = people.new()
    domain = house.domain
    house.postgres.sql("SELECT count(kep.account_add('r'||i||'@" + domain + "', NULL, NULL, 'r'||i)) FROM generate_series(1, 3600) i")
    said = []
    with house.client(login=a) as client:
        client.docmd("MAIL", f"FROM:<{a}>")
        for i in range(1, 3601):
            try:
                code, words = client.docmd("RCPT", f"TO:<r{i}@{domain}>")
            except mail.smtplib.SMTPServerDisconnected:
                break
            said.append((code, words.decode()))
            if code == 421:
                break
        client.close()
    code, enhanced, words = REASONS["too-many-recipients"]
    assert [c for c, _ in said[:500]] == [250] * 500
    assert said[500][0] == 452 and words in said[500][1], said[500]
    assert all(c in (452, 421) for c, _ in said[500:])
    b = people.new()
    assert house.send(a, [b]).ok, "and the next message is taken"
