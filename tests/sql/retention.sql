-- Retention: what kep.prune() removes, what it leaves, what a legal hold holds.
SELECT no_plan();
SELECT tap.house();
UPDATE kep.ledger_state SET partition_size = 100;

-- A message of the year 2000 with its evidence and receipt, as they would be found today; n names it.
CREATE FUNCTION pg_temp.old(n int, sender text, rcpt text, event timestamptz, recorded timestamptz, retain timestamptz DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO kep.message (kep_id, host, queue_id, sent_at, sender, login, client, from_address, message_id, size, canonical, sha256, sha512, signer)
	VALUES (tap.id(n), 'mx1', 'Q' || n, event, sender, sender, '', sender, '<' || n || '@test>', 1, 1, sha256('a'), sha512('a'), '{}');
	INSERT INTO kep.recipient VALUES (tap.id(n), 1, rcpt, 'account');
	INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, recorded_at, retain_until)
	SELECT tap.id(n + 1000), tap.id(n), 0, 'A.1', event, b, sha256(b), recorded, coalesce(retain, event + interval '20 years')
	  FROM tap.body(tap.id(n), tap.id(n + 1000), 0, 'A.1', event) AS b;
	INSERT INTO kep.outbox (evidence_id, recipient, mail, stored_at, sent_at) VALUES (tap.id(n + 1000), sender, 'a receipt', recorded, recorded) $$;
CREATE FUNCTION pg_temp.sequence() RETURNS bigint LANGUAGE sql AS $$ SELECT size FROM kep.ledger_extend('mx1', '1 minute', 1000) $$;
CREATE FUNCTION pg_temp.checkpoint() RETURNS boolean LANGUAGE sql AS $$
	SELECT kep.checkpoint_add('mx1', s.size, s.root, convert_to(format(E'o\n%s\n%s\n\n— o AAAA\n', s.size, encode(s.root, 'base64')), 'UTF8'), 'cms') FROM kep.ledger_state AS s $$;
CREATE FUNCTION pg_temp.gone() RETURNS text LANGUAGE sql AS $$ SELECT coalesce(string_agg(('x' || left(id::text, 8))::bit(32)::int::text, ' ' ORDER BY id), '') FROM kep.evidence WHERE body IS NULL $$;

SELECT pg_temp.old(1, 'ayse@hs01.kep.test', 'ali@hs01.kep.test', '2000-01-01', '2000-01-01');
SELECT pg_temp.old(2, 'ayse@hs01.kep.test', 'veli@hs01.kep.test', '2000-01-02', '2000-01-02');
SELECT pg_temp.old(3, 'veli@hs01.kep.test', 'ayse@hs01.kep.test', '2000-01-03', '2000-01-03');
SELECT pg_temp.old(4, 'ayse@hs01.kep.test', 'ali@hs01.kep.test', '2000-01-04', '2000-01-04', '2040-01-01');
SELECT pg_temp.old(5, 'ayse@hs01.kep.test', 'ali@hs01.kep.test', '2000-01-05', now());
SELECT pg_temp.old(6, 'ayse@hs01.kep.test', 'ali@hs01.kep.test', now(), '2000-01-06', '2001-01-01');
SELECT pg_temp.old(7, 'ali@hs01.kep.test', 'ali@hs01.kep.test', '2000-01-07', '2000-01-07');
SELECT pg_temp.old(8, 'ali@hs01.kep.test', 'ali@hs01.kep.test', '2000-01-08', '2000-01-08');

SELECT is((SELECT (pruned, held, next, more)::text FROM kep.prune(0, 10)), '(0,0,0,f)', 'nothing goes before it is in the ledger');
SELECT is(pg_temp.sequence(), 8::bigint, 'eight leaves');
SELECT is((SELECT (pruned, held, next, more)::text FROM kep.prune(0, 10)), '(0,0,0,f)', 'and a checkpoint covers it');
SELECT ok(pg_temp.checkpoint(), 'a checkpoint');
BEGIN;
SELECT is((SELECT (pruned, next)::text FROM kep.prune(0, 10)), '(5,8)', 'then it goes');
ROLLBACK;
BEGIN;
INSERT INTO kep.archive_volume VALUES (0, 0, 3, 8, 'http://a');
SELECT is((SELECT (pruned, next)::text FROM kep.prune(0, 10)), '(0,0)', 'where there is an archive: nothing before it is in there');
INSERT INTO kep.archive_hashes VALUES (0, 0, 'sha256', sha256('a') || sha256('b') || sha256('c'));
SELECT is((SELECT (pruned, next)::text FROM kep.prune(0, 10)), '(3,3)', 'and what is');
ROLLBACK;

-- Holds.
SELECT is(tap.try('kep_operator', format('SELECT kep.hold_add(%L, %L)', tap.id(1), 'file 7')), 'ok', 'the operator holds a message');
SELECT is(tap.try('kep_operator', 'SELECT kep.hold_add(''Veli@HS01.kep.test'', ''file 8'')'), 'ok', 'and an account');
SELECT is(tap.try('kep_operator', 'SELECT kep.hold_add(''veli@hs01.kep.test'', ''again'')'), 'ok', 'once is as good as twice');
SELECT is(tap.try('kep_operator', 'SELECT kep.hold_add(' || quote_literal(what) || ', ''x'')'), state, 'not: ' || what) FROM (VALUES
	(tap.id(99)::text, 'KE020'), ('nobody@hs01.kep.test', 'KE012'), ('a b@c', 'KE002'), ('4Zabc', 'KE030'), ('', 'KE030')) AS v (what, state);
SELECT is(tap.try('kep_operator', format('SELECT kep.hold_add(%L, %L)', tap.id(2), '')), 'KE031', 'not without a reason');
SELECT is(tap.try('kep_operator', format('SELECT kep.hold_remove(%L, %L)', tap.id(2), 'x')), 'KE032', 'what is not held cannot be released');
SELECT is((SELECT string_agg(what || ' ' || reason, ', ' ORDER BY reason) FROM kep.hold_list()), tap.id(1) || ' file 7, veli@hs01.kep.test file 8', 'both are listed');

SELECT is(tap.try('postgres', format('UPDATE kep.evidence SET body = NULL, pruned_by = %L WHERE id = %1$L', tap.id(1001))), 'KE100', 'no body goes without evidence of it');
SELECT is((SELECT (pruned, held, next, more)::text FROM kep.prune(0, 10)), '(2,3,8,f)', 'two go, three are held');
SELECT is(pg_temp.gone(), '1007 1008', 'those that are old in every respect, and not held');
SELECT is((SELECT count(*) FROM kep.outbox WHERE mail IS NULL), 2::bigint, 'with their receipts');
SELECT is((SELECT bool_and(hash = sha256('\x00' || tap.body(tap.id(7 + index::int - 6), tap.id(1007 + index::int - 6), 0, 'A.1', '2000-01-07'::timestamptz + (index - 6) * interval '1 day'))) FROM kep.leaf WHERE index >= 6), true, 'their leaves stay');
SELECT is((SELECT digest IS NOT NULL AND retain_until IS NOT NULL FROM kep.evidence WHERE id = tap.id(1007)), true, 'and the rest of the row');
SELECT is((SELECT count(*) FROM kep.evidence WHERE body IS NULL AND pruned_by NOT IN (SELECT id FROM kep.evidence WHERE outcome = 'P.1')), 0::bigint, 'each names the evidence of its removal');
SELECT is((SELECT string_agg(convert_from(body, 'UTF8'), '') FROM kep.evidence WHERE outcome = 'P.1'), (SELECT format(
	'{"actor":"postgres","count":2,"event":"Pruning","event_time":"%s","form":"kep-prune-1","id":"%s","leaves":[{"first":6,"last":7}],"outcome":"P.1"}', kep.time_text(event_time), id)
	FROM kep.evidence WHERE outcome = 'P.1'), 'which says what was removed, in canonical JSON');
SELECT is((SELECT (first, last, actor)::text FROM kep.prunings), '(6,7,postgres)', 'and the auditor reads it');
SELECT is(pg_temp.sequence(), 9::bigint, 'it is a leaf itself');
SELECT is((SELECT s.root = kep.ledger_root(s.size) FROM kep.ledger_state AS s), true, 'and the tree goes on');
SELECT ok(pg_temp.checkpoint(), 'a checkpoint');
SELECT is((SELECT (pruned, held, evidence_id)::text FROM kep.prune(0, 10)), '(0,3,)', 'asked again: nothing, and no evidence of nothing');

SELECT is(tap.try('kep_operator', 'SELECT kep.hold_remove(''veli@hs01.kep.test'', ''file 8 closed'')'), 'ok', 'a hold ends');
SELECT is((SELECT string_agg(coalesce(account, 'message') || ' ' || held || ' ' || reason, ', ' ORDER BY at) FROM kep.hold_changes),
	'message true file 7, veli@hs01.kep.test true file 8, veli@hs01.kep.test false file 8 closed', 'the history knows');
SELECT is(tap.try('kep_operator', 'SELECT kep.prune(0, 2)'), 'ok', 'the operator prunes, a window at a time');
SELECT is((SELECT (pruned, held, next, more)::text FROM kep.prune(2, 1)), '(1,0,3,t)', 'and goes on where he stopped');
SELECT is(pg_temp.gone(), '1002 1003 1007 1008', 'what was only held is gone too');
SELECT is((SELECT string_agg(first || '-' || last, ' ' ORDER BY first) FROM kep.prunings), '1-1 2-2 6-7', 'all of it is recorded');
SELECT is((SELECT count(DISTINCT actor) FROM kep.prunings), 1::bigint, 'by the role that logged in');
SELECT is(tap.try('postgres', 'SELECT kep.prune(' || w || ')'), 'KE033', 'no window: ' || w) FROM unnest('{"-1, 10","0, 0","0, 10001"}'::text[]) AS w;

-- What a superuser cannot do by a slip, or with a clear mind in replica mode.
SET session_replication_role = replica;
SELECT is(tap.try('postgres', format('UPDATE kep.evidence SET body = NULL, pruned_by = (SELECT min(evidence_id::text)::uuid FROM kep.prunings) WHERE id = %L', id)), 'KE100', 'the body stays of ' || id)
  FROM kep.evidence WHERE body IS NOT NULL ORDER BY id;
SELECT is(tap.try('postgres', format('UPDATE kep.evidence SET body = ''x'', pruned_by = NULL WHERE id = %L', tap.id(1007))), 'KE100', 'no other body in its place');
SELECT is(tap.try('postgres', format('UPDATE kep.evidence SET pruned_by = %L WHERE id = %1$L', tap.id(1007))), 'KE100', 'no other evidence of the removal');
SELECT is(tap.try('postgres', format('UPDATE kep.outbox SET mail = NULL WHERE evidence_id = %L', tap.id(1001))), 'KE100', 'no receipt goes before its evidence');
SELECT is(tap.try('postgres', format('UPDATE kep.outbox SET mail = NULL, stored_at = NULL WHERE evidence_id = %L', tap.id(1007))), 'KE100', 'nor becomes one that was never written');
SELECT is(tap.try('postgres', format('UPDATE kep.outbox SET mail = ''x'' WHERE evidence_id = %L', tap.id(1007))), 'KE100', 'nor another');
RESET session_replication_role;

-- Canonical form of odd names; runs with gaps.
SELECT is(convert_from(kep.prune_body(tap.id(1), '2026-01-01 00:00:00+00', E'a"\\\n\x01ş', '{9,3,1,2,7,8}'), 'UTF8'),
	'{"actor":"a\"\\\n\u0001ş","count":6,"event":"Pruning","event_time":"2026-01-01T00:00:00.000000Z","form":"kep-prune-1","id":"00000001-0000-7000-8000-000000000000","leaves":[{"first":1,"last":3},{"first":7,"last":9}],"outcome":"P.1"}', 'canonical JSON');
SELECT * FROM finish();
