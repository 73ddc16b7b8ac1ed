"""lmtp.py - conversations with the LMTP hop of kep-policyd (steps: house.py, talk.py) and

    record ID SENDER RCPT[,RCPT...]
                            a message the milter has judged, with queue id ID
    id ID                   $KEPID stands for its KEP id from here on, in > and sql lines
    LMTP SENDER RCPT [RCPT...] [: PARAMETER...]
                            a whole transaction up to 354, for the parameters of MAIL see
                            RFC 5321; "RCPT/ORCPT" gives ORCPT=rfc822;ORCPT too.  Only replies
                            other than 250 and 354 are printed.  LHLO is said when needed
    data ID [FIELD: VALUE | +TEXT | NAME=VALUE]...
                            the message recorded under ID, and the dot; "+TEXT" goes behind the
                            body, a FIELD to the top of the header; id=no, id=twice, id=bad or
                            id=UUID change X-KEP-ID.  A reply for each recipient is printed
    text TEXT               some other message, \\n for line ends, and the dot; as data
    mailbox ADDRESS REPLY   the mailbox server answers so behind the dot; hangup: it hangs up;
                            silence: it says nothing
    mailbox RCPT ADDRESS REPLY   it answers RCPT so
    mailbox down|up         it does not listen; it does again
    inject REPLY            what the inject service answers behind the dot
    told [N]                what both servers were given since the last time (wait for N mails);
                            mails of the outbox come last, in the order of their subjects
    receipt N               deliver the receipt that "told" printed as the Nth last one
    signer look             the child that holds the private keys: its descriptors and limits; are
                            the keys in the memory of kep-policyd itself?
    signer kill             end it

The mailbox server gets "unix:DIR/mailbox.sock", the inject service DIR/inject.sock.
"""
import email
import email.policy
import hashlib
import os
import socketserver
import subprocess
import threading
import time
import uuid

import house
import talk

HEADER = ["From: {sender}", "To: {to}", "Subject: {id}", "Date: Mon, 23 Nov 2026 18:00:00 +0000", "Message-ID: <{id}@hs01.kep.test>",
          "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"]
BODY = "Merhaba {id}\r\n.nokta\r\n\r\nşğı\r\n"
SIGNER = '{"certificate":"' + "ab" * 32 + '","subject":"CN=Ali","serial":"01","issuer":"CN=CA","identity":"10000000146","digest":"sha256"}'
CAPABILITIES = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"]


class Mail:
    def __init__(self, server, mail, rcpts, octets):
        self.server, self.mail, self.rcpts, self.octets = server, mail, rcpts, octets

    @property
    def receipt(self):
        return "<receipt+" in self.mail

    def lines(self):
        parsed = email.message_from_bytes(self.octets, policy=email.policy.default)
        yield f"{self.server}: {self.mail}"
        yield from (f"  {r}" for r in self.rcpts)
        body = hashlib.sha256(self.octets.partition(b"\r\n\r\n")[2]).hexdigest()[:16]
        yield f"  {parsed['Subject']}, " + (parsed.get_content_type() if self.receipt else f"X-KEP-ID {parsed['X-KEP-ID']}, body {body}")


class Session(socketserver.StreamRequestHandler):
    """A mailbox server (LMTP) or the inject service (SMTP)."""

    def handle(self):
        try:
            self.converse()
        except OSError:
            pass

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def converse(self):
        self.say("220 ready")
        while line := self.rfile.readline():
            line = line.decode().rstrip("\r\n")
            verb = line[:4].upper()
            if verb in ("LHLO", "EHLO"):
                self.say("250-there\r\n250-" + "\r\n250-".join(CAPABILITIES[:-1]) + "\r\n250 " + CAPABILITIES[-1])
            elif verb == "MAIL":
                self.mail, self.rcpts = line, []
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                answer = self.server.answers.get("RCPT " + line.split("<")[1].split(">")[0], "250 2.1.5 ok")
                self.rcpts += [line] if answer[0] == "2" else []
                self.say(answer)
            elif verb == "DATA":
                self.say("354 go" if self.rcpts else "503 5.5.1 no recipients")
                if self.rcpts and not self.data():
                    return
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def data(self):
        octets = b""
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            octets += line[1:] if line.startswith(b".") else line
        for i, rcpt in enumerate(self.rcpts if self.server.lmtp else ["*"]):
            answer = self.server.answers.get(rcpt.split("<")[1].split(">")[0] if self.server.lmtp else "*", self.server.good)
            if i == 0:
                self.server.mails.append(Mail(self.server.kind, self.mail, self.rcpts, octets))
            if answer == "silence":
                self.rfile.read()
            if answer in ("hangup", "silence"):
                return False
            self.say(answer)
        return True


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def __init__(self, path, kind):
        self.kind, self.lmtp, self.answers, self.mails = kind, kind == "mailbox", {}, []
        self.good = "250 2.0.0 saved" if self.lmtp else "250 2.0.0 Ok: queued as INJ1"
        self.path = path
        super().__init__(path, Session)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def end(self):
        self.shutdown()
        self.server_close()
        os.unlink(self.path)


class Lmtp(house.House):
    SOCKET = "lmtp.sock"

    def __init__(self, build, scratch):
        super().__init__(build, scratch)
        self.eol = b"\r\n"
        self.records, self.values, self.receipts, self.hello, self.count = {}, {}, [], False, 0
        self.mailbox, self.inject = Server(f"{self.dir}/mailbox.sock", "mailbox"), Server(f"{self.dir}/inject.sock", "inject")

    def start(self, ready="ready, version"):
        super().start(ready)
        self.hello = False

    def open(self):
        super().open()
        self.hello = False

    # records

    def on_record(self, rest):
        ident, sender, to = rest.split()
        rcpts = to.split(",")
        header = "".join(line.format(id=ident, sender=sender, to=", ".join(rcpts)) + "\r\n" for line in HEADER)
        body = BODY.format(id=ident)
        canonical = (header + "\r\n" + body).encode()
        kep_id = str(uuid.uuid4())
        host = "mx1.hs01.kep.test"
        tls = house.FINGERPRINT["A"] if "hs02" in sender else ""
        text = "".join(f"SELECT kep.attempt('{host}', 'I{ident}', '{r}', '192.0.2.9', '{tls}', '{sender}', '{sender}', '{ident}', 1, '\\x00', 'accepted');"
                       for r in rcpts)
        text += f"SELECT kep.attempt_data('{host}', 'I{ident}', '{ident}', {len(rcpts)});"
        text += (f"SELECT why FROM kep.submit('{kep_id}', '{host}', '{ident}', '{sender}', '{sender}', '192.0.2.9', '{{{to}}}', '{sender}', "
                 f"'<{ident}@hs01.kep.test>', {len(canonical)}, 1, '\\x{hashlib.sha256(canonical).hexdigest()}', '\\x{hashlib.sha512(canonical).hexdigest()}', '{SIGNER}');")
        answer = house.psql(self.postgres.dir, self.database, text).split()[-1]
        self.records[ident] = (kep_id, header, body)
        self.say(f"record {rest}   ({answer})")

    def on_id(self, rest):
        self.values["$KEPID"] = self.records[rest][0]
        self.say(f"id {rest}")

    # transactions

    def lmtp(self, line):
        self.send(line.encode() + self.eol)

    def hush(self, expected):
        """A reply, printed only if it is another one."""
        kept, self.out = self.out, []
        try:
            self.reply()
        finally:
            said, self.out = self.out, kept
        if not said[-1].startswith(f"< {expected}"):
            self.out += said

    def on_LMTP(self, rest):
        self.say(f"LMTP {rest}")
        words, _, params = rest.partition(" : ")
        sender, *rcpts = words.split()
        if not self.hello:
            self.lmtp("LHLO mx1.hs01.kep.test")
            self.hush("220")
            self.hush("250")
            self.hello = True
        sender = "" if sender == "<>" else sender
        self.lmtp(f"MAIL FROM:<{self.fill(sender)}>" + (f" {params}" if params else ""))
        self.hush("250")
        for rcpt in rcpts:
            path, _, orcpt = rcpt.partition("/")
            self.lmtp(f"RCPT TO:<{self.fill(path)}>" + (f" ORCPT=rfc822;{orcpt}" if orcpt else ""))
            self.hush("250")
        self.count = len(rcpts)
        self.lmtp("DATA")
        self.hush("354")

    def dot(self, text):
        octets = text.encode() if isinstance(text, str) else text
        stuffed = b"".join(b"." + line if line.startswith(b".") else line for line in octets.splitlines(True))
        self.send(stuffed + b".\r\n")
        for _ in range(self.count):
            self.reply()

    def on_data(self, rest):
        self.say(f"data {rest}")
        ident, *changes = rest.split("; ")
        kep_id, header, body = self.records[ident]
        top, ids = f"Received: by mx1.hs01.kep.test (Postfix)\r\n\tid {ident}; Mon, 23 Nov 2026 18:00:00 +0000\r\n", f"X-KEP-ID: {kep_id}\r\n"
        for change in changes:
            if change.startswith("id="):
                ids = {"no": "", "twice": ids * 2, "bad": "X-KEP-ID: 1\r\n"}.get(change[3:], f"X-KEP-ID: {change[3:]}\r\n")
            elif change.startswith("+"):
                body += change[1:] + "\r\n"
            else:
                top = change + "\r\n" + top
        self.dot(top + header + ids + "\r\n" + body)

    def on_text(self, rest):
        self.say(f"text {talk.mask(rest, self.masks)}")
        self.dot(self.fill(rest).replace("\\n", "\r\n") + "\r\n")

    # servers

    def on_mailbox(self, rest):
        self.say(f"mailbox {rest}")
        if rest == "down":
            self.mailbox.end()
        elif rest == "up":
            answers, mails = self.mailbox.answers, self.mailbox.mails
            self.mailbox = Server(f"{self.dir}/mailbox.sock", "mailbox")
            self.mailbox.answers, self.mailbox.mails = answers, mails
        else:
            key, _, answer = rest.partition(" ")
            if key == "RCPT":
                path, _, answer = answer.partition(" ")
                key = f"RCPT {path}"
            self.mailbox.answers[key] = answer

    def on_inject(self, rest):
        self.say(f"inject {rest}")
        self.inject.answers["*"] = rest

    def on_told(self, rest):
        self.say(f"told {rest}".rstrip())
        end = time.monotonic() + 15
        while len(self.mailbox.mails) + len(self.inject.mails) < int(rest or 0) and time.monotonic() < end:
            time.sleep(0.01)
        mails, self.mailbox.mails, self.inject.mails = self.mailbox.mails + self.inject.mails, [], []
        receipts = sorted((m for m in mails if m.server == "inject" and m.receipt), key=lambda m: (list(m.lines())[-1], m.rcpts))
        self.receipts = receipts or self.receipts
        for m in [m for m in mails if m not in receipts] + receipts:
            for line in m.lines():
                self.say("  " + talk.mask(line, self.masks))

    def on_receipt(self, rest):
        self.say(f"receipt {rest}")
        m = self.receipts[int(rest) - 1]
        sender, to = (line.split("<")[1].split(">")[0] for line in (m.mail, m.rcpts[0]))
        kept, self.out = self.out, []
        self.on_LMTP(f"{sender} {to}")
        self.out = kept
        self.dot(m.octets)

    # the signer

    def children(self):
        pid = self.program.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(n) for n in f.read().split()]

    def secret(self, name):
        """32 octets of a key: the scalar of an EC key (RFC 5915: OCTET STRING of 32), the seed of an Ed25519 key (RFC 8410: the same)."""
        der = subprocess.run(["openssl", "pkey", "-in", f"{os.path.dirname(self.dir)}/pki/{name}.key", "-outform", "DER"], capture_output=True, check=True).stdout
        at = der.index(b"\x04\x20") + 2
        return der[at:at + 32]

    def in_memory(self, pid, octets):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
            for line in maps:
                span, rights = line.split()[:2]
                first, last = (int(n, 16) for n in span.split("-"))
                if "r" not in rights or "[v" in line or last - first > 1 << 30:
                    continue
                mem.seek(first)
                try:
                    if octets in mem.read(last - first):
                        return True
                except OSError:
                    continue
        return False

    def on_signer(self, rest):
        self.say(f"signer {rest}")
        pid = self.children()[0]
        if rest == "kill":
            os.kill(pid, 9)
            return
        files = f"/proc/{pid}/fd"
        for n in sorted(os.listdir(files), key=int):
            to = os.readlink(f"{files}/{n}")
            self.say(f"  {n} {'standard error' if n == '2' else to.split(':')[0]}")
        with open(f"/proc/{pid}/limits", encoding="ascii") as f:
            for line in f:
                if line.startswith(("Max open files", "Max processes", "Max file size", "Max core")):
                    self.say("  " + " ".join(line.split()[:5]))
        for name in ("seal", "checkpoint"):
            secret = self.secret(name)
            self.say(f"  {name}'s key in the signer: {self.in_memory(pid, secret) or self.in_memory(pid, secret[::-1])}, "
                     f"in kep-policyd: {self.in_memory(self.program.pid, secret) or self.in_memory(self.program.pid, secret[::-1])}")

    # $KEPID

    def fill(self, text):
        for name, value in self.values.items():
            text = text.replace(name, value)
        return text

    def step(self, line):
        if line.startswith("LMTP "):
            if not self.program:
                self.start()
                self.open()
            self.on_LMTP(line[5:])
        elif line.startswith("> ") and "$KEPID" in line:
            self.send(self.fill(line[2:]).encode() + self.eol)
            self.say(line)
        elif line.startswith("sql ") and "$KEPID" in line:
            super().step(self.fill(line))
            self.out = [talk.mask(o) for o in self.out]
        else:
            self.hello = self.hello or line.startswith("> LHLO m")
            super().step(line)


def play(path, build, scratch):
    conversation = Lmtp(build, scratch)
    try:
        return conversation.play_file(path)
    finally:
        for server in (conversation.mailbox, conversation.inject):
            if server.fileno() >= 0:
                server.shutdown()
                server.server_close()
