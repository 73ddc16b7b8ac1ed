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


def test_configuration_that_cannot_be_read(patient):
    patient.conf.write_text("clsed = host\n", encoding="utf-8")
    status, out, _ = kepctl(patient.conf, "check")
    assert status == 2 and "unknown key 'clsed'" in out
    status, out, err = kepctl(patient.conf, "account", "list")
    assert status == 78 and not out and "unknown key 'clsed'; kep.conf(5) lists the keys" in err


def test_key_of_the_seal(patient, tmp_path):
    key = tmp_path / "seal.key"
    key.write_text("not read at all")
    key.chmod(0o644)
    found = patient.about("seal_key", "-o", f"seal_key={key}")
    assert found[0]["level"] == "wrong" and found[0]["mend"] == f"chmod 0400 {key}"
    key.chmod(0o400)
    assert patient.about("seal_key", "-o", f"seal_key={key}")[0]["level"] == "ok"


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
