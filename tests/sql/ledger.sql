-- The ledger: indices, tiles, roots, checkpoints, stamps, cosignatures.
SELECT no_plan();
SELECT tap.house();

-- The tree of RFC 6962, section 2.1, word for word.
CREATE FUNCTION pg_temp.mth(hashes bytea[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	n int := cardinality(hashes);
	k int := 1;
BEGIN
	IF n = 0 THEN RETURN sha256(''); END IF;
	IF n = 1 THEN RETURN hashes[1]; END IF;
	WHILE k * 2 < n LOOP k := k * 2; END LOOP;
	RETURN sha256('\x01' || pg_temp.mth(hashes[:k]) || pg_temp.mth(hashes[k + 1:]));
END $$;
CREATE FUNCTION pg_temp.reference(size bigint) RETURNS bytea LANGUAGE sql AS $$
	SELECT pg_temp.mth(coalesce((SELECT array_agg(sha256('\x00' || e.body) ORDER BY l.index) FROM kep.leaf AS l JOIN kep.evidence AS e ON e.id = l.evidence_id WHERE l.index < size), '{}')) $$;

-- Evidence without the ceremony of a message; txid null: this transaction's.
CREATE FUNCTION pg_temp.evidence(a int, b int, txid xid8 DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until, txid)
	SELECT tap.id(n), tap.id(n), 0, 'A.1', now(), body, sha256(body), now() + interval '20 years', coalesce(evidence.txid, pg_current_xact_id())
	  FROM (SELECT n, convert_to(format('{"n":"%s"}', n), 'UTF8') AS body FROM generate_series(a, b) AS n) AS v $$;
CREATE FUNCTION pg_temp.whole() RETURNS boolean LANGUAGE sql AS $$
	SELECT s.size = (SELECT count(*) FROM kep.leaf) AND s.size = coalesce((SELECT max(index) + 1 FROM kep.leaf), 0) AND s.root = pg_temp.reference(s.size) FROM kep.ledger_state AS s $$;
CREATE FUNCTION pg_temp.note(size bigint, root bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT convert_to(format(E'hs01.kep.test/kep\n%s\n%s\n\n— hs01.kep.test/kep AAAA\n', size, encode(root, 'base64')), 'UTF8') $$;

UPDATE kep.ledger_state SET partition_size = 1000;
SELECT ok((SELECT held AND size = 0 AND root = sha256('') AND added = 0 AND NOT more FROM kep.ledger_extend('mx1', '1 minute', 100)), 'an empty ledger has the root of RFC 6962');
SELECT pg_temp.evidence(1, 1);
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 100)), '(1,1,f)', 'the first leaf');
SELECT is((SELECT root FROM kep.ledger_state), sha256('\x00' || convert_to('{"n":"1"}', 'UTF8')), 'is its own root');
SELECT pg_temp.evidence(2, 300);
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 254)), '(255,254,t)', 'not more at once than asked');
SELECT ok(pg_temp.whole(), 'the root is that of the reference');
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 1)), '(256,1,t)', 'a tile is full');
SELECT ok(pg_temp.whole(), 'the root is that of the reference');
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 100)), '(300,44,f)', 'and the next one begins');
SELECT ok(pg_temp.whole(), 'the root is that of the reference');
SELECT is((SELECT kep.ledger_root(n) = pg_temp.reference(n) FROM generate_series(0, 300, 7) AS n ORDER BY 1 LIMIT 1), true, 'all former roots can be had from the tiles');
SELECT pg_temp.evidence(301, 3000);
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 10000)), '(3000,2700,f)', 'many at once');
SELECT ok(pg_temp.whole(), 'the root is that of the reference');
SELECT results_eq('SELECT tableoid::regclass::text, count(*) FROM kep.leaf GROUP BY 1 ORDER BY 1', $$ VALUES ('kep.leaf_0', 1000::bigint), ('kep.leaf_1000', 1000), ('kep.leaf_2000', 1000) $$, 'in partitions');
SELECT * FROM finish();
