"""Time-stamps on checkpoints: over a TSA that is good, and over one that misbehaves in every way we know."""
import json
import re
import subprocess
import time

import pytest

from conftest import build_house, pull_down
from sandboxlib import mail
from sandboxlib.daemons import program
from sandboxlib.process import until


@pytest.fixture(scope="module", name="stamped")
def fixture_stamped():
    made = build_house()
    for name in ("ayse", "ali"):
        made.add_account(f"{name}@{made.domain}")
    yield made
    pull_down(made)


def last(house):
    return int(house.postgres.value("SELECT coalesce(max(size), 0) FROM kep.checkpoints"))


def fresh(house):
    """Something new for the TSA: the size of the next checkpoint."""
    before = last(house)
    assert house.send(f"ayse@{house.domain}", [f"ali@{house.domain}"]).ok
    return until("a new checkpoint", lambda: last(house) > before and last(house), 15, 0.1)


def text(house, size):
    """The octets that are stamped: the note without its signatures."""
    note = bytes.fromhex(house.postgres.value(f"SELECT encode(note, 'hex') FROM kep.checkpoints WHERE size = {size}"))
    return note[:note.index(b"\n\n") + 1]


def stamp(house, size, seconds=20, tsa="%"):
    """The time-stamp on this checkpoint or a later one, as soon as it is there: size, tsa, token, serial, policy, chain, revocation."""
    row = until(f"a time-stamp on checkpoint {size}", lambda: house.postgres.sql(
        "SELECT size, tsa, encode(token, 'hex'), serial, policy, cardinality(chain), cardinality(revocation) FROM kep.stamps"
        f" WHERE size >= {size} AND tsa LIKE '{tsa}' ORDER BY size LIMIT 1"), seconds, 0.1)[0]
    return int(row[0]), row[1], bytes.fromhex(row[2]), row[3], row[4], int(row[5]), int(row[6])


def said(house, since, words, seconds=20):
    return until(f"kep-policyd says {words}", lambda: [line for line in house.daemons.log("policyd")[since:].splitlines() if words in line], seconds, 0.1)


def check(house, *settings):
    """kep-policyd -n with other settings: exit status and words."""
    options = [o for s in settings for o in ("-o", s)]
    done = subprocess.run([program("policyd", "kep-policyd", house.daemons.tree), "-c", house.daemons.conf, "-n", *options], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_a_stamp(stamped):
    """Verified by openssl as well, and kept with its chain, a CRL and an OCSP response."""
    size, tsa, token, serial, policy, chain, revocation = stamp(stamped, fresh(stamped))
    assert tsa == stamped.tsa.url
    assert "Verification: OK" in stamped.tsa.verify(token, text(stamped, size))
    assert (policy, chain, revocation) == ("1.2.3.4.1", 2, 2)
    assert re.fullmatch("([0-9a-f]{2})+", serial)
    request = stamped.tsa.requests()[-1]
    assert request[1] == "good" and request[3] == "application/timestamp-query"


def test_one_stamp_is_enough(stamped):
    """Without anything new no authority is troubled."""
    fresh(stamped)
    stamped.postfix.drained()
    until("all is stamped", lambda: stamped.postgres.value(
        "SELECT (SELECT max(size) FROM kep.checkpoints) = (SELECT max(size) FROM kep.stamps) AND (SELECT max(size) FROM kep.stamps) = (SELECT count(*) FROM kep.evidences)") == "t")
    before = len(stamped.tsa.requests())
    time.sleep(2.5)
    assert len(stamped.tsa.requests()) == before


BAD = {
    "wrong-imprint": "why=stamp-imprint",
    "wrong-nonce": "why=stamp-nonce",
    "no-nonce": "why=stamp-nonce",
    "wrong-time": "why=stamp-time",
    "wrong-usage": "why=stamp-usage",
    "expired": "why=stamp-expired",
    "revoked": "why=stamp-revoked",
    "stranger": "why=stamp-untrusted",
    "rejected": "rejected: 'not today?why=accepted', it does not know the digest",
    "garbage": "no answer of RFC 3161",
    "truncated": "no answer of RFC 3161",
    "status 503": "the server answers 503",
    "close": "asked again",
    "slow 4": "no whole answer after 3 seconds",
    "huge": "larger than 262144 octets",
}


@pytest.mark.parametrize("manner", BAD)
def test_a_bad_answer(stamped, manner):
    """It is refused by its name, nothing is kept of it, and the stamp follows when the TSA is good again."""
    since = len(stamped.daemons.log("policyd"))
    with stamped.tsa.behaving(manner):
        size = fresh(stamped)
        said(stamped, since, BAD[manner])
        assert stamped.postgres.value(f"SELECT count(*) FROM kep.stamps WHERE size >= {size}") == "0"
    assert stamp(stamped, size)[0] >= size
    sent = [int(r[2]) for r in stamped.tsa.requests() if r[1] == "huge-sent"]
    assert all(n < 64 << 20 for n in sent), "the answer was cut off long before its end"


def test_without_the_authority(stamped):
    """It is away: receipts go out all the same; it is back: the stamps follow."""
    since = len(stamped.daemons.log("policyd"))
    before = len(stamped.mailbox(f"ayse@{stamped.domain}").mails())
    stamped.tsa.stop()
    try:
        size = fresh(stamped)
        said(stamped, since, "is not stamped")
        for octets in stamped.mailbox(f"ayse@{stamped.domain}").wait(before + 2)[before:]:
            assert mail.header(octets, "X-KEP-Type") == "receipt"
    finally:
        stamped.tsa.start()
    assert stamp(stamped, size)[0] >= size


def receipts(house, before):
    """The two receipts of one message, and their time-stamps."""
    mails = house.mailbox(f"ayse@{house.domain}").wait(before + 2)[before:]
    return [[p.get_payload(decode=True) for p in mail.parse(m).walk() if p.get_filename() == "timestamp.tst"] for m in mails]


def test_receipts_that_wait(stamped):
    """With stamp_wait every receipt carries a time-stamp; without the authority they go when the wait is over."""
    box = stamped.mailbox(f"ayse@{stamped.domain}")
    stamped.postfix.drained()
    with stamped.daemons.changed("stamp_wait", "30s"):
        before, began = len(box.mails()), time.monotonic()
        fresh(stamped)
        assert [len(stamps) for stamps in receipts(stamped, before)] == [1, 1]
        assert time.monotonic() - began < 20
    with stamped.daemons.changed("stamp_wait", "4s"), stamped.tsa.behaving("status 503"):
        before, began = len(box.mails()), time.monotonic()
        fresh(stamped)
        assert [len(stamps) for stamps in receipts(stamped, before)] == [0, 0]
        assert 3 < time.monotonic() - began < 20


@pytest.mark.parametrize("manner, words", [("no-crl", "no CRL from {}ca.crl: the server answers 404"), ("no-ocsp", "no OCSP response from {}ocsp: the server answers 404")])
def test_no_answer(stamped, manner, words):
    """A stamp without its CRL or OCSP response is better than none, and the log tells."""
    since = len(stamped.daemons.log("policyd"))
    with stamped.tsa.behaving(manner):
        stamped.daemons.restart("policyd")              # or it would remember the answer
        size = fresh(stamped)
        assert stamp(stamped, size)[5:] == (2, 1)
        said(stamped, since, words.format(stamped.tsa.url))
    stamped.daemons.restart("policyd")


def test_revoked_by_ocsp(stamped):
    """The responder knows it before the CRL does."""
    with stamped.tsa.behaving("ocsp-revoked"):
        stamped.daemons.restart("policyd")
        since = len(stamped.daemons.log("policyd"))
        size = fresh(stamped)
        assert f"{stamped.tsa.url}ocsp says" in said(stamped, since, "why=stamp-revoked")[0]
        assert stamped.postgres.value(f"SELECT count(*) FROM kep.stamps WHERE size >= {size}") == "0"
    stamped.daemons.restart("policyd")
    stamp(stamped, size)


def test_the_policy(stamped):
    with stamped.daemons.changed("tsa_policy", "1.2.3.4.1"):
        assert stamp(stamped, fresh(stamped))[4] == "1.2.3.4.1"
        since = len(stamped.daemons.log("policyd"))
        with stamped.tsa.behaving("wrong-policy"):
            size = fresh(stamped)
            said(stamped, since, "why=stamp-policy")
            assert stamped.postgres.value(f"SELECT count(*) FROM kep.stamps WHERE size >= {size}") == "0"


def test_another_digest(stamped):
    with stamped.daemons.changed("tsa_digest", "sha512"):
        size, _, token, *_ = stamp(stamped, fresh(stamped))
        assert bytes.fromhex("0609608648016503040203") in token
        assert "Verification: OK" in stamped.tsa.verify(token, text(stamped, size))


def test_https_and_a_password(stamped):
    """Two authorities; the certificate of a server is looked at; a password goes to the server and nowhere else."""
    since = len(stamped.daemons.log("policyd"))
    secret = stamped.tsa.tls_url.replace("://", "://kep:gizli@")
    with stamped.daemons.changed("tsa_urls", f"{stamped.tsa.url} {secret}"):
        size = fresh(stamped)
        line = said(stamped, since, f"tsa: {stamped.tsa.tls_url}")[0]
        assert "certificate" in line, line
        assert stamp(stamped, size, tsa="http:%")[0] >= size
        assert stamped.postgres.value("SELECT count(*) FROM kep.stamps WHERE tsa LIKE 'https%'") == "0"
        with stamped.daemons.changed("https_ca", stamped.tsa.home / "web-ca.pem"):
            got = stamp(stamped, fresh(stamped), tsa="https:%")
            assert got[1] == stamped.tsa.tls_url
            assert stamp(stamped, got[0], tsa="http:%")
    assert any(r[4] == "Basic" for r in stamped.tsa.requests())
    assert "gizli" not in stamped.daemons.log("policyd")


def found(house):
    """What the doctor says of the authority."""
    return next(f for f in json.loads(house.daemons.kepctl("--json", "check", check=False))["findings"] if f["what"] == "tsa_urls")


def test_the_alarm(stamped):
    """Once for each time the authority is away, in the log and in the database."""
    since = len(stamped.daemons.log("policyd"))
    before = int(stamped.postgres.value("SELECT count(*) FROM kep.alarms WHERE why = 'time-stamp-missing'"))
    with stamped.daemons.changed("tsa_alarm", "2s"):
        with stamped.tsa.behaving("status 500"):
            size = fresh(stamped)
            said(stamped, since, f"alarm why=time-stamp-missing {stamped.tsa.url}: no good time-stamp since")
            time.sleep(3)
        rows = stamped.postgres.sql("SELECT kep_id, details FROM kep.alarms WHERE why = 'time-stamp-missing'")
        assert len(rows) == before + 1 and "the server answers 500" in rows[-1][1]
        assert found(stamped)["level"] == "wrong" and stamped.tsa.url in found(stamped)["words"]
        stamp(stamped, size)
        assert found(stamped)["level"] == "ok"


def test_without_the_database(stamped):
    """It goes away while the authority thinks: what was stamped is stored when it is back."""
    with stamped.tsa.behaving("slow 2"):
        size = fresh(stamped)
        requests = len(stamped.tsa.requests())
        until("a request", lambda: len(stamped.tsa.requests()) > requests or stamped.postgres.value(f"SELECT count(*) FROM kep.stamps WHERE size >= {size}") != "0", 20, 0.05)
        stamped.postgres.stop("immediate")
        time.sleep(3)
        stamped.postgres.start()
    assert stamp(stamped, size)[0] >= size
    until("kep-policyd has its database back", lambda: json.loads(stamped.ask({"v": 1, "ask": "status"}))["database"])


def test_the_end_does_not_wait(stamped):
    with stamped.tsa.behaving("slow 10"):
        fresh(stamped)
        stamped.postfix.drained()
        requests = len(stamped.tsa.requests())
        until("a request", lambda: len(stamped.tsa.requests()) > requests, 20, 0.1)
        began = time.monotonic()
        assert stamped.daemons.policyd.stop()
        assert time.monotonic() - began < 3
        stamped.daemons.start()
        stamped.daemons.ready()


@pytest.mark.parametrize("setting, words", [
    ("tsa_urls=ftp://tsa.test/", "tsa_urls: 'ftp://tsa.test/' is no URL"),
    ("tsa_digest=sha1", "tsa_digest = sha1; write sha256, sha384 or sha512"),
    ("tsa_policy=best", "tsa_policy = best; write an object identifier"),
    ("tsa_anchors=", "tsa_anchors: tsa_urls names time-stamping authorities"),
    ("tsa_anchors=/nonexistent", "tsa_anchors: /nonexistent"),
    ("tsa_interval=0", "must not be 0"),
])
def test_what_is_wrong(stamped, setting, words):
    status, complaint = check(stamped, setting)
    assert status == 78 and words in complaint, complaint
