-- The hop's functions, what they refuse, and what the auditor then reads.
BEGIN;
SELECT no_plan();
SELECT tap.house();
CREATE TEMP TABLE m AS SELECT tap.message('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test,bob@hs02.kep.test,veli@hs01.kep.test}') AS id;

SELECT is_empty('SELECT * FROM kep.hop_open(tap.id(66))', 'an unknown message');
SELECT is((SELECT (state, host, queue_id, sender, sender_ours, login, size, canonical, message_id, signer, previous)::text FROM m, kep.hop_open(id)),
	'(pending,mx1,Q1,ayse@hs01.kep.test,t,ayse@hs01.kep.test,1000,1,<Q1@test>,"{""subject"": ""CN=Ayşe"", ""identity"": ""10000000146"", ""mailboxes"": [""ayse@hs01.kep.test""]}",)', 'a pending one');
SELECT is((SELECT sha256 = sha256('content') AND sha512 = sha512('content') FROM m, kep.hop_open(id)), true, 'with its digests');
SELECT matches((SELECT sent_at FROM m, kep.hop_open(id)), '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$', 'and the time of sending');
SELECT is((SELECT recipients FROM m, kep.hop_open(id)), '[{"index": 1, "kind": "account", "relay": null, "state": "waiting", "address": "ali@hs01.kep.test"},
	{"index": 2, "kind": "provider", "relay": "[127.0.0.1]:25", "state": "waiting", "address": "bob@hs02.kep.test"},
	{"index": 3, "kind": "account", "relay": null, "state": "waiting", "address": "veli@hs01.kep.test"}]'::jsonb, 'and its recipients');

-- Acceptance.
SELECT throws_ok('SELECT tap.result(id, 1, tap.id(9)) FROM m', 'KE024', NULL, 'no delivery before acceptance');
SELECT throws_ok('SELECT tap.accept(tap.id(66), tap.id(1))', 'KE020', NULL, 'no acceptance of nothing');
SELECT throws_ok('SELECT tap.accept(id, tap.id(1), ''B.1'') FROM m', 'KE023', NULL, 'mail of ours is not accepted with B.1');
SELECT throws_ok($$ SELECT kep.hop_accept(id, tap.id(1), 'A.1', now(), tap.body(id, tap.id(2), 0, 'A.1', now()), NULL) FROM m $$, 'KE022', NULL, 'body and columns: id');
SELECT throws_ok($$ SELECT kep.hop_accept(id, tap.id(1), 'A.1', now(), tap.body(tap.id(3), tap.id(1), 0, 'A.1', now()), NULL) FROM m $$, 'KE022', NULL, 'body and columns: message');
SELECT throws_ok($$ SELECT kep.hop_accept(id, tap.id(1), 'A.1', now(), tap.body(id, tap.id(1), 1, 'A.1', now()), NULL) FROM m $$, 'KE022', NULL, 'body and columns: recipient');
SELECT throws_ok($$ SELECT kep.hop_accept(id, tap.id(1), 'A.1', now(), tap.body(id, tap.id(1), 0, 'D.1', now()), NULL) FROM m $$, 'KE022', NULL, 'body and columns: outcome');
SELECT throws_ok($$ SELECT kep.hop_accept(id, tap.id(1), 'A.1', now(), tap.body(id, tap.id(1), 0, 'A.1', now() + interval '1 us'), NULL) FROM m $$, 'KE022', NULL, 'body and columns: time');
SELECT throws_ok($$ SELECT kep.hop_accept(id, tap.id(1), 'A.1', now(), '{}', NULL) FROM m $$, 'KE022', NULL, 'an empty body');
SELECT throws_ok($$ SELECT kep.hop_accept(id, tap.id(1), 'A.1', now(), NULL, NULL) FROM m $$, 'KE022', NULL, 'no body');
SELECT is((SELECT count(*) FROM kep.pending), 1::bigint, 'it still waits');
SELECT is((SELECT tap.accept(id, tap.id(1))::text FROM m), (tap.id(1), true)::text, 'accepted');
SELECT is((SELECT tap.accept(id, tap.id(2))::text FROM m), (tap.id(1), false)::text, 'once: the stored one comes back');
SELECT is((SELECT count(*) FROM kep.evidence), 1::bigint, 'one evidence');
SELECT is((SELECT count(*) FROM kep.outbox), 1::bigint, 'one receipt');
SELECT is((SELECT count(*) FROM kep.pending), 0::bigint, 'nothing waits');
SELECT is((SELECT (state, previous)::text FROM m, kep.hop_open(id)), ('accepted', tap.id(1))::text, 'the hop sees it');

-- Delivery.
SELECT throws_ok('SELECT tap.result(id, 4, tap.id(9)) FROM m', 'KE021', NULL, 'no such recipient');
SELECT throws_ok('SELECT tap.result(id, 1, tap.id(9), ''E.1'') FROM m', 'KE023', NULL, 'not the outcome of a delivery');
SELECT is((SELECT tap.result(id, 1, tap.id(3))::text FROM m), (tap.id(3), true)::text, 'delivered');
SELECT is((SELECT tap.result(id, 1, tap.id(4))::text FROM m), (tap.id(3), false)::text, 'once');
SELECT is((SELECT tap.result(id, 1, tap.id(4), 'D.2')::text FROM m), (tap.id(3), false)::text, 'and never failed as well');
SELECT is((SELECT tap.result(id, 3, tap.id(5), 'D.2')::text FROM m), (tap.id(5), true)::text, 'another recipient fails');
SELECT is((SELECT tap.result(id, 3, tap.id(6), 'D.1')::text FROM m), (tap.id(5), false)::text, 'and is never delivered as well');
SELECT throws_ok($$ INSERT INTO kep.evidence SELECT tap.id(7), kep_id, 1, 'D.2', event_time, NULL, NULL, NULL, body, digest, txid, now(), retain_until FROM kep.evidence WHERE id = tap.id(3) $$,
	'23505', NULL, 'the database itself keeps D.1 and D.2 apart');
SELECT throws_ok($$ INSERT INTO kep.evidence SELECT tap.id(7), kep_id, recipient_index, 'D.1', event_time, NULL, NULL, NULL, body, digest, txid, now(), retain_until FROM kep.evidence WHERE id = tap.id(3) $$,
	'23505', NULL, 'and a second D.1 away');
SELECT is((SELECT array_agg(previous ORDER BY id) FROM kep.evidence), ARRAY[NULL, tap.id(1), tap.id(3)], 'each points at the one before');
SELECT is((SELECT reason_code || ' ' || reply FROM kep.evidence WHERE id = tap.id(3)), 'RD01 250 2.0.0 Saved', 'reason and reply');

-- Relay.
SELECT throws_ok('SELECT kep.hop_relayed(id, 4, ''[127.0.0.1]:25'', ''R1'') FROM m', 'KE021', NULL, 'no such recipient');
SELECT kep.hop_relayed(id, 2, '[127.0.0.1]:25', q) FROM m, (VALUES ('R1'), ('R2')) AS v (q);
SELECT is((SELECT queue_id FROM kep.relay), 'R1', 'relayed, once');
SELECT is((SELECT array_agg(r ->> 'state' ORDER BY r ->> 'index') FROM m, kep.hop_open(id), jsonb_array_elements(recipients) AS r), '{delivered,relayed,failed}', 'what became of each');
SELECT kep.relay_event(id, 2, 'relayed', '2.0.0', 'ok') FROM m, generate_series(1, 2);
SELECT kep.relay_event(id, 9, 'relayed', '2.0.0', 'ok') FROM m;
SELECT kep.relay_event(tap.id(66), 1, 'relayed', '2.0.0', 'ok');
SELECT results_eq('SELECT recipient, action, status, details FROM kep.relay_events', $$ VALUES ('bob@hs02.kep.test', 'relayed', '2.0.0', 'ok') $$, 'a report counts once, one about nothing not at all');

-- Alarms.
SELECT kep.hop_alarm(id, 'mx1', 'digest-differs', 'words') FROM m, generate_series(1, 2);
SELECT kep.hop_alarm(NULL, 'mx1', 'digest-differs', NULL) FROM generate_series(1, 2);
SELECT is((SELECT count(*) FROM kep.alarms), 2::bigint, 'an alarm is kept once');

-- What the auditor reads.
SELECT kep.outbox_store(tap.id(1), 'ayse@hs01.kep.test', 'mail'), kep.outbox_sent(tap.id(1), 'ayse@hs01.kep.test', 'S1');
SELECT results_eq('SELECT what, recipient, outcome FROM kep.message_timeline, m WHERE kep_id = id ORDER BY what, recipient', $$ VALUES
	('accepted', NULL, 'A.1'), ('alarm', NULL, NULL), ('delivered', 'ali@hs01.kep.test', 'D.1'), ('failed', 'veli@hs01.kep.test', 'D.2'),
	('receipt sent', 'ayse@hs01.kep.test', 'A.1'), ('receipt stored', 'ayse@hs01.kep.test', 'A.1'), ('relayed', 'bob@hs02.kep.test', NULL),
	('report', 'bob@hs02.kep.test', NULL), ('submitted', NULL, NULL) $$, 'every step');
SELECT is((SELECT bool_and(at IS NOT NULL AND details <> '') FROM kep.message_timeline), true, 'each with time and words');
SELECT is((SELECT details FROM kep.message_timeline WHERE what = 'receipt sent'), 'evidence ' || tap.id(1) || ', queue id S1', 'the queue id of a receipt');
SELECT is((SELECT details FROM kep.message_timeline WHERE what = 'submitted'), 'by ayse@hs01.kep.test, queue id Q1 on mx1, 1000 octets, Message-ID <Q1@test>', 'the words of the submission');
SELECT is((SELECT details FROM kep.message_timeline WHERE what = 'relayed'), 'towards [127.0.0.1]:25, queue id R1', 'the words of the relay');
SELECT results_eq('SELECT recipient_index, recipient, sender, delivered_at, read_at, deemed_read_at, state, signer, accepted_at FROM kep.message_facts ORDER BY 1', $$ VALUES
	(1, 'ali@hs01.kep.test', 'ayse@hs01.kep.test', '2026-11-23 10:00:01+00'::timestamptz, NULL::timestamptz, NULL::timestamptz, 'delivered', 'CN=Ayşe', '2026-11-23 10:00:00+00'::timestamptz),
	(2, 'bob@hs02.kep.test', 'ayse@hs01.kep.test', NULL, NULL, NULL, 'relayed', 'CN=Ayşe', '2026-11-23 10:00:00+00'),
	(3, 'veli@hs01.kep.test', 'ayse@hs01.kep.test', NULL, NULL, NULL, 'failed', 'CN=Ayşe', '2026-11-23 10:00:00+00') $$, 'the five facts');
SELECT is((SELECT bool_and(sha256 = sha256('content') AND sha512 = sha512('content') AND sent_at IS NOT NULL) FROM kep.message_facts), true, 'when sent, and the digests');
-- Reading comes later; the columns are there.
INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) SELECT tap.id(20), id, 1, 'E.1', '2026-11-24 01:00+00', 'r', sha256('r'), '2047-01-01' FROM m;
SELECT is((SELECT state || ' ' || (read_at = '2026-11-24 01:00+00') FROM kep.message_facts WHERE recipient_index = 1), 'read true', 'read');
SELECT throws_ok($$ INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) SELECT tap.id(21), id, 1, 'E.2', now(), 'd', sha256('d'), '2057-01-01' FROM m $$,
	'23505', NULL, 'and not deemed read as well');
SELECT results_eq('SELECT evidence_id, recipient, outcome FROM kep.evidences ORDER BY evidence_id', $$ VALUES (tap.id(1), NULL, 'A.1'), (tap.id(3), 'ali@hs01.kep.test', 'D.1'),
	(tap.id(5), 'veli@hs01.kep.test', 'D.2'), (tap.id(20), 'ali@hs01.kep.test', 'E.1') $$, 'the evidence');

-- Another provider's mail.
SELECT tap.rcpt('P1', 'bob@hs02.kep.test', '{ali@hs01.kep.test}', tap.fingerprint());
CREATE TEMP TABLE p AS SELECT (tap.submit('P1', 'bob@hs02.kep.test', '{ali@hs01.kep.test}')).kep_id AS id;
SELECT is((SELECT sender_ours FROM p, kep.hop_open(id)), false, 'is not ours');
SELECT throws_ok('SELECT tap.accept(id, tap.id(30)) FROM p', 'KE023', NULL, 'and not accepted with A.1');
SELECT is((SELECT tap.accept(id, tap.id(30), 'B.1')::text FROM p), (tap.id(30), true)::text, 'but with B.1');
SELECT is((SELECT state FROM kep.messages, p WHERE kep_id = id), 'accepted', 'accepted');
SELECT is((SELECT inserted FROM p, kep.hop_result(id, 1, 'D.1', '', '', tap.id(31), '2026-11-23 10:00:01+00', tap.body(id, tap.id(31), 1, 'D.1', '2026-11-23 10:00:01+00'), NULL)), true, 'delivered, without a receipt');
SELECT is((SELECT count(*) FROM kep.outbox WHERE evidence_id = tap.id(31)), 0::bigint, 'none was ordered');

-- The indexes carry the questions of an auditor.
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.plan(question text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || question; END $$;
SELECT is((SELECT count(*) FROM pg_temp.plan(question) AS line WHERE line ~ 'Seq Scan on (message|recipient|evidence|outbox|envelope|attempt|relay|relay_event)\M'), 0::bigint, question) FROM (VALUES
	('SELECT * FROM kep.message_timeline WHERE kep_id = tap.id(1)'), ('SELECT * FROM kep.message_facts WHERE kep_id = tap.id(1)'),
	('SELECT * FROM kep.messages WHERE queue_id = ''Q1'''), ('SELECT * FROM kep.messages WHERE message_id = ''Q1'''),
	('SELECT * FROM kep.attempts WHERE queue_id = ''Q1'''), ('SELECT * FROM kep.evidences WHERE kep_id = tap.id(1)'),
	('SELECT * FROM kep.receipts WHERE kep_id = tap.id(1)')) AS v (question);
SELECT * FROM finish();
ROLLBACK;
