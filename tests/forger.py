"""forger.py - a superuser of PostgreSQL, with all triggers off, who falsifies a ledger (tests/vault.py) in every way there is.

Each way is a method: it takes a seeded generator, does its work, and gives (lowest, highest): where fsck must put the first bad
index.  The tables it touched are put back by undo().
"""
import base64
import random
import time

import scribe
from vault import Psql, hexed, text

TABLES = ("evidence", "leaf", "tile", "ledger_state", "checkpoint", "stamp", "cosignature", "message", "recipient")


def prepare(vault):
    """Triggers off, and a copy of every table to put back from."""
    vault.psql("".join(f"ALTER TABLE kep.{t} DISABLE TRIGGER ALL;" for t in TABLES)
               + "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'kep.leaf'::regclass "
                 "LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', p); END LOOP; END $$;"
               + "CREATE SCHEMA safe;" + "".join(f"CREATE TABLE safe.{t} AS SELECT * FROM kep.{t};" for t in TABLES))


class Forger:
    def __init__(self, vault, database, ledger, sizes, stamped):
        self.vault, self.ledger, self.sizes, self.stamped = vault, ledger, sorted(sizes), sorted(stamped)
        self.sql = Psql(vault.host, database)
        self.ids = self.sql("SELECT evidence_id FROM kep.leaf ORDER BY index").split()
        self.touched, self.one = set(), set()   # tables; evidences that alone were changed
        self.checkpoint_file = True     # fsck is given the last published checkpoint

    def close(self):
        self.sql.close()

    def undo(self):
        for table in TABLES:
            if table in self.touched:
                self.sql(f"TRUNCATE kep.{table}; INSERT INTO kep.{table} SELECT * FROM safe.{table}")
        if self.one and "evidence" not in self.touched:
            ids = ", ".join(map(text, self.one))
            self.sql(f"DELETE FROM kep.evidence WHERE id IN ({ids}); INSERT INTO kep.evidence SELECT * FROM safe.evidence WHERE id IN ({ids})")
        self.touched.clear()
        self.one.clear()
        self.checkpoint_file = True

    def do(self, tables, sql, one=None):
        """Do it; one: the only evidence whose row it changes."""
        if one:
            self.one.add(one)
        else:
            self.touched.update(tables.split())
        self.sql("BEGIN;" + sql + ";COMMIT")

    # -- helpers

    def checkpoint_below(self, index):
        """Size of the last checkpoint whose leaves all lie before that index."""
        return max((s for s in self.sizes if s <= index), default=0)

    def body(self, index, octets):
        self.do("evidence", f"UPDATE kep.evidence SET body = {hexed(octets)}, digest = sha256({hexed(octets)}) WHERE id = {text(self.ids[index])}", self.ids[index])

    def new(self, rng, n):
        objects = [scribe.evidence(rng, time.time() - 30) for _ in range(n)]
        return [(e, scribe.canonical(e)) for e in objects]

    def insert(self, pairs):
        values = ", ".join(f"({text(e['id'])}, {text(e['message']['kep_id'])}, 1, {text(e['outcome'])}, {text(e['event_time'])}, 'RD01', {hexed(b)}, sha256({hexed(b)}), "
                           f"{text(e['event_time'])}::timestamptz + interval '20 years')" for e, b in pairs)
        self.do("evidence", "INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, reason_code, body, digest, retain_until) VALUES " + values)

    def plant(self, ids, hashes, start=0):
        """Leaves from start on, all tiles and the head as if these had always been there."""
        leaves = ", ".join(f"({i}, {text(ids[i])}, {hexed(hashes[i])})" for i in range(start, len(ids)))
        tiles = ", ".join(f"({level}, {number}, {hexed(octets)})" for (level, number), octets in scribe.tiles(hashes).items())
        self.do("leaf tile ledger_state",
                f"DELETE FROM kep.leaf WHERE index >= {start};" + (f"INSERT INTO kep.leaf VALUES {leaves};" if leaves else "")
                + "DELETE FROM kep.tile;" + (f"INSERT INTO kep.tile VALUES {tiles};" if tiles else "") + f"UPDATE kep.ledger_state SET size = {len(ids)}, root = {hexed(scribe.root(hashes))}")

    def cut(self, size, checkpoints=True):
        """The tail away: evidence, leaves, tiles, head, and the checkpoints above."""
        gone = ", ".join(text(i) for i in self.ids[size:])
        self.do("evidence", f"DELETE FROM kep.evidence WHERE id IN ({gone})")
        self.plant(self.ids[:size], self.ledger.hashes[:size], size)
        if checkpoints:
            self.do("checkpoint stamp cosignature", f"DELETE FROM kep.cosignature WHERE size > {size}; DELETE FROM kep.stamp WHERE size > {size}; DELETE FROM kep.checkpoint WHERE size > {size}")

    def sign(self, ledger, size):
        """A checkpoint by the real keys, in place of all above the last that still fits."""
        words = ledger.text(size)
        keys = self.vault.keys
        self.do("checkpoint", f"INSERT INTO kep.checkpoint (size, root, origin, note, cms, host) VALUES ({size}, {hexed(scribe.root(ledger.hashes[:size]))}, "
                f"{text(scribe.ORIGIN)}, {hexed(keys.note(words))}, {hexed(keys.seal(words))}, 'scribe') ON CONFLICT (size) DO UPDATE SET root = EXCLUDED.root, "
                "note = EXCLUDED.note, cms = EXCLUDED.cms")

    def place(self, rng):
        return rng.randrange(len(self.ids))

    def late_place(self, rng):
        """Near enough to the end to grow it all again."""
        return rng.randrange(len(self.ids) - 250, len(self.ids))

    # -- the ways

    def bit_in_body(self, rng):
        i = self.place(rng)
        self.body(i, scribe.flip(self.ledger.bodies[i], rng))
        return i, i

    def bit_in_leaf(self, rng):
        i = self.place(rng)
        self.do("leaf", f"UPDATE kep.leaf SET hash = {hexed(scribe.flip(self.ledger.hashes[i], rng))} WHERE index = {i}")
        return i, i

    def bit_in_tile(self, rng):
        (level, number), octets = rng.choice(sorted(scribe.tiles(self.ledger.hashes).items()))
        wrong = scribe.flip(octets, rng)
        self.do("tile", f"UPDATE kep.tile SET hashes = {hexed(wrong)} WHERE level = {level} AND number = {number}")
        at = next(i for i in range(len(octets)) if octets[i] != wrong[i]) // 32
        leaf = (number * 256 + at) * 256 ** level
        return leaf, leaf

    def tile_length(self, rng):
        """A tile cut short, or lengthened."""
        (level, number), octets = rng.choice(sorted(scribe.tiles(self.ledger.hashes).items()))
        keep = rng.randrange(0, len(octets) // 32)
        if keep:
            self.do("tile", f"UPDATE kep.tile SET hashes = {hexed(octets[:keep * 32])} WHERE level = {level} AND number = {number}")
        else:
            self.do("tile", f"DELETE FROM kep.tile WHERE level = {level} AND number = {number}")
        leaf = (number * 256 + keep) * 256 ** level
        return leaf, leaf

    def swap(self, rng):
        a, b = sorted(rng.sample(range(len(self.ids)), 2))
        self.do("leaf", f"DELETE FROM kep.leaf WHERE index IN ({a}, {b}); INSERT INTO kep.leaf VALUES "
                + ", ".join(f"({i}, {text(self.ids[j])}, {hexed(self.ledger.hashes[j])})" for i, j in ((a, b), (b, a))))
        return a, a

    def swap_bodies(self, rng):
        """The octets of two evidences, their ids left where they were."""
        a, b = sorted(rng.sample(range(len(self.ids)), 2))
        self.body(a, self.ledger.bodies[b])
        self.body(b, self.ledger.bodies[a])
        return a, a

    def tail_deleted(self, rng):
        size = self.place(rng)
        self.checkpoint_file = False    # the checkpoints above are still there
        self.cut(size, checkpoints=False)
        return size, size

    def evidence_deleted(self, rng):
        i = self.place(rng)
        self.do("evidence", f"DELETE FROM kep.evidence WHERE id = {text(self.ids[i])}", self.ids[i])
        return i, i

    def leaf_deleted(self, rng):
        i = self.place(rng)
        self.do("leaf", f"DELETE FROM kep.leaf WHERE index = {i}")
        return i, i

    def truncated_and_regrown(self, rng):
        """Other evidence behind a cut, hashes all right; the keys are not to be had."""
        size = self.late_place(rng)
        grown = self.new(rng, len(self.ids) - size)
        self.cut(size)
        self.insert(grown)
        hashes = self.ledger.hashes[:size] + [scribe.leaf_hash(b) for _, b in grown]
        self.plant(self.ids[:size] + [e["id"] for e, _ in grown], hashes, size)
        return self.checkpoint_below(size), size

    def inserted(self, rng):
        """One in the middle, all behind it moved on, hashes all right."""
        i, added = self.place(rng), self.new(rng, 1)
        self.insert(added)
        self.plant(self.ids[:i] + [added[0][0]["id"]] + self.ids[i:], self.ledger.hashes[:i] + [scribe.leaf_hash(added[0][1])] + self.ledger.hashes[i:], i)
        return self.checkpoint_below(i), i

    def slipped_in(self, rng):
        """Evidence that the ledger never saw, of last month."""
        added = self.new(rng, 1)
        self.insert(added)
        self.do("evidence", f"UPDATE kep.evidence SET recorded_at = recorded_at - interval '30 days' WHERE id = {text(added[0][0]['id'])}")
        return len(self.ids), len(self.ids)

    def replaced(self, rng):
        """Another evidence in the place of one, and every hash made again."""
        i, other = self.place(rng), self.new(rng, 1)
        self.do("evidence", f"DELETE FROM kep.evidence WHERE id = {text(self.ids[i])}")
        self.insert(other)
        hashes = self.ledger.hashes[:i] + [scribe.leaf_hash(other[0][1])] + self.ledger.hashes[i + 1:]
        self.plant(self.ids[:i] + [other[0][0]["id"]] + self.ids[i + 1:], hashes, i)
        return self.checkpoint_below(i), i

    def time_changed(self, rng):
        i = self.place(rng)
        stamp = rng.choice(self.stamped)
        size = rng.choice(self.sizes)
        column, lowest = rng.choice([("event_time = event_time - interval '1 second'", i), ("event_time = event_time + interval '1 microsecond'", i),
                                     ("recorded_at = recorded_at - interval '1 day'", i), ("recorded_at = recorded_at + interval '1 day'", i),
                                     ("event_time = 'infinity'", i), ("event_time = '-infinity'", i), ("recorded_at = 'infinity'", i), ("recorded_at = '-infinity'", i),
                                     ("retain_until = event_time + interval '19 years'", i), ("body", i), ("stamp", stamp - 1), ("checkpoint", None)])
        if column == "body":
            octets = self.ledger.bodies[i]
            at = octets.index(b'"event_time":"') + 14 + rng.choice([3, 6, 9, 12, 15, 18, 22])
            self.body(i, octets[:at] + bytes([48 + (octets[at] - 47) % 10]) + octets[at + 1:])
        elif column == "stamp":
            self.do("stamp", f"UPDATE kep.stamp SET gen_time = gen_time - interval '1 hour' WHERE size = {stamp}")
        elif column == "checkpoint":
            self.do("checkpoint", f"UPDATE kep.checkpoint SET at = at - interval '1 day' WHERE size = {size}")
            lowest = max((s for s in self.sizes if s < size), default=0)
        else:
            self.do("evidence", f"UPDATE kep.evidence SET {column} WHERE id = {text(self.ids[i])}", self.ids[i])
        return lowest, lowest

    def column_changed(self, rng):
        """What an auditor reads, beside what is proved."""
        i = self.place(rng)
        column = rng.choice(["outcome = 'E.1'", "kep_id = gen_random_uuid()", "recipient_index = 2", "previous = gen_random_uuid()"])
        self.do("evidence", f"UPDATE kep.evidence SET {column} WHERE id = {text(self.ids[i])}", self.ids[i])
        return i, i

    def message_changed(self, rng):
        """What is recorded of a message or a recipient, beside its evidence."""
        i = rng.choice([i for i, b in enumerate(self.ledger.bodies) if b'"outcome":"A.1"' in b])
        table, change = rng.choice([("message", "sent_at = sent_at - interval '1 minute'"), ("message", "sha256 = sha256(sha256)"), ("message", "sender = 'x' || sender"),
                                    ("message", "size = size + 1"), ("message", "message_id = '<x@y>'"), ("recipient", "address = 'x' || address")])
        self.do(table, f"UPDATE kep.{table} SET {change} WHERE kep_id = (SELECT kep_id FROM kep.evidence WHERE id = {text(self.ids[i])})")
        return i, i

    def removed_too_early(self, rng):
        """The octets gone as if their 20 years were over."""
        i = self.place(rng)
        self.do("evidence", f"UPDATE kep.evidence SET body = NULL, pruned_by = gen_random_uuid() WHERE id = {text(self.ids[i])}", self.ids[i])
        return i, i

    def old_backup(self, rng):
        """All of it as it was once: nothing in it is wrong."""
        size = rng.choice([s for s in range(1, len(self.ids)) if s not in self.sizes[-1:]])
        self.cut(size)
        return size, size

    def stale_standby(self, rng):
        """A standby that had not heard of the last part was promoted, and went on with the real keys."""
        size = self.late_place(rng)
        grown = self.new(rng, rng.randrange(1, 2 * (len(self.ids) - size) + 1))
        self.cut(size)
        self.insert(grown)
        hashes = self.ledger.hashes[:size] + [scribe.leaf_hash(b) for _, b in grown]
        self.plant(self.ids[:size] + [e["id"] for e, _ in grown], hashes, size)
        self.sign(scribe.Ledger(self.vault.keys, self.ledger.bodies[:size] + [b for _, b in grown]), len(hashes))
        return self.checkpoint_below(size), max(size, len(hashes))

    def fork(self, rng):
        """One evidence changed, every hash made again, and signed with the real keys."""
        i = self.place(rng)
        bodies = list(self.ledger.bodies)
        bodies[i] = bodies[i].replace(b"250 2.0.0 Saved", b"550 5.0.0 No   ", 1)
        other = scribe.Ledger(self.vault.keys, bodies)
        self.body(i, bodies[i])
        self.plant(self.ids, other.hashes, i)
        self.do("checkpoint stamp cosignature", f"DELETE FROM kep.cosignature WHERE size > {i}; DELETE FROM kep.stamp WHERE size > {i}; DELETE FROM kep.checkpoint WHERE size > {i}")
        self.sign(other, len(bodies))
        return self.checkpoint_below(i), i

    def checkpoint_forged(self, rng):
        size = rng.choice(self.sizes)
        other = rng.choice([s for s in self.sizes if s != size])
        self.do("checkpoint", rng.choice([
            f"UPDATE kep.checkpoint SET note = set_byte(note, octet_length(note) - 20, get_byte(note, octet_length(note) - 20) # 1) WHERE size = {size}",
            f"UPDATE kep.checkpoint SET cms = set_byte(cms, octet_length(cms) - 8, get_byte(cms, octet_length(cms) - 8) # 4) WHERE size = {size}",
            f"UPDATE kep.checkpoint SET root = sha256(root) WHERE size = {size}",
            f"UPDATE kep.checkpoint SET cms = (SELECT cms FROM safe.checkpoint WHERE size = {other}) WHERE size = {size}",
            f"UPDATE kep.checkpoint SET note = (SELECT note FROM safe.checkpoint WHERE size = {other}) WHERE size = {size}",
        ]))
        lowest = max((s for s in self.sizes if s < size), default=0)
        return lowest, lowest

    def stamp_forged(self, rng):
        """A stranger's, another checkpoint's, or one bit of it."""
        size = rng.choice(self.stamped)
        other = rng.choice([s for s in self.stamped if s != size])
        way = rng.randrange(4)
        if way == 0:
            token = self.vault.keys.stamp(self.ledger.text(size), by=scribe.Certificate(self.vault.keys.dir + "/tsa/stranger"))
        elif way == 1:
            token = None
        elif way == 2:
            token = self.vault.keys.stamp(self.ledger.text(size), at=time.time() - 3600)   # a real one, of another hour
        else:
            token = b""
        new = {None: f"(SELECT token FROM safe.stamp WHERE size = {other})",
               b"": "set_byte(token, octet_length(token) - 12, get_byte(token, octet_length(token) - 12) # 32)"}.get(token) or hexed(token)
        self.do("stamp", f"UPDATE kep.stamp SET token = {new} WHERE size = {size}")
        return size - 1, size - 1

    def cosignature_forged(self, rng):
        """Another checkpoint's, or one bit of it."""
        size = rng.choice(self.stamped)
        other = rng.choice([s for s in self.stamped if s != size])
        line = self.sql(f"SELECT line FROM safe.cosignature WHERE size = {size}")
        head, octets = line.rsplit(" ", 1)
        octets = bytearray(base64.b64decode(octets))
        octets[rng.randrange(4, len(octets))] ^= 1 << rng.randrange(8)
        new = rng.choice([f"(SELECT line FROM safe.cosignature WHERE size = {other})", text(f"{head} {base64.b64encode(octets).decode()}")])
        self.do("cosignature", f"UPDATE kep.cosignature SET line = {new} WHERE size = {size}")
        return size - 1, size - 1


WAYS = [name for name in vars(Forger) if not name.startswith("_") and name not in
        ("close", "undo", "do", "checkpoint_below", "body", "new", "insert", "plant", "cut", "sign", "place", "late_place")]


def places(way, n, seed):
    """n generators, each for one place; the same for the same seed."""
    return [random.Random(f"{seed} {way} {i}") for i in range(n)]
