-- With a long past behind them the questions asked all day find their rows by index.
SELECT no_plan();
SELECT tap.evidence(1, 60000);
INSERT INTO kep.outbox (evidence_id, recipient, due_at, mail, stored_at, sent_at) SELECT id, 'a@hs01.kep.test', recorded_at, 'mail', recorded_at, recorded_at FROM kep.evidence;
UPDATE kep.ledger_state SET partition_size = 20000;
SELECT is(tap.publish(), 60000::bigint, 'a long past');
UPDATE kep.outbox_gate SET opened = 60000;
VACUUM ANALYZE kep.evidence, kep.outbox, kep.leaf, kep.tile, kep.checkpoint;

-- One transaction after the other, as in life; more than five, so that plans become generic.
CREATE TABLE pg_temp.seen (what text, relation text, scans bigint);
CREATE PROCEDURE pg_temp.day(rounds int) LANGUAGE plpgsql AS $$
DECLARE
	what     text;
	question text;
BEGIN
	FOR n IN 1 .. rounds LOOP
		PERFORM tap.evidence(60000 + n * 10, 60009 + n * 10);
		INSERT INTO kep.outbox (evidence_id, recipient, due_at) SELECT tap.id(i), 'a@hs01.kep.test', 'infinity' FROM generate_series(60000 + n * 10, 60009 + n * 10) AS i;
		COMMIT;
		FOR what, question IN VALUES
			('extend', 'SELECT * FROM kep.ledger_extend(''mx1'', ''1 minute'', 1000)'),
			('checkpoint', 'SELECT tap.checkpoint()'),
			('take', 'SELECT * FROM kep.outbox_take(''mx1'', 4, ''1 minute'')'),
			('take', 'SELECT * FROM kep.outbox_take(''mx1'', 4, ''-1 s'')'),
			('send', 'SELECT kep.outbox_sent(t.evidence_id, t.recipient, ''Q'') FROM kep.outbox_take(''mx1'', 9, ''1 minute'') AS t'),
			('release', 'SELECT kep.outbox_release(''mx1'')'),
			('tiles', 'SELECT * FROM kep.ledger_tiles(60000, ''{0,1}'', ''{234,0}'')'),
			('stamps', 'SELECT * FROM kep.stamp_wanted(''http://a'', 1)'),
			('witnesses', 'SELECT * FROM kep.witness_wanted(''w'', 1)'),
			('last', 'SELECT * FROM kep.checkpoint_last()') LOOP
			EXECUTE question;
			INSERT INTO pg_temp.seen SELECT what, relname, seq_scan FROM pg_stat_xact_user_tables WHERE schemaname = 'kep' AND seq_scan > 0
				AND relname ~ '^(evidence|outbox|leaf_[024]0*)$';
			COMMIT;
		END LOOP;
	END LOOP;
END $$;
CALL pg_temp.day(12);
SELECT is_empty('SELECT what, relation, sum(scans) FROM pg_temp.seen GROUP BY 1, 2', 'no table is read as a whole');
CREATE TEMP TABLE rest AS SELECT * FROM kep.outbox_take('mx1', 1000, '1 minute');
SELECT is((SELECT count(*) FROM kep.outbox WHERE attempts > 0), 120::bigint, 'and all was taken');
SELECT is(tap.wrong(true), '', 'tiles and root are those of the reference');
SELECT cmp_ok((SELECT opened FROM kep.outbox_gate), '>=', 60000::bigint, 'the gate moves on');
SELECT * FROM finish();
