"""mail.py - messages: made, signed, sent over SMTP, fetched over IMAP."""
import base64
import email
import email.policy
import email.utils
import imaplib
import re
import smtplib
import ssl
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .pki import maker
from .process import until


def crlf(octets):
    """Line ends as on the wire; octets that have CRLF already are left alone."""
    return octets if b"\r\n" in octets else octets.replace(b"\n", b"\r\n")


def compose(sender, recipients, body="Merhaba\r\n", subject="Sandbox", cc=(), extra=(), message_id=None):
    """A plain message with everything a KEP message needs but the signature."""
    octets = body if isinstance(body, bytes) else body.encode()
    head = [f"From: <{sender}>", "To: " + ",\r\n ".join(f"<{r}>" for r in recipients if r not in cc)]
    if cc:
        head.append("Cc: " + ", ".join(f"<{r}>" for r in cc))
    domain = sender.rpartition("@")[2] or "sandbox.test"
    head += [f"Subject: {subject}", f"Date: {email.utils.formatdate(localtime=False)}",
             f"Message-ID: {message_id or f'<{uuid.uuid4()}@{domain}>'}", *extra]
    if not any(line.lower().startswith("content-type:") for line in extra):
        head.append("Content-Type: text/plain; charset=utf-8")
        head.append("Content-Transfer-Encoding: " + ("7bit" if octets.isascii() else "8bit"))
    return "\r\n".join(head).encode() + b"\r\n\r\n" + crlf(octets)


def is_signed(message):
    head = message.partition(b"\r\n\r\n")[0].lower()
    return re.search(rb"(?m)^content-type:\s*(multipart/signed|application/(x-)?pkcs7-mime)", head) is not None


def from_file(path, sender, recipients):
    """A message file as it stands; a text without header becomes the body of one."""
    octets = crlf(Path(path).read_bytes())
    if re.match(rb"[!-9;-~]+[ \t]*:", octets):
        return octets
    return compose(sender, recipients, octets)


def sign(pki, message, sender, **options):
    """multipart/signed by the signer of sender."""
    return maker.sign(str(pki.dir), sender, message, **options)


@dataclass
class Sent:
    """What the server said: the last reply, and recipients it refused."""
    code: int
    reply: str
    refused: dict = field(default_factory=dict)

    @property
    def ok(self):
        return self.code == 250

    @property
    def queue_id(self):
        found = re.search(r"queued as (\S+)", self.reply)
        return found and found.group(1)

    def words(self):
        lines = [f"{rcpt}: {code} {reply}" for rcpt, (code, reply) in self.refused.items()]
        if (self.code, self.reply) not in self.refused.values():
            lines.append(f"{self.code} {self.reply}")
        return "\n".join(lines)


class Client(smtplib.SMTP):
    """smtplib with every reply kept, SMTPUTF8 and AUTH PLAIN with any login."""

    def __init__(self, address, ca=None, cert=None, login=None, password=None, tls=True, timeout=120):
        super().__init__(*address, local_hostname="client.test", timeout=timeout)
        self.command_encoding = "utf-8"
        self.ehlo()
        if tls:
            context = ssl.create_default_context(cafile=str(ca))
            context.check_hostname = False
            if cert:
                context.load_cert_chain(f"{cert}.pem", f"{cert}.key")
            self.starttls(context=context)
            self.ehlo()
        if login:
            token = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
            code, reply = self.docmd("AUTH", "PLAIN " + token)
            if code != 235:
                raise smtplib.SMTPAuthenticationError(code, reply)

    def give(self, sender, recipients, message, options=()):
        """One transaction. Octets of the message go as they are (dots stuffed)."""
        options = list(options)
        if not (sender + "".join(recipients)).isascii():
            options.append("SMTPUTF8")
        if not message.isascii():
            options.append("BODY=8BITMIME")
        answer = Sent(*said(self.docmd("MAIL", f"FROM:<{sender}>" + "".join(" " + o for o in options))))
        if answer.code != 250:
            self.rset()
            return answer
        last = answer
        for rcpt in recipients:
            last = Sent(*said(self.docmd("RCPT", f"TO:<{rcpt}>")))
            if last.code not in (250, 251):
                answer.refused[rcpt] = (last.code, last.reply)
        if len(answer.refused) == len(recipients):
            self.rset()
            return Sent(last.code, last.reply, answer.refused)
        return Sent(*said(self.data(message)), answer.refused)


def said(pair):
    return pair[0], pair[1].decode("utf-8", "replace").replace("\n", " ")


class Mailbox:
    """The INBOX of one address over IMAP."""

    def __init__(self, address, password, server):
        self.address, self.password, self.server = address, password, server

    def mails(self):
        """Every mail, oldest first, as octets; nothing is marked as read."""
        with imaplib.IMAP4(*self.server) as imap:
            token = f"\0{self.address}\0{self.password}".encode()
            imap.authenticate("PLAIN", lambda _: token)
            imap.select("INBOX", readonly=True)
            _, found = imap.fetch("1:*", "(BODY.PEEK[])") if int(imap.untagged_responses["EXISTS"][-1]) else ("OK", [])
            return [part[1] for part in found if isinstance(part, tuple)]

    def wait(self, count, seconds=20):
        """Until at least that many mails are there."""
        return until(f"{count} mails for {self.address}", lambda: (lambda m: m if len(m) >= count else None)(self.mails()),
                     seconds, 0.1)


def parse(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


def header(octets, name):
    """Raw value of the first field of that name in the top header block, or None."""
    head = octets.partition(b"\r\n\r\n")[0]
    found = re.search(rb"(?im)^" + re.escape(name.encode()) + rb":[ \t]*((?:[^\r\n]|\r?\n[ \t])*)", head)
    return found and re.sub(rb"\r?\n([ \t])", rb"\1", found.group(1)).decode("utf-8", "replace").strip()


def receipts(mails):
    """Those that carry an evidence."""
    return [m for m in mails if header(m, "X-KEP-Evidence")]
