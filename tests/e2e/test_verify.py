"""kepctl verify: good receipts, bad ones each refused by the check it breaks, without network or configuration; a stranger's verifier agrees."""
import json
import os
import random
import shutil
import subprocess

import pytest
from conftest import TESTS                          # noqa: F401 (TESTS on sys.path)
from sandboxlib.daemons import build, program

import scribe
import stranger

SEED = int(os.environ.get("KEP_SEED", "20261124"))
KEPCTL = program("kepctl", "kepctl", build())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("verify")
    keys, receipts = scribe.samples(str(directory))
    directory.joinpath("message.eml").write_bytes(scribe.MESSAGE)
    for name, (mail, _) in receipts.items():
        directory.joinpath(name + ".eml").write_bytes(mail)
    return directory, keys, receipts


def verify(directory, *arguments, before=(), env=None):
    """Exit status and what was said, as JSON."""
    done = subprocess.run([*before, KEPCTL, "-c", "/nowhere/kep.conf", "verify", "--json", "--trust", directory / "trust", *arguments],
                          capture_output=True, text=True, check=False, env=env)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def checks(said):
    return {c["name"]: c["state"] for c in said["checks"]}


def test_every_sample(place):
    directory, _, receipts = place
    status, said, words = verify(directory, *(directory / (name + ".eml") for name in receipts))
    assert status == 1 and not words
    for (name, (_, refused)), one in zip(receipts.items(), said):
        states = checks(one)
        assert one["genuine"] is (refused is None), (name, one)
        if refused:
            assert states[refused] == "failed", (name, one)
        else:
            assert set(states.values()) <= {"passed", "absent", "not-judged"}, (name, one)
            assert one["evidence"]["outcome"] == "D.1"


def test_each_check_has_a_receipt_that_fails_it(place):
    refused = {r for _, r in place[2].values()}
    assert refused == {None, "mail", "seal", "chain", "canonical-form", "leaf", "inclusion", "checkpoint-signature", "checkpoint-seal", "time-stamp"}


def test_without_network(place):
    """In a network namespace of its own that has not even a loopback, and with no database, configuration or home."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("unshare -n wants root")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("network namespaces are not allowed here")
    directory = place[0]
    status, said, words = verify(directory, directory / "good.eml", "--message", directory / "message.eml", before=["unshare", "-n"],
                                 env={"PATH": os.environ["PATH"], "HOME": "/nowhere", "PGHOST": "/nowhere"})
    assert (status, words) == (0, "") and said[0]["genuine"]


def test_no_socket_is_opened(place):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    directory = place[0]
    done = subprocess.run(["strace", "-f", "-e", "trace=network", KEPCTL, "verify", "--trust", directory / "trust", directory / "good.eml"],
                          capture_output=True, text=True, check=False, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    if "Operation not permitted" in done.stderr:
        pytest.skip("ptrace is not allowed here")
    assert done.returncode == 0 and "socket" not in done.stderr, done.stderr


def test_message(place, tmp_path):
    directory = place[0]
    tries = {
        "as it was sent": (scribe.MESSAGE, True),
        "line ends of a mailbox": (scribe.MESSAGE.replace(b"\r\n", b"\n"), True),
        "fields of the way": (b"Delivered-To: x\r\n" + scribe.MESSAGE.replace(b"X-KEP-ID: 1\r\n", b""), True),
        "another subject": (scribe.MESSAGE.replace(b"deneme", b"denemE"), False),
        "a field more": (scribe.MESSAGE.replace(b"MIME-Version", b"Cc: veli@hs02.kep.test\r\nMIME-Version"), False),
        "another body": (scribe.MESSAGE + b".", False),
        "nothing": (b"", False),
    }
    for name, (mail, same) in tries.items():
        tmp_path.joinpath("m.eml").write_bytes(mail)
        status, said, _ = verify(directory, directory / "good.eml", "--message", tmp_path / "m.eml")
        assert checks(said[0])["message"] == ("passed" if same else "failed"), name
        assert status == (0 if same else 1), name


def test_time(place):
    """Long after, a stamped receipt is judged as of its stamp; one without is not."""
    directory = place[0]
    for time, genuine, chain in (("2026-11-24T12:00:00Z", True, "passed"), ("2056-01-01T00:00:00Z", False, "failed"), ("2000-01-01T00:00:00Z", False, "failed")):
        status, said, _ = verify(directory, directory / "good.eml", "--at", time)
        assert (said[0]["genuine"], checks(said[0])["chain"], status) == (genuine, chain, 0 if genuine else 1)
    status, _, words = verify(directory, directory / "good.eml", "--at", "yesterday")
    assert status == 64 and "--at" in words


def revoke(keys, directory, when):
    """A CRL of the seal's issuer that revokes the seal as of that time."""
    work = directory / "ca"
    work.mkdir(exist_ok=True)
    serial = scribe.pki.openssl("x509", "-in", keys.dir + "/seal.pem", "-noout", "-serial").decode().strip().split("=")[1]
    (work / "index").write_text(f"R\t401231235959Z\t{when}\t{serial}\tunknown\t/CN=x\n")
    (work / "cnf").write_text(f"[ca]\ndefault_ca = a\n[a]\ndatabase = {work}/index\ndefault_md = sha256\ndefault_crl_days = 1\n")
    scribe.pki.openssl("ca", "-gencrl", "-config", str(work / "cnf"), "-cert", keys.dir + "/mid.pem", "-keyfile", keys.dir + "/mid.key",
                       "-out", str(directory / "trust" / "seal" / "mid.crl"))


def test_revocation(place, tmp_path):
    """A seal revoked later than the stamp was good then; one revoked before it was not."""
    directory, keys, _ = place
    shutil.copytree(directory / "trust", tmp_path / "trust")
    shutil.copy(directory / "good.eml", tmp_path)
    for when, chain in (("201101000000Z", "failed"), ("350101000000Z", "passed")):
        revoke(keys, tmp_path, when)
        _, said, words = verify(tmp_path, tmp_path / "good.eml")
        assert checks(said[0])["chain"] == chain, (when, said, words)


def test_pins(place, tmp_path):
    """Where seals are pinned, another certificate of the same CA is none."""
    directory, keys, receipts = place
    shutil.copytree(directory / "trust", tmp_path / "trust")
    pin = scribe.pki.openssl("x509", "-in", keys.dir + "/seal.pem", "-noout", "-fingerprint", "-sha256").decode().strip().split("=")[1]
    for text, genuine in ((f"# the seal\n{pin}\n", True), (pin.replace(":", "").lower() + "\n" + "00" * 32, True), ("00" * 32 + "\n", False)):
        (tmp_path / "trust" / "seal.pins").write_text(text)
        status, said, _ = verify(tmp_path, directory / "good.eml")
        assert said[0]["genuine"] is genuine and checks(said[0])["chain"] == "passed", said
        assert checks(said[0])["seal"] == checks(said[0])["checkpoint-seal"] == ("passed" if genuine else "failed")
        assert stranger.verify(receipts["good"][0], tmp_path / "trust")[0] is genuine
    (tmp_path / "trust" / "seal.pins").write_text("AB:CD\n")
    status, said, words = verify(tmp_path, directory / "good.eml")
    assert status == 78 and "seal.pins" in words


def test_trust_that_is_of_no_use(place, tmp_path):
    directory = place[0]
    shutil.copytree(directory / "trust", tmp_path / "trust")
    (tmp_path / "trust" / "ledger.vkey").unlink()
    status, said, words = verify(tmp_path, directory / "good.eml")
    assert status == 78 and "no ledger key" in words
    (tmp_path / "trust" / "ledger.vkey").write_text("hs01.kep.test/kep+00000000+AAAA\n")
    status, said, words = verify(tmp_path, directory / "good.eml")
    assert status == 78 and "ledger.vkey" in words
    status, said, words = verify(directory, directory / "nothing.eml")
    assert status == 66 and said == [] and "nothing.eml" in words


def test_what_people_see(place):
    """Nothing of a receipt that is not genuine is shown as if it were, and no control characters ever."""
    directory = place[0]
    done = subprocess.run([KEPCTL, "verify", "--trust", directory / "trust", directory / "good.eml", directory / "other-evidence.eml"],
                          capture_output=True, text=True, check=False, env={**os.environ, "TZ": "UTC"})
    good, bad = done.stdout.split("\n\n/")[0], done.stdout[done.stdout.index("NOT GENUINE"):]
    assert "good.eml: genuine" in good and "D.1 Delivered (Posta Kutusuna Teslim)" in good and "ayse@hs01.kep.test" in good
    assert "FAILED  inclusion" in bad and "ayse@" not in bad and "\033" not in done.stdout


def test_flipped_bits(place, tmp_path):
    """One bit of what was signed, anywhere: never genuine."""
    directory, _, receipts = place
    rng, good = random.Random(SEED), receipts["good"][0]
    start, end = good.index(b"Content-Type: multipart/mixed"), good.index(b"--kep-mixed--") + 13
    files = []
    for i in range(300):
        files.append(tmp_path / f"{i}.eml")
        files[-1].write_bytes(good[:start] + scribe.flip(good[start:end], rng) + good[end:])
    _, said, _ = verify(directory, *files)
    assert [f for f, one in zip(files, said) if one["genuine"]] == [], f"seed {SEED}"


def test_a_stranger_agrees(place, tmp_path):
    """tests/stranger.py knows docs/evidence-format.md and nothing of postkep."""
    directory, _, receipts = place
    rng, trust = random.Random(SEED), directory / "trust"
    for name, (mail, refused) in receipts.items():
        assert stranger.verify(mail, trust)[0] is (refused is None), (name, stranger.verify(mail, trust))
    good = receipts["good"][0]
    inside = range(good.index(b"\r\n\r\n"), len(good))
    for i in range(60):
        mail = scribe.flip(good, rng)
        tmp_path.joinpath("f.eml").write_bytes(mail)
        _, said, _ = verify(directory, tmp_path / "f.eml")
        theirs, failed = stranger.verify(mail, trust), {n for n, s in checks(said[0]).items() if s == "failed"}
        at = next(k for k in range(len(good)) if good[k] != mail[k])
        # Of a header that nobody signed, kepctl is the stricter reader.
        assert theirs[0] is said[0]["genuine"] or (theirs[0] and failed == {"mail"} and at not in inside), (SEED, i, said, theirs)
    assert stranger.same_message(receipts["good"][0], scribe.MESSAGE)
    assert not stranger.same_message(receipts["good"][0], scribe.MESSAGE + b"x")
