#!/usr/bin/env python3
"""scribe.py - writes what postkep writes - evidence, ledger, checkpoints, time-stamps, receipts - after docs/evidence-format.md.

Independent of the C: only the standard library, openssl(1), and the CMS makers of tests/pki*.py.

usage: tests/scribe.py DIR      DIR/trust (for kepctl verify --trust), DIR/receipts/NAME.eml good and bad, DIR/message.eml
"""
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pki_cades                                                   # noqa: E402
import pki_tsp                                                     # noqa: E402
from pki_cades import Certificate, TST_INFO, id_v2, signed, v2     # noqa: E402

pki = pki_cades.pki
ORIGIN = "hs01.kep.test/kep"
WITNESS = "witness.test/w1"
OUTCOMES = {"A.1": "SubmissionAcceptance", "D.1": "ContentConsignment", "D.2": "ContentConsignmentFailure", "E.1": "ContentHandover"}


# -- the tree (RFC 6962) -----------------------------------------------------------

def sha256(octets):
    return hashlib.sha256(octets).digest()


def leaf_hash(octets):
    return sha256(b"\0" + octets)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def split(n):
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def root(hashes):
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return node_hash(root(hashes[:k]), root(hashes[k:]))


def path(index, hashes):
    if len(hashes) == 1:
        return []
    k = split(len(hashes))
    if index < k:
        return path(index, hashes[:k]) + [root(hashes[k:])]
    return path(index - k, hashes[k:]) + [root(hashes[:k])]


def tiles(hashes):
    """{(level, number): hashes, concatenated}."""
    out, level = {}, 0
    while hashes:
        for at in range(0, len(hashes), 256):
            out[level, at // 256] = b"".join(hashes[at:at + 256])
        hashes = [root(hashes[at:at + 256]) for at in range(0, len(hashes) - 255, 256)]
        level += 1
    return out


# -- evidence ------------------------------------------------------------------------

def canonical(value):
    """RFC 8785 of strings, integers, lists and objects with ASCII keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1e6) % 1000000:06d}Z"


def random_uuid(random):
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def digests(message):
    return hashlib.sha256(message).hexdigest(), hashlib.sha512(message).hexdigest()


def evidence(random, when, outcome="D.1", message=None, previous=None, recipient=1, kep_id=None, words="250 2.0.0 Saved"):
    """One evidence as an object; message: canonical octets of what was sent."""
    sha = digests(random.randbytes(40) if message is None else message)
    e = {
        "event": OUTCOMES[outcome], "event_time": moment(when), "form": "kep-evidence-1", "id": random_uuid(random),
        "issuer": {"host": "mx1.hs01.kep.test", "provider": "KEPHS"},
        "message": {"canonical": 1, "kep_id": kep_id or random_uuid(random), "message_id": f"<{random.getrandbits(60):x}@hs01.kep.test>",
                    "queue_id": f"4Z{random.getrandbits(32):08X}", "sent_at": moment(when - 3), "sha256": sha[0], "sha512": sha[1],
                    "size": random.randrange(1000, 30000000)},
        "outcome": outcome, "reason": {"code": "RD01", "text": words},
        "recipients": [{"address": "ali@hs01.kep.test", "index": 1}, {"address": "veli@hs02.kep.test", "index": 2}],
        "sender": {"address": "ayse@hs01.kep.test", "cades": "B", "certificate_sha256": random.randbytes(32).hex(), "identity": "10000000146",
                   "login": "ayse@hs01.kep.test", "signer": "CN=Ayşe Yılmaz,serialNumber=10000000146,C=TR"},
    }
    if recipient:
        e["recipient"] = recipient
    if previous:
        e["previous"] = previous
    return e


# -- signatures ----------------------------------------------------------------------

class Keys:
    """Everything that signs: the seal, the ledger's key, an authority; below DIR."""

    def __init__(self, dir):
        self.dir = dir
        if not os.path.exists(dir + "/seal.pem"):
            os.makedirs(dir, exist_ok=True)
            self.make()
        self.public, self.witness = self.key("checkpoint.key"), self.key("witness.key")
        self.tsa = Certificate(dir + "/tsa/good")

    def key(self, name):
        """The public half, of a key that is made when missing."""
        if not os.path.exists(f"{self.dir}/{name}"):
            pki.openssl("genpkey", "-algorithm", "ed25519", "-out", f"{self.dir}/{name}")
        return pki.openssl("pkey", "-in", f"{self.dir}/{name}", "-pubout", "-outform", "DER")[-32:]

    def make(self):
        pki.make(self.dir)
        pki_cades.authorities(self.dir)

    def trust(self, path):
        """A folder for kepctl verify --trust."""
        for sub, name in (("seal", "ca"), ("tsa", "tsa/ca")):
            os.makedirs(f"{path}/{sub}", exist_ok=True)
            pki.write(f"{path}/{sub}/ca.pem", pki.read(f"{self.dir}/{name}.pem"))
            os.chmod(f"{path}/{sub}/ca.pem", 0o644)
        with open(path + "/ledger.vkey", "w", encoding="utf-8") as f:
            f.write(f"{self.vkey()}\n{self.vkey(WITNESS, 4)}\n")

    def key_id(self, origin=ORIGIN, kind=1):
        return sha256(origin.encode() + b"\n" + bytes([kind]) + (self.public if kind == 1 else self.witness))[:4]

    def vkey(self, origin=ORIGIN, kind=1):
        key = bytes([kind]) + (self.public if kind == 1 else self.witness)
        return f"{origin}+{self.key_id(origin, kind).hex()}+{base64.b64encode(key).decode()}"

    def ed25519(self, name, octets):
        with tempfile.NamedTemporaryFile() as f:        # pkeyutl -rawin takes a file only
            f.write(octets)
            f.flush()
            return pki.openssl("pkeyutl", "-sign", "-rawin", "-inkey", f"{self.dir}/{name}", "-in", f.name)

    def cosign(self, text, at):
        """A witness's line under a checkpoint, without its line end (C2SP tlog-cosignature)."""
        signature = self.ed25519("witness.key", b"cosignature/v1\ntime %d\n" % at + text)
        return f"\u2014 {WITNESS} {base64.b64encode(self.key_id(WITNESS, 4) + at.to_bytes(8, 'big') + signature).decode()}"

    def note(self, text, origin=ORIGIN):
        """The signed note around a checkpoint's text."""
        signature = self.ed25519("checkpoint.key", text)
        return text + f"\n\u2014 {origin} {base64.b64encode(self.key_id(origin) + signature).decode()}\n".encode()

    def seal(self, octets, who="seal"):
        return pki.p7s(self.dir, who, octets, "-cades", "-nosmimecap")

    def stamp(self, octets, at=None, by=None):
        by = by or self.tsa
        return signed(by, pki_tsp.info(of=octets, at=at, nonce=None), [v2(id_v2(by))], kind=TST_INFO)


def checkpoint(size, root_hash, origin=ORIGIN):
    return f"{origin}\n{size}\n{base64.b64encode(root_hash).decode()}\n".encode()


def proof(index, hashes, note):
    lines = "".join(base64.b64encode(h).decode() + "\n" for h in path(index, hashes))
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{lines}\n".encode() + note


# -- receipts ------------------------------------------------------------------------

def attachment(name, octets):
    lines = base64.b64encode(octets)
    return (f"Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n"
            f"Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n").encode() + b"".join(lines[i:i + 76] + b"\r\n" for i in range(0, len(lines), 76))


def entity(parts):
    """parts: [(name, octets)]."""
    text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline\r\n\r\nKEP\r\n"
    body = b"".join(b"--kep-mixed\r\n" + part for part in [text, *(attachment(n, o) for n, o in parts)])
    return b"Content-Type: multipart/mixed; boundary=\"kep-mixed\"\r\n\r\n" + body + b"--kep-mixed--\r\n"


def receipt(keys, parts, who="seal", p7s=None):
    inside = entity(parts)
    head = b"From: KEPHS <kep@hs01.kep.test>\r\nTo: ayse@hs01.kep.test\r\nSubject: KEP Delili\r\nX-KEP-Type: receipt\r\n"
    return head + pki.multipart_signed(inside, p7s or keys.seal(inside, who))


class Ledger:
    """Leaves in memory, and the receipts they give."""

    def __init__(self, keys, bodies):
        self.keys, self.bodies = keys, bodies
        self.hashes = [leaf_hash(b) for b in bodies]

    def text(self, size=None):
        size = len(self.hashes) if size is None else size
        return checkpoint(size, root(self.hashes[:size]))

    def parts(self, index, size=None, stamp=True):
        """{name: octets} of a receipt."""
        size = len(self.hashes) if size is None else size
        text = self.text(size)
        out = {"evidence.json": self.bodies[index], "evidence.tlog-proof": proof(index, self.hashes[:size], self.keys.note(text)),
               "checkpoint.p7s": self.keys.seal(text)}
        if stamp:
            out["timestamp.tst"] = self.keys.stamp(text)
        return out

    def receipt(self, index, size=None, stamp=True):
        return receipt(self.keys, list(self.parts(index, size, stamp).items()))


# -- samples -------------------------------------------------------------------------

MESSAGE = (b"Return-Path: <ayse@hs01.kep.test>\r\nReceived: from a\r\n by b\r\nX-KEP-ID: 1\r\nFrom: ayse@hs01.kep.test\r\nTo: ali@hs01.kep.test\r\n"
           b"Subject: deneme\r\n =?utf-8?q?=C5=9F?=\r\nDate: Mon, 23 Nov 2026 18:45:20 +0000\r\nMessage-ID: <1@hs01.kep.test>\r\n"
           b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nMerhaba\r\n")
CANONICAL = MESSAGE[MESSAGE.index(b"From:"):]


def flip(octets, random):
    """One bit."""
    at = random.randrange(len(octets))
    return octets[:at] + bytes([octets[at] ^ 1 << random.randrange(8)]) + octets[at + 1:]


def samples(dir, seed=1):
    """{name: (mail, name of the check that refuses it, or None)}."""
    rng = random.Random(seed)
    keys, now = Keys(dir + "/keys"), time.time()
    objects = [evidence(rng, now - 60, message=CANONICAL if i == 3 else None) for i in range(11)]
    ledger = Ledger(keys, [canonical(e) for e in objects])
    keys.trust(dir + "/trust")
    p = ledger.parts(3)
    later = evidence(rng, now + 3600)
    late = Ledger(keys, [canonical(later), *ledger.bodies])

    def made(who="seal", **changed):
        parts = {**p, **{k.replace("_", "."): v for k, v in changed.items()}}
        return receipt(keys, [(k, v) for k, v in parts.items() if v is not None], who)

    good = ledger.receipt(3)
    text, size = ledger.text(), len(ledger.hashes)
    other = checkpoint(size, rng.randbytes(32))
    lines = p["evidence.tlog-proof"].split(b"\n")
    out = {
        "good": (good, None),
        "good-lf": (good.replace(b"\r\n", b"\n"), None),
        "good-received": (b"Received: from x\r\n by y; Mon, 23 Nov 2026\r\n" + good, None),
        "good-without-stamp": (ledger.receipt(3, stamp=False), None),
        "good-first": (ledger.receipt(0, 1), None),
        "good-last": (ledger.receipt(10), None),
        "not-signed": (b"From: a@b.test\r\n\r\nhello\r\n", "mail"),
        "bare-cr": (good.replace(b"KEP\r\n", b"KE\rP\r\n", 1), "mail"),
        "text-altered": (good.replace(b"\r\nKEP\r\n", b"\r\nKEF\r\n", 1), "seal"),
        "no-evidence": (made(evidence_json=None), "mail"),
        "evidence-twice": (receipt(keys, [*p.items(), ("evidence.json", p["evidence.json"])]), "mail"),
        "stranger-seal": (made("bad/unknown-ca"), "chain"),
        "server-seal": (made("bad/server-auth"), "chain"),
        "expired-seal": (made("bad/expired"), "chain"),
        "person-seal": (made("signers/ali@hs01.kep.test"), "seal"),
        "person-checkpoint-seal": (made(checkpoint_p7s=keys.seal(text, "signers/ali@hs01.kep.test")), "checkpoint-seal"),
        "seal-of-other": (receipt(keys, list(p.items()), p7s=keys.seal(b"something else")), "seal"),
        "not-canonical": (made(evidence_json=json.dumps(objects[3]).encode()), "canonical-form"),
        "other-form": (made(evidence_json=canonical({**objects[3], "form": "kep-evidence-9"})), "canonical-form"),
        "other-evidence": (made(evidence_json=ledger.bodies[4]), "inclusion"),
        "later-time": (made(evidence_json=canonical({**objects[3], "event_time": moment(now)})), "inclusion"),
        "no-proof": (made(**{"evidence_tlog-proof": None}), "leaf"),
        "other-index": (made(**{"evidence_tlog-proof": b"\n".join([lines[0], b"index 4", *lines[2:]])}), "inclusion"),
        "index-behind": (made(**{"evidence_tlog-proof": b"\n".join([lines[0], b"index 11", *lines[2:]])}), "leaf"),
        "path-short": (made(**{"evidence_tlog-proof": b"\n".join([*lines[:2], *lines[3:]])}), "inclusion"),
        "path-flipped": (made(**{"evidence_tlog-proof": proof(3, [flip(ledger.hashes[0], rng), *ledger.hashes[1:]], keys.note(text))}), "inclusion"),
        "other-root": (made(**{"evidence_tlog-proof": proof(3, ledger.hashes, keys.note(other))}), "inclusion"),
        "note-flipped": (made(**{"evidence_tlog-proof": p["evidence.tlog-proof"].replace(b"\n11\n", b"\n12\n")}), "checkpoint-signature"),
        "other-ledger": (made(**{"evidence_tlog-proof": proof(3, ledger.hashes, keys.note(checkpoint(size, root(ledger.hashes), "x.test/kep"), "x.test/kep"))}),
                         "checkpoint-signature"),
        "no-checkpoint-seal": (made(checkpoint_p7s=None), "checkpoint-seal"),
        "checkpoint-seal-of-other": (made(checkpoint_p7s=keys.seal(other)), "checkpoint-seal"),
        "checkpoint-seal-stranger": (made(checkpoint_p7s=keys.seal(text, "bad/unknown-ca")), "checkpoint-seal"),
        "stamp-of-other": (made(timestamp_tst=keys.stamp(other)), "time-stamp"),
        "stamp-stranger": (made(timestamp_tst=keys.stamp(text, by=Certificate(keys.dir + "/tsa/stranger"))), "time-stamp"),
        "stamp-mail": (made(timestamp_tst=keys.stamp(text, by=Certificate(keys.dir + "/tsa/mail"))), "time-stamp"),
        "stamp-flipped": (made(timestamp_tst=p["timestamp.tst"][:-3] + bytes([p["timestamp.tst"][-3] ^ 1]) + p["timestamp.tst"][-2:]), "time-stamp"),
        "event-after-stamp": (late.receipt(0), "time-stamp"),
    }
    return keys, out


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    dir = os.path.abspath(sys.argv[1])
    os.makedirs(dir + "/receipts", exist_ok=True)
    for name, (mail, _) in samples(dir)[1].items():
        with open(f"{dir}/receipts/{name}.eml", "wb") as f:
            f.write(mail)
    with open(dir + "/message.eml", "wb") as f:
        f.write(MESSAGE)


if __name__ == "__main__":
    main()
