#!/usr/bin/env python3
"""pki_rsa.py - signatures of RSA keys and RSASSA-PSS parameters that nobody honest has, and some that are fine.

usage: tests/pki_rsa.py DIR       in the DIR that tests/pki made: DIR/rsa/*.pem, DIR/samples/NAME.p7s

All sign DIR/samples/content.  The expectations stand in tests/unit/cms_test.c.
"""
import base64
import hashlib
import os
import sys

from pki_signer import pki

RSA = "signers/ayse@hs01.kep.test"
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def sign(dir, who, *options, chain="mid"):
    return pki.openssl("cms", "-sign", "-binary", "-outform", "DER", "-signer", f"{dir}/{who}.pem", "-inkey", f"{dir}/{who}.key",
                       "-certfile", f"{dir}/{chain}.pem", *options, stdin=pki.read(dir + "/samples/content"))


def integer(n):
    return pki.der(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def public_key(modulus, exponent):
    """PEM of an RSA key that openssl(1) would not make."""
    key = pki.der(0x30, integer(modulus) + integer(exponent))
    octets = pki.der(0x30, pki.der(0x30, bytes.fromhex("06092a864886f70d0101010500")) + pki.der(3, b"\0" + key))
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(octets) + b"-----END PUBLIC KEY-----\n"


def twins(dir, name, exponent):
    """DER of two certificates that differ in the exponent of the key alone; DIR/rsa/NAME.pem is the usual one."""
    path = f"{dir}/rsa/{name}"
    pki.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-batch", "-subj", f"/CN={name}", "-keyout", path + ".key", "-out", path + ".csr")
    modulus = int(pki.openssl("rsa", "-in", path + ".key", "-noout", "-modulus").decode().strip().split("=")[1], 16)
    pki.write(path + ".pub", public_key(modulus, exponent))
    pki.write(path + ".ext", b"keyUsage = critical,digitalSignature,nonRepudiation\nextendedKeyUsage = emailProtection\n"
              b"subjectAltName = email:bad@hs01.kep.test\nauthorityKeyIdentifier = keyid\n")
    issue = ["x509", "-req", "-in", path + ".csr", "-CA", dir + "/mid.pem", "-CAkey", dir + "/mid.key", "-set_serial", str(7000 + len(name)),
             "-days", "365", "-sha256", "-extfile", path + ".ext"]
    pki.write(path + ".pem", pki.openssl(*issue))
    odd = pki.openssl(*issue, "-force_pubkey", path + ".pub")
    return [pki.openssl("x509", "-outform", "DER", stdin=pem) for pem in (pki.read(path + ".pem"), odd)]


def encoded(attributes):
    """What an RSA signature over signed attributes is once the key was applied; with the exponent 1, the signature."""
    info = SHA256_INFO + hashlib.sha256(pki.der(0x31, attributes)).digest()
    return b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info


def exchanged(dir, name, exponent):
    """A signature whose certificate is the odd one."""
    usual, odd = twins(dir, name, exponent)

    def change(signed, info):
        signed[3] = (0xA0, signed[3][1].replace(usual, odd))
        if exponent == 1:
            info[-1] = (0x04, encoded(info[3][1]))

    return pki.edit(sign(dir, f"rsa/{name}"), change)


def pss(dir, *options):
    return sign(dir, RSA, "-keyopt", "rsa_padding_mode:pss", *(word for o in options for word in ("-keyopt", o)))


def parameters(octets, old, new):
    """Parameters of RSASSA-PSS changed behind the signer's back."""
    def change(signed, info):
        assert old in info[4][1]
        info[4] = (0x30, info[4][1].replace(old, new))
    return pki.edit(octets, change)


def edited_parameters(octets, change_fields):
    def change(signed, info):
        name, fields = pki.der_list(info[4][1])
        inner = pki.der_list(fields[1])
        change_fields(inner)
        info[4] = (0x30, pki.der(*name) + pki.der(0x30, pki.der_join(inner)))
    return pki.edit(octets, change)


def without_parameters(octets):
    return pki.edit(octets, lambda signed, info: info.__setitem__(4, (0x30, pki.der(*pki.der_list(info[4][1])[0]))))


def samples(dir):
    os.makedirs(dir + "/rsa", exist_ok=True)
    for exponent in (3, 65539):
        pki.KEYS[f"rsa-{exponent}"] = ["-newkey", "rsa:2048", "-pkeyopt", f"rsa_keygen_pubexp:{exponent}"]
        pki.certificate(dir, f"rsa/e{exponent}", [("CN", "e")], pki.MAIL, "mid", f"rsa-{exponent}")
    pki.certificate(dir, "rsa/mid3", [("CN", "mid3")], pki.CA, "ca", "rsa-3", chain=False)
    pki.certificate(dir, "rsa/below", [("CN", "below")], pki.MAIL, "rsa/mid3")
    good = pss(dir, "rsa_pss_saltlen:32")
    made = {
        "exponent-1": exchanged(dir, "one", 1),
        "exponent-even": exchanged(dir, "even", 65536),
        "exponent-3": sign(dir, "rsa/e3"),
        "exponent-3-above": sign(dir, "rsa/below", chain="rsa/mid3"),
        "exponent-65539": sign(dir, "rsa/e65539"),
        "pss-salt-32": good,
        "pss-salt-64": pss(dir, "rsa_pss_saltlen:64"),
        "pss-salt-31": pss(dir, "rsa_pss_saltlen:31"),
        "pss-salt-20": pss(dir, "rsa_pss_saltlen:20"),
        "pss-salt-0": pss(dir, "rsa_pss_saltlen:0"),
        "pss-mask-sha1": pss(dir, "rsa_pss_saltlen:32", "rsa_mgf1_md:sha1"),
        "pss-mask-sha512": pss(dir, "rsa_pss_saltlen:32", "rsa_mgf1_md:sha512"),
        "pss-sha512": sign(dir, RSA, "-md", "sha512", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:64"),
    }
    sha256, sha512 = (bytes.fromhex("06096086480165030402" + n) for n in ("01", "03"))
    made["pss-hash"] = parameters(good, sha256, sha512)
    made["pss-trailer"] = edited_parameters(good, lambda fields: fields.append((0xA3, integer(2))))
    made["pss-default"] = edited_parameters(good, lambda fields: fields.clear())
    made["pss-twice"] = edited_parameters(good, lambda fields: fields.append(fields[-1]))
    made["pss-none"] = without_parameters(good)
    for name, octets in made.items():
        pki.write(f"{dir}/samples/{name}.p7s", octets)
    # But for its exponent nothing is wrong with it.
    pki.openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", f"{dir}/samples/exponent-1.p7s", "-content", f"{dir}/samples/content",
                "-CAfile", f"{dir}/ca.pem")


if __name__ == "__main__":
    samples(os.path.abspath(sys.argv[1]))
