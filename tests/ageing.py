"""ageing.py - years that pass in a test: time-stamping authorities that begin and end, and evidence records (RFC 4998) read by a second reader.

The reader is written after the RFC alone; it shares nothing with libkep.
"""
import calendar
import hashlib
import http.server
import os
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pki_tsp                                                                             # noqa: E402
from pki_cades import SHA, STAMPING, TST_INFO, Certificate, attribute, digest, id_v2, v2   # noqa: E402
from pki_signer import der, oid, pki                                                       # noqa: E402
from pki_cades import seq, set_of                                                          # noqa: E402

ECDSA = {"sha256": "1.2.840.10045.4.3.2", "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4"}
CURVES = {"sha256": "P-256", "sha384": "P-384", "sha512": "P-521"}


def moment(year, month=1, day=1):
    return calendar.timegm((year, month, day, 12, 0, 0))


# -- certificates of chosen years ---------------------------------------------------

def certificate(dir, name, extensions, years, issuer=None, sha="sha256"):
    """DIR/NAME.pem and .key, valid from the first day of the one year to that of the other; self-signed without issuer."""
    os.makedirs(f"{dir}/tmp", exist_ok=True)
    with tempfile.TemporaryDirectory(dir=f"{dir}/tmp") as tmp:
        with open(tmp + "/cnf", "w", encoding="utf-8") as f:
            f.write(f"[ca]\ndefault_ca = a\n[a]\ndatabase = {tmp}/index\nnew_certs_dir = {tmp}\nrand_serial = yes\npolicy = p\n"
                    f"default_md = {sha}\nx509_extensions = e\nunique_subject = no\n[p]\ncommonName = supplied\n[e]\nsubjectKeyIdentifier = hash\n"
                    + ("authorityKeyIdentifier = keyid\n" if issuer else "") + "".join(f"{k} = {v}\n" for k, v in extensions.items())
                    + f"[req]\nprompt = no\ndistinguished_name = d\n[d]\nCN = {name}\n")
        open(tmp + "/index", "w").close()
        pki.openssl("req", "-new", "-batch", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + CURVES[sha], "-config", tmp + "/cnf",
                    "-keyout", f"{dir}/{name}.key", "-out", tmp + "/csr")
        by = ["-cert", f"{dir}/{issuer}.pem", "-keyfile", f"{dir}/{issuer}.key"] if issuer else ["-selfsign", "-keyfile", f"{dir}/{name}.key"]
        pki.openssl("ca", "-batch", "-notext", "-config", tmp + "/cnf", *by, "-startdate", f"{years[0]}0101000000Z", "-enddate", f"{years[1]}0101000000Z",
                    "-in", tmp + "/csr", "-out", tmp + "/pem")
        pki.write(f"{dir}/{name}.pem", pki.read(tmp + "/pem"))


class Authority:
    """A time-stamping authority of some years, with a root of its own above it."""

    def __init__(self, dir, name, years, sha="sha256"):
        os.makedirs(dir, exist_ok=True)
        self.dir, self.name, self.years, self.sha = dir, name, years, sha
        certificate(dir, name + "-root", pki.CA, (years[0], years[1] + 30), sha=sha)
        certificate(dir, name, STAMPING, years, name + "-root", sha)
        self.certificate = Certificate(f"{dir}/{name}")

    def root(self):
        return pki.read(f"{self.dir}/{self.name}-root.pem")

    def token(self, imprint_sha, imprint, at, nonce=None):
        x, sha = self.certificate, self.sha
        content = pki_tsp.info(imprint_sha, value=imprint, at=at, nonce=nonce)
        attributes = sorted([attribute("1.2.840.113549.1.9.3", oid(TST_INFO)), attribute("1.2.840.113549.1.9.4", der(4, digest(sha, content))),
                             v2(id_v2(x, sha))])
        signature = pki.openssl("dgst", "-" + sha, "-sign", x.path + ".key", stdin=der(0x31, b"".join(attributes)))
        algorithm = seq(oid(SHA[sha]))
        info = seq(der(2, b"\1"), seq(x.issuer, x.serial), algorithm, der(0xA0, b"".join(attributes)), seq(oid(ECDSA[sha])), der(4, signature))
        body = seq(der(2, b"\3"), set_of(algorithm), seq(oid(TST_INFO), der(0xA0, der(4, content))), der(0xA0, x.der), set_of(info))
        return seq(oid("1.2.840.113549.1.7.2"), der(0xA0, body))


class Server:
    """All authorities behind one port, each at /NAME; `now` is the year they believe in.  One whose years are over answers 503."""

    def __init__(self, authorities):
        self.authorities = {"/" + a.name: a for a in authorities}
        self.now, self.asked, self.down = 0, [], set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = outer.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def urls(self):
        return " ".join(f"http://127.0.0.1:{self.http.server_port}{path}" for path in self.authorities)

    def answer(self, path, request):
        authority = self.authorities[path]
        year = time.gmtime(self.now).tm_year
        if path[1:] in self.down or not authority.years[0] <= year < authority.years[1]:
            return 503, b"closed"
        self.asked.append((path[1:], year))
        fields = pki.der_list(pki.der_read(request)[1])
        algorithm, imprint = (inner for _, inner in pki.der_list(fields[1][1]))
        name = {oid(SHA[n]): n for n in SHA}[der(6, pki.der_list(algorithm)[0][1])]
        nonce = next(inner for tag, inner in fields[2:] if tag == 2)
        return 200, seq(seq(der(2, b"\0")), authority.token(name, imprint, self.now, nonce))

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


# -- evidence records -----------------------------------------------------------------

class Broken(Exception):
    """The record does not hold, and why."""


def elements(octets):
    """[(tag, inside, whole)]."""
    out = []
    while octets:
        tag, inside, rest = pki.der_read(octets)
        out.append((tag, inside, octets[:len(octets) - len(rest)]))
        octets = rest
    return out


NAMES = {oid(value)[2:]: name for name, value in SHA.items()}


class Token:
    def __init__(self, octets):
        self.octets = octets
        data = elements(elements(elements(octets)[0][1])[1][1])[0][1]
        content = next(inside for tag, inside, _ in elements(data) if tag == 0x30)
        info = elements(elements(elements(elements(content)[1][1])[0][1])[0][1])
        algorithm, imprint = elements(info[2][1])
        self.sha, self.imprint = NAMES[elements(algorithm[1])[0][1]], imprint[1]
        self.time = calendar.timegm(time.strptime(info[4][1].decode(), "%Y%m%d%H%M%SZ"))

    def verify(self, roots, at):
        """openssl's opinion, with the chain judged at that time."""
        with tempfile.NamedTemporaryFile() as f:
            f.write(self.octets)
            f.flush()
            done = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-in", f.name, "-CAfile", roots, "-purpose", "timestampsign",
                                   "-attime", str(at), "-binary", "-out", "/dev/null"], capture_output=True, check=False)
        if done.returncode:
            raise Broken(f"openssl does not like a token at {at}: {done.stderr.decode()}")


class Stamp:
    """An ArchiveTimeStamp."""

    def __init__(self, octets):
        self.sha, self.lists = None, None
        for tag, inside, whole in elements(octets):
            if tag == 0xA0:
                self.sha = NAMES[elements(inside)[0][1]]
            elif tag == 0xA2:
                self.lists = [[h for _, h, _ in elements(inner)] for _, inner, _ in elements(inside)]
            elif tag == 0x30:
                self.token = Token(whole)
        self.sha = self.sha or self.token.sha

    def hash(self, octets):
        return hashlib.new(self.sha, octets).digest()

    def check(self, wanted):
        """RFC 4998 section 4.3."""
        if self.sha != self.token.sha:
            raise Broken("two digests")
        if self.lists is None:
            root = wanted[0]
        else:
            if any(h not in self.lists[0] for h in wanted):
                raise Broken("the data is not in the first list")
            root = self.hash(b"".join(sorted(self.lists[0])))
            for more in self.lists[1:]:
                root = self.hash(b"".join(sorted([*more, root])))
        if root != self.token.imprint:
            raise Broken("another root was stamped")


class Record:
    def __init__(self, octets):
        fields = elements(elements(octets)[0][1])
        if fields[0][1] != b"\1":
            raise Broken("not version 1")
        self.digests = {NAMES[elements(a)[0][1]] for _, a, _ in elements(fields[1][1])}
        self.start = len(octets) - len(fields[-1][2])       # where the archive time-stamps begin
        self.head = [whole for tag, _, whole in fields[:-1]]
        self.chains = [(whole, [(w, Stamp(inner)) for _, inner, w in elements(inside)]) for _, inside, whole in elements(fields[-1][1])]

    def encode(self, chains):
        """The record with other chains: lists of ArchiveTimeStamps as octets."""
        return seq(*self.head, seq(*(seq(*stamps) for stamps in chains)))

    def stamps(self):
        return [[whole for whole, _ in stamps] for _, stamps in self.chains]

    def check(self, objects, roots, now, ends):
        """RFC 4998 section 5.3; ends: {digest: when it broke}.  The times of all time-stamps."""
        before, times = None, []
        for number, (_, stamps) in enumerate(self.chains):
            older = seq(*(whole for whole, _ in self.chains[:number]))
            for place, (_, s) in enumerate(stamps):
                if s.sha not in self.digests:
                    raise Broken("a digest is not listed")
                if place:
                    s.check([s.hash(before.token.octets)])
                elif number == 0:
                    s.check([s.hash(d) for d in objects])
                else:
                    s.check([s.hash(s.hash(d) + s.hash(older)) for d in objects])
                if before:
                    if s.token.time < before.token.time:
                        raise Broken("wrong order")
                    before.token.verify(roots, s.token.time)
                    if place == 0 and s.token.time >= ends.get(before.sha, 1 << 62):
                        raise Broken("renewed after the digest broke")
                    if place and s.sha != before.sha:
                        raise Broken("two digests in a chain")
                before = s
                times.append(s.token.time)
        if not before or not all(stamps for _, stamps in self.chains):
            raise Broken("empty")
        if before.token.time > now:
            raise Broken("of a time to come")
        before.token.verify(roots, now)
        if now >= ends.get(before.sha, 1 << 62):
            raise Broken("the last digest broke")
        return times
