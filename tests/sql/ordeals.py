"""ordeals - what a database goes through in its life: an upgrade, a power cut, a restore into another cluster."""
import subprocess
import time

# A filled database of schema 8: receipts not composed, composed and sent.
EIGHT = """
SELECT tap.house();
SELECT tap.accept(tap.message('Q' || n, 'ayse@hs01.kep.test', '{ali@hs01.kep.test,veli@hs01.kep.test}'), tap.id(n)) FROM generate_series(1, 20) AS n;
SELECT tap.result(m.kep_id, r, tap.id(100 + r * 100 + right(m.queue_id, -1)::int)) FROM kep.message AS m, generate_series(1, 2) AS r;
SELECT kep.outbox_store(tap.id(n), 'ayse@hs01.kep.test', 'a mail') FROM generate_series(1, 10) AS n;
SELECT kep.outbox_sent(tap.id(n), 'ayse@hs01.kep.test', 'Q') FROM generate_series(1, 5) AS n;
"""
# A digest of every table of the schema, of the columns it had then.
SHAPE = """
SELECT format('SELECT %L || md5(coalesce(string_agg(r::text, %L ORDER BY r::text), %L)) FROM (SELECT %s FROM %s) AS r',
              c.oid::regclass || ' ', '|', '', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), c.oid::regclass)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'kep'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migration' AND (c.relname, a.attname) <> ('outbox', 'due_at')
 GROUP BY c.oid ORDER BY c.oid::regclass::text
"""


def upgrade(server, tally, files, lib):
    server.must("postgres", "-c", "CREATE DATABASE eight TEMPLATE template0", "-c", "ALTER DATABASE eight SET search_path = tap, public")
    for file in files[:8]:
        server.must("eight", "-1", "-f", file)
    server.must("eight", "-c", "SET check_function_bodies = off", "-f", lib, "-c", EIGHT)
    shape = server.must("eight", "-c", SHAPE).splitlines()

    def digests():
        return [server.must("eight", "-c", question) for question in shape]

    before = digests()
    for file in files[8:]:
        server.must("eight", "-1", "-f", file)
    tally.ok(digests() == before and len(before) > 15, "an upgrade of a filled schema 8 keeps every row")
    tally.ok(server.must("eight", "-c", "SELECT tap.publish()") == "60", "the evidence from before becomes leaves")
    tally.ok(server.must("eight", "-c", "SELECT tap.wrong(true)") == "", "of the tree of the reference")
    taken = server.must("eight", "-c", "SELECT count(*), count(mail), count(note) FROM kep.outbox_take('mx1', 100, '1 minute')")
    tally.ok(taken == "55|5|50", f"receipts that were composed go out as they are, the others with a proof ({taken})")


def power_cut(server, tally):
    """Writers and a sequencer work; everything is killed at once, three times."""
    server.must("postgres", "-c", "CREATE DATABASE cut TEMPLATE kep", "-c", "ALTER DATABASE cut SET search_path = tap, public")
    server.must("cut", "-c", "UPDATE kep.ledger_state SET partition_size = 2000")
    for turn in range(3):
        writing = """DO $$ BEGIN FOR n IN 0 .. 99999 LOOP PERFORM tap.evidence({0} + n * 20, {0} + n * 20 + 19); COMMIT; END LOOP; END $$"""
        extending = """DO $$ BEGIN LOOP PERFORM kep.ledger_extend('mx1', '1 minute', 777); COMMIT; END LOOP; END $$"""
        children = [subprocess.Popen(["psql", "-Xq", "-h", server.dir, "-U", "postgres", "-d", "cut", "-c", statement],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    for statement in (writing.format((2 * turn + 1) * 10000000), writing.format((2 * turn + 2) * 10000000), extending)]
        time.sleep(0.7 + turn * 0.31)
        server.crash()
        for child in children:
            child.wait()
        tally.ok(server.must("cut", "-c", "SELECT tap.wrong()") == "", f"after power cut {turn + 1} the ledger is whole")
    while server.must("cut", "-c", "SELECT more FROM kep.ledger_extend('mx1', '1 minute', 5000)") == "t":
        pass
    tally.ok(server.must("cut", "-c", "SELECT tap.wrong(true)") == "", "and nothing was left out")
    size = int(server.must("cut", "-c", "SELECT size FROM kep.ledger_state"))
    tally.ok(size > 1000, f"of {size} evidences")


def restore(server, other, tally):
    """pg_dump into a cluster whose transaction numbers are far behind."""
    server.must("postgres", "-c", "CREATE DATABASE dumped TEMPLATE kep", "-c", "ALTER DATABASE dumped SET search_path = tap, public")
    server.must("dumped", "-c", "DO $$ BEGIN FOR n IN 1 .. 20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
    server.must("dumped", "-c", "SELECT tap.evidence(1, 500)")
    server.must("dumped", "-c", "SELECT kep.ledger_extend('mx1', '1 minute', 300)")
    for tool, where in ((["pg_dumpall", "-r"], "postgres"), (["pg_dump", "dumped"], "kep")):
        if where == "kep":
            other.must("postgres", "-c", "CREATE DATABASE kep TEMPLATE template0")
        dumped = subprocess.run([*tool, "-h", server.dir, "-U", "postgres"], stdout=subprocess.PIPE, check=True).stdout
        loaded = subprocess.run(["psql", "-Xq", "-h", other.dir, "-U", "postgres", "-d", where, *(["-v", "ON_ERROR_STOP=1"] if where == "kep" else [])],
                                input=dumped, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if loaded.returncode:
            tally.ok(False, f"{tool[0]} can be loaded: {loaded.stderr.decode()}")
            return
    other.must("postgres", "-c", "ALTER DATABASE kep SET search_path = tap, public")
    behind = other.must("kep", "-c", "SELECT pg_current_xact_id() < cursor_txid FROM kep.ledger_state")
    tally.ok(behind == "t", "transaction numbers of the other cluster are behind")
    tally.ok(other.must("kep", "-c", "SELECT tap.wrong()") == "", "a dump holds the whole ledger")
    for first, words in ((501, "it goes on where it was"), (601, "and on")):
        other.must("kep", "-c", f"SELECT tap.evidence({first}, {first + 99})")
        while other.must("kep", "-c", "SELECT more FROM kep.ledger_extend('mx1', '1 minute', 90)") == "t":
            pass
        tally.ok(other.must("kep", "-c", "SELECT tap.wrong(true)") == "", words)
    # Its numbers reach those of the old cluster and pass them.
    gap = int(other.must("kep", "-c", "SELECT foreign_txid::text::bigint - pg_current_xact_id()::text::bigint FROM kep.ledger_state"))
    other.must("kep", "-c", f"DO $$ BEGIN FOR n IN 1 .. {gap + 500} LOOP PERFORM pg_current_xact_id(); "
               "IF n % 500 = 0 THEN PERFORM tap.evidence(1000000 + n, 1000000 + n); END IF; COMMIT; END LOOP; END $$")
    while other.must("kep", "-c", "SELECT more FROM kep.ledger_extend('mx1', '1 minute', 90)") == "t":
        pass
    tally.ok(other.must("kep", "-c", "SELECT tap.wrong(true)") == "", "when its numbers pass the old ones, nothing becomes a leaf twice")
    tally.ok(other.must("kep", "-c", "SELECT cursor_txid > foreign_txid FROM kep.ledger_state") == "t", "as they did")
