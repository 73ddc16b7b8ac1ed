#!/usr/bin/env python3
"""pki_cades.py - signatures with references to certificates and with time-stamps, right and wrong, made octet by octet.

usage: tests/pki_cades.py DIR       in the DIR that tests/pki made: DIR/tsa/*.pem, DIR/samples/NAME.p7s

All sign DIR/samples/content by DIR/who/kadri (qualified).  The time-stamping authorities lead to DIR/tsa/ca.pem; "day" is
valid for one day.  The expectations stand in tests/unit/cades_test.c.
"""
import base64
import concurrent.futures
import hashlib
import os
import re
import sys
import time

from pki_signer import CONTENT, NES, der, oid, pki

SHA = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3"}
DATA, TST_INFO = "1.2.840.113549.1.7.1", "1.2.840.113549.1.9.16.1.4"
STAMPING = {"keyUsage": "critical,digitalSignature", "extendedKeyUsage": "critical,timeStamping"}
DAY = 86400


def seq(*parts):
    return der(0x30, b"".join(parts))


def set_of(*parts):
    return der(0x31, b"".join(sorted(parts)))


def attribute(name, *values):
    return seq(oid(name), set_of(*values))


def generalized(at):
    return der(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at)).encode())


class Certificate:
    """The first certificate of a PEM file, and its key."""

    def __init__(self, path):
        self.path = path
        text = pki.read(path + ".pem").decode()
        self.der = base64.b64decode(re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", text, re.S)[1])
        fields = pki.der_list(pki.der_read(pki.der_read(self.der)[1])[1])
        self.serial, self.issuer = der(2, fields[1][1]), der(0x30, fields[3][1])

    def sign(self, octets):
        return pki.openssl("dgst", "-sha256", "-sign", self.path + ".key", stdin=octets)

    def issuer_serial(self):
        return seq(seq(der(0xA4, self.issuer)), self.serial)


def digest(name, octets):
    return hashlib.new(name, octets).digest()


def id_v1(x, issuer_serial=None):
    return seq(der(4, digest("sha1", x.der)), *([issuer_serial] if issuer_serial else []))


def id_v2(x, name="sha256", issuer_serial=None):
    algorithm = [] if name == "sha256" else [seq(oid(SHA[name]))]
    return seq(*algorithm, der(4, digest(name, x.der)), *([issuer_serial] if issuer_serial else []))


def v1(*ids):
    return attribute("1.2.840.113549.1.9.16.2.12", seq(seq(*ids)))


def v2(*ids):
    return attribute("1.2.840.113549.1.9.16.2.47", seq(seq(*ids)))


def signing_time(at=None):
    return attribute("1.2.840.113549.1.9.5", generalized(time.time() if at is None else at))


def signed(x, content, attributes, others=(), kind=DATA, stamp=None, certificates=True, revocations=()):
    """A SignedData by x; detached for id-data.  stamp(signature) gives the values of the time-stamp attribute."""
    attrs = sorted([attribute("1.2.840.113549.1.9.3", oid(kind)), attribute("1.2.840.113549.1.9.4", der(4, digest("sha256", content))), *attributes])
    signature = x.sign(der(0x31, b"".join(attrs)))
    sha256 = seq(oid(SHA["sha256"]))
    unsigned = [der(0xA1, attribute("1.2.840.113549.1.9.16.2.14", *stamp(signature)))] if stamp else []
    info = seq(der(2, b"\1"), seq(x.issuer, x.serial), sha256, der(0xA0, b"".join(attrs)), seq(oid("1.2.840.10045.4.3.2")),
               der(4, signature), *unsigned)
    inner = seq(oid(kind)) if kind == DATA else seq(oid(kind), der(0xA0, der(4, content)))
    inside = (x.der if certificates else b"") + b"".join(o.der for o in others)
    body = seq(der(2, b"\5" if revocations else b"\1" if kind == DATA else b"\3"), der(0x31, sha256), inner,
               *([der(0xA0, inside)] if inside else []), *([der(0xA1, b"".join(revocations))] if revocations else []), der(0x31, info))
    return seq(oid("1.2.840.113549.1.7.2"), der(0xA0, body))


def token(tsa, others=(), imprint="sha256", at=None, attributes=None, wrong=None, version=b"\1"):
    """stamp() of signed(): a time-stamp token of tsa."""
    def of(signature):
        info = seq(der(2, version), oid("1.2.3.4"), seq(seq(oid(SHA[imprint])), der(4, digest(imprint, wrong or signature))),
                   der(2, b"\x2a"), generalized(time.time() if at is None else at))
        return [signed(tsa, info, [v2(id_v2(tsa))] if attributes is None else attributes, others, TST_INFO)]
    return of


def authorities(dir):
    pki.certificate(dir, "tsa/ca", [("CN", "Zaman Damgasi Koku")], pki.CA)
    jobs = {"good": (STAMPING, 3650), "day": (STAMPING, 1), "mail": (pki.MAIL, 3650),
            "not-critical": ({**STAMPING, "extendedKeyUsage": "timeStamping"}, 3650)}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, (extensions, days) in jobs.items():
            pool.submit(pki.certificate, dir, "tsa/" + name, [("CN", name)], extensions, "tsa/ca", "ec", days).result()
    pki.certificate(dir, "tsa/stranger", [("CN", "stranger")], STAMPING, "other-ca")


def samples(dir):
    x, mid, ca, ali = (Certificate(f"{dir}/{n}") for n in ("who/kadri", "mid", "ca", "signers/ali@hs01.kep.test"))
    tsa = {n: Certificate(f"{dir}/tsa/{n}") for n in ("good", "day", "mail", "not-critical", "stranger")}
    now, at = time.time(), signing_time()

    def cades(*attributes, stamp=None, when=at):
        return signed(x, CONTENT, [*attributes, *([when] if when else [])], [mid], stamp=stamp)

    def stamped(name, **options):
        return cades(v2(id_v2(x)), stamp=token(tsa[name], **options))

    def broken(signature):
        octets = token(tsa["good"])(signature)[0]
        return [octets[:-3] + bytes([octets[-3] ^ 1]) + octets[-2:]]

    return {
        "ess-none": cades(),
        "ess-v2": cades(v2(id_v2(x))),
        "ess-v2-sha384": cades(v2(id_v2(x, "sha384"))),
        "ess-v2-sha512": cades(v2(id_v2(x, "sha512", x.issuer_serial()))),
        "ess-v2-chain": cades(v2(id_v2(x), id_v2(mid), id_v2(ca))),
        "ess-v2-no-time": cades(v2(id_v2(x)), when=None),
        "ess-v2-sha1": cades(v2(id_v2(x, "sha1"))),
        "ess-v1": cades(v1(id_v1(x, x.issuer_serial()))),
        "ess-both": cades(v1(id_v1(x)), v2(id_v2(x))),
        "ess-v1-wrong": cades(v1(id_v1(ali))),
        "ess-v2-wrong": cades(v2(id_v2(ali))),
        "ess-both-v1-wrong": cades(v1(id_v1(ali)), v2(id_v2(x))),
        "ess-both-v2-wrong": cades(v1(id_v1(x)), v2(id_v2(ali))),
        "ess-v2-serial-wrong": cades(v2(id_v2(x, issuer_serial=ali.issuer_serial()))),
        "ess-v2-order": cades(v2(id_v2(mid), id_v2(x))),
        "ess-v2-other": cades(v2(id_v2(x), id_v2(ali))),
        "ess-v2-empty": cades(v2()),
        "ess-v2-values": cades(attribute("1.2.840.113549.1.9.16.2.47", seq(seq(id_v2(x))), seq(seq(id_v2(ali))))),
        "ess-v2-no-value": cades(attribute("1.2.840.113549.1.9.16.2.47")),
        "ess-v2-octets": cades(attribute("1.2.840.113549.1.9.16.2.47", der(4, seq(seq(id_v2(x)))))),
        "stamp": stamped("good"),
        "stamp-sha512": stamped("good", imprint="sha512"),
        "stamp-chain": stamped("good", others=[Certificate(f"{dir}/tsa/ca")]),
        "stamp-v1": stamped("good", attributes=[v1(id_v1(tsa["good"]))]),
        "stamp-day": stamped("day"),
        "stamp-day-late": stamped("day", at=now + 2 * DAY),
        "stamp-early": stamped("good", at=now - 3650 * DAY),
        "stamp-future": stamped("good", at=now + DAY),
        "stamp-wrong-imprint": stamped("good", wrong=b"another signature"),
        "stamp-sha1": stamped("good", imprint="sha1"),
        "stamp-stranger": stamped("stranger"),
        "stamp-mail": stamped("mail"),
        "stamp-not-critical": stamped("not-critical"),
        "stamp-no-reference": stamped("good", attributes=[]),
        "stamp-other-reference": stamped("good", attributes=[v2(id_v2(x))]),
        "stamp-version": stamped("good", version=b"\2"),
        "stamp-broken": cades(v2(id_v2(x)), stamp=broken),
        "stamp-junk": cades(v2(id_v2(x)), stamp=lambda s: [der(4, b"junk")]),
        "stamp-data": cades(v2(id_v2(x)), stamp=lambda s: [signed(tsa["good"], s, [v2(id_v2(tsa["good"]))])]),
        "stamp-second": cades(v2(id_v2(x)), stamp=lambda s: token(tsa["stranger"])(s) + token(tsa["good"])(s)),
        "stamp-v1-signer": cades(v1(id_v1(x)), stamp=token(tsa["good"])),
    }


def make(dir):
    os.makedirs(dir + "/samples", exist_ok=True)
    authorities(dir)
    pki.certificate(dir, "who/kadri", [("C", "TR"), ("serialNumber", "10000000146"), ("CN", "Kadri")], NES, "mid")
    for name, octets in samples(dir).items():
        pki.write(f"{dir}/samples/{name}.p7s", octets)
    pki.write(dir + "/samples/content", CONTENT)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make(os.path.abspath(sys.argv[1]))
