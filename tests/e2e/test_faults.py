"""Something is down: the sender hears 451, nothing is lost, nothing is told twice."""
import json
import shutil
import signal
import urllib.request

import pytest

from sandboxlib import mail
from sandboxlib.process import until


@pytest.fixture(autouse=True)
def healthy(house):
    """Every test begins with daemons that have their database."""
    until("kep-policyd has its database", lambda: json.loads(house.ask({"v": 1, "ask": "status"}))["database"], 20, 0.1)


def receipts(house, address):
    return mail.receipts(house.mailbox(address).mails())


def exactly(house, sender, recipient, answer, copies=1):
    """One A.1, one D.1, two receipts, one mail."""
    house.wait_evidence(answer.queue_id, ["A.1", "D.1"], 40)
    until("two receipts", lambda: len(receipts(house, sender)) >= 2, 40, 0.2)
    house.postfix.drained()
    assert len(receipts(house, sender)) == 2
    assert len(house.mailbox(recipient).mails()) == copies


def takes(house, sender, recipient):
    return until("mail is taken again", lambda: (lambda a: a if a.ok else None)(house.send(sender, [recipient])), 40, 0.3)


def sent_without_mailbox(house, a, b):
    """Accepted while Dovecot is down (it checks logins, so the session is older than that)."""
    with house.client(login=a) as client:
        house.dovecot.stop()
        try:
            answer = client.give(a, [b], mail.sign(house.pki, mail.compose(a, [b]), a))
            assert answer.ok, answer.words()
            return answer
        except BaseException:
            open_mailbox(house)
            raise


def open_mailbox(house):
    house.dovecot.start()
    house.dovecot.ready()


def test_postgres_down_and_back(house, pair):
    a, b = pair
    house.postgres.stop("immediate")
    try:
        answer = house.send(a, [b])
        assert answer.code == 451, answer.words()
    finally:
        house.postgres.start()
    exactly(house, a, b, takes(house, a, b))


def test_ordinary_mail_flows_with_postgres_down(house, people):
    a, b = people.ordinary(), people.ordinary()
    house.postgres.stop("immediate")
    try:
        assert house.send("biri@disarida.test", [b], signed=False).ok
        assert house.send(a, [b], signed=False, via="submission", login=a).ok
        house.mailbox(b).wait(2)
        assert 400 <= house.send(a, ["kim@hs01.kep.test"], signed=False).code < 500, "KEP is not known to be refused"
    finally:
        house.postgres.start()


def test_postgres_dies_with_mail_in_the_queue(house, pair):
    """Accepted, then the database is gone: the queue keeps the message, and tells of it once."""
    a, b = pair
    answer = sent_without_mailbox(house, a, b)
    try:
        house.postgres.kill()
        open_mailbox(house)
        house.postfix.flush()
        until("deferred by the hop", lambda: any(" 451 " in line for line in house.postfix.log(answer.queue_id)), 20, 0.2)
    finally:
        open_mailbox(house)
        house.postgres.start()
    exactly(house, a, b, answer)


def test_postgres_frozen(house, pair):
    """It neither answers nor closes: 451 after ask_timeout, and everything goes on afterwards."""
    a, b = pair
    house.postgres.freeze()
    try:
        answer = house.send(a, [b])
        assert answer.code == 451, answer.words()
    finally:
        house.postgres.thaw()
    exactly(house, a, b, takes(house, a, b))


def test_dead_mailbox_server(house, pair):
    a, b = pair
    answer = sent_without_mailbox(house, a, b)
    try:
        until("the message waits", lambda: any(m["queue_id"] == answer.queue_id and m["queue_name"] == "deferred"
                                               for m in house.postfix.queue()), 20, 0.2)
        assert [o for o, _ in house.evidence(answer.queue_id)] == ["A.1"]
    finally:
        open_mailbox(house)
    exactly(house, a, b, answer)


HOLD = """
CREATE OR REPLACE FUNCTION public.wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
CREATE TRIGGER wait_for_test BEFORE INSERT ON kep.evidence FOR EACH ROW WHEN (NEW.outcome = 'D.1') EXECUTE FUNCTION public.wait_for_test();
ALTER TABLE kep.evidence ENABLE ALWAYS TRIGGER wait_for_test;
"""


@pytest.mark.parametrize("fate", ["committed", "lost"])
def test_policyd_killed_between_mailbox_and_commit(house, pair, fate):
    """kill -9 while the record of a delivery waits: whether that COMMIT went through or not, one D.1 and one receipt."""
    a, b = pair
    house.postgres.sql(HOLD)
    try:
        with house.postgres.holding(4711):
            answer = house.send(a, [b])
            assert answer.ok, answer.words()
            house.mailbox(b).wait(1)
            until("the record waits", lambda: house.postgres.value(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1")
            assert [o for o, _ in house.evidence(answer.queue_id)] == ["A.1"]
            house.daemons.policyd.stop(signal.SIGKILL)
            if fate == "lost":
                house.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kep_policyd'")
    finally:
        until("the lock is free", lambda: house.postgres.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0")
        house.postgres.sql("DROP TRIGGER wait_for_test ON kep.evidence")
        house.daemons.policyd.start()
        house.daemons.ready("policyd")
        house.postfix.flush()
    exactly(house, a, b, answer, copies=1 if fate == "committed" else 2)


def test_milter_killed(house, pair):
    a, b = pair
    house.daemons.milter.stop(signal.SIGKILL)
    try:
        with pytest.raises(mail.smtplib.SMTPResponseException) as said:    # Postfix says so as early as STARTTLS
            raise mail.smtplib.SMTPResponseException(*(lambda s: (s.code, s.reply))(house.send(a, [b])))
        assert 400 <= said.value.smtp_code < 500
    finally:
        house.daemons.milter.start()
        house.daemons.ready("milter")
    exactly(house, a, b, takes(house, a, b))


def test_policyd_down(house, pair):
    a, b = pair
    house.daemons.policyd.stop()
    try:
        assert house.send(a, [b]).code == 451
    finally:
        house.daemons.policyd.start()
        house.daemons.ready("policyd")
    exactly(house, a, b, takes(house, a, b))


def test_suspended_transport_wakes_up(house, pair):
    """Postfix gave the hop up for an hour; kep-policyd flushes the queue when it starts (conf postqueue)."""
    a, b = pair
    policyd, postfix = house.daemons.policyd, house.postfix
    times = ("minimal_backoff_time", "maximal_backoff_time", "queue_run_delay")
    usual = {name: postfix.get(name) for name in times}
    postfix.set(*(f"{name}=1h" for name in times))
    try:
        answer = sent_without_mailbox(house, a, b)
        policyd.stop()
        open_mailbox(house)
        postfix.flush()
        until("the hop is given up", lambda: postfix.log(f"{answer.queue_id}.*No such file|{answer.queue_id}.*refused"), 20, 0.2)
        flush = ["-o", "user=", "-o", f"postqueue={shutil.which('postqueue', path='/usr/sbin:/usr/bin')} -c {postfix.config} -f"]
        usual_command = policyd.command
        policyd.command = lambda: usual_command() + flush       # as root: only root may name another instance
        try:
            policyd.start()
        finally:
            policyd.command = usual_command
        house.wait_evidence(answer.queue_id, ["A.1", "D.1"], 20)
    finally:
        postfix.set(*(f"{name}={value}" for name, value in usual.items()))
        house.daemons.restart("policyd")
    exactly(house, a, b, answer)


@pytest.mark.parametrize("folder", ["milter", "policyd"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_signals_do_not_kill(house, pair, folder, number):
    pid = house.daemons.daemon(folder).pid()
    house.daemons.daemon(folder).send(number)
    answer = house.send(pair[0], [pair[1]])
    assert answer.ok, answer.words()
    assert house.daemons.daemon(folder).pid() == pid


@pytest.mark.parametrize("folder", ["milter", "policyd"])
def test_sigterm_ends_cleanly(house, folder):
    assert house.daemons.daemon(folder).stop(signal.SIGTERM, 10), "it had to be killed"
    house.daemons.daemon(folder).start()
    house.daemons.ready(folder)


def test_healthz(house):
    with urllib.request.urlopen(f"http://{house.place.env['HTTP']}/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_inject_service_down(house, pair):
    """Receipts wait, and go out once when Postfix takes them again."""
    a, b = pair
    with house.postfix.without("kepinject/unix"):
        answer = house.send(a, [b])
        house.wait_evidence(answer.queue_id, ["A.1", "D.1"])
        assert receipts(house, a) == []
    exactly(house, a, b, answer)
