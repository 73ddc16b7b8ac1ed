"""vault.py - a private PostgreSQL that holds a ledger: evidence by the thousand, checkpoints, time-stamps; for tests and make bench."""
import atexit
import os
import random
import subprocess
import time
from pathlib import Path

import scribe

TESTS = Path(__file__).resolve().parent
SQL = TESTS.parent / "sql"


class Missing(Exception):
    """PostgreSQL is not installed."""


def hexed(octets):
    return f"'\\x{octets.hex()}'::bytea"


def text(value):
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


class Psql:
    """One session that stays open."""

    def __init__(self, host, database, user="postgres"):
        self.process = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=0", "-h", host, "-U", user, "-d", database],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"})

    def __call__(self, sql):
        """What it prints; an error of SQL is an exception."""
        self.process.stdin.write(sql + "\n;\n\\echo :ERROR over\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") in ("true over", "false over"):
                break
            lines.append(line.rstrip("\n"))
        output = "\n".join(lines)
        if "ERROR:" in output:
            raise RuntimeError(output)
        return output

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Vault:
    def __init__(self, keys, database="kep"):
        self.keys, self.database = keys, database
        made = subprocess.run([TESTS / "sql" / "server", "new"], capture_output=True, text=True, check=False)
        if made.returncode == 77:
            raise Missing(made.stderr.strip())
        if made.returncode:
            raise RuntimeError(made.stderr)
        self.host = made.stdout.strip()
        atexit.register(self.stop)      # whatever becomes of the test
        self.copies = []
        self.psql(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING UTF8", "postgres")
        for file in sorted(SQL.glob("migrations/[0-9]*.sql")):
            subprocess.run(["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-U", "postgres", "-d", database, "-f", file],
                           check=True, env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"})

    def psql(self, sql, database=None):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-U", "postgres", "-d", database or self.database],
                              input=sql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def conninfo(self, database=None, user="kep_auditor"):
        return f"host={self.host} dbname={database or self.database} user={user}"

    def add(self, bodies):
        """Evidence, given as [(object, octets)], in one transaction."""
        rows = []
        for e, body in bodies:
            rows.append(f"({text(e['id'])}, {text(e['message']['kep_id'])}, {e.get('recipient', 0)}, {text(e['outcome'])}, {text(e['event_time'])}, "
                        f"{text(e['reason']['code'])}, {text(e.get('previous'))}, {hexed(body)}, sha256({hexed(body)}), "
                        f"{text(e['event_time'])}::timestamptz + interval '20 years')")
        for at in range(0, len(rows), 2000):
            self.psql("INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, reason_code, previous, body, digest, retain_until) VALUES "
                      + ", ".join(rows[at:at + 2000]))

    def register(self, objects):
        """The messages whose acceptance these evidences state, with their recipients, as they were submitted."""
        messages, recipients = [], []
        for e in objects:
            m = e["message"]
            if e["outcome"] != "A.1":
                continue
            messages.append(f"({text(m['kep_id'])}, {text(e['issuer']['host'])}, {text(m['queue_id'])}, {text(m['sent_at'])}, {text(e['sender']['address'])}, "
                            f"{text(e['sender']['login'])}, '::1', {text(e['sender']['address'])}, {text(m['message_id'])}, {m['size']}, 1, "
                            f"decode('{m['sha256']}', 'hex'), decode('{m['sha512']}', 'hex'), '{{}}')")
            recipients += [f"({text(m['kep_id'])}, {r['index']}, {text(r['address'])}, 'account')" for r in e["recipients"]]
        if messages:
            self.psql("INSERT INTO kep.message (kep_id, host, queue_id, sent_at, sender, login, client, from_address, message_id, size, canonical, sha256, sha512, signer) "
                      f"VALUES {', '.join(messages)}; INSERT INTO kep.recipient VALUES {', '.join(recipients)}")

    def extend(self, n):
        """n leaves more, at most; the size then."""
        return int(self.psql(f"SELECT size FROM kep.ledger_extend('scribe', interval '1 hour', {n})"))

    def leaves(self):
        """(evidence id, body) in the order of the ledger."""
        rows = self.psql("SELECT evidence_id || ' ' || encode(body, 'hex') FROM kep.ledger_leaves ORDER BY index").splitlines()
        return [(r.split()[0], bytes.fromhex(r.split()[1])) for r in rows]

    def publish(self, ledger, size):
        """A checkpoint of that size; its note."""
        words = ledger.text(size)
        note, cms = self.keys.note(words), self.keys.seal(words)
        self.psql(f"SELECT kep.checkpoint_add('scribe', {size}, {hexed(scribe.root(ledger.hashes[:size]))}, {hexed(note)}, {hexed(cms)})")
        return note

    def stamp(self, ledger, size, tsa="http://tsa.test", by=None):
        at = int(time.time())
        token = self.keys.stamp(ledger.text(size), at=at, by=by)
        self.psql(f"SELECT kep.stamp_add({size}, {text(tsa)}, {hexed(token)}, to_timestamp({at}), '1.2.3.4.1', '2a', '{{}}', '{{}}')")
        return token

    def cosign(self, ledger, size):
        line = self.keys.cosign(ledger.text(size), int(time.time()))
        self.psql(f"SELECT kep.cosignature_add({size}, {text(scribe.WITNESS)}, {hexed(self.keys.key_id(scribe.WITNESS, 4))}, {text(line)})")

    def copy(self, name):
        self.psql(f"DROP DATABASE IF EXISTS {name}", "postgres")
        self.psql(f"CREATE DATABASE {name} TEMPLATE {self.database}", "postgres")

    def stop(self):
        atexit.unregister(self.stop)
        subprocess.run([TESTS / "sql" / "server", "stop", self.host], check=False)


def fill(vault, n, sizes, stamped=(), seed=1):
    """n evidences under checkpoints of these sizes; the ledger, and the notes by size."""
    rng = random.Random(seed)
    objects = [scribe.evidence(rng, time.time() - 60, *(("A.1", None, None, 0) if i % 5 == 0 else ())) for i in range(n)]
    vault.register(objects)
    vault.add([(e, scribe.canonical(e)) for e in objects])
    while vault.extend(100000) < n:
        pass
    ledger = scribe.Ledger(vault.keys, [body for _, body in vault.leaves()])
    notes = {size: vault.publish(ledger, size) for size in sizes}
    for size in stamped:
        vault.stamp(ledger, size)
        vault.cosign(ledger, size)
    return ledger, notes
