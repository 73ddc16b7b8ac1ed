"""kepctl hold and prune, on a database with evidence of the year 2000."""
import json
import random

import pytest
import scribe
import vault
from test_kepctl import conf, kepctl

NAME = "kep_old"
HELD = "00000002-0000-7000-8000-000000000000"
PLANT = """
SELECT kep.domain_add('hs01.kep.test');
SELECT kep.account_add('ayse@hs01.kep.test', NULL, NULL, 'Ayşe'), kep.account_add('ali@hs01.kep.test', NULL, NULL, 'Ali');
INSERT INTO kep.message (kep_id, host, queue_id, sender, login, client, from_address, message_id, size, canonical, sha256, sha512, signer)
SELECT id, 'mx1', 'Q' || n, CASE WHEN n = 3 THEN 'ali' ELSE 'ayse' END || '@hs01.kep.test', '', '', '', '', 1, 1, '', '', '{}'
  FROM (SELECT n, (lpad(n::text, 8, '0') || '-0000-7000-8000-000000000000')::uuid AS id FROM generate_series(1, 5) AS n) AS v;
INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, recorded_at, retain_until)
SELECT kep_id, kep_id, 0, 'A.1', at, convert_to(queue_id, 'UTF8'), sha256(convert_to(queue_id, 'UTF8')), at, at + interval '20 years'
  FROM (SELECT *, CASE WHEN queue_id = 'Q5' THEN now() ELSE '2000-01-01'::timestamptz END AS at FROM kep.message) AS m;
"""
SEQUENCE = """
SELECT kep.ledger_extend('mx1', '1 minute', 100);
SELECT kep.checkpoint_add('mx1', size, root, convert_to(format(E'o\\n%s\\n%s\\n\\n— o AAAA\\n', size, encode(root, 'base64')), 'UTF8'), '') FROM kep.ledger_state;
"""


@pytest.fixture
def old(house):
    """The options that lead to it."""
    where = f"database_{{}}={house.postgres.conninfo('{}').replace('dbname=kep', f'dbname={NAME}')}"
    house.postgres.sql(f"DROP DATABASE IF EXISTS {NAME}", database="postgres")
    house.postgres.sql(f"CREATE DATABASE {NAME} TEMPLATE template0", database="postgres")
    options = [word for kind, role in (("owner", "postgres"), ("operator", "kep_operator")) for word in ("-o", where.format(kind, role))]
    assert kepctl(conf(house), *options, "db", "init")[0] == 0
    house.postgres.sql(PLANT, database=NAME)
    house.postgres.sql(SEQUENCE, database=NAME)
    yield options
    house.postgres.sql(f"DROP DATABASE {NAME}", database="postgres")


def test_hold_and_prune(house, old):
    def say(*words):
        return kepctl(conf(house), *old, *words)

    def bodies():
        return "".join(row[0] or "-" for row in house.postgres.sql("SELECT right(convert_from(body, 'UTF8'), 1) FROM kep.ledger_leaves ORDER BY evidence_id", database=NAME))

    assert say("hold", "list") == (0, "no legal hold; 'kepctl hold add MESSAGE|ADDRESS --reason TEXT' puts one on\n", "")
    assert say("hold", "add", HELD, "--reason", "court of Ankara 2020/7")[0] == 0
    assert say("hold", "add", "Ali@hs01.kep.test", "--reason", "police")[0] == 0
    assert [(h["what"], h["by"], h["reason"]) for h in json.loads(say("hold", "list", "--json")[1])] == [
        (HELD, "kep_operator", "court of Ankara 2020/7"), ("ali@hs01.kep.test", "kep_operator", "police")]
    assert say("hold", "add", HELD)[0] == 64
    for words, error in (("4Z8F2AB23", "is neither a KEP id nor an address"), ("no@hs01.kep.test", "there is no account"),
                         (HELD.replace("2", "9"), "there is no message")):
        status, out, err = say("hold", "add", words, "--reason", "x")
        assert (status, out) == (65, "") and error in err
    assert say("prune") == (0, "bodies of evidence removed: 2; evidence of it recorded: 1\nkept under legal hold: 2\n", "")
    assert bodies() == "-23-5"
    assert say("hold", "remove", HELD, "--reason", "closed")[0] == 0
    assert say("hold", "remove", HELD, "--reason", "closed")[0] == 65
    assert say("prune")[1].startswith("bodies of evidence removed: 1;")
    assert bodies() == "--3-5"
    house.postgres.sql(SEQUENCE, database=NAME)
    assert say("prune")[1].startswith("nothing to remove: no evidence is older than 20 years")
    assert bodies()[:5] == "--3-5" and len(bodies()) == 7
    assert house.postgres.sql("SELECT first, last, actor FROM kep.prunings ORDER BY first", database=NAME) == [
        ["0", "0", "kep_operator"], ["1", "1", "kep_operator"], ["3", "3", "kep_operator"]]


def test_only_the_operator(house, old):
    role = [word.replace("kep_operator", "kep_auditor") for word in old]
    for words in (["prune"], ["hold", "add", HELD, "--reason", "x"], ["hold", "list"]):
        status, _, err = kepctl(conf(house), *role, *words)
        assert status == 77 and "may not do that" in err


def test_what_is_left_still_passes(tmp_path):
    """fsck of a pruned ledger: before its evidence of that is a leaf, and when a checkpoint covers it."""
    keys = scribe.Keys(str(tmp_path / "keys"))
    keys.trust(str(tmp_path / "trust"))
    try:
        store = vault.Vault(keys)
    except vault.Missing as words:
        pytest.skip(str(words))

    def fsck():
        status, out, _ = kepctl("/dev/null", "-o", f"database_auditor={store.conninfo()}", "-o", "checkpoint_file=", "fsck", "--json", "--trust", str(tmp_path / "trust"))
        return status, json.loads(out)["first_bad"] if status else None

    try:
        rng = random.Random(1)
        objects = [scribe.evidence(rng, 946684800 + n) for n in range(600)]
        store.add([(e, scribe.canonical(e)) for e in objects])
        store.psql("ALTER TABLE kep.evidence DISABLE TRIGGER ALL; UPDATE kep.evidence SET recorded_at = event_time; ALTER TABLE kep.evidence ENABLE ALWAYS TRIGGER append_only; "
                   "ALTER TABLE kep.evidence ENABLE ALWAYS TRIGGER evidence_kept")
        store.extend(1000)
        bodies = [body for _, body in store.leaves()]
        store.publish(scribe.Ledger(keys, bodies), 600)
        assert fsck() == (0, None)
        store.psql("INSERT INTO kep.hold (kep_id, reason) SELECT e.kep_id, 'x' FROM kep.evidences AS e JOIN kep.ledger_leaves AS l USING (evidence_id) WHERE l.index % 100 = 7")
        status, out, _ = kepctl("/dev/null", "-o", f"database_operator={store.conninfo(user='kep_operator')}", "prune")
        assert (status, out.splitlines()[0]) == (0, "bodies of evidence removed: 594; evidence of it recorded: 1")
        assert fsck() == (0, None)
        bodies.append(bytes.fromhex(store.psql("SELECT encode(body, 'hex') FROM kep.evidence WHERE outcome = 'P.1'")))
        assert bodies[-1] == scribe.canonical(json.loads(bodies[-1]))
        assert store.extend(1000) == 601
        store.publish(scribe.Ledger(keys, bodies), 601)
        assert fsck() == (0, None)
    finally:
        store.stop()
