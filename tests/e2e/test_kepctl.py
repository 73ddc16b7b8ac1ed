"""kepctl: the doctor finds what is planted in a Postfix configuration; the register; a message's life; the schema."""
import json
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest
from conftest import TESTS
from sandboxlib.daemons import build, program
from sandboxlib.process import run

SHIPPED = TESTS.parent / "packaging" / "postfix"
PORT = "127.0.0.1:1"        # nobody listens there

MAIN = """\
compatibility_level = 3.6
queue_directory = /var/spool/postfix
myhostname = mx1.hs01.kep.tr
inet_interfaces = 127.0.0.1
mydestination =
alias_maps =
default_database_type = texthash
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
"""
MASTER = f"""\
{PORT} inet n - n - - smtpd
submission inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
cleanup unix n - n - 0 cleanup
"""
CONF = """\
hostname = mx1.hs01.kep.tr
receipt_from = kep@hs01.kep.tr
track_domain = evt.hs01.kep.tr
"""


def kepctl(conf, *arguments, env=None):
    """Exit status, standard output, standard error."""
    done = subprocess.run([program("kepctl", "kepctl", build()), "-c", conf, *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


class Patient:
    """A configuration as we ship it, to be made ill."""

    def __init__(self, directory):
        self.postfix, self.conf = directory / "postfix", directory / "kep.conf"
        self.postfix.mkdir()
        shipped = (SHIPPED / "main.cf").read_text(encoding="utf-8").replace("/etc/postfix/", f"{self.postfix}/")
        (self.postfix / "main.cf").write_text(MAIN + shipped, encoding="utf-8")
        (self.postfix / "master.cf").write_text(MASTER + (SHIPPED / "master.cf").read_text(encoding="utf-8"), encoding="utf-8")
        shutil.copy(SHIPPED / "kep_transport", self.postfix)
        self.conf.write_text(f"{CONF}postfix_config = {self.postfix}\n", encoding="utf-8")

    def postconf(self, *arguments):
        run("/usr/sbin/postconf", "-c", self.postfix, *arguments)

    def findings(self, *options):
        for name in ("main.cf", "kep_transport"):       # Postfix's programs wait out files that are younger than a second
            os.utime(self.postfix / name, (0, 0))
        status, out, err = kepctl(self.conf, "check", "--json", *options)
        said = json.loads(out)
        assert not err
        assert status == ["ok", "warning", "wrong"].index(said["worst"])
        return said["findings"]

    def about(self, what, *options):
        return [f for f in self.findings(*options) if f["what"] == what]


@pytest.fixture
def patient(tmp_path):
    return Patient(tmp_path)


def test_as_shipped_it_is_well(patient):
    """What packaging/postfix says is what the doctor wants."""
    ill = [f for f in patient.findings() if f["level"] != "ok" and f["what"].startswith(("postfix", "domain", "hostname"))]
    assert ill == []


# An edit of the configuration, what the finding is about, its level.
PLANTED = [
    ("smtpd_forbid_bare_newline = no", "postfix smtpd_forbid_bare_newline", "wrong"),
    ("smtpd_forbid_bare_newline_exclusions = 192.0.2.0/24", "postfix smtpd_forbid_bare_newline_exclusions", "warning"),
    ("smtpd_discard_ehlo_keywords = silent-discard, dsn", "postfix smtpd_discard_ehlo_keywords", "wrong"),
    ("disable_mime_output_conversion = no", "postfix disable_mime_output_conversion", "wrong"),
    ("smtp_line_length_limit = 500", "postfix smtp_line_length_limit", "wrong"),
    ("lmtp_line_length_limit = 500", "postfix lmtp_line_length_limit", "wrong"),
    ("message_reject_characters =", "postfix message_reject_characters", "wrong"),
    ("message_strip_characters = \\0", "postfix message_strip_characters", "wrong"),
    ("local_header_rewrite_clients = permit_inet_interfaces", "postfix local_header_rewrite_clients", "wrong"),
    ("remote_header_rewrite_domain = x.invalid", "postfix remote_header_rewrite_domain", "wrong"),
    ("always_add_missing_headers = yes", "postfix always_add_missing_headers", "warning"),
    ("masquerade_domains = kep.tr", "postfix masquerade_domains", "wrong"),
    ("lmtp_generic_maps = inline:{a=b}", "postfix kep/unix lmtp_generic_maps", "wrong"),
    ("smtp_header_checks = regexp:{{/^X/ IGNORE}}\nlmtp_header_checks = $smtp_header_checks", "postfix kep/unix lmtp_header_checks", "wrong"),
    ("always_bcc = boss@hs01.kep.tr", "postfix always_bcc", "wrong"),
    ("sender_bcc_maps = inline:{a=b}", "postfix sender_bcc_maps", "warning"),
    ("recipient_bcc_maps = inline:{a=b}", "postfix recipient_bcc_maps", "warning"),
    ("canonical_maps = inline:{a=b}", "postfix canonical_maps", "warning"),
    ("recipient_canonical_maps = inline:{a=b}", "postfix recipient_canonical_maps", "warning"),
    ("virtual_alias_maps = inline:{a=b}", "postfix virtual_alias_maps", "warning"),
    ("content_filter = smtp:[127.0.0.1]:10024", "postfix content_filter", "warning"),
    ("header_checks = regexp:{{/^X/ IGNORE}}", "postfix header_checks", "warning"),
    ("milter_default_action = accept", "postfix milter_default_action", "wrong"),
    ("soft_bounce = yes", "postfix soft_bounce", "wrong"),
    ("internal_mail_filter_classes = bounce", "postfix internal_mail_filter_classes", "warning"),
    ("enable_long_queue_ids = no", "postfix enable_long_queue_ids", "wrong"),
    ("kep_destination_recipient_limit = 1", "postfix kep_destination_recipient_limit", "warning"),
    ("kep_destination_concurrency_failed_cohort_limit = 1", "postfix kep_destination_concurrency_failed_cohort_limit", "warning"),
    ("lmtp_discard_lhlo_keywords = dsn", "postfix kep/unix lmtp_discard_lhlo_keywords", "warning"),
    ("smtpd_recipient_restrictions = permit_mynetworks, $kep_policy", "postfix smtpd_recipient_restrictions", "wrong"),
    ("smtpd_recipient_restrictions =", "postfix smtpd_recipient_restrictions", "wrong"),
    ("smtpd_data_restrictions = reject_unauth_pipelining", "postfix smtpd_data_restrictions", "wrong"),
    ("smtpd_end_of_data_restrictions = check_policy_service unix:/run/kep/policy.sock", "postfix smtpd_end_of_data_restrictions", "wrong"),
    ("kep_policy = check_policy_service { unix:/run/kep/policy.sock, default_action = 451 4.3.5 no }", "postfix policy service", "wrong"),
    ("kep_policy = check_policy_service { unix:/run/kep/policy.sock, timeout=20s }", "postfix policy service", "warning"),
    ("smtpd_milters =", "postfix smtpd_milters", "wrong"),
    ("kep_milter = { unix:/run/kep/milter.sock, default_action=accept }", "postfix smtpd_milters", "wrong"),
    ("non_smtpd_milters =", "postfix non_smtpd_milters", "warning"),
    ("myhostname = mx2.hs01.kep.tr", "hostname", "wrong"),
    ("transport_maps =", "domain evt.hs01.kep.tr", "wrong"),
    ("relay_domains = hs01.kep.tr", "domain evt.hs01.kep.tr", "wrong"),
    ("mydestination = evt.hs01.kep.tr", "domain evt.hs01.kep.tr", "wrong"),
]


@pytest.mark.parametrize("edit,what,level", PLANTED, ids=[re.sub(r"\W+", "-", row[0])[:60] for row in PLANTED])
def test_planted_in_main_cf(patient, edit, what, level):
    patient.postconf("-e", *edit.split("\n"))
    found = patient.about(what)
    assert [f["level"] for f in found] == [level], found
    assert found[0]["mend"] and found[0]["words"]


@pytest.mark.parametrize("edit,what,level", [
    (["-P", "submission/inet/smtpd_recipient_restrictions="], "postfix submission/inet smtpd_recipient_restrictions", "warning"),
    (["-P", "submission/inet/smtpd_milters="], "postfix submission/inet smtpd_milters", "warning"),
    (["-P", "submission/inet/smtpd_forbid_bare_newline=no"], "postfix submission/inet smtpd_forbid_bare_newline", "warning"),
    (["-P", "cleanup/unix/always_bcc=x@y"], "postfix cleanup/unix always_bcc", "warning"),
    (["-PX", "kepinject/unix/smtpd_milters"], "postfix kepinject/unix smtpd_milters", "wrong"),
    (["-P", "kepinject/unix/receive_override_options=no_address_mappings"], "postfix kepinject/unix receive_override_options", "wrong"),
    (["-PX", "kepinject/unix/smtpd_data_restrictions"], "postfix kepinject/unix smtpd_data_restrictions", "wrong"),
    (["-F", "kepinject/unix/private=y"], "postfix kepinject/unix", "wrong"),
    (["-MX", "kepinject/unix"], "postfix kepinject/unix", "wrong"),
    (["-MX", "kep/unix"], "postfix kep/unix", "wrong"),
    (["-F", "kep/unix/command=lmtp"], "postfix kep/unix", "warning"),
    (["-F", "kep/unix/command=smtp"], "postfix kep/unix", "wrong"),
    (["-F", "kep/unix/chroot=y"], "postfix kep/unix", "wrong"),
    (["-F", f"{PORT}/inet/chroot=y"], f"postfix {PORT}/inet", "wrong"),
    (["-F", "cleanup/unix/chroot=y"], "postfix cleanup/unix", "wrong"),
])
def test_planted_in_master_cf(patient, edit, what, level):
    patient.postconf(*edit)
    found = [f for f in patient.about(what) if f["level"] != "ok"]
    assert level in [f["level"] for f in found], found
    assert all(f["mend"] for f in found)


def test_the_mending_mends(patient):
    """The command of a finding is run as it stands, and the finding is gone."""
    for edit in ("soft_bounce = yes", "smtpd_forbid_bare_newline = no", "message_reject_characters =", "smtpd_discard_ehlo_keywords = dsn",
                 "always_bcc = x@y", "smtpd_data_restrictions = reject_unauth_pipelining", "smtpd_milters = inet:127.0.0.1:2"):
        patient.postconf("-e", edit)
    patient.postconf("-P", "submission/inet/smtpd_recipient_restrictions=", "submission/inet/soft_bounce=yes")
    patient.postconf("-F", "cleanup/unix/chroot=y")
    patient.postconf("-MX", "kep/unix")
    ill = [f for f in patient.findings() if f["what"].startswith("postfix") and f["level"] != "ok"]
    assert len(ill) == 11, ill
    for finding in ill:
        subprocess.run(["sh", "-c", finding["mend"]], check=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"})
    assert [f for f in patient.findings() if f["what"].startswith("postfix") and f["level"] != "ok"] == []


class Mute:
    """A server that says one thing, or nothing."""

    def __init__(self, banner):
        self.banner, self.server = banner, socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        kept = []
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            client.sendall(self.banner)
            kept.append(client)


@pytest.mark.parametrize("banner,words", [(b"", "says nothing"), (b"451 4.7.1 Service unavailable\r\n", "451 4.7.1"), (b"SSH-2.0-x\r\n", "no SMTP reply")])
def test_smtpd_that_does_not_live(patient, banner, words):
    mute = Mute(banner)
    patient.postconf("-M", f"127.0.0.1:{mute.port}/inet=127.0.0.1:{mute.port} inet n - n - - smtpd")
    found = patient.about(f"session with 127.0.0.1:{mute.port}")
    assert [f["level"] for f in found] == ["wrong"] and words in found[0]["words"]
    mute.server.close()


@pytest.mark.parametrize("required,level", [("15.0.0", "wrong"), ("latest", "wrong"), ("3.0.0", None)])
def test_openssl(patient, required, level):
    with patient.conf.open("a", encoding="utf-8") as conf:
        conf.write(f"require_openssl = {required}\n")
    found = patient.about("openssl")
    assert len(found) == 1 and found[0]["level"] in ([level] if level else ["ok", "warning"])
    assert level is None or f"require_openssl = {required}" in found[0]["words"]


def test_configuration_that_cannot_be_read(patient):
    patient.conf.write_text("clsed = host\n", encoding="utf-8")
    status, out, _ = kepctl(patient.conf, "check")
    assert status == 2 and "unknown key 'clsed'" in out
    status, out, err = kepctl(patient.conf, "account", "list")
    assert status == 78 and not out and "unknown key 'clsed'; kep.conf(5) lists the keys" in err


@pytest.mark.parametrize("name", ["seal_key", "checkpoint_key"])
def test_private_keys(patient, tmp_path, name):
    key = tmp_path / "a.key"
    key.write_text("not read at all")
    key.chmod(0o644)
    found = patient.about(name, "-o", f"{name}={key}")
    assert found[0]["level"] == "wrong" and found[0]["mend"] == f"chmod 0400 {key}"
    key.chmod(0o400)
    assert patient.about(name, "-o", f"{name}={key}")[0]["level"] == "ok"


@pytest.mark.parametrize("arguments,words", [
    ([], "no command"), (["nonsense"], "'nonsense' is no command"), (["db"], "'db' wants one more word"),
    (["account", "add"], "ADDRESS is missing"), (["account", "list", "x"], "x is one word too many"),
    (["account", "suspend", "a@b"], "--reason is missing"), (["account", "list", "--login", "x"], "--login does not belong"),
    (["account", "add", "a@b", "--json"], "--json is for commands that read"),
    (["account", "add", "a@b", "--login", "x", "--login", "y"], "--login stands twice"), (["--nonsense"], "kepctl --help"),
])
def test_usage(patient, arguments, words):
    status, out, err = kepctl(patient.conf, *arguments)
    assert status == 64 and not out and words in err


def test_help_and_version(patient):
    status, out, _ = kepctl(patient.conf, "--help")
    assert status == 0 and "provider add NAME --number N --domain D[,D]" in out
    status, out, _ = kepctl(patient.conf, "-V")
    assert status == 0 and re.fullmatch(r"kepctl \d+\.\d+\.\d+\n", out)


def test_no_database(patient):
    nowhere = "database_operator=host=/nonexistent dbname=kep"
    status, out, err = kepctl(patient.conf, "-o", nowhere, "account", "list")
    assert status == 69 and not out and "/nonexistent" in err


README = (TESTS.parent / "README.md").read_text(encoding="utf-8")
DEBIAN = "/usr/share/postfix/main.cf.debian"


@pytest.mark.skipif(not os.path.exists(DEBIAN), reason="a stock Postfix is Debian's")
def test_readme_on_a_stock_postfix(tmp_path):
    """The blocks of README, run as they stand on the configuration Debian ships, leave the doctor nothing to say."""
    postfix, shim = tmp_path / "postfix", tmp_path / "bin"
    postfix.mkdir()
    shim.mkdir()
    shutil.copy(DEBIAN, postfix / "main.cf")
    shutil.copy("/usr/share/postfix/master.cf.dist", postfix / "master.cf")
    (shim / "postconf").write_text(f"#!/bin/sh\nexec /usr/sbin/postconf -c {postfix} \"$@\"\n", encoding="utf-8")
    (shim / "postconf").chmod(0o755)
    path = {**os.environ, "PATH": f"{shim}:{os.environ['PATH']}"}
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.S | re.M)
    told = [b for b in blocks if b.startswith("postconf ")]
    assert len(told) == 2
    for block in told:
        subprocess.run(["sh", "-ec", block.replace("/etc/postfix/", f"{postfix}/")], check=True, env=path)
    with open(postfix / "master.cf", "a", encoding="utf-8") as master:
        master.write(re.search(r"^```\n(kep .*?)^```", README, re.S | re.M)[1])
    (postfix / "kep_transport").write_text("".join(re.findall(r"^    (\S+ +kep:unix:\S+\n)", README, re.M)), encoding="utf-8")
    subprocess.run(["postconf", "-e", "myhostname=mx1.hs01.kep.tr", "queue_directory=/var/spool/postfix"], check=True, env=path)
    for name in ("main.cf", "kep_transport"):
        os.utime(postfix / name, (0, 0))
    conf = tmp_path / "kep.conf"
    conf.write_text(f"{CONF}postfix_config = {postfix}\n", encoding="utf-8")
    _, out, _ = kepctl(conf, "check", "--json")
    assert [f for f in json.loads(out)["findings"] if f["level"] != "ok" and f["what"].startswith(("postfix", "domain", "hostname"))] == []


# -- with a database, and with a house around it


def test_check_of_a_house(house):
    status, out, _ = kepctl(house.daemons.conf, "check")
    old = re.search(r"^warning openssl: .*\n +mend: .*\n", out, re.M)     # of the machine, not of the house
    out = out.replace(old[0], "") if old else out
    assert status == (1 if old else 0), out
    assert all(line.startswith("ok ") for line in out.splitlines())
    assert "smtpd lives" in out and "schema: version" in out and "domains: 3 go through the hop" in out


def test_check_of_a_house_without_daemons(house):
    house.daemons.milter.stop()
    try:
        status, out, _ = kepctl(house.daemons.conf, "check")
        assert status == 2
        assert re.search(r"^wrong   milter_socket: .*\n        mend: systemctl start kep-milter$", out, re.M)
        assert "it answers MAIL FROM:<> with '451 4.7.1" in out
    finally:
        house.daemons.start()
        house.daemons.ready()


def test_other_providers_need_their_settings(house):
    house.postfix.set("smtpd_tls_ask_ccert=no")
    try:
        _, out, _ = kepctl(house.daemons.conf, "check")
        assert "wrong   postfix smtpd_tls_ask_ccert: 'no'" in out
    finally:
        house.postfix.set("smtpd_tls_ask_ccert=yes")


def conf(house):
    return house.daemons.conf


def test_register(house):
    print_ = "AB" * 32
    add = ["provider", "add", "ÖRNEK", "--number", "0009", "--domain", "HS09.kep.test,hs10.kep.test", "--domain", "hs11.kep.test",
           "--relay", "MX.hs09.kep.test:25", "--tls-fingerprint", print_]
    assert kepctl(conf(house), *add) == (0, "", "")
    assert kepctl(conf(house), *add) == (0, "", "")
    _, out, _ = kepctl(conf(house), "provider", "list", "--json")
    assert {"name": "ÖRNEK", "number": "0009", "domains": ["hs09.kep.test", "hs10.kep.test", "hs11.kep.test"],
            "relay": "[mx.hs09.kep.test]:25", "tls": [":".join(["AB"] * 32)]} in json.loads(out)
    _, out, _ = kepctl(conf(house), "domain", "list", "--json")
    assert {"domain": "hs10.kep.test", "kind": "other", "provider": "ÖRNEK"} in json.loads(out)
    assert json.loads(out)[0] == {"domain": "hs01.kep.test", "kind": "ours"}
    house.postgres.sql("SELECT kep.provider_add('ÖRNEK', '0009', '{hs09.kep.test}', '[mx.hs09.kep.test]:25', '{}')")


@pytest.mark.parametrize("arguments,status,words", [
    (["domain", "add", "no domain"], 65, "is not a domain name"),
    (["account", "add", "x@elsewhere.test"], 65, "is not one of our KEP domains"),
    (["account", "add", "nonsense"], 65, "is not an e-mail address"),
    (["account", "add", "t1@hs01.kep.test", "--tckn", "12345678901"], 65, "is not a Turkish identity number"),
    (["account", "suspend", "nobody@hs01.kep.test", "--reason", "x"], 65, "there is no account"),
    (["provider", "add", "X", "--number", "1", "--domain", "x.test", "--relay", "x.test:25", "--tls-fingerprint", "AB"], 65, "fingerprint"),
    (["provider", "add", "X", "--number", "1", "--domain", "x.test", "--relay", "x.test", "--tls-fingerprint", "AB"], 65, "is no relay host"),
    (["provider", "add", "X", "--number", "1", "--domain", "hs02.kep.test", "--relay", "x.test:25", "--tls-fingerprint", "AB" * 32], 65, "already belongs"),
    (["-o", "database_operator=host=/nonexistent dbname=kep", "account", "list"], 69, "/nonexistent"),
])
def test_register_refuses(house, arguments, status, words):
    got, out, err = kepctl(conf(house), *arguments)
    assert (got, out) == (status, "") and words in err and "KE0" not in err


def test_account(house):
    def state():
        rows = json.loads(kepctl(conf(house), "account", "list", "--json")[1])
        return [r for r in rows if r["address"] == "ıt@hs01.kep.test"]

    assert kepctl(conf(house), "account", "add", "ıT@HS01.kep.test", "--login", "it", "--holder", "Işık Tüfek")[0] == 0
    assert state() == [{"address": "ıt@hs01.kep.test", "state": "active", "login": "it", "holder": "Işık Tüfek"}]
    assert kepctl(conf(house), "account", "suspend", "ıt@hs01.kep.test", "--reason", "court order")[0] == 0
    assert state()[0]["state"] == "suspended"
    assert kepctl(conf(house), "account", "resume", "ıt@hs01.kep.test")[0] == 0
    assert state()[0]["state"] == "active"
    out = kepctl(conf(house), "account", "list")[1].splitlines()
    columns = {line.index("active") for line in out if "active" in line}
    assert len(columns) == 1 and out[0].startswith("ADDRESS ")


def test_the_operator_cannot_do_more(house):
    role = f"database_operator={house.postgres.conninfo('kep_auditor')}"
    status, _, err = kepctl(conf(house), "-o", role, "account", "list")
    assert status == 77 and "may not do that" in err


def test_show(house, pair):
    ayse, mehmet = pair
    answer = house.send(ayse, [mehmet])
    assert answer.ok
    house.mailbox(ayse).wait(2)
    shown = house.show(answer.queue_id)
    message, = shown["messages"]
    assert (message["sender"], message["queue_id"], message["state"]) == (ayse, answer.queue_id, "accepted")
    fact, = message["facts"]
    assert fact["recipient"] == mehmet and fact["state"] == "delivered" and "read_at" not in fact
    assert fact["sent_at"] <= fact["accepted_at"] <= fact["delivered_at"]
    assert [e["outcome"] for e in message["evidences"]] == ["A.1", "D.1"]
    for evidence in message["evidences"]:
        body = json.loads(evidence["body"])
        assert body["message"]["sha256"] == message["sha256"] and body["id"] == evidence["evidence_id"]
    whats = [s["what"] for s in message["timeline"]]
    assert whats[:2] == ["submitted", "accepted"] and whats.count("receipt sent") == 2
    # The same message by every name it has.
    receipt, = house.postgres.sql(f"SELECT queue_id FROM kep.receipts WHERE kep_id = '{message['kep_id']}' AND outcome = 'D.1'")
    for name in (message["kep_id"], message["kep_id"].upper(), message["message_id"], message["message_id"].strip("<>"),
                 message["evidences"][1]["evidence_id"], receipt[0]):
        assert house.show(name)["messages"] == shown["messages"], name


def pseudo_terminals():
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError:
        return False
    return True


@pytest.mark.skipif(not pseudo_terminals(), reason="this system gives no pseudo-terminals")
def test_show_for_people(house, pair):
    ayse, mehmet = pair
    answer = house.send(ayse, [mehmet])
    house.mailbox(ayse).wait(2)
    _, out, _ = kepctl(conf(house), "show", answer.queue_id, env={"TZ": "UTC-3"})
    assert "\033" not in out
    utc = re.search(r"delivered +(\S+) (\d\d):(\S+) \+0300  (\S+)T(\d\d):", out)
    assert utc and (int(utc[2]) - int(utc[5])) % 24 == 3
    assert re.search(rf"D\.1  delivered +{mehmet}", out) and re.search(r"SHA-512 +[0-9a-f]{128}$", out, re.M)
    command = f"{program('kepctl', 'kepctl', build())} -c {conf(house)} show {answer.queue_id}"
    for env, colour in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        terminal = run("/usr/bin/script", "-qec", command, "/dev/null", env={**os.environ, **env})
        assert ("\033[32mdelivered" in terminal) == colour


def test_show_refused(house, pair):
    ayse, mehmet = pair
    answer = house.send(ayse, [mehmet], signed=False)
    assert not answer.ok
    row = house.postgres.sql(f"SELECT queue_id FROM kep.refusals WHERE sender = '{ayse}' ORDER BY at DESC LIMIT 1")[0]
    refusal, = house.show(row[0])["refusals"]
    assert refusal["why"] == "not-signed" and refusal["recipients"] == mehmet and "e-signature" in refusal["words"]
    assert "not-signed" in kepctl(conf(house), "show", row[0])[1]


def test_show_unknown(house):
    for name in ("4Zunknown", "0190163d-8694-739b-aea5-966c26f8ad91", "x@y", "'; drop schema kep --"):
        status, out, err = kepctl(conf(house), "show", name)
        assert (status, out) == (66, "") and "nothing is recorded of" in err


@pytest.fixture
def empty(house):
    """An empty database of the house's PostgreSQL, as options of kepctl."""
    house.postgres.sql("DROP DATABASE IF EXISTS kep_empty", database="postgres")
    house.postgres.sql("CREATE DATABASE kep_empty", database="postgres")
    yield ["-o", "database_owner=" + house.postgres.conninfo("postgres").replace("dbname=kep", "dbname=kep_empty")]
    house.postgres.sql("DROP DATABASE kep_empty WITH (FORCE)", database="postgres")


def test_schema_step_by_step(house, empty, tmp_path):
    files = sorted((TESTS.parent / "sql" / "migrations").glob("*.sql"))
    newest = len(files)

    def db(word, *options):
        return kepctl(conf(house), *empty, "-o", f"sql_dir={tmp_path}", "db", word, *options)

    assert db("status")[0] == 78                                        # no file there
    for file in files[:3]:
        shutil.copy(file, tmp_path)
    assert json.loads(db("status", "--json")[1]) == {"version": 0, "newest": 3, "pending": [f.name for f in files[:3]]}
    assert db("upgrade")[0] == 78 and "run 'kepctl db init'" in db("upgrade")[2]
    status, out, _ = db("init")
    assert status == 0 and out.splitlines()[-1] == "schema version 3"
    assert db("init") == (0, "schema version 3, nothing to do\n", "")
    for file in files[3:]:
        shutil.copy(file, tmp_path)
    assert db("init")[0] == 78 and "run 'kepctl db upgrade'" in db("init")[2]
    broken = tmp_path / f"{newest + 1:04}_broken.sql"
    broken.write_text("CREATE TABLE kep.half (n int); SELECT 1/0;", encoding="utf-8")
    status, _, err = db("upgrade")
    assert status == 65 and f"{broken.name} was not applied, and nothing of it stayed" in err
    assert json.loads(db("status", "--json")[1])["version"] == newest
    broken.write_text("SELECT 1;", encoding="utf-8")
    status, _, err = db("upgrade")
    assert status == 70 and "did not write down its number" in err
    broken.unlink()
    assert db("upgrade") == (0, f"schema version {newest}, nothing to do\n", "")
    files_of = {f.name for f in tmp_path.iterdir()}
    (tmp_path / files[-1].name).unlink()
    assert files_of and db("upgrade")[0] == 78 and "install the newer postkep" in db("upgrade")[2]


def test_schema_of_a_stranger(house, empty):
    house.postgres.sql("CREATE SCHEMA kep", database="kep_empty")
    status, _, err = kepctl(conf(house), *empty, "db", "init")
    assert status == 78 and "not ours" in err


def test_database_that_does_not_exist(house):
    nowhere = "database_owner=" + house.postgres.conninfo("postgres").replace("dbname=kep", "dbname=kep_absent")
    status, _, err = kepctl(conf(house), "-o", nowhere, "db", "init")
    assert status == 69 and "createdb -E UTF8 -T template0" in err
