-- Sequencers and writers at once: no gaps, nothing twice, nothing left out, whoever dies.
SELECT no_plan();
UPDATE kep.ledger_state SET partition_size = 500;
CREATE FUNCTION pg_temp.here() RETURNS text LANGUAGE sql AS $$ SELECT format('host=%s dbname=%s user=postgres', current_setting('unix_socket_directories'), current_database()) $$;
SELECT tap.dblink_connect(name, pg_temp.here()) FROM unnest('{a,b,mx1,mx2,w1,w2,w3,w4,w5,w6}'::text[]) AS name;
CREATE FUNCTION pg_temp.extend(name text, n int DEFAULT 1000, lease text DEFAULT '1 minute', OUT held boolean, OUT size bigint, OUT added int) LANGUAGE sql AS $$
	SELECT * FROM tap.dblink(name, format('SELECT held, size, added FROM kep.ledger_extend(%L, %L, %s)', name, lease, n)) AS t (held boolean, size bigint, added int) $$;
CREATE FUNCTION pg_temp.run(name text, what text) RETURNS text LANGUAGE sql AS $$ SELECT tap.dblink_exec(name, format('DO $do$ BEGIN PERFORM %s; END $do$', what)) $$;

-- What is still under way is waited for, and what came after it with it.
SELECT tap.dblink_exec('a', 'BEGIN');
SELECT pg_temp.run('a', 'tap.evidence(1, 2)') \g /dev/null
SELECT pg_temp.run('b', 'tap.evidence(3, 4)') \g /dev/null
SELECT is(pg_temp.extend('mx1')::text, '(t,0,0)', 'an older transaction is under way: nothing is taken');
SELECT tap.dblink_exec('a', 'COMMIT');
SELECT is(pg_temp.extend('mx1')::text, '(t,4,4)', 'it ends: all is');
SELECT results_eq('SELECT evidence_id FROM kep.leaf ORDER BY index', 'SELECT tap.id(n) FROM generate_series(1, 4) AS n', 'in the order of the transactions');
SELECT tap.dblink_exec('a', 'BEGIN');
SELECT pg_temp.run('b', 'tap.evidence(5, 5)') \g /dev/null
SELECT pg_temp.run('a', 'tap.evidence(6, 6)') \g /dev/null
SELECT is(pg_temp.extend('mx1')::text, '(t,5,1)', 'what is older than the one under way is taken');
SELECT tap.dblink_exec('a', 'ROLLBACK');
SELECT is(pg_temp.extend('mx1')::text, '(t,5,0)', 'what is rolled back leaves no gap');
SELECT tap.dblink_exec('a', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
SELECT pg_temp.run('a', 'count(*) FROM kep.evidence') \g /dev/null
SELECT pg_temp.run('b', 'tap.evidence(7, 7)') \g /dev/null
SELECT is(pg_temp.extend('mx1')::text, '(t,6,1)', 'a reader holds nothing up');
SELECT tap.dblink_exec('a', 'COMMIT');
-- In the same transaction as evidence: the batch of a daemon.
SELECT tap.dblink_exec('mx1', 'BEGIN');
SELECT pg_temp.run('mx1', 'tap.evidence(8, 8)') \g /dev/null
SELECT is(pg_temp.extend('mx1')::text, '(t,6,0)', 'its own evidence is no leaf before it is committed');
SELECT tap.dblink_exec('mx1', 'COMMIT');
SELECT is(pg_temp.extend('mx1')::text, '(t,7,1)', 'but after');

-- The lease.
SELECT is(pg_temp.extend('mx2')::text, '(f,7,0)', 'the other host must wait');
SELECT is(pg_temp.extend('mx1', 1000, '0 s')::text, '(t,7,0)', 'until the lease is over');
SELECT is(pg_temp.extend('mx2')::text, '(t,7,0)', 'then it has it');
SELECT is(pg_temp.extend('mx1')::text, '(f,7,0)', 'and the first one must wait');
SELECT tap.dblink_exec('mx2', 'BEGIN');
SELECT is(pg_temp.extend('mx2')::text, '(t,7,0)', 'in the middle of its work');
SELECT tap.dblink_exec('mx1', 'SET lock_timeout = 1000');
SELECT is(pg_temp.extend('mx1')::text, '(f,7,0)', 'nobody waits for it');
SELECT tap.dblink_exec('mx2', 'ROLLBACK');
SELECT pg_temp.extend('mx2', 1000, '0 s') \g /dev/null

-- Writers of many sizes, some that change their mind, some slow, against two sequencers that snatch the lease from each other.
CREATE PROCEDURE tap.writer(w int, rounds int) LANGUAGE plpgsql AS $$
DECLARE
	n int := w * 100000;
BEGIN
	FOR i IN 1 .. rounds LOOP
		PERFORM tap.evidence(n, n + i % 7);
		n := n + 7;
		IF i % 10 = w THEN
			PERFORM pg_sleep(0.02);
		END IF;
		IF i % 9 = w THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP;
END $$;
CREATE PROCEDURE tap.sequencer(name text, seconds float) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + seconds * interval '1 s';
	held  boolean;
BEGIN
	WHILE clock_timestamp() < until LOOP
		SELECT e.held INTO held FROM kep.ledger_extend(name, '20 milliseconds', 1 + (random() * 300)::int) AS e;
		IF held AND random() < 0.2 THEN
			PERFORM tap.checkpoint(name);
		END IF;
		IF random() < 0.1 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
		IF NOT held OR random() < 0.2 THEN
			PERFORM pg_sleep(0.03);
		END IF;
	END LOOP;
END $$;
SELECT tap.dblink_send_query('w' || w, format('CALL tap.writer(%s, 400)', w)) FROM generate_series(1, 6) AS w;
SELECT tap.dblink_send_query('mx' || m, format('CALL tap.sequencer(%L, 4)', 'mx' || m)) FROM generate_series(1, 2) AS m;
SELECT is((SELECT status FROM tap.dblink_get_result(name) AS t (status text)), 'CALL', name || ' comes to its end') FROM unnest('{w1,w2,w3,w4,w5,w6,mx1,mx2}'::text[]) AS name;
SELECT status FROM unnest('{w1,w2,w3,w4,w5,w6,mx1,mx2}'::text[]) AS name, tap.dblink_get_result(name) AS t (status text);
SELECT pg_sleep(0.1);
SELECT pg_temp.extend('mx1', 100000) \g /dev/null
SELECT is(tap.wrong(true), '', 'no gap, nothing twice, nothing left out');
SELECT cmp_ok((SELECT size FROM kep.ledger_state), '>', 8000::bigint, 'of thousands');
SELECT is((SELECT count(DISTINCT host) FROM kep.checkpoint), 2::bigint, 'both hosts made checkpoints');
SELECT is((SELECT bool_and(root = tap.reference(size)) FROM (SELECT * FROM kep.checkpoint ORDER BY random() LIMIT 20) AS c), true, 'of the tree as it was');
SELECT is_empty('SELECT FROM (SELECT e.txid, lag(e.txid) OVER (ORDER BY l.index) AS before FROM kep.leaf AS l JOIN kep.evidence AS e ON e.id = l.evidence_id) AS v WHERE txid < before', 'transactions stand in their order');

-- A sequencer killed in the middle, anywhere.
CREATE FUNCTION pg_temp.shot(delay float) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	size_before bigint := (SELECT size FROM kep.ledger_state);
	pid int := (SELECT p FROM tap.dblink('mx1', 'SELECT pg_backend_pid()') AS t (p int));
BEGIN
	PERFORM tap.dblink_send_query('mx1', 'SELECT * FROM kep.ledger_extend(''mx1'', ''1 minute'', 1500)');
	PERFORM pg_sleep(delay);
	PERFORM pg_terminate_backend(pid, 5000);
	PERFORM tap.dblink_disconnect('mx1');
	PERFORM tap.dblink_connect('mx1', pg_temp.here());
	RETURN tap.wrong();
END $$;
SELECT tap.evidence(1000000, 1029999);
SELECT pg_temp.extend('mx1', 1, '1 minute') \g /dev/null
SELECT is(pg_temp.shot(n * 0.004), '', 'shot after ' || n * 4 || ' ms') FROM generate_series(0, 12) AS n;
SELECT cmp_ok((SELECT size FROM kep.ledger_state), '<', (SELECT count(*) FROM kep.evidence), 'not all was done');
SELECT cmp_ok(pg_temp.extend('mx1', 100000)::text, '<>', '', 'the next one goes on');
SELECT is(tap.wrong(true), '', 'no gap, nothing twice, nothing left out');
SELECT * FROM finish();
