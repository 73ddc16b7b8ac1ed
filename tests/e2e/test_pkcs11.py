"""The keys of seal and ledger in a PKCS#11 token (SoftHSM), used by the signer child alone."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import TESTS, build_house, pull_down
from sandboxlib import mail
from sandboxlib.daemons import GROUP, USER, program
from sandboxlib.process import children, until


@pytest.fixture(scope="module", name="token")
def fixture_token():
    """A sandbox whose keys are also in a token: the house, and uri(label, **query)."""
    if not shutil.which("softhsm2-util"):
        pytest.skip("softhsm2 is not installed")
    made = build_house()
    done = subprocess.run([sys.executable, TESTS / "pki_token.py", made.pki.dir, USER, GROUP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    os.environ["SOFTHSM2_CONF"] = f"{made.pki.dir}/hsm/softhsm2.conf"
    module = (made.pki.dir / "hsm" / "module").read_text()

    def uri(label, **query):
        words = {"module-path": module, "pin-source": f"{made.pki.dir}/hsm/pin", **{k.replace("_", "-"): v for k, v in query.items()}}
        return f"pkcs11:token=KEP;object={label}?" + "&".join(f"{k}={v}" for k, v in words.items())
    yield made, uri
    del os.environ["SOFTHSM2_CONF"]
    pull_down(made)


def check(house, *settings):
    """kep-policyd -n with other settings: exit status and words."""
    options = [o for s in settings for o in ("-o", s)]
    done = subprocess.run([program("policyd", "kep-policyd", house.daemons.tree), "-c", house.daemons.conf, "-n", *options], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_receipts(token):
    """Sealed and sent as with keys in files, also after the token's key was used often; no module is loaded by the daemon itself."""
    house, uri = token
    a, b = f"ayse@{house.domain}", f"ali@{house.domain}"
    for address in (a, b):
        house.add_account(address)
    with house.daemons.changed("seal_key", uri("seal")), house.daemons.changed("checkpoint_key", uri("checkpoint")):
        for _ in range(3):
            assert house.send(a, [b]).ok
        for octets in house.mailbox(a).wait(6):
            assert house.pki.verify(octets)
            assert mail.header(octets, "X-KEP-Type") == "receipt"
        pid = house.daemons.policyd.pid()
        signers = [p for p in children(pid) if "kep-signer" in open(f"/proc/{p}/comm", encoding="utf-8").read()]
        assert len(signers) == 1
        maps = {p: open(f"/proc/{p}/maps", encoding="utf-8").read() for p in (pid, signers[0])}
        assert "softhsm" not in maps[pid] and "softhsm" in maps[signers[0]]
        assert "12345678" not in open(f"/proc/{pid}/environ", encoding="utf-8").read()


def test_the_files_can_go(token):
    """No octet of the key is needed beside the token."""
    house, uri = token
    os.rename(house.pki.dir / "seal.key", house.pki.dir / "seal.away")
    try:
        status, words = check(house, "seal_key=" + uri("seal"))
        assert status == 0, words
        assert check(house)[0] == 78
    finally:
        os.rename(house.pki.dir / "seal.away", house.pki.dir / "seal.key")


@pytest.mark.parametrize("setting, words", [
    (lambda uri: "seal_key=" + uri("seal", module_path="/nonexistent/p11.so"), r"its PKCS#11 module cannot be loaded: .*install it, or name it with module-path"),
    (lambda uri: "seal_key=" + uri("nobody"), "there is no such private key in the token"),
    (lambda uri: "seal_key=" + uri("twin"), "more than one such private key"),
    (lambda uri: "seal_key=" + uri("rsa-seal"), "is not the key of the first certificate of the seal"),
    (lambda uri: "seal_key=" + uri("seal", pin_source="/nonexistent/pin"), "the file of pin-source cannot be read"),
    (lambda uri: "seal_key=" + uri("seal").replace("token=KEP", "token=BAŞKA"), "no such token is there"),
    (lambda uri: "checkpoint_key=" + uri("seal"), "no Ed25519 key"),
    (lambda uri: "seal_key=pkcs11:", "names no key"),
])
def test_what_is_wrong(token, setting, words):
    house, uri = token
    status, said = check(house, setting(uri))
    assert status == 78 and re.search(words, said), said
    assert "12345678" not in said


def test_kepctl(token):
    """The doctor looks at the URI; the ledger's public key comes from the token."""
    house, uri = token
    want = house.daemons.kepctl("ledger", "vkey")
    text = house.daemons.conf.read_text()
    try:
        house.daemons.conf.write_text(re.sub(r"(?m)^checkpoint_key =.*$", "checkpoint_key = " + uri("checkpoint"), text))
        assert house.daemons.kepctl("ledger", "vkey") == want
        rows = {row["what"]: row for row in json.loads(house.daemons.kepctl("--json", "check", check=False))["findings"]}
        assert rows["checkpoint_key"]["level"] == "ok", rows["checkpoint_key"]
        house.daemons.conf.write_text(re.sub(r"(?m)^checkpoint_key =.*$", "checkpoint_key = pkcs11:token=KEP", text))
        rows = {row["what"]: row for row in json.loads(house.daemons.kepctl("--json", "check", check=False))["findings"]}
        assert rows["checkpoint_key"]["level"] == "wrong" and "names no key" in rows["checkpoint_key"]["words"], rows["checkpoint_key"]
    finally:
        house.daemons.conf.write_text(text)


def test_a_pin_everybody_reads(token):
    house, uri = token
    pin = house.pki.dir / "hsm" / "pin"
    pin.chmod(0o644)
    try:
        status, said = check(house, "seal_key=" + uri("seal"))
    finally:
        pin.chmod(0o600)
    assert status == 78 and "chmod 600" in said, said
