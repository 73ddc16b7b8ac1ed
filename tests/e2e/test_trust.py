"""Revocation: what kep-milter says of a signer by the CRLs it has, and kepctl trust refresh against servers good and bad."""
import http.server
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from sandboxlib.daemons import build, program
from sandboxlib.pki import maker

import crl

AYSE = "ayse@hs01.kep.test"
MAIL = f"From: {AYSE}\r\nTo: ali@hs01.kep.test\r\nDate: Mon, 23 Nov 2026 12:00:00 +0300\r\nMessage-ID: <1@hs01.kep.test>\r\n\r\nMerhaba\r\n"


class Place:
    """A PKI, a folder of CRLs, a configuration, a signed message."""

    def __init__(self, directory):
        self.dir, self.pki, self.crls, self.conf = directory, directory / "pki", directory / "crls", directory / "kep.conf"
        maker.make(str(self.pki))
        self.crls.mkdir()
        # A CA of the same name as the issuing one, of somebody else.
        maker.certificate(str(self.pki), "forger", [("C", "TR"), ("CN", "KEP Test NES Yayıncısı")], maker.CA)
        self.mail = directory / "mail.eml"
        self.mail.write_bytes(maker.sign(str(self.pki), AYSE, MAIL.encode()))
        (self.pki / "trust" / "mid.pem").write_bytes((self.pki / "mid.pem").read_bytes())
        self.configure()

    def configure(self, **keys):
        keys = {"trust_anchors": self.pki / "trust", "trust_crls": self.crls, "crl_timeout": "2s", "crl_size_limit": "64K", **keys}
        self.conf.write_text("".join(f"{k} = {v}\n" for k, v in keys.items()), encoding="utf-8")

    def empty(self):
        for file in self.crls.iterdir():
            file.unlink()

    def crl(self, ca, **how):
        return crl.make(str(self.pki), ca, **how)

    def put(self, ca, **how):
        (self.crls / f"{ca}.crl").write_bytes(self.crl(ca, **how))

    def verdict(self, *options):
        done = subprocess.run([program("milter", "kep-milter", build()), "-c", self.conf, *options, "-t", self.mail],
                              capture_output=True, text=True, check=False)
        return done.stdout.split("why=")[1].split()[0] if "why=" in done.stdout else done.stderr

    def refresh(self, urls, **keys):
        """Exit status, rows by the last word of their URL, milter's view."""
        self.configure(crl_urls=" ".join(urls), **keys)
        done = subprocess.run([program("kepctl", "kepctl", build()), "-c", self.conf, "--json", "trust", "refresh"],
                              capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return done.returncode, {row["url"].rsplit("/", 1)[-1]: row for row in json.loads(done.stdout)["crls"]}

    def files(self):
        return sorted(file.name for file in self.crls.iterdir())


@pytest.fixture(scope="module", name="place")
def fixture_place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("trust"))


def test_verdicts(place):
    """Every certificate below the anchor needs a CRL that is current."""
    place.configure(trust_crls="")
    assert place.verdict() == "accepted"
    assert "revocation = required: trust_crls names no folder" in place.verdict("-o", "revocation=required")
    place.configure()
    assert place.verdict() == "revocation-unknown"
    assert place.verdict("-o", "revocation=off") == "accepted"
    assert "revocation = maybe; write auto, required or off" in place.verdict("-o", "revocation=maybe")
    place.put("mid")
    assert place.verdict() == "revocation-unknown", "the CRL of the root is missing"
    place.put("ca")
    assert place.verdict() == "accepted"
    place.put("mid", revoked=[f"signers/{AYSE}"])
    assert place.verdict() == "signer-revoked"
    place.put("mid", revoked=["signers/ali@hs01.kep.test"])
    assert place.verdict() == "accepted"
    place.put("ca", revoked=["mid"])
    assert place.verdict() == "signer-revoked"
    place.put("ca")
    place.put("mid", until=-0.5)
    assert place.verdict() == "accepted", "within crl_grace"
    assert place.verdict("-o", "crl_grace=20m") == "revocation-unknown"
    place.put("mid", until=-0.5, revoked=[f"signers/{AYSE}"])
    assert place.verdict() == "signer-revoked", "a stale CRL still tells who was revoked"
    place.put("mid", last=2)
    assert place.verdict() == "revocation-unknown", "not valid yet"
    (place.crls / "mid.crl").write_bytes(place.crl("forger"))
    assert place.verdict() == "revocation-unknown", "signed by somebody else"


def test_the_newest_list_counts(place):
    place.empty()
    place.put("ca")
    (place.crls / "a.crl").write_bytes(place.crl("mid", last=-5))
    (place.crls / "b.crl").write_bytes(place.crl("mid", last=-1, revoked=[f"signers/{AYSE}"]))
    (place.crls / "c.crl").write_bytes(place.crl("mid", last=-3))
    assert place.verdict() == "signer-revoked"


def test_lists_that_cannot_be_read(place):
    place.empty()
    place.put("ca")
    (place.crls / "mid.crl").write_bytes(place.crl("mid")[:-80])
    assert "mid.crl: holds a damaged CRL" in place.verdict()
    (place.crls / "mid.crl").write_bytes(b"garbage")
    assert "mid.crl: holds a damaged CRL" in place.verdict()
    (place.crls / "mid.crl").write_bytes(b"x" * 70000)
    assert "mid.crl: larger than 65536 octets" in place.verdict()
    place.empty()
    both = place.crl("mid") + place.crl("ca")
    (place.crls / "both.pem").write_bytes(both)
    (place.crls / ".hidden.crl").write_bytes(b"garbage")
    (place.crls / "README").write_bytes(b"garbage")
    assert place.verdict() == "accepted", "several in one file, and other files beside it"
    place.configure(trust_crls=place.crls / "both.pem")
    assert place.verdict() == "accepted"


def test_a_list_inside_the_message_is_not_looked_at(place):
    """The signature carries the CRLs that are missing; they are the attacker's word."""
    place.configure()
    place.empty()
    fields, _ = maker.split(MAIL.encode())
    entity = b"Content-Type: text/plain\r\n\r\nMerhaba\r\n"
    (place.dir / "both.pem").write_bytes((place.pki / "mid.pem").read_bytes() + place.crl("mid") + place.crl("ca"))
    der = maker.openssl("cms", "-sign", "-binary", "-outform", "DER", "-signer", f"{place.pki}/signers/{AYSE}.pem", "-inkey",
                        f"{place.pki}/signers/{AYSE}.key", "-certfile", f"{place.dir}/both.pem", stdin=entity)
    before, place.mail = place.mail, place.dir / "with-crl.eml"
    place.mail.write_bytes(b"".join(fields) + maker.multipart_signed(entity, der))
    assert place.verdict() == "revocation-unknown"
    assert place.verdict("-o", "revocation=off") == "accepted"
    place.mail = before


class Server(http.server.ThreadingHTTPServer):
    """Serves what a test puts into pages; odd ways by name."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked, self.over = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def redirect(self, to):
        self.send_response(302)
        self.send_header("Location", to)
        self.end_headers()

    def endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.over.is_set():
                self.wfile.write(b"x" * 4096)
        except OSError:
            pass

    def slow(self):
        self.send_response(200)
        self.end_headers()
        while not self.server.over.wait(0.2):
            try:
                self.wfile.write(b"-")
                self.wfile.flush()
            except OSError:
                return

    def do_GET(self):
        name = self.path[1:]
        self.server.asked.append(name)
        if name in ("endless", "slow"):
            getattr(self, name)()
        elif name == "loop":
            self.redirect("/loop")
        elif name == "file":
            self.redirect("file:///etc/passwd")
        elif name == "moved":
            self.redirect("/mid")
        elif name in self.server.pages:
            body = self.server.pages[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(404)


@pytest.fixture(name="server")
def fixture_server(place):
    place.empty()
    server = Server()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def test_refresh(place, server):
    server.pages.update(mid=place.crl("mid", last=-2), ca=place.crl("ca"))
    urls = [server.url("mid"), server.url("ca")]
    status, rows = place.refresh(urls)
    assert status == 0 and {row["state"] for row in rows.values()} == {"added"}, rows
    assert rows["mid"]["entries"] == 0 and not rows["mid"]["delta"] and "KEP Test NES" in rows["mid"]["issuer"]
    assert place.verdict() == "accepted"
    status, rows = place.refresh(urls)
    assert status == 0 and {row["state"] for row in rows.values()} == {"unchanged"}
    server.pages["mid"] = place.crl("mid", last=-1, revoked=[f"signers/{AYSE}"])
    _, rows = place.refresh(urls)
    assert (rows["mid"]["state"], rows["mid"]["entries"], rows["ca"]["state"]) == ("replaced", 1, "unchanged")
    assert place.verdict() == "signer-revoked"
    before = place.files()
    server.pages["mid"] = place.crl("mid", last=-3)
    status, rows = place.refresh(urls)
    assert status == 75 and "older than the CRL that is there" in rows["mid"]["error"]
    assert place.verdict() == "signer-revoked", "an old CRL does not come back"
    assert place.files() == before and len(before) == 2 and not any(name.startswith(".") for name in before)


def test_refresh_follows_a_redirect(place, server):
    server.pages["mid"] = place.crl("mid")
    status, rows = place.refresh([server.url("moved")])
    assert status == 0 and rows["moved"]["state"] == "added"


BAD = [
    ("endless", "larger than 65536 octets"),
    ("large", "larger than 65536 octets"),
    ("slow", "not there after 2 seconds"),
    ("garbage", "is not a CRL"),
    ("empty", "is not a CRL"),
    ("certificate", "is not a CRL"),
    ("two", "holds more than one CRL"),
    ("cut", "is not a CRL"),
    ("loop", "redirect"),
    ("file", "only http and https are fetched"),
    ("absent", "404"),
    ("stale", "its nextUpdate has passed"),
    ("future", "issued in the future"),
    ("forged", "its signature is not that of the CA it names"),
    ("stranger", "its issuer is no CA of trust_anchors"),
]


def test_refresh_of_bad_servers(place, server):
    """Each says why, none leaves a file, the good one among them comes all the same."""
    server.pages.update(
        large=b"x" * 70000, garbage=b"<html>no</html>", empty=b"", certificate=(place.pki / "mid.pem").read_bytes(),
        two=place.crl("mid") + place.crl("ca"), cut=place.crl("mid")[:200], stale=place.crl("mid", last=-9, until=-5),
        future=place.crl("mid", last=5), forged=place.crl("forger"), stranger=place.crl("other-ca"), mid=place.crl("mid"))
    began = time.monotonic()
    status, rows = place.refresh([server.url(name) for name, _ in BAD] + [server.url("mid")])
    assert status == 75 and time.monotonic() - began < 20
    for name, words in BAD:
        assert rows[name]["state"] == "failed" and words in rows[name]["error"], rows[name]
    assert rows["mid"]["state"] == "added" and place.files() == [os.path.basename(rows["mid"]["file"])]


def test_refresh_of_other_schemes_and_ports(place):
    place.empty()
    status, rows = place.refresh(["file:///etc/passwd", "gopher://127.0.0.1/x", "http://127.0.0.1:1/refused"])
    assert status == 75
    assert "only http and https" in rows["passwd"]["error"] and "only http and https" in rows["x"]["error"]
    assert rows["refused"]["state"] == "failed" and place.files() == []


def test_distribution_points_of_the_trust_store(place, server):
    """Of its own certificates, not of a signer's."""
    pki = str(place.pki)
    maker.certificate(pki, "point", [("C", "TR"), ("CN", "With a point")],
                      {**maker.CA, "crlDistributionPoints": f"URI:{server.url('root')},URI:ldap://127.0.0.1/x"}, "ca", chain=False)
    (place.pki / "trust" / "point.pem").write_bytes((place.pki / "point.pem").read_bytes())
    server.pages["root"] = place.crl("ca")
    status, rows = place.refresh([])
    (place.pki / "trust" / "point.pem").unlink()
    assert status == 0 and list(rows) == ["root"] and rows["root"]["state"] == "added", rows
    assert server.asked == ["root"]


def test_lists_of_time_stamping_authorities(place, server):
    """Of the CAs of tsa_anchors, whose distribution points are followed, too."""
    pki = str(place.pki)
    maker.certificate(pki, "tsa", [("C", "TR"), ("CN", "Stamps")], {**maker.CA, "crlDistributionPoints": f"URI:{server.url('tsa')}"}, chain=False)
    server.pages["tsa"] = place.crl("tsa")
    status, rows = place.refresh([server.url("tsa")])
    assert status == 75 and "is no CA of trust_anchors" in rows["tsa"]["error"]
    status, rows = place.refresh([], tsa_anchors=place.pki / "tsa.pem")
    assert status == 0 and rows["tsa"]["state"] == "added", rows
    place.configure()


def test_the_doctor_looks_at_the_lists(place):
    def finding():
        done = subprocess.run([program("kepctl", "kepctl", build()), "-c", place.conf, "--json", "check"], capture_output=True, text=True, check=False)
        return next((row["level"], row["words"]) for row in json.loads(done.stdout)["findings"] if row["what"] == "trust")
    place.empty()
    place.configure(trust_crls="")
    assert finding()[0] == "warning" and "revocation is not checked" in finding()[1]
    place.configure(trust_crls="", revocation="off")
    assert finding()[0] == "ok"
    place.configure()
    assert finding()[0] == "wrong" and "every signature is answered 451" in finding()[1]
    place.put("mid", until=-0.5)
    assert finding()[0] == "warning"
    place.put("mid")
    assert finding()[0] == "ok" and "1 CRL, the first to be replaced by" in finding()[1]
    (place.crls / "mid.crl").write_bytes(b"garbage")
    assert finding()[0] == "wrong" and "damaged CRL" in finding()[1]
    place.empty()


def test_refresh_needs_a_folder(place):
    for folder, words in (("", "trust_crls is empty"), ("/nonexistent", "is no folder")):
        place.configure(trust_crls=folder)
        done = subprocess.run([program("kepctl", "kepctl", build()), "-c", place.conf, "trust", "refresh"], capture_output=True, text=True, check=False)
        assert done.returncode == 78 and words in done.stderr
    place.configure()
    done = subprocess.run([program("kepctl", "kepctl", build()), "-c", place.conf, "trust", "refresh"], capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "nothing to fetch" in done.stderr


def test_the_milter_reads_a_changed_folder(place):
    """By itself, once per change; a damaged list leaves what was in use."""
    place.empty()
    place.configure(trust_watch="1s", user="", milter_socket=f"unix:{place.dir}/m", milter_socket_group="", ask_socket=place.dir / "a")
    log = place.dir / "log"
    with open(log, "wb") as err:
        milter = subprocess.Popen([program("milter", "kep-milter", build()), "-f", "-c", place.conf], stderr=err)

    def wait(words, times=1):
        until = time.monotonic() + 20
        while log.read_text(encoding="utf-8").count(words) < times:
            assert time.monotonic() < until, log.read_text(encoding="utf-8")
            time.sleep(0.1)
    try:
        wait("1 trust anchor, no CRL: every signature is answered 451")
        wait("listening on")
        place.put("mid")
        wait(f"trust read again from {place.pki}/trust and {place.crls}: 1 trust anchor, 1 CRL, the first to be replaced by 20")
        (place.crls / "bad.crl").write_bytes(b"garbage")
        wait("warning: trust not read again, the old one stays: trust_crls:")
        time.sleep(2.5)
        assert log.read_text(encoding="utf-8").count("not read again") == 1, "said once"
        (place.crls / "bad.crl").unlink()
        place.put("ca")
        wait("1 trust anchor, 2 CRLs")
        milter.send_signal(signal.SIGUSR1)
        wait("1 trust anchor, 2 CRLs", 2)
    finally:
        milter.terminate()
        assert milter.wait(20) == 0
