"""The sandbox's own command: every way in and out of it."""
import os
import subprocess
from pathlib import Path

import pytest

from conftest import TESTS
from sandboxlib import mail

SANDBOX = TESTS / "sandbox"


def sandbox(*arguments, env=None):
    return subprocess.run([str(SANDBOX), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)


def running(home):
    """Command lines of living processes that name a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace") if entry.name.isdigit() else ""
        except OSError:
            continue
        if str(home) in line:
            found.append(line)
    return found


def read_env(directory):
    return dict(line.split("=", 1) for line in (directory / "env").read_text().splitlines())


@pytest.fixture(params=["short", "a long directory with blanks that other users may not even walk through " + 40 * "x"])
def place(request, tmp_path):
    directory = tmp_path / request.param
    yield directory
    sandbox("down", directory)


def test_up_send_fetch_show_down(place, tmp_path):
    up = sandbox("up", place)
    assert up.returncode == 0, up.stderr
    env = read_env(place)
    assert {"SUBMISSION", "MX", "IMAP", "INJECT", "POLICY_SOCKET", "MILTER_SOCKET", "ASK_SOCKET", "LMTP_SOCKET", "HTTP", "KEP_DSN",
            "TRUST", "PKI", "PASSWORD", "PIDS", "BUILD"} <= set(env)
    assert (place / "etc" / "kep.conf").exists()
    a, b = "ayse@hs01.kep.test", "mehmet@hs01.kep.test"
    for address, more in ((a, ("--tckn", "10000000146")), (b, ())):
        assert sandbox("add-account", place, address, *more).returncode == 0
    sent = sandbox("send", place, "--from", a, "--to", b)
    assert sent.returncode == 0 and "queued as" in sent.stdout, sent
    refused = sandbox("send", place, "--from", a, "--to", b, "--unsigned")
    assert refused.returncode == 1 and "not signed" in refused.stderr, refused
    partly = sandbox("send", place, "--from", a, "--to", f"{b},yok@hs01.kep.test")
    assert partly.returncode == 2 and "no such KEP account" in partly.stdout, partly
    text = tmp_path / "text"
    text.write_text("Yalnızca metin\n")
    assert sandbox("send", place, "--from", a, "--to", b, "--file", text).returncode == 0
    again = sandbox("up", place)
    assert again.returncode == 0, again.stderr
    shown = sandbox("show", place, sent.stdout.split()[-1])
    assert shown.returncode == 0 and b in shown.stdout
    box = tmp_path / "box"
    waited = sandbox("fetch", place, b, "--dir", box, "--wait", 3)
    assert waited.returncode == 0, waited.stderr
    assert len(list(box.glob("*.eml"))) == 3
    assert sandbox("fetch", place, b).stdout.count("\nX-KEP-ID:") == 3
    assert sandbox("down", place).returncode == 0
    assert running(env["PLACE"]) == []
    assert (place / "log").is_dir() or (place / "home" / "log").is_dir()


def test_half_failed_up_leaves_nothing(tmp_path):
    build = tmp_path / "build" / "policyd"
    build.mkdir(parents=True)
    (build / "kep-policyd").write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    (build / "kep-policyd").chmod(0o755)
    os.symlink(Path(os.environ["KEP_BUILD"]) / "kepctl" if os.environ.get("KEP_BUILD") else build, tmp_path / "build" / "kepctl")
    place = tmp_path / "s"
    up = sandbox("up", place, env={"KEP_BUILD": str(tmp_path / "build")})
    assert up.returncode == 69, up
    assert running(read_env(place)["PLACE"]) == []
    assert sandbox("down", place).returncode == 0


def test_words_for_the_lost(tmp_path):
    nothing = sandbox("send", tmp_path / "none", "--from", "a@b.test", "--to", "c@d.test")
    assert nothing.returncode == 69 and "there is no sandbox" in nothing.stderr
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("x")
    assert "not an empty directory" in sandbox("up", full).stderr
    assert (full / "mine").read_text() == "x"


def test_mail_is_not_changed_on_its_way(tmp_path):
    octets = b"From: <a@b.test>\r\n\r\nx\r\n"
    (tmp_path / "f").write_bytes(octets)
    assert mail.from_file(tmp_path / "f", "a@b.test", ["c@d.test"]) == octets
