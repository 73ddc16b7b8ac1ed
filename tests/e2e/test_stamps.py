"""Time-stamps on checkpoints: over a TSA that is good, and over one that misbehaves in every way we know."""
import re
import time

import pytest

from conftest import build_house, pull_down
from sandboxlib.process import until


@pytest.fixture(scope="module", name="stamped")
def fixture_stamped():
    made = build_house()
    yield made
    pull_down(made)


def fresh(house):
    """Something new for the TSA: the size of the checkpoint that covers it."""
    house.postgres.sql("""INSERT INTO kep.checkpoint (size, root, origin, note, cms, host)
        SELECT n, sha256('x'), 'hs01.kep.test/kep', convert_to(E'hs01.kep.test/kep\\n' || n || E'\\n' || encode(sha256('x'), 'base64')
        || E'\\n\\n— hs01.kep.test/kep ' || translate(encode(repeat('x', 68)::bytea, 'base64'), E'\\n', '') || E'\\n', 'UTF8'), '', 'x'
        FROM (SELECT coalesce(max(size), 0) + 1 AS n FROM kep.checkpoint) AS c""")
    return int(house.postgres.value("SELECT max(size) FROM kep.checkpoint"))


def text(house, size):
    """The octets that are stamped: the note without its signatures."""
    note = bytes.fromhex(house.postgres.value(f"SELECT encode(note, 'hex') FROM kep.checkpoints WHERE size = {size}"))
    return note[:note.index(b"\n\n") + 1]


def stamp(house, size, seconds=15):
    """The time-stamp on this checkpoint or a later one, as soon as it is there: size, tsa, token, serial, policy, chain, revocation."""
    row = until(f"a time-stamp on checkpoint {size}", lambda: house.postgres.sql(
        "SELECT size, tsa, encode(token, 'hex'), serial, policy, cardinality(chain), cardinality(revocation) FROM kep.stamps"
        f" WHERE size >= {size} ORDER BY size LIMIT 1"), seconds, 0.1)[0]
    return int(row[0]), row[1], bytes.fromhex(row[2]), row[3], row[4], int(row[5]), int(row[6])


def said(house, since, words, seconds=15):
    return until(f"kep-policyd says {words}", lambda: [line for line in house.daemons.log("policyd")[since:].splitlines() if words in line], seconds, 0.1)


def test_a_stamp(stamped):
    """Verified by openssl as well, and kept with chain and CRL."""
    size, tsa, token, serial, policy, chain, revocation = stamp(stamped, fresh(stamped))
    assert tsa == stamped.tsa.url
    assert "Verification: OK" in stamped.tsa.verify(token, text(stamped, size))
    assert (policy, chain, revocation) == ("1.2.3.4.1", 2, 1)
    assert re.fullmatch("([0-9a-f]{2})+", serial)
    assert stamped.tsa.requests()[-1][1:4] == ["good", stamped.tsa.requests()[-1][2], "application/timestamp-query"]


def test_one_stamp_is_enough(stamped):
    """Without anything new no authority is troubled."""
    stamp(stamped, fresh(stamped))
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
