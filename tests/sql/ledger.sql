-- The ledger: indices, tiles, roots, checkpoints, stamps, cosignatures.
SELECT no_plan();
SELECT tap.house();

UPDATE kep.ledger_state SET partition_size = 1000;
SELECT ok((SELECT held AND size = 0 AND root = sha256('') AND added = 0 AND NOT more FROM kep.ledger_extend('mx1', '1 minute', 100)), 'an empty ledger has the root of RFC 6962');
SELECT tap.evidence(1, 1);
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 100)), '(1,1,f)', 'the first leaf');
SELECT is((SELECT root FROM kep.ledger_state), sha256('\x00' || convert_to('{"n":"1"}', 'UTF8')), 'is its own root');
SELECT tap.evidence(2, 300);
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 254)), '(255,254,t)', 'not more at once than asked');
SELECT is(tap.wrong(), '', 'tiles and root are those of the reference');
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 1)), '(256,1,t)', 'a tile is full');
SELECT is(tap.wrong(), '', 'tiles and root are those of the reference');
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 100)), '(300,44,f)', 'and the next one begins');
SELECT is(tap.wrong(), '', 'tiles and root are those of the reference');
SELECT is((SELECT kep.ledger_root(n) = tap.reference(n) FROM generate_series(0, 300, 7) AS n ORDER BY 1 LIMIT 1), true, 'all former roots can be had from the tiles');
SELECT tap.evidence(301, 3000);
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 10000)), '(3000,2700,f)', 'many at once');
SELECT is(tap.wrong(), '', 'tiles and root are those of the reference');
SELECT results_eq('SELECT tableoid::regclass::text, count(*) FROM kep.leaf GROUP BY 1 ORDER BY 1', $$ VALUES ('kep.leaf_0', 1000::bigint), ('kep.leaf_1000', 1000), ('kep.leaf_2000', 1000) $$, 'in partitions');

-- Over more than one level, in steps of any size.
SELECT tap.evidence(3001, 70000);
SELECT count(*) FROM generate_series(1, 40) AS n, kep.ledger_extend('mx1', '1 minute', n * 37) \g /dev/null
SELECT is(tap.wrong(), '', 'odd steps');
SELECT is((SELECT (size, more)::text FROM kep.ledger_extend('mx1', '1 minute', 100000)), '(70000,f)', 'a great step');
SELECT is(tap.wrong(true), '', 'tiles and root are those of the reference');
SELECT is((SELECT string_agg(level || ':' || count, ' ' ORDER BY level) FROM (SELECT level, count(*) FROM kep.tile GROUP BY level) AS c), '0:274 1:2 2:1', 'on three levels');
SELECT is((SELECT bool_and(kep.ledger_root(n) = tap.reference(n)) FROM unnest('{0,1,2,255,256,257,511,512,65535,65536,65537,69999}'::bigint[]) AS n), true, 'former roots at the edges of tiles');
SELECT throws_ok('SELECT kep.ledger_root(70145)', 'KE110', NULL, 'no root of a size beyond the tiles');

-- Rows that came with a restore, of transactions this cluster did not see yet.
SELECT tap.evidence(70001, 70003, '900000000000');
SELECT is((SELECT (size, added)::text FROM kep.ledger_extend('mx1', '1 minute', 2)), '(70002,2)', 'restored evidence is found by comparison');
SELECT is((SELECT (size, added)::text FROM kep.ledger_extend('mx1', '1 minute', 2)), '(70003,1)', 'until nothing is missing');
SELECT is((SELECT (cursor_txid < pg_current_xact_id(), foreign_txid)::text FROM kep.ledger_state), '(t,900000000000)', 'the cursor stands where this cluster is');
SELECT tap.evidence(70004, 70008);
SELECT is((SELECT (size, added)::text FROM kep.ledger_extend('mx1', '1 minute', 2)), '(70005,2)', 'new evidence follows in the usual way');
SELECT is((SELECT (size, added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 4)), '(70008,3,f)', 'all of it');
UPDATE kep.ledger_state SET cursor_txid = '0';
SELECT is((SELECT (added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 50000)), '(0,t)', 'what may be a leaf already is looked up');
SELECT is((SELECT (added, more)::text FROM kep.ledger_extend('mx1', '1 minute', 50000)), '(0,f)', 'and never becomes one twice');
SELECT is(tap.wrong(true), '', 'tiles and root are those of the reference');

-- Tiles for proofs.
SELECT results_eq($$ SELECT level, number, octet_length(hashes) FROM kep.ledger_tiles(70000, '{0,0,1,1,2,3}', '{0,273,0,1,0,0}') ORDER BY 1, 2 $$,
	$$ VALUES (0, 0::bigint, 8192), (0, 273, 3840), (1, 0, 8192), (1, 1, 544), (2, 0, 32) $$, 'the tiles that are there');
SELECT throws_ok('SELECT * FROM kep.ledger_tiles(70009, ''{0}'', ''{0}'')', 'KE110', NULL, 'not for a size that is not reached');

-- Checkpoints.
CREATE FUNCTION pg_temp.try_checkpoint(owner text, size bigint, root bytea, note bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN kep.checkpoint_add(owner, size, root, note, 'cms')::text;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE TEMP TABLE r AS SELECT n AS size, kep.ledger_root(n) AS root FROM unnest('{69000,70000,70008}'::bigint[]) AS n;
SELECT is_empty('SELECT * FROM kep.checkpoint_last()', 'no checkpoint yet');
SELECT is(pg_temp.try_checkpoint('mx2', size, root, tap.note(size, root)), 'false', 'not by a host without the lease') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', size, sha256('x'), tap.note(size, sha256('x'))), 'KE112', 'not with another root') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', size - 1, root, tap.note(size - 1, root)), 'KE112', 'not with the root of another size') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', 70009, root, tap.note(70009, root)), 'KE112', 'not of a size that is not reached') FROM r WHERE size = 70008;
SELECT is(pg_temp.try_checkpoint('mx1', 0, sha256(''), tap.note(0, sha256(''))), '23514', 'not of nothing');
SELECT is(pg_temp.try_checkpoint('mx1', size, root, note), 'KE111', 'not with a note that says ' || what) FROM r, LATERAL (VALUES
	('another size', tap.note(69999, root)), ('another root', tap.note(size, sha256('x'))), ('nothing', ''),
	('more lines', convert_to(format(E'o\n%s\n%s\nextra\n\n', size, encode(root, 'base64')), 'UTF8'))) AS v (what, note) WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', size, root, '\xff'), '22021', 'not with a note that is no UTF-8') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', size, root, tap.note(size, root)), 'true', 'a good one') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', size, root, tap.note(size, root)), 'true', 'once more') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx2', size, root, tap.note(size, root)), 'true', 'by anybody, as it is there') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', size, root, convert_to(convert_from(tap.note(size, root), 'UTF8') || 'x', 'UTF8')), 'false', 'not another note of the same size') FROM r WHERE size = 70000;
SELECT is(pg_temp.try_checkpoint('mx1', size, root, tap.note(size, root)), 'false', 'not an older one') FROM r WHERE size = 69000;
UPDATE kep.ledger_state SET lease_until = now() - interval '1 s';
SELECT is(pg_temp.try_checkpoint('mx1', size, root, tap.note(size, root)), 'false', 'not when the lease is over') FROM r WHERE size = 70008;
SELECT is((SELECT (held, added)::text FROM kep.ledger_extend('mx2', '1 minute', 1)), '(t,0)', 'another host takes the lease');
SELECT is((SELECT (held, size, added)::text FROM kep.ledger_extend('mx1', '1 minute', 1)), '(f,70008,0)', 'and the first one has to wait');
SELECT is(pg_temp.try_checkpoint('mx1', size, root, tap.note(size, root)), 'false', 'and signs no more') FROM r WHERE size = 70008;
SELECT is(pg_temp.try_checkpoint('mx2', size, root, tap.note(size, root)), 'true', 'but the other') FROM r WHERE size = 70008;
SELECT is((SELECT (c.size = r.size AND c.root = r.root AND c.note = tap.note(r.size, r.root)) FROM kep.checkpoint_last() AS c, r WHERE r.size = 70008), true, 'the last one');
SELECT results_eq('SELECT size, origin, host FROM kep.checkpoints ORDER BY size', $$ VALUES (70000::bigint, 'hs01.kep.test/kep', 'mx1'), (70008, 'hs01.kep.test/kep', 'mx2') $$, 'the auditor sees both');

-- Stamps and cosignatures.
SELECT results_eq('SELECT size FROM kep.stamp_wanted(''http://a'', 9)', 'VALUES (70008::bigint), (70000)', 'both want a stamp, the newest first');
SELECT is(kep.stamp_add(70000, 'http://a', 'token', now(), '1.2.3', '0a', '{"\\x01","\\x0203"}', NULL), true, 'one gets it');
SELECT is(kep.stamp_add(70000, 'http://a', 'other', now(), '1.2.3', '0b', '{}', '{}'), false, 'once');
SELECT is((SELECT (token, serial, chain, revocation)::text FROM kep.stamps WHERE tsa = 'http://a'), '("\\x746f6b656e",0a,"{""\\\\x01"",""\\\\x0203""}",{})', 'as it was given');
SELECT results_eq('SELECT size FROM kep.stamp_wanted(''http://a'', 9)', 'VALUES (70008::bigint)', 'those behind it remain');
SELECT results_eq('SELECT size FROM kep.stamp_wanted(''http://b'', 1)', 'VALUES (70008::bigint)', 'of another authority only the newest');
SELECT is(tap.try('kep_policyd', 'SELECT kep.stamp_add(7, ''http://a'', ''t'', now(), ''1'', ''1'', ''{}'', ''{}'')'), 'KE113', 'no stamp on no checkpoint');
SELECT is(tap.try('kep_policyd', 'SELECT kep.stamp_add(70000, ''http://c'', ''t'', now(), ''1'', ''1'', ''{}'', ''{}'')'), 'ok', 'policyd may add one');
SELECT is(tap.try('kep_policyd', 'SELECT kep.cosignature_add(70000, ''v'', ''\x01020304'', ''line'')'), 'ok', 'and a cosignature');
SELECT results_eq('SELECT size, old FROM kep.witness_wanted(''w'', 1)', 'VALUES (70008::bigint, 0::bigint)', 'a witness has seen nothing');
SELECT is(kep.cosignature_add(70000, 'w', '\x01020304', '— w AQIDBA=='), true, 'it signs');
SELECT is(kep.cosignature_add(70000, 'w', '\x01020304', '— w AQIDBA=='), false, 'once');
SELECT results_eq('SELECT size, old FROM kep.witness_wanted(''w'', 1)', 'VALUES (70008::bigint, 70000::bigint)', 'and wants a proof from there');
SELECT is(kep.cosignature_add(70008, 'w', '\x01020304', '— w AQIDBA=='), true, 'it signs again');
SELECT is_empty('SELECT * FROM kep.witness_wanted(''w'', 1)', 'and has seen all');

-- Partitions are there before they are needed, and none waits for a reader.
SELECT tap.dblink_connect('reader', 'dbname=' || current_database() || ' host=' || current_setting('unix_socket_directories') || ' user=postgres');
SELECT tap.dblink_exec('reader', 'BEGIN');
SELECT is((SELECT n FROM tap.dblink('reader', 'SELECT count(*) FROM kep.leaf') AS t (n bigint)), 70008::bigint, 'a reader in the middle');
SET lock_timeout = '2s';
SELECT cmp_ok(kep.ledger_partitions(90), '>', 0, 'partitions are made');
RESET lock_timeout;
SELECT tap.dblink_exec('reader', 'COMMIT');
SELECT is((SELECT partitioned FROM kep.ledger_state), 161000::bigint, 'enough for ninety partitions more');
SELECT is(kep.ledger_partitions(90), 0, 'and no more than that');
SELECT is_empty($$ SELECT i.inhrelid::regclass FROM pg_inherits AS i WHERE i.inhparent = 'kep.leaf'::regclass AND (NOT EXISTS (SELECT FROM pg_trigger AS t
	WHERE t.tgrelid = i.inhrelid AND t.tgname = 'append_only' AND t.tgenabled = 'A') OR NOT (SELECT relforcerowsecurity FROM pg_class WHERE oid = i.inhrelid)) $$, 'each locked like the whole');
SET session_replication_role = replica;
SELECT is(tap.try('postgres', w || ' kep.leaf_1000' || x), 'KE100', w || ' a partition') FROM (VALUES ('DELETE FROM', ''), ('TRUNCATE', ''), ('UPDATE', ' SET hash = hash')) AS v (w, x);
RESET session_replication_role;
SELECT throws_ok('INSERT INTO kep.leaf_1000 VALUES (1, tap.id(1), sha256(''x''))', '23514', NULL, 'a partition holds its own indices');
SELECT throws_ok('INSERT INTO kep.leaf VALUES (1999, tap.id(1500), sha256(''x''))', '23505', NULL, 'an index is there once');
SELECT * FROM finish();
