#!/usr/bin/env python3
"""pki_tsp.py - time-stamp tokens over a content, right and wrong, made octet by octet.

usage: tests/pki_tsp.py DIR         in the DIR that tests/pki made: DIR/tsa/*.pem, DIR/stamps/NAME.tst, DIR/stamps/content

The authorities are those of tests/pki_cades.py, and tsa/below, which tsa/mid issued.  The expectations stand in
tests/unit/stamp_test.c.
"""
import os
import sys
import time

from pki_cades import DAY, SHA, STAMPING, TST_INFO, Certificate, authorities, der, digest, id_v2, oid, pki, seq, signed, v2

CONTENT = b"hs01.kep.test/kep\n42\nqxbZ0dKbZ3v4vEJpNOkK9jV3kJ4j3jJt9yQnq0yWkFo=\n"
NONCE = b"\x00\x91" + b"\x5a" * 14
OTHER = 0xA1        # [1] of RevocationInfoChoice: an OCSP response, as qualified authorities put it into their tokens
OCSP = der(OTHER, oid("1.3.6.1.5.5.7.16.2") + seq(der(0x0A, b"\1")))


def info(imprint="sha256", of=CONTENT, value=None, policy="1.2.3.4.1", serial=b"\x2a", at=None, nonce=NONCE, accuracy=b"", version=b"\1", fraction="", tail=b""):
    """A TSTInfo."""
    when = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() if at is None else at)) + fraction + "Z"
    return seq(der(2, version), oid(policy), seq(seq(oid(SHA[imprint])), der(4, digest(imprint, of) if value is None else value)),
               der(2, serial), der(0x18, when.encode()), *([accuracy] if accuracy else []), *([der(2, nonce)] if nonce else []), tail)


def make(dir):
    os.makedirs(dir + "/stamps", exist_ok=True)
    authorities(dir)
    pki.certificate(dir, "tsa/mid", [("CN", "Zaman Damgasi Ara")], pki.CA, "tsa/ca", chain=False)
    pki.certificate(dir, "tsa/below", [("CN", "below")], STAMPING, "tsa/mid", chain=False)
    tsa = {n: Certificate(f"{dir}/tsa/{n}") for n in ("good", "day", "mail", "not-critical", "stranger", "below", "mid", "ca")}
    good, now = tsa["good"], time.time()

    def token(content, by="good", attributes=None, **options):
        return signed(tsa[by], content, [v2(id_v2(tsa[by]))] if attributes is None else attributes, kind=TST_INFO, **options)

    whole = token(info())
    samples = {
        "good": whole,
        "sha384": token(info("sha384")),
        "sha512": token(info("sha512")),
        "accuracy": token(info(accuracy=seq(der(2, b"\2"), der(0x80, b"\x01\xf4"), der(0x81, b"\x0a")))),
        "fraction": token(info(fraction=".25")),
        "ordering": token(info(nonce=None, tail=b"")),
        "long-serial": token(info(serial=b"\x01" + b"\xff" * 19)),
        "ocsp": token(info(), revocations=[OCSP]),
        "below": token(info(), "below", others=[tsa["mid"]]),
        "below-alone": token(info(), "below"),
        "nobody": token(info(), certificates=False),
        "day-late": token(info(at=now + 2 * DAY), "day"),
        "mail": token(info(), "mail"),
        "not-critical": token(info(), "not-critical"),
        "stranger": token(info(), "stranger"),
        "no-reference": token(info(), attributes=[]),
        "other-reference": token(info(), attributes=[v2(id_v2(tsa["mid"]))]),
        "other-imprint": token(info(of=b"something else")),
        "short-imprint": token(info(value=b"\1" * 20)),
        "sha1": token(info("sha1")),
        "no-nonce": token(info(nonce=None)),
        "other-nonce": token(info(nonce=b"\x11" * 8)),
        "other-policy": token(info(policy="1.2.3.4.2")),
        "version": token(info(version=b"\2")),
        "negative": token(info(serial=b"\xfe")),
        "huge-serial": token(info(serial=b"\1" * 65)),
        "trailing": token(info() + b"\5\0"),
        "data": signed(good, info(), [v2(id_v2(good))]),
        "altered": whole.replace(NONCE, NONCE[:-1] + b"\x5b"),
        "signature": whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
        "behind": whole + b"\0",
        "junk": b"junk",
    }
    for name, octets in samples.items():
        pki.write(f"{dir}/stamps/{name}.tst", octets)
    pki.write(dir + "/stamps/content", CONTENT)
    pki.write(dir + "/stamps/candidates", tsa["mid"].der + good.der)
    configure(dir)


def configure(dir):
    """DIR/stamps/ts.cnf for openssl ts -reply."""
    with open(dir + "/stamps/ts.cnf", "w", encoding="utf-8") as f:
        f.write(f"[tsa]\ndefault_tsa = t\n[t]\nserial = {dir}/stamps/serial\nsigner_cert = {dir}/tsa/below.pem\ncerts = {dir}/tsa/mid.pem\n"
                f"signer_key = {dir}/tsa/below.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\nother_policies = 1.2.3.4.9\n"
                "digests = sha256,sha512\naccuracy = secs:1\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make(os.path.abspath(sys.argv[1]))
