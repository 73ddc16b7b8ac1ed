"""crl.py - revocation lists for tests, made with openssl(1).

usage: python3 tests/crl.py PKI CA OUT HOURS [CERTIFICATE...] [KEY=VALUE...]    a CRL of PKI/CA.pem in OUT, good for HOURS,
       revoking PKI/CERTIFICATE.pem; the keys are those of make()
"""
import datetime
import tempfile

from sandboxlib.pki import maker


def stamp(hours):
    """The time that many hours from now, as openssl ca reads it."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)).strftime("%y%m%d%H%M%SZ")


def serial(pki, name):
    """Serial number of PKI/NAME.pem, hexadecimal."""
    return maker.openssl("x509", "-noout", "-serial", "-in", f"{pki}/{name}.pem").decode().strip().split("=")[1]


def make(pki, ca, revoked=(), last=-1, until=24, more=0, reason=None, when=None):
    """A CRL in PEM of PKI/CA.pem; revoked: names of certificates, for a reason such as keyCompromise; more: so many of nobody;
    last, until, when (of the revocation): hours from now."""
    date = stamp(last if when is None else when) + (f",{reason}" if reason else "")
    with tempfile.TemporaryDirectory(dir=pki) as tmp:
        with open(tmp + "/cnf", "w", encoding="utf-8") as f:
            f.write(f"[ca]\ndefault_ca = a\n[a]\ndatabase = {tmp}/index\ncrlnumber = {tmp}/number\ndefault_md = sha256\ncrl_extensions = e\n"
                    "[e]\nauthorityKeyIdentifier = keyid\n")
        with open(tmp + "/number", "w", encoding="utf-8") as f:
            f.write("01\n")
        with open(tmp + "/index", "w", encoding="utf-8") as f:
            f.writelines(f"R\t{stamp(9999)}\t{date}\t{serial(pki, name)}\tunknown\t/CN=x\n" for name in revoked)
            f.writelines(f"R\t300101000000Z\t260101000000Z\t{n:030X}\tunknown\t/CN=x\n" for n in range(2 ** 116, 2 ** 116 + more))
        return maker.openssl("ca", "-gencrl", "-config", tmp + "/cnf", "-cert", f"{pki}/{ca}.pem", "-keyfile", f"{pki}/{ca}.key",
                             "-crl_lastupdate", stamp(last), "-crl_nextupdate", stamp(until))


if __name__ == "__main__":
    import sys

    directory, name, out, hours = sys.argv[1:5]
    names, keys = ([word for word in sys.argv[5:] if ("=" in word) == key] for key in (False, True))
    how = dict(key.split("=") for key in keys)
    how.update((key, float(how[key])) for key in ("last", "when") if key in how)
    with open(out, "wb") as file:
        file.write(make(directory, name, names, until=float(hours), **{**how, "more": int(how.get("more", 0))}))
