"""watcher.py - a witness of ledgers (C2SP tlog-witness) for tests, which really checks; and which lies when told to.

usage: python3 watcher.py DIR PORT          on 127.0.0.1, until it is killed

DIR/log.pub is the ledger's key (PEM), DIR/witness.key its own; DIR/state remembers "SIZE BASE64(root)". DIR/manner says how
it answers: good, forged (its signature is wrong), stranger (signed by another key), future, other-root, doubt (422), status N.
"""
import base64
import hashlib
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

NAME = "taniklik.test/w1"


def openssl(*arguments, stdin=None, **files):
    """openssl with inputs as files: in_=octets becomes -in FILE."""
    with tempfile.TemporaryDirectory() as tmp:
        options = []
        for name, octets in files.items():
            Path(tmp, name).write_bytes(octets)
            options += ["-" + name.rstrip("_"), f"{tmp}/{name}"]
        return subprocess.run(["openssl", *map(str, arguments), *options], input=stdin, capture_output=True, check=False)


def public(key):
    """The 32 octets of an Ed25519 key, private or public."""
    kind = [] if b"PRIVATE" in Path(key).read_bytes() else ["-pubin"]
    return openssl("pkey", *kind, "-in", key, "-pubout", "-outform", "DER").stdout[-32:]


def key_id(name, kind, key):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]


def vkey(name, kind, key):
    return f"{name}+{key_id(name, kind, key).hex()}+{base64.b64encode(bytes([kind]) + key).decode()}"


def cosign(key, text, when=None, name=NAME):
    """A line of cosignature/v1 over the text of a note."""
    when = int(time.time() if when is None else when)
    signed = openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, in_=f"cosignature/v1\ntime {when}\n".encode() + text).stdout
    octets = key_id(name, 4, public(key)) + when.to_bytes(8, "big") + signed
    return f"— {name} {base64.b64encode(octets).decode()}\n".encode()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def consistent(size1, root1, size2, root2, proof):
    """RFC 9162 section 2.1.4.2."""
    if size1 == size2:
        return not proof and root1 == root2
    if size1 == 0:
        return not proof
    path = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    if not path:
        return False
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == root1 and sr == root2


def signed_by_log(home, note):
    """Is one of the lines under the text the log's?"""
    text, _, lines = note.rpartition(b"\n\n")
    text += b"\n"
    name, key = text.split(b"\n")[0].decode(), public(home / "log.pub")
    for line in lines.decode().splitlines():
        _, signer, octets = line.split(" ")
        octets = base64.b64decode(octets)
        if signer == name and octets[:4] == key_id(name, 1, key):
            return openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", home / "log.pub", in_=text, sigfile=octets[4:]).returncode == 0
    return False


class Answer(BaseHTTPRequestHandler):
    home = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, kind, octets = self.judge(body) if self.path == "/w/add-checkpoint" else (404, "text/plain", b"")
        with open(self.home / "requests", "a", encoding="utf-8") as log:
            log.write(f"{status} {body.splitlines()[0].decode()} {body.count(b'=' + bytes([10]))}\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def judge(self, body):
        manner, _, number = (self.home / "manner").read_text().strip().partition(" ")
        head, _, note = body.partition(b"\n\n")
        first, *proof = head.decode().split("\n")
        text = note[:note.index(b"\n\n") + 1]
        _, size, root = text.decode().splitlines()
        size, old = int(size), int(first.split(" ")[1])
        known, known_root = (self.home / "state").read_text().split()
        if manner == "status":
            return int(number), "text/plain", b"no\n"
        if not signed_by_log(self.home, note):
            return 403, "text/plain", b""
        if old != int(known):
            return 409, "text/x.tlog.size", f"{known}\n".encode()
        if manner == "other-root":
            return 409, "text/plain", b"other root\n"
        roots = base64.b64decode(known_root), base64.b64decode(root)
        if manner == "doubt" or not consistent(old, roots[0], size, roots[1], [base64.b64decode(p) for p in proof]):
            return 422, "text/plain", b""
        (self.home / "state").write_text(f"{size} {root}\n")
        return 200, "text/plain", self.line(manner, text)

    def line(self, manner, text):
        if manner == "forged":
            return cosign(self.home / "witness.key", text + b"x")
        if manner == "stranger":
            return cosign(self.home / "stranger.key", text)
        if manner == "future":
            return cosign(self.home / "witness.key", text, time.time() + 86400)
        return cosign(self.home / "stranger.key", text, name="baska.test/w") + cosign(self.home / "witness.key", text)

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    Answer.home = Path(sys.argv[1])
    HTTPServer(("127.0.0.1", int(sys.argv[2])), Answer).serve_forever()
