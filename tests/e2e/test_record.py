"""Evidence records of a real house: receipts that went out, archived, exported, verified."""
import json

from test_kepctl import conf, kepctl
from test_ledger import receipts

from ageing import Record
from sandboxlib.process import until

PARTS = ["evidence.json", "evidence.tlog-proof", "checkpoint.p7s", "timestamp.tst"]


def archived(house, pair):
    """Two receipts whose evidence is in the archive."""
    a, b = pair
    answer = house.send(a, [b])
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
    until("a stamp on all of it", lambda: house.postgres.value("SELECT (SELECT max(size) FROM kep.stamps) >= (SELECT count(*) FROM kep.evidences)") == "t", 20, 0.1)
    status, out, err = kepctl(conf(house), "renew")
    assert status == 0 and "archived: " in out, out + err
    return receipts(house, a, 2)


def test_record_of_a_receipt(house, pair, tmp_path):
    trust = house.place.env["VERIFY"]
    for number, one in enumerate(archived(house, pair)):
        folder = tmp_path / str(number)
        status, out, err = kepctl(conf(house), "renew", "--export", folder, one.evidence["id"])
        assert status == 0, err
        assert (folder / "evidence.json").read_bytes() == one.body
        (folder / "receipt.eml").write_bytes(one.mail if isinstance(one.mail, bytes) else one.mail.as_bytes())
        record = folder / "evidence.ers"
        for files in ([folder / p for p in PARTS], [folder / "receipt.eml"], [folder / "evidence.json"]):
            status, out, err = kepctl(conf(house), "verify", *files, "--evidence-record", record, "--trust", trust, "--json")
            said = json.loads(out)
            assert status == 0 and said["genuine"] and said["digest"] == "sha512" and all(a["passed"] for a in said["also"]), said
        objects = [(folder / p).read_bytes() for p in PARTS]
        assert len(Record(record.read_bytes()).check(objects, house.tsa.home / "ca.pem", int(record.stat().st_mtime) + 5, {})) == 1
    assert "nothing to renew" in kepctl(conf(house), "renew")[1]
    status, out, err = kepctl(conf(house), "fsck", "--trust", trust, "--json")
    assert next(c for c in json.loads(out)["checks"] if c["name"] == "archive")["bad"] == 0, out
