-- The archive: volumes, hashes of bodies, archive time-stamps and where they stand.
BEGIN;
SELECT no_plan();
SELECT tap.house();

CREATE FUNCTION pg_temp.checkpoint(n bigint) RETURNS void LANGUAGE sql AS $$
	INSERT INTO kep.checkpoint (size, root, origin, note, cms, host) VALUES (n, sha256(n::text::bytea), 'o', 'n', 'c', 'mx1');
	INSERT INTO kep.stamp (size, tsa, token, gen_time, policy, serial, chain, revocation) VALUES (n, 'http://tsa', 't', '2026-01-01', '1.2', '01', '{}', '{}') $$;
CREATE FUNCTION pg_temp.stamp(kind text, digest text, at timestamptz, volumes bigint[], leaves bytea[] DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	SELECT kep.archive_stamp_add(kind, digest, 'root', 'http://tsa', 'token', at, at + interval '5 years', 'sha256 ec256', '{}', NULL, volumes,
	       coalesce(leaves, ARRAY(SELECT substr(sha512(v::text::bytea), 1, kep.archive_size(digest)) FROM unnest(volumes) AS v))) $$;
CREATE FUNCTION pg_temp.hashes(n int, digest text) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(repeat('ab', n * kep.archive_size(digest)), 'hex') $$;
SELECT pg_temp.checkpoint(10), pg_temp.checkpoint(25);

-- Volumes.
SELECT throws_ok($$ SELECT kep.archive_volume_add(1, 5, 10, 'http://tsa') $$, 'KE130', NULL, 'the first volume begins with leaf 0');
SELECT throws_ok($$ SELECT kep.archive_volume_add(0, 11, 10, 'http://tsa') $$, '23514', NULL, 'a volume ends below its checkpoint');
SELECT throws_ok($$ SELECT kep.archive_volume_add(0, 10, 11, 'http://tsa') $$, 'KE133', NULL, 'there is no such checkpoint');
SELECT throws_ok($$ SELECT kep.archive_volume_add(0, 10, 10, 'http://other') $$, 'KE133', NULL, 'nor one with such a time-stamp');
SELECT is(kep.archive_volume_add(0, 6, 10, 'http://tsa'), 0::bigint, 'the first one');
SELECT is(kep.archive_volume_add(0, 6, 10, 'http://tsa'), 0::bigint, 'the same again');
SELECT throws_ok($$ SELECT kep.archive_volume_add(0, 7, 10, 'http://tsa') $$, 'KE130', NULL, 'not otherwise');
SELECT throws_ok($$ SELECT kep.archive_volume_add(7, 3, 10, 'http://tsa') $$, 'KE130', NULL, 'no gap');
SELECT is(kep.archive_volume_add(6, 4, 10, 'http://tsa'), 1::bigint, 'the next one');
SELECT is(kep.archive_volume_add(10, 15, 25, 'http://tsa'), 2::bigint, 'and the next');

-- Hashes.
SELECT throws_ok($$ SELECT kep.archive_hashes_add(0, 0, 'sha256', pg_temp.hashes(5, 'sha256')) $$, 'KE131', NULL, 'one hash a leaf');
SELECT throws_ok($$ SELECT kep.archive_hashes_add(9, 0, 'sha256', pg_temp.hashes(5, 'sha256')) $$, 'KE131', NULL, 'no such volume');
SELECT throws_ok($$ SELECT kep.archive_hashes_add(0, 0, 'sha1', pg_temp.hashes(6, 'sha256')) $$, 'KE131', NULL, 'no such digest');
SELECT throws_ok($$ SELECT kep.archive_hashes_add(0, 1, 'sha256', pg_temp.hashes(6, 'sha256')) $$, 'KE131', NULL, 'no second chain before the first');
SELECT kep.archive_hashes_add(v, 0, 'sha256', pg_temp.hashes(n, 'sha256')) FROM (VALUES (0, 6), (1, 4), (2, 15)) AS x (v, n);
SELECT kep.archive_hashes_add(0, 0, 'sha256', decode(repeat('cd', 6 * 32), 'hex'));
SELECT is((SELECT hashes FROM kep.archive_hash_lists WHERE volume = 0), pg_temp.hashes(6, 'sha256'), 'what is there stays');

-- Archive time-stamps.
SELECT throws_ok($$ SELECT pg_temp.stamp('stamp', 'sha256', '2027-01-01', '{0}') $$, 'KE132', NULL, 'no renewal of nothing');
SELECT throws_ok($$ SELECT pg_temp.stamp('tree', 'sha256', '2027-01-01', '{0}') $$, 'KE132', NULL, 'nor of the tree');
SELECT throws_ok($$ SELECT pg_temp.stamp('first', 'sha512', '2027-01-01', '{0}') $$, 'KE132', NULL, 'not with another digest');
SELECT throws_ok($$ SELECT pg_temp.stamp('first', 'sha256', '2027-01-01', '{}') $$, 'KE132', NULL, 'not for no volume');
SELECT throws_ok($$ SELECT pg_temp.stamp('first', 'sha256', '2027-01-01', '{0,7}') $$, 'KE132', NULL, 'all or none');
SELECT throws_ok($$ SELECT pg_temp.stamp('first', 'sha256', '2027-01-01', '{0,1}', ARRAY[sha256('1')]) $$, 'KE132', NULL, 'a leaf for each');
SELECT throws_ok($$ SELECT pg_temp.stamp('first', 'sha256', '2027-01-01', '{0}', ARRAY[sha512('1')]) $$, 'KE132', NULL, 'of the size of the digest');
SELECT throws_ok($$ SELECT pg_temp.stamp('first', 'sha256', '2027-01-01', '{0,0}') $$, '23505', NULL, 'no volume twice');
SELECT is(pg_temp.stamp('first', 'sha256', '2027-01-01', '{1,0}'), 0::bigint, 'two volumes under one time-stamp');
SELECT throws_ok($$ SELECT pg_temp.stamp('first', 'sha256', '2027-01-01', '{0}') $$, 'KE132', NULL, 'a volume begins once');
SELECT is(pg_temp.stamp('first', 'sha256', '2027-02-01', '{2}'), 1::bigint, 'the third one');
SELECT throws_ok($$ SELECT pg_temp.stamp('stamp', 'sha512', '2028-01-01', '{0}') $$, 'KE132', NULL, 'a renewal has the digest of its chain');
SELECT throws_ok($$ SELECT pg_temp.stamp('stamp', 'sha256', '2026-12-31', '{0}') $$, 'KE132', NULL, 'and is not older');
SELECT is(pg_temp.stamp('stamp', 'sha256', '2028-01-01', '{0,1,2}'), 2::bigint, 'a renewal of all');
SELECT throws_ok($$ SELECT pg_temp.stamp('tree', 'sha512', '2029-01-01', '{0}') $$, 'KE132', NULL, 'no new chain without hashes');
SELECT kep.archive_hashes_add(v, 1, 'sha512', pg_temp.hashes(n, 'sha512')) FROM (VALUES (0, 6), (1, 4)) AS x (v, n);
SELECT throws_ok($$ SELECT pg_temp.stamp('tree', 'sha256', '2029-01-01', '{0}') $$, 'KE132', NULL, 'a new chain has the digest of its hashes');
SELECT throws_ok($$ SELECT pg_temp.stamp('tree', 'sha512', '2027-12-31', '{0}') $$, 'KE132', NULL, 'and is not older');
SELECT is(pg_temp.stamp('tree', 'sha512', '2029-01-01', '{0,1}'), 3::bigint, 'a new chain');
SELECT is(pg_temp.stamp('stamp', 'sha512', '2030-01-01', '{1}'), 4::bigint, 'and its renewal');
SELECT results_eq('SELECT volume, chain, number, stamp, digest FROM kep.archive_volumes ORDER BY volume', $$ VALUES
	(0::bigint, 1, 0, 3::bigint, 'sha512'), (1, 1, 1, 4, 'sha512'), (2, 0, 1, 2, 'sha256') $$, 'the newest of each volume');
SELECT results_eq('SELECT volume, position FROM kep.archive_members WHERE stamp = 0 ORDER BY position', $$ VALUES (1::bigint, 0), (0, 1) $$, 'positions are the order given');
SELECT results_eq('SELECT stamp, kind FROM kep.archive_stamps ORDER BY stamp', $$ VALUES (0::bigint, 'first'), (1, 'first'), (2, 'stamp'), (3, 'tree'), (4, 'stamp') $$, 'all of them');

-- Who may.
SELECT is(tap.try('kep_policyd', $$ SELECT kep.archive_volume_add(25, 1, 25, 'http://tsa') $$), '42501', 'policyd archives nothing');
SELECT is(tap.try('kep_operator', $$ SELECT kep.archive_volume_add(10, 15, 25, 'http://tsa') $$), 'ok', 'the operator does');
SELECT is(tap.try('kep_auditor', 'SELECT * FROM kep.archive_volumes, kep.archive_stamps, kep.archive_members, kep.archive_hash_lists'), 'ok', 'the auditor reads');
SELECT is(tap.try('postgres', 'UPDATE ' || t || ' SET ' || c || ' = ' || c), 'KE100', 'superuser: UPDATE ' || t)
  FROM (VALUES ('kep.archive_volume', 'first'), ('kep.archive_hashes', 'hashes'), ('kep.archive_stamp', 'token'), ('kep.archive_member', 'leaf')) AS v (t, c);
SELECT is(tap.try('postgres', 'DELETE FROM ' || t), 'KE100', 'superuser: DELETE FROM ' || t) FROM unnest('{kep.archive_volume,kep.archive_hashes,kep.archive_stamp,kep.archive_member}'::text[]) AS t;
SELECT * FROM finish();
ROLLBACK;
