-- Two sessions at once: leases of the outbox, the same write twice, notifications.
-- Their rows must be committed, so this file is no transaction.
SELECT no_plan();
SELECT tap.house();
SELECT tap.accept(tap.message('T' || n, 'ayse@hs01.kep.test', '{ali@hs01.kep.test}'), tap.id(n)) FROM generate_series(1, 6) AS n;
SELECT is(tap.publish(), 6::bigint, 'a checkpoint covers them');
CREATE FUNCTION pg_temp.here() RETURNS text LANGUAGE sql AS $$ SELECT format('host=%s dbname=%s user=kep_policyd', current_setting('unix_socket_directories'), current_database()) $$;
SELECT tap.dblink_connect('mx1', pg_temp.here()), tap.dblink_connect('mx2', pg_temp.here());
SELECT tap.dblink_exec('mx1', 'BEGIN'), tap.dblink_exec('mx2', 'BEGIN');
SELECT tap.dblink_exec('mx2', 'SET lock_timeout = 1000');
CREATE TEMP TABLE a AS SELECT * FROM tap.dblink('mx1', 'SELECT evidence_id FROM kep.outbox_take(''mx1'', 4, ''1 minute'')') AS t (id uuid);
CREATE TEMP TABLE b AS SELECT * FROM tap.dblink('mx2', 'SELECT evidence_id FROM kep.outbox_take(''mx2'', 4, ''1 minute'')') AS t (id uuid);
SELECT is((SELECT count(*) FROM a), 4::bigint, 'one host takes four');
SELECT is((SELECT count(*) FROM b), 2::bigint, 'the other, not waiting, the other two');
SELECT is_empty('SELECT id FROM a INTERSECT SELECT id FROM b', 'never the same');
SELECT tap.dblink_exec('mx1', 'ROLLBACK'), tap.dblink_exec('mx2', 'COMMIT');
SELECT is((SELECT n FROM tap.dblink('mx2', 'SELECT count(*) FROM kep.outbox_take(''mx2'', 9, ''1 minute'')') AS t (n bigint)), 4::bigint, 'what a dying host had taken comes back');

-- The same evidence from two sessions at once: one is written, the other gets its id.
CREATE TEMP TABLE m AS SELECT kep_id AS id FROM kep.message WHERE queue_id = 'T1';
SELECT tap.dblink_exec('mx1', 'BEGIN');
CREATE FUNCTION pg_temp.ask(n int) RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT evidence_id, inserted FROM kep.hop_result(%L, 1, ''D.1'', '''', '''', %L, ''2026-11-23 10:00Z'', %L, NULL)', id, tap.id(n), tap.body(id, tap.id(n), 1, 'D.1', '2026-11-23 10:00Z')) FROM m $$;
SELECT is((SELECT t::text FROM tap.dblink('mx1', pg_temp.ask(11)) AS t (id uuid, inserted boolean)), (tap.id(11), true)::text, 'the first writes');
SELECT tap.dblink_send_query('mx2', pg_temp.ask(12));
SELECT pg_sleep(0.2);
SELECT is(tap.dblink_is_busy('mx2'), 1, 'the second waits for it');
SELECT tap.dblink_exec('mx1', 'COMMIT');
SELECT is((SELECT t::text FROM tap.dblink_get_result('mx2') AS t (id uuid, inserted boolean)), (tap.id(11), false)::text, 'and gets what was written');
SELECT * FROM tap.dblink_get_result('mx2') AS t (id uuid, inserted boolean);

-- Likewise a submission whose answer was lost and that is asked again over another connection.
SELECT tap.rcpt('W', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}');
CREATE FUNCTION pg_temp.submit(n int) RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT why, kep_id FROM kep.submit(%L, ''mx1'', ''W'', ''ayse@hs01.kep.test'', ''l'', ''c'', ''{ali@hs01.kep.test}'', ''f'', ''m'', 1, 1, sha256(''a''), sha512(''a''), ''{"identity": "10000000146"}'')', tap.id(n)) $$;
SELECT tap.dblink_exec('mx1', 'BEGIN');
SELECT is((SELECT t::text FROM tap.dblink('mx1', pg_temp.submit(21)) AS t (why text, id uuid)), ('accepted', tap.id(21))::text, 'the first writes');
SELECT tap.dblink_send_query('mx2', pg_temp.submit(22));
SELECT pg_sleep(0.2);
SELECT tap.dblink_exec('mx1', 'COMMIT');
SELECT is((SELECT t::text FROM tap.dblink_get_result('mx2') AS t (why text, id uuid)), ('accepted', tap.id(21))::text, 'the second gets its id');
SELECT * FROM tap.dblink_get_result('mx2') AS t (why text, id uuid);

-- NOTIFY comes with evidence, with a checkpoint that covers it and with a change of the directory.
SELECT tap.dblink_exec('mx1', 'LISTEN kep_outbox'), tap.dblink_exec('mx1', 'LISTEN kep_ledger'), tap.dblink_exec('mx1', 'LISTEN kep_directory');
SELECT tap.accept(tap.message('N', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}'), tap.id(31));
SELECT tap.publish();
SELECT kep.account_suspend('veli@hs01.kep.test', 'x');
SELECT pg_sleep(0.2);
SELECT results_eq('SELECT notify_name FROM tap.dblink_get_notify(''mx1'') ORDER BY 1', $$ VALUES ('kep_directory'), ('kep_ledger'), ('kep_outbox') $$, 'all are told');
SELECT * FROM finish();
