"""pki.py - the sandbox's certificates: tests/pki as a module, and checking a seal with openssl(1)."""
import importlib.machinery
import importlib.util
import shutil
import tempfile
from pathlib import Path

from .process import Trouble, run

SOURCE = Path(__file__).resolve().parent.parent / "pki"


def module():
    """tests/pki, whose file has no suffix."""
    loader = importlib.machinery.SourceFileLoader("kep_pki", str(SOURCE))
    made = importlib.util.module_from_spec(importlib.util.spec_from_loader("kep_pki", loader))
    loader.exec_module(made)
    return made


maker = module()


class Pki:
    """DIR/pki: CA, signers, seal; relay.pem is what our Postfix shows to other providers."""

    def __init__(self, place):
        self.place = place
        self.dir = place.home / "pki"
        self.trust, self.tls = self.dir / "trust", self.dir / "tls"

    def create(self, host, copy_of=None):
        """A PKI of its own, or the CAs and signers of another sandbox's (one national CA, two providers)."""
        if copy_of:
            shutil.copytree(copy_of, self.dir)
            shutil.rmtree(self.tls)
            maker.ledger(str(self.dir))
        else:
            maker.make(str(self.dir))
        self.dir.chmod(0o755)
        maker.certificate(str(self.dir), "relay", [("CN", host)],
                          {**maker.TLS, "subjectAltName": f"DNS:{host}"}, "ca", chain=False)
        self.tls.mkdir()
        for name, source in (("ca.pem", "ca.pem"), ("server.pem", "server.pem"), ("server.key", "server.key"),
                             ("client.pem", "relay.pem"), ("client.key", "relay.key")):
            shutil.copy(self.dir / source, self.tls / name)
        self.place.write_env(PKI=self.dir, TRUST=self.trust)

    def signer(self, address, tckn=None):
        """The signer of an address, made when there is none."""
        if not (self.dir / "signers" / f"{address}.pem").exists():
            maker.signer(str(self.dir), address, tckn)

    def identity(self, address):
        """The T.C. identity number in the signer's subject."""
        subject = run("openssl", "x509", "-in", self.dir / "signers" / f"{address}.pem", "-noout", "-subject",
                      "-nameopt", "multiline")
        lines = [line.split("=", 1) for line in subject.splitlines() if "serialNumber" in line]
        return lines[0][1].strip() if lines else None

    def fingerprint(self, name):
        """SHA-256 of a certificate as Postfix writes it."""
        out = run("openssl", "x509", "-in", self.dir / f"{name}.pem", "-noout", "-fingerprint", "-sha256")
        return out.split("=", 1)[1].strip()

    def verify(self, mail):
        """The signed part of a mail whose S/MIME signature is good; Trouble with openssl's words otherwise."""
        with tempfile.NamedTemporaryFile(suffix=".eml") as file:
            file.write(mail)
            file.flush()
            return run("openssl", "cms", "-verify", "-in", file.name, "-CAfile", self.trust / "ca.pem",
                       "-certfile", self.dir / "mid.pem").encode()


def good_seal(pki, mail):
    try:
        pki.verify(mail)
    except Trouble:
        return False
    return True
