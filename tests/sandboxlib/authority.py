"""authority.py - a time-stamping authority (RFC 3161) for tests, over http and https, which misbehaves when told to.

usage: python3 authority.py DIR PORT HTTPS-PORT         on 127.0.0.1, until it is killed

DIR holds what tsa.py made. DIR/manner says how the next requests are answered, a line of one word of MANNERS and perhaps
a number; DIR/requests gets a line for each of them.

    POST /          a request; openssl ts answers it, or for what openssl would never do, tests/pki_cades.py
    GET /ca.crl     the CRL of its CA
    POST /ocsp      an OCSP request about tsa.pem
"""
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from pki_cades import TST_INFO, Certificate, der, id_v2, pki, seq, signed, v2       # noqa: E402
from ocsp import respond                                                            # noqa: E402
from pki_tsp import info                                                            # noqa: E402

POLICY, OTHER_POLICY = "1.2.3.4.1", "1.2.3.4.99"
HUGE = 1 << 30


class Query:
    """A TimeStampReq: its imprint, and its nonce as octets of an INTEGER."""

    def __init__(self, octets):
        fields = pki.der_list(pki.der_read(octets)[1])
        self.imprint = pki.der_list(fields[1][1])[1][1]
        self.nonce = next((value for tag, value in fields[2:] if tag == 2), None)
        self.digest = {32: "sha256", 48: "sha384", 64: "sha512"}[len(self.imprint)]


def granted(token):
    return seq(seq(der(2, b"\0")), token)


def made(home, query, by="tsa", **wrong):
    """An answer by our own hand; wrong says in what the TSTInfo differs."""
    x = Certificate(f"{home}/{by}")
    options = {"imprint": query.digest, "value": query.imprint, "nonce": query.nonce, "policy": POLICY, **wrong}
    return granted(signed(x, info(**options), [v2(id_v2(x))], kind=TST_INFO))


def good(home, query, octets):
    with tempfile.TemporaryDirectory() as tmp:
        Path(tmp, "q").write_bytes(octets)
        subprocess.run(["openssl", "ts", "-reply", "-config", f"{home}/ts.cnf", "-queryfile", f"{tmp}/q", "-out", f"{tmp}/r"], check=True, capture_output=True)
        return Path(tmp, "r").read_bytes()


def rejected(home, query, octets):
    """Status 2, words with a line break in them, failure badAlg."""
    return seq(seq(der(2, b"\2"), seq(der(0x0C, b"not today\nwhy=accepted")), der(3, b"\7\x80")))


MANNERS = {
    "good": good,
    "made": lambda home, q, octets: made(home, q),
    "wrong-imprint": lambda home, q, octets: made(home, q, value=bytes(len(q.imprint))),
    "wrong-nonce": lambda home, q, octets: made(home, q, nonce=b"\x11" * 8),
    "no-nonce": lambda home, q, octets: made(home, q, nonce=None),
    "wrong-policy": lambda home, q, octets: made(home, q, policy=OTHER_POLICY),
    "wrong-time": lambda home, q, octets: made(home, q, at=time.time() - 86400),
    "wrong-usage": lambda home, q, octets: made(home, q, by="mail"),
    "expired": lambda home, q, octets: made(home, q, by="expired"),
    "revoked": lambda home, q, octets: made(home, q, by="revoked"),
    "stranger": lambda home, q, octets: made(home, q, by="stranger"),
    "rejected": rejected,
    "garbage": lambda home, q, octets: b"<html><body>It works!</body></html>",
    "truncated": lambda home, q, octets: good(home, q, octets)[:-7],
}


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    home = None

    def manner(self):
        words = (self.home / "manner").read_text().split()
        return words[0], float(words[1]) if len(words) > 1 else 0.0

    def do_GET(self):
        if self.path != "/ca.crl" or self.manner()[0] == "no-crl":
            self.give(404, "text/plain", b"not here\n")
        else:
            self.give(200, "application/pkix-crl", (self.home / "ca.crl").read_bytes())

    def ocsp(self, question, manner):
        """Not by the manners of the others: they must not fail by it."""
        if manner == "no-ocsp":
            self.give(404, "text/plain", b"not here\n")
            return
        named = {"revoked": ["tsa"]} if manner == "ocsp-revoked" else {"good": ["tsa"]}
        self.give(200, "application/ocsp-response", respond(str(self.home), question, responder="ca", issuer="ca", **named))

    def do_POST(self):
        octets = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        manner, number = self.manner()
        if self.path == "/ocsp":
            self.ocsp(octets, manner)
            return
        with open(self.home / "requests", "a", encoding="utf-8") as log:
            log.write(f"{time.time():.3f} {manner} {len(octets)} {self.headers.get('Content-Type')} {self.headers.get('Authorization', '-')}\n")
        if manner == "slow":
            time.sleep(number)
        if manner == "huge":
            self.huge()
        elif manner == "status":
            self.give(int(number), "text/plain", b"no\n")
        elif manner == "close":
            self.close_connection = True
        else:
            answer = MANNERS.get(manner, good)
            self.give(200, "application/timestamp-reply", answer(self.home, Query(octets), octets))

    def give(self, status, kind, octets):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def huge(self):
        """1 GiB of something, of a length that is not told before."""
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Connection", "close")
        self.end_headers()
        block, sent = b"\x30\x84\x3f\xff\xff\xf0" + bytes(65530), 0
        try:
            while sent < HUGE:
                sent += self.wfile.write(block)
        except OSError:
            pass
        with open(self.home / "requests", "a", encoding="utf-8") as log:
            log.write(f"{time.time():.3f} huge-sent {sent} - -\n")
        self.close_connection = True

    def log_message(self, *words):
        pass


def serve(port, context=None):
    server = ThreadingHTTPServer(("127.0.0.1", port), Answer)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main(home, port, tls_port):
    Answer.home = Path(home)
    os.chdir(home)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{home}/web.pem", f"{home}/web.key")
    serve(int(port))
    serve(int(tls_port), context)
    threading.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
