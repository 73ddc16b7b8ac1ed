"""tsa.py - the sandbox's time-stamping authority: its certificates, its server (authority.py), and how it behaves."""
import contextlib
import socket
import sys
from pathlib import Path

from .pki import maker
from .process import Program, run, until

SERVER = Path(__file__).resolve().parent / "authority.py"
STAMPING = {"keyUsage": "critical,digitalSignature", "extendedKeyUsage": "critical,timeStamping"}
CNF = """\
[tsa]
default_tsa = t
[t]
serial = {home}/serial
signer_cert = {home}/tsa.pem
certs = {home}/ca.pem
signer_key = {home}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256,sha384,sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Tsa:
    """DIR/tsa: a root of its own, ca.pem, above tsa.pem; mail, expired, revoked and stranger are not what they should be."""

    def __init__(self, place):
        self.place = place
        self.home = place.home / "tsa"
        self.anchors = self.home / "anchors"

    @property
    def url(self):
        return f"http://{self.place.env['TSA']}/"

    @property
    def tls_url(self):
        return f"https://{self.place.env['TSA_TLS']}/"

    def create(self):
        self.place.ports("TSA", "TSA_TLS")
        self.anchors.mkdir(parents=True)
        home = str(self.home)
        maker.certificate(home, "ca", [("CN", "Zaman Damgası Kök")], maker.CA)
        maker.certificate(home, "web-ca", [("CN", "Web")], maker.CA)
        maker.certificate(home, "other-ca", [("CN", "Başka Kök")], maker.CA)
        points = {"crlDistributionPoints": f"URI:{self.url}ca.crl", "authorityInfoAccess": f"OCSP;URI:{self.url}ocsp"}
        for name, extensions, issuer in (("tsa", STAMPING, "ca"), ("mail", maker.MAIL, "ca"), ("revoked", STAMPING, "ca"), ("stranger", STAMPING, "other-ca")):
            maker.certificate(home, name, [("CN", name)], {**extensions, **points}, issuer, chain=False)
        maker.certificate(home, "web", [("CN", "localhost")], {**maker.TLS, "subjectAltName": "IP:127.0.0.1"}, "web-ca", chain=False)
        maker.expired(home, "expired", STAMPING, "ca")
        (self.anchors / "ca.pem").write_bytes((self.home / "ca.pem").read_bytes())
        (self.home / "ts.cnf").write_text(CNF.format(home=home))
        self.revoke("revoked")
        self.behave("good")
        for path in (self.home, self.anchors):
            path.chmod(0o755)
        self.place.write_env(TSA_ANCHORS=self.anchors)

    def revoke(self, *names, hours=24):
        """The CRL lists these certificates."""
        from crl import make
        pem = make(str(self.home), "ca", names, until=hours)
        maker.write(f"{self.home}/ca.crl", maker.openssl("crl", "-outform", "DER", stdin=pem))

    @property
    def program(self):
        if "made" not in self.__dict__:
            self.made = Program("tsa", lambda: [sys.executable, SERVER, self.home, *(str(self.place.address(n)[1]) for n in ("TSA", "TSA_TLS"))],
                                self.place.home / "pids", self.place.log("tsa"))
        return self.made

    def start(self):
        self.program.start()
        until("the time-stamping authority", self.answers)

    def answers(self):
        with socket.create_connection(self.place.address("TSA"), 2):
            return True

    def stop(self):
        self.program.stop()

    def behave(self, manner):
        (self.home / "manner.new").write_text(manner + "\n")
        (self.home / "manner.new").rename(self.home / "manner")

    @contextlib.contextmanager
    def behaving(self, manner):
        self.behave(manner)
        try:
            yield
        finally:
            self.behave("good")

    def requests(self):
        """One list of words for each request that came: time, manner, octets, type, authorization."""
        path = self.home / "requests"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def verify(self, token, data):
        """openssl's opinion of a token over these octets; Trouble when it does not like it."""
        for name, octets in (("token", token), ("data", data)):
            (self.home / f"verify.{name}").write_bytes(octets)
        return run("openssl", "ts", "-verify", "-in", self.home / "verify.token", "-token_in", "-data", self.home / "verify.data",
                   "-CAfile", self.home / "ca.pem")
