"""OCSP: kepctl trust refresh asks responders good and bad, and what kep-milter makes of the answers."""
import json
import subprocess
import time

import pytest
from sandboxlib.daemons import build, program
from sandboxlib.pki import maker

import ocsp
from test_trust import Handler, Place, Server

SIGNER = "signers/sevim@hs01.kep.test"


class Responder(Server):
    """Answers POST by openssl(1); what is in `ways` by the path, so that a test can make it odd."""

    def __init__(self, pki):
        self.pki, self.ways, self.types = str(pki), {}, []
        super().__init__()
        self.RequestHandlerClass = Asked


class Asked(Handler):
    def do_POST(self):
        question = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path[1:]
        self.server.asked.append(name)
        self.server.types.append(self.headers["Content-Type"])
        if name in ("endless", "slow"):
            getattr(self, name)()
            return
        if name == "moved":
            self.redirect("/good")
            return
        if name == "loop":
            self.redirect("/loop")
            return
        way = self.server.ways.get(name)
        if way is None:
            self.send_error(404)
            return
        answer = way(question) if callable(way) else way
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class House(Place):
    """A Place whose signers name a responder; ocsp_signers is a folder of their certificates."""

    def __init__(self, directory):
        super().__init__(directory)
        self.signers, self.responses = directory / "known", directory / "responses"
        self.signers.mkdir()
        self.responses.mkdir()
        ocsp.responders(str(self.pki))
        self.server = Responder(self.pki)
        self.signer(SIGNER, "good")
        self.mail.write_bytes(maker.sign(str(self.pki), "sevim@hs01.kep.test", b"From: sevim@hs01.kep.test\r\nTo: ali@hs01.kep.test\r\n"
                                         b"Date: Mon, 23 Nov 2026 12:00:00 +0300\r\nMessage-ID: <1@hs01.kep.test>\r\n\r\nMerhaba\r\n"))
        (self.pki / "trust" / "mid.pem").unlink()
        self.put("ca")

    def signer(self, name, path, issuer="mid", **more):
        maker.certificate(str(self.pki), name, [("C", "TR"), ("CN", name)],
                          {**maker.MAIL, "authorityInfoAccess": f"OCSP;URI:{self.server.url(path)}", **more}, issuer)

    def configure(self, **keys):
        super().configure(**{"trust_ocsp": self.dir / "responses", "ocsp_signers": self.dir / "known", **keys})

    def known(self, *names):
        for file in self.signers.iterdir():
            file.unlink()
        for name in names:
            (self.signers / (name.replace("/", "_") + ".pem")).write_bytes((self.pki / f"{name}.pem").read_bytes())

    def forget(self):
        for file in self.responses.iterdir():
            file.unlink()

    def fetch(self, **keys):
        """Exit status; the rows of the responses by the name of the signer's file; standard error."""
        self.configure(**keys)
        done = subprocess.run([program("kepctl", "kepctl", build()), "-c", self.conf, "--json", "trust", "refresh"],
                              capture_output=True, text=True, check=False)
        rows = {row["signer"].rsplit("/", 1)[-1][:-4]: row for row in json.loads(done.stdout)["ocsp"]} if done.stdout else {}
        return done.returncode, rows, done.stderr

    def answer(self, **how):
        return lambda question: ocsp.respond(str(self.pki), question, **how)


@pytest.fixture(scope="module", name="house")
def fixture_house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("ocsp"))
    yield house
    house.server.over.set()
    house.server.shutdown()
    house.server.server_close()


def test_good_then_revoked(house):
    house.known(SIGNER)
    name = SIGNER.replace("/", "_")
    house.configure()
    assert house.verdict() == "revocation-unknown", "no CRL of the issuing CA, no response"
    house.server.ways["good"] = house.answer(good=[SIGNER])
    status, rows, _ = house.fetch()
    assert status == 0 and (rows[name]["state"], rows[name]["status"]) == ("added", "good"), rows
    assert "sevim" in rows[name]["subject"] and rows[name]["certificate"].startswith(rows[name]["file"].rsplit("/", 1)[-1][:-4])
    assert house.server.types[-1] == "application/ocsp-request"
    assert house.verdict() == "accepted"
    stays = ocsp.respond(str(house.pki), ocsp.request(str(house.pki), SIGNER), good=[SIGNER])
    time.sleep(1.1)
    house.server.ways["good"] = house.answer(revoked=[SIGNER])
    status, rows, _ = house.fetch()
    assert status == 0 and (rows[name]["state"], rows[name]["status"]) == ("replaced", "revoked")
    assert house.verdict() == "signer-revoked"
    house.server.ways["good"] = stays
    status, rows, words = house.fetch()
    assert status == 75 and "older than the response that is there" in rows[name]["error"] and "1 of 1 OCSP responses" in words
    assert house.verdict() == "signer-revoked", "an old response does not come back"
    assert len(list(house.responses.iterdir())) == 1 and not any(f.name.startswith(".") for f in house.responses.iterdir())


def test_the_same_folder_as_the_lists(house):
    house.known(SIGNER)
    house.forget()
    house.server.ways["good"] = house.answer(good=[SIGNER])
    status, rows, _ = house.fetch(trust_ocsp="")
    assert status == 0 and "/crls/" in next(iter(rows.values()))["file"]
    assert house.verdict() == "accepted"
    for file in house.crls.glob("*.ors"):
        file.unlink()
    assert house.verdict() == "revocation-unknown"


def bad(house):
    """path -> (how the responder answers, what kepctl says)."""
    pki = str(house.pki)
    return {
        "unknown": (house.answer(good=[]), "does not know this certificate"),
        "other": (lambda _: ocsp.respond(pki, ocsp.request(pki, ocsp.ALI), good=[ocsp.ALI]), "tells nothing of this certificate"),
        "cut": (lambda q: ocsp.respond(pki, q)[:-9], "is not an OCSP response"),
        "garbage": (b"<html>no</html>", "is not an OCSP response"),
        "empty": (b"", "is not an OCSP response"),
        "later": (bytes.fromhex("30030a0103"), "does not answer: trylater"),
        "large": (bytes(70000), "larger than 65536 octets"),
        "endless": (None, "larger than 65536 octets"),
        "slow": (None, "not there after 2 seconds"),
        "loop": (None, "redirect"),
        "absent": (None, "404"),
        "root": (house.answer(responder="responder/root"), "was not authorised by the CA"),
        "stranger": (house.answer(responder="responder/stranger"), "was not authorised by the CA"),
        "no-usage": (house.answer(responder="responder/no-usage"), "was not authorised by the CA"),
        "weak": (house.answer(digest="sha1"), "weak digest"),
        "crl": (house.crl("ca"), "is not an OCSP response"),
        "ok": (house.answer(good=["signers/bad-ok"]), None),
    }


def test_bad_responders(house):
    """Each says why, none leaves a file; the others come all the same."""
    house.forget()
    cases = bad(house)
    for path, (way, _) in cases.items():
        house.signer(f"signers/bad-{path}", path)
        house.server.ways[path] = way
    house.known(*(f"signers/bad-{path}" for path in cases))
    began = time.monotonic()
    status, rows, _ = house.fetch()
    assert status == 75 and time.monotonic() - began < 30
    for path, (_, words) in cases.items():
        row = rows[f"signers_bad-{path}"]
        assert row["state"] == ("failed" if words else "added") and (not words or words in row["error"]), row
    assert len(list(house.responses.iterdir())) == 1


def test_who_is_asked(house):
    """Nobody whom a certificate names that does not lead to an anchor; no other scheme; no dead responder twice."""
    house.forget()
    house.signer("signers/strange", "strange", issuer="other-ca")
    house.signer("signers/server", "server", extendedKeyUsage="serverAuth")
    house.signer("signers/dead1", "dead")
    house.signer("signers/dead2", "dead")
    house.signer("signers/moved", "moved")
    house.signer("signers/ldap", "x", authorityInfoAccess="OCSP;URI:ldap://127.0.0.1/x,OCSP;URI:file:///etc/passwd")
    house.server.ways["good"] = house.answer(good=["signers/moved"])
    house.server.asked.clear()
    house.known("signers/strange", "signers/server", "signers/dead1", "signers/dead2", "signers/moved", "signers/ldap", ocsp.ALI, "ca")
    (house.signers / "garbage.pem").write_bytes(b"garbage")
    (house.signers / "empty.pem").write_bytes(b"")
    status, rows, _ = house.fetch()
    assert status == 75
    errors = {name.replace("signers_", ""): row.get("error") for name, row in rows.items()}
    assert "does not lead to a trusted CA" in errors["strange"] and "not made for signing mail" in errors["server"]
    assert "404" in errors["dead1"] and "has just failed" in errors["dead2"]
    assert "names no OCSP responder" in errors["ldap"] and "names no OCSP responder" in errors["ali@hs01.kep.test"]
    assert "is not a certificate" in errors["garbage"] and "is not a certificate" in errors["empty"]
    assert errors["ca"] and errors["moved"] is None, errors
    assert sorted(house.server.asked) == ["dead", "good", "moved"]


def test_folders(house):
    house.known(SIGNER)
    status, _, words = house.fetch(trust_ocsp=house.dir / "nowhere")
    assert status == 78 and "no folder for OCSP responses" in words
    status, _, words = house.fetch(ocsp_signers="/nonexistent")
    assert status == 78 and "ocsp_signers: /nonexistent" in words
    house.server.ways["good"] = house.answer(good=[SIGNER])
    status, rows, _ = house.fetch(trust_crls="")
    assert status == 0 and len(rows) == 1, "without a folder of CRLs"
    house.configure()


def test_the_doctor_misses_responses(house):
    def finding():
        done = subprocess.run([program("kepctl", "kepctl", build()), "-c", house.conf, "--json", "check"], capture_output=True, text=True, check=False)
        return next(row for row in json.loads(done.stdout)["findings"] if row["what"] == "trust")
    house.known(SIGNER)
    house.forget()
    house.configure()
    assert finding()["level"] == "warning" and "no OCSP response" in str(finding())
    assert house.fetch()[0] == 0
    assert finding()["level"] == "ok" and ", 1 OCSP response" in finding()["words"]


def test_the_words_for_people(house):
    house.known(SIGNER)
    house.configure()
    done = subprocess.run([program("kepctl", "kepctl", build()), "-c", house.conf, "trust", "refresh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "good: " in done.stdout and "next update 20" in done.stdout, done
