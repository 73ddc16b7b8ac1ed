"""ocsp.py - OCSP responses for tests, made with openssl(1).

usage: python3 tests/ocsp.py PKI        PKI/ocsp/NAME.ors for tests/unit/ocsp_test.c, about PKI/signers/ayse@hs01.kep.test.pem
"""
import os
import sys
import tempfile
import time

from crl import serial, stamp
from sandboxlib.pki import maker

SIGNING = {"keyUsage": "critical,digitalSignature", "extendedKeyUsage": "OCSPSigning"}
UNCHECKED = {**SIGNING, "noCheck": "ignored"}
ASKER = "responder/asker"       # a signer who names a responder, for the fuzzer
AYSE, ALI = "signers/ayse@hs01.kep.test", "signers/ali@hs01.kep.test"

# Responders: name -> (extensions, issuer, days).
RESPONDERS = {
    "good": (UNCHECKED, "mid", 3650),
    "checked": (SIGNING, "mid", 3650),          # may itself be revoked
    "day": (UNCHECKED, "mid", 1),
    "root": (UNCHECKED, "ca", 3650),            # of a CA, but not of the one that issued the signer's
    "stranger": (UNCHECKED, "other-ca", 3650),
    "no-usage": ({"keyUsage": "critical,digitalSignature", "noCheck": "ignored"}, "mid", 3650),
    "mail": ({**maker.MAIL, "noCheck": "ignored"}, "mid", 3650),
    "encipherment": ({**UNCHECKED, "keyUsage": "critical,keyEncipherment"}, "mid", 3650),
}


def responders(pki):
    for name, (extensions, issuer, days) in RESPONDERS.items():
        maker.certificate(pki, f"responder/{name}", [("CN", f"Responder {name}")], extensions, issuer, days=days, chain=False)
    maker.certificate(pki, ASKER, [("CN", "Asker")], {**maker.MAIL, "authorityInfoAccess": "OCSP;URI:http://127.0.0.1/"}, "mid")


def request(pki, name, issuer="mid", digest="sha1"):
    return maker.openssl("ocsp", "-no_nonce", f"-{digest}", "-issuer", f"{pki}/{issuer}.pem", "-cert", f"{pki}/{name}.pem", "-reqout", "/dev/stdout")


def respond(pki, question, responder="responder/good", issuer="mid", good=(), revoked=(), minutes=1440, digest="sha256"):
    """The answer to the DER of a request; names that are in neither list are unknown. minutes: until nextUpdate; None: none is named."""
    with tempfile.TemporaryDirectory(dir=pki) as tmp:
        with open(tmp + "/index", "w", encoding="utf-8") as f:
            f.writelines(f"V\t{stamp(9999)}\t\t{serial(pki, name)}\tunknown\t/CN=x\n" for name in good)
            f.writelines(f"R\t{stamp(9999)}\t{stamp(-1)}\t{serial(pki, name)}\tunknown\t/CN=x\n" for name in revoked)
        maker.write(tmp + "/request", question)
        maker.openssl("ocsp", "-index", tmp + "/index", "-CA", f"{pki}/{issuer}.pem", "-rsigner", f"{pki}/{responder}.pem",
                      "-rkey", f"{pki}/{responder}.key", "-rmd", digest, "-reqin", tmp + "/request", "-respout", tmp + "/response",
                      *(["-nmin", str(minutes)] if minutes else []))
        return maker.read(tmp + "/response")


def samples(pki):
    ask = request(pki, AYSE)
    good = respond(pki, ask, good=[AYSE])
    made = {
        "good": good,
        "by-issuer": respond(pki, ask, responder="mid", good=[AYSE]),
        "sha256": respond(pki, request(pki, AYSE, digest="sha256"), good=[AYSE]),
        "no-next": respond(pki, ask, good=[AYSE], minutes=None),
        "revoked": respond(pki, ask, revoked=[AYSE]),
        "unknown": respond(pki, ask, good=[ALI]),
        "other-serial": respond(pki, request(pki, ALI), good=[ALI]),
        "other-issuer": respond(pki, request(pki, AYSE, "other-ca"), "responder/stranger", "other-ca", good=[AYSE]),
        "weak-digest": respond(pki, ask, good=[AYSE], digest="sha1"),
        "altered": good.replace(b"\xa0\x11\x18\x0f20", b"\xa0\x11\x18\x0f30"),       # nextUpdate: a thousand years later
        "truncated": good[:-20],
        "trailing": good + b"\0",
        "huge": good + bytes(70000),
        "try-later": bytes.fromhex("30030a0103"),
        "empty": b"",
        **{f"by-{name}": respond(pki, ask, f"responder/{name}", good=[AYSE]) for name in RESPONDERS if name != "good"},
    }
    assert made["altered"] != good
    time.sleep(1.1)
    made["later"] = respond(pki, ask, revoked=[AYSE])
    made["asker"] = respond(pki, request(pki, ASKER), good=[ASKER])
    made["asker-by-issuer"] = respond(pki, request(pki, ASKER), "mid", good=[ASKER])
    os.makedirs(pki + "/ocsp", exist_ok=True)
    for name, octets in made.items():
        maker.write(f"{pki}/ocsp/{name}.ors", octets)


if __name__ == "__main__":
    responders(os.path.abspath(sys.argv[1]))
    samples(os.path.abspath(sys.argv[1]))
