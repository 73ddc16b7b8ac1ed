"""prove.py - what a stranger would write to verify our receipts: RFC 6962 with hashlib, C2SP notes and proofs by hand,
signatures with openssl(1). Nothing of postkep is used."""
import base64
import email
import email.policy
import hashlib
import json
import re
import subprocess
import tempfile
from pathlib import Path


class Bad(Exception):
    """This check failed."""


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True)
    return done.returncode == 0, done.stdout + done.stderr


def files(**octets):
    """Octets as files of a directory that goes with the object."""
    folder = tempfile.TemporaryDirectory()
    for name, text in octets.items():
        (Path(folder.name) / name).write_bytes(text)
    return folder


# -- the tree (RFC 6962 section 2.1, RFC 9162 section 2.1.3.2)

def leaf(octets):
    return hashlib.sha256(b"\0" + octets).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root(leaves):
    """Root over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        level = [node(*level[i:i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
    return level[0]


def included(index, size, hashed, path, want):
    if index >= size:
        return False
    fn, sn, r = index, size - 1, hashed
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == want


# -- notes and checkpoints

class Vkey:
    """NAME+HASH+BASE64(1 || public key)"""

    def __init__(self, line):
        self.name, self.hash, key = line.strip().split("+", 2)
        octets = base64.b64decode(key, validate=True)
        if octets[0] != 1 or len(octets) != 33 or hashlib.sha256(self.name.encode() + b"\n" + octets).hexdigest()[:8] != self.hash:
            raise Bad(f"vkey {line}")
        self.public = octets[1:]

    def good(self, text, signature):
        der = bytes.fromhex("302a300506032b6570032100") + self.public
        with files(key=der, text=text, signature=signature) as d:
            return openssl("pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", f"{d}/key", "-rawin", "-in", f"{d}/text",
                           "-sigfile", f"{d}/signature")[0]


class Checkpoint:
    """A signed note whose text is a checkpoint of this vkey's ledger."""

    def __init__(self, note, vkey):
        self.note = note
        self.text, _, lines = note.partition(b"\n\n")
        self.text += b"\n"
        origin, size, hashed, end = self.text.decode().split("\n")
        if end or origin != vkey.name or not re.fullmatch(r"0|[1-9]\d*", size):
            raise Bad("checkpoint")
        self.size, self.root = int(size), base64.b64decode(hashed, validate=True)
        good = 0
        for line in lines.decode().splitlines():
            dash, name, signature = line.split(" ")
            octets = base64.b64decode(signature, validate=True)
            if dash != "\u2014":
                raise Bad("signature line")
            if name == vkey.name and octets[:4].hex() == vkey.hash:
                if not vkey.good(self.text, octets[4:]):
                    raise Bad("checkpoint signature")
                good += 1
        if not good:
            raise Bad("checkpoint not signed by the ledger")


# -- receipts

class Receipt:
    """The parts of a receipt; each check raises Bad with its name."""

    def __init__(self, mail):
        self.mail = mail
        parsed = email.message_from_bytes(mail, policy=email.policy.default)
        self.parts = {p.get_filename(): p.get_payload(decode=True) for p in parsed.walk() if p.get_filename()}
        self.body = self.parts["evidence.json"]
        self.evidence = json.loads(self.body)
        first, *lines = self.parts["evidence.tlog-proof"].decode().split("\n")
        if first != "c2sp.org/tlog-proof@v1" or not lines[0].startswith("index "):
            raise Bad("tlog-proof")
        self.index = int(lines[0][6:])
        end = lines.index("")
        self.path = [base64.b64decode(h, validate=True) for h in lines[1:end]]
        self.note = "\n".join(lines[end + 1:]).encode()

    def verify(self, folder, seal_chain):
        """Everything; folder as tests/sandbox gives it to verifiers. The checkpoint."""
        folder = Path(folder)
        vkey = Vkey((folder / "ledger.vkey").read_text())
        anchors = ["-CAfile", next((folder / "seal").glob("*.pem")), "-certfile", seal_chain]
        with files(mail=self.mail) as d:
            if not openssl("cms", "-verify", "-in", f"{d}/mail", *anchors, "-out", "/dev/null")[0]:
                raise Bad("seal")
        if json.dumps(self.evidence, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != self.body:
            raise Bad("canonical form")
        head = Checkpoint(self.note, vkey)
        if not included(self.index, head.size, leaf(self.body), self.path, head.root):
            raise Bad("inclusion")
        with files(text=head.text, cms=self.parts["checkpoint.p7s"], token=self.parts.get("timestamp.tst", b"")) as d:
            if not openssl("cms", "-verify", "-inform", "DER", "-in", f"{d}/cms", "-binary", "-content", f"{d}/text", *anchors, "-out", "/dev/null")[0]:
                raise Bad("seal over the checkpoint")
            if "timestamp.tst" in self.parts:
                tsa = next((folder / "tsa").glob("*.pem"))
                done, words = openssl("ts", "-verify", "-token_in", "-in", f"{d}/token", "-data", f"{d}/text", "-CAfile", tsa)
                if not done:
                    raise Bad(f"time-stamp: {words}")
        return head


class Ledger:
    """All leaves as the database holds them, to ask for the root of any size."""

    def __init__(self, house):
        rows = house.postgres.sql("SELECT index, encode(hash, 'hex'), encode(sha256('\\x00' || body), 'hex') FROM kep.ledger_leaves ORDER BY index")
        assert [int(r[0]) for r in rows] == list(range(len(rows))), "indices without gaps"
        assert all(r[1] == r[2] for r in rows), "leaf hashes are those of the bodies"
        self.leaves = [bytes.fromhex(r[1]) for r in rows]
        self.roots = {}

    def root(self, size):
        if size not in self.roots:
            assert size <= len(self.leaves), f"a checkpoint of {size} entries, the ledger has {len(self.leaves)}"
            self.roots[size] = root(self.leaves[:size])
        return self.roots[size]

    def keeps(self, head):
        return head.root == self.root(head.size)
