#!/usr/bin/env python3
"""pki_signer.py - signers whose certificates say odd or wrong things of themselves, and signatures of theirs.

usage: tests/pki_signer.py DIR      in the DIR that tests/pki made: DIR/who/NAME.pem .key, DIR/samples/NAME.p7s

All sign DIR/samples/content, or the same octets where it is not there.  The expectations stand in tests/unit/signer_test.c.
"""
import concurrent.futures
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

CONTENT = b"Content-Type: text/plain; charset=utf-8\r\n\r\nMerhaba d\xc3\xbcnya\r\n"


def load(name):
    """A program of this folder whose file has no suffix."""
    loader = importlib.machinery.SourceFileLoader("kep_" + name, str(Path(__file__).resolve().parent / name))
    made = importlib.util.module_from_spec(importlib.util.spec_from_loader("kep_" + name, loader))
    loader.exec_module(made)
    return made


pki = load("pki")
der = pki.der


def oid(text):
    numbers = [int(n) for n in text.split(".")]
    out = b""
    for n in [numbers[0] * 40 + numbers[1], *numbers[2:]]:
        octets = [n & 0x7F]
        while n := n >> 7:
            octets.append(0x80 | n & 0x7F)
        out += bytes(reversed(octets))
    return der(6, out)


def extension(octets, critical=False):
    """The value of an extension as openssl's configuration takes it."""
    return ("critical," if critical else "") + "DER:" + octets.hex(":")


def statements(*oids, extra=b""):
    return extension(der(0x30, b"".join(der(0x30, oid(o)) for o in oids) + extra))


def mails(*names):
    """subjectAltName of rfc822Names, octet by octet."""
    return extension(der(0x30, b"".join(der(0x81, n) for n in names)))


QC = "1.3.6.1.5.5.7.1.3"
COMPLIANCE, LAW, LAW_2 = "0.4.0.1862.1.1", "2.16.792.1.61.0.1.5070.1.1", "2.16.792.1.61.0.1.5070.2.1"
SAN = "subjectAltName"
ALI = {**pki.MAIL, SAN: "email:ali@hs01.kep.test"}
NES = {**ALI, QC: statements(COMPLIANCE, LAW)}
TCKN = "10000000146"

# name -> (serialNumber of the subject or None, extensions, further fields of the subject)
SIGNERS = {
    "nes": (TCKN, NES),
    "nes-tr": ("TR" + TCKN, NES),
    "nes-law-2": (TCKN, {**NES, QC: statements(LAW_2, "0.4.0.1862.1.4", COMPLIANCE)}),
    "nes-policy": (TCKN, {**NES, "certificatePolicies": "1.2.3.4, " + LAW}),
    "nes-no-repudiation": (TCKN, {**NES, "keyUsage": "critical,digitalSignature"}),
    "nes-repudiation-only": (TCKN, {**NES, "keyUsage": "critical,nonRepudiation"}),
    "nes-no-statements": (TCKN, ALI),
    "nes-compliance-only": (TCKN, {**NES, QC: statements(COMPLIANCE)}),
    "nes-law-only": (TCKN, {**NES, QC: statements(LAW)}),
    "nes-foreign-law": (TCKN, {**NES, QC: statements(COMPLIANCE, "2.16.792.1.61.0.1.5070.1.3")}),
    "nes-statements-trailing": (TCKN, {**NES, QC: extension(der(0x30, der(0x30, oid(COMPLIANCE)) + der(0x30, oid(LAW))) + b"\5\0")}),
    "nes-statements-odd": (TCKN, {**NES, QC: statements(COMPLIANCE, LAW, extra=der(4, b"x"))}),
    "nes-statements-51": (TCKN, {**NES, QC: statements(COMPLIANCE, LAW, *49 * ["1.2.3"])}),
    "nes-no-number": (None, NES),
    "nes-bad-number": ("10000000147", NES),
    "nes-short-number": ("1000000014", NES),
    "nes-passport": ("PASTR-123456789", NES),
    "nes-spaced": (" " + TCKN, NES),
    "mail-two": (None, {**pki.MAIL, SAN: "email:Ali@HS01.KEP.test,email:ali.kaya@hs02.kep.test"}),
    "mail-none": (None, pki.MAIL),
    "mail-dns": (None, {**pki.MAIL, SAN: "DNS:mx.hs01.kep.test"}),
    "mail-subject": (None, pki.MAIL, [("emailAddress", "ali@hs01.kep.test")]),
    "mail-nul": (None, {**pki.MAIL, SAN: mails(b"ali@hs01.kep.test\0.evil.test")}),
    "mail-nul-end": (None, {**pki.MAIL, SAN: mails(b"ali@hs01.kep.test\0")}),
    "mail-second-nul": (None, {**pki.MAIL, SAN: mails(b"ali@hs01.kep.test", b"\0veli@hs01.kep.test")}),
    "mail-8bit": (None, {**pki.MAIL, SAN: mails("ali@hs01.kep.tést".encode())}),
    "mail-space": (None, {**pki.MAIL, SAN: mails(b"ali@hs01.kep.test ")}),
    "mail-newline": (None, {**pki.MAIL, SAN: mails(b"ali@hs01.kep.test\n")}),
    "mail-brackets": (None, {**pki.MAIL, SAN: mails(b"<ali@hs01.kep.test>")}),
    "mail-list": (None, {**pki.MAIL, SAN: mails(b"ali@hs01.kep.test,veli@hs01.kep.test")}),
    "mail-empty": (None, {**pki.MAIL, SAN: mails(b"")}),
    "mail-domain": (None, {**pki.MAIL, SAN: mails(b"hs01.kep.test")}),
    "mail-quoted": (None, {**pki.MAIL, SAN: mails(b'"ali"@hs01.kep.test')}),
    "mail-20": (None, {**pki.MAIL, SAN: mails(*(b"a%d@hs01.kep.test" % i for i in range(20)))}),
    "mail-21": (None, {**pki.MAIL, SAN: mails(*(b"a%d@hs01.kep.test" % i for i in range(21)))}),
    "mail-san-broken": (None, {**pki.MAIL, SAN: extension(b"\x30\x05\x81\x7fx")}),
}


def signer(dir, name, number, extensions, more=()):
    subject = [("C", "TR"), *([("serialNumber", number.replace(" ", "\\ "))] if number else []), ("CN", name), *more]
    pki.certificate(dir, "who/" + name, subject, extensions, "mid")
    pki.write(f"{dir}/samples/{name}.p7s", pki.p7s(dir, "who/" + name, CONTENT))


def make(dir):
    for folder in ("who", "samples"):
        os.makedirs(f"{dir}/{folder}", exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(signer, dir, name, *what) for name, what in SIGNERS.items()]:
            job.result()
    pki.write(dir + "/samples/content", CONTENT)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make(os.path.abspath(sys.argv[1]))
