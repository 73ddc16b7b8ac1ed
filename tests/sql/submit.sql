-- Attempts and submission: what must have been seen before a message is taken.
BEGIN;
SELECT no_plan();
SELECT tap.house();

-- Attempts may come twice; another decision is another row.
SELECT tap.rcpt('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test,bob@hs02.kep.test}') FROM generate_series(1, 2);
SELECT is((SELECT count(*) FROM kep.attempt), 2::bigint, 'one row a recipient');
SELECT kep.attempt('mx1', 'i-Q1', 'ali@hs01.kep.test', '192.0.2.1', '', 'ayse@hs01.kep.test', 'ayse@hs01.kep.test', 'Q1', 1, sha256('x'), 'unavailable');
SELECT is((SELECT count(*) FROM kep.attempt), 3::bigint, 'and decision');
SELECT kep.attempt('mx1', 'i-N', 'a', NULL, NULL, NULL, NULL, NULL, 1, sha256('x'), 'sender-null');
SELECT is((SELECT sender || login || client || tls FROM kep.attempt WHERE instance = 'i-N'), '', 'what is not known is empty');
SELECT is((SELECT count(*) FROM kep.envelope), 1::bigint, 'one envelope');
SELECT is((SELECT recipient_count FROM kep.envelope), 2, 'with its recipients');
SELECT is((SELECT size FROM kep.envelope), 1000::bigint, 'and its size');
SELECT kep.attempt_end('mx2', 'i-Q1', 'Q1', 7);
SELECT is((SELECT size FROM kep.envelope WHERE host = 'mx2'), 7::bigint, 'the gate writes even where DATA was not asked');
SELECT is((SELECT queue_id FROM kep.attempts WHERE recipient = 'bob@hs02.kep.test'), 'Q1', 'the auditor sees the queue id');

-- The rule of submission.
SELECT is((tap.submit('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test,bob@hs02.kep.test}')).why, 'accepted', 'taken');
SELECT is((SELECT count(*) FROM kep.message), 1::bigint, 'one message');
SELECT is((tap.submit('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test,bob@hs02.kep.test}')).kep_id, (SELECT kep_id FROM kep.message), 'asked again: the same id');
SELECT is((SELECT count(*) FROM kep.message), 1::bigint, 'and still one message');
SELECT is(tap.submit('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}', 'other content')::text, '(unavailable,)', 'same key, other digests: not known what it is');
SELECT results_eq('SELECT recipient_index, address, kind FROM kep.recipient ORDER BY 1', $$ VALUES (1, 'ali@hs01.kep.test', 'account'), (2, 'bob@hs02.kep.test', 'provider') $$, 'recipients in order');
SELECT is((SELECT count(*) FROM kep.pending), 1::bigint, 'it waits');

SELECT tap.rcpt('Q2', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}');
SELECT is((tap.submit('Q2', 'ayse@hs01.kep.test', '{ali@hs01.kep.test,veli@hs01.kep.test}')).why, 'attempt-missing', 'a recipient policy did not see');
SELECT is((tap.submit('Q2', 'veli@hs01.kep.test', '{ali@hs01.kep.test}')).why, 'attempt-missing', 'a sender policy did not see');
SELECT is((tap.submit('Q0', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}')).why, 'attempt-missing', 'a queue id policy did not see');
SELECT is((tap.submit('Q2', 'ayse@hs01.kep.test', '{}')).why, 'attempt-missing', 'no recipient at all');
SELECT is((tap.submit('Q2', 'ayse@hs01.kep.test', '{ali@hs01.kep.test,NULL}')).why, 'attempt-missing', 'a recipient that is none');
SELECT tap.rcpt('Q3', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}', '', 'recipient-inactive');
SELECT is((tap.submit('Q3', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}')).why, 'attempt-missing', 'a recipient policy refused');
SELECT is((SELECT count(*) FROM kep.message), 1::bigint, 'nothing was recorded of all this');
SELECT is((tap.submit('Q2', 'ayse@hs01.kep.test', '{ali@hs01.kep.test,ali@hs01.kep.test}')).why, 'accepted', 'a recipient given twice');
SELECT is((SELECT count(*) FROM kep.recipient AS r JOIN kep.message AS m USING (kep_id) WHERE m.queue_id = 'Q2'), 1::bigint, 'is one recipient');
-- A queue id that came back: only the newest transaction counts.
SELECT tap.rcpt('Q4', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}');
SELECT kep.attempt_data('mx1', 'i-new', 'Q4', 1);
SELECT is((tap.submit('Q4', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}')).why, 'attempt-missing', 'attempts of an earlier transaction do not count');

-- Between RCPT and the dot.
SELECT tap.rcpt('Q5', 'veli@hs01.kep.test', '{ali@hs01.kep.test}');
SELECT kep.account_suspend('veli@hs01.kep.test', 'x');
SELECT is((tap.submit('Q5', 'veli@hs01.kep.test', '{ali@hs01.kep.test}')).why, 'sender-inactive', 'the sender was suspended meanwhile');
SELECT kep.account_resume('veli@hs01.kep.test', 'x');
SELECT is((tap.submit('Q5', 'veli@hs01.kep.test', '{ali@hs01.kep.test}')).why, 'accepted', 'and resumed');
SELECT kep.account_suspend('veli@hs01.kep.test', 'x');
SELECT is((tap.submit('Q5', 'veli@hs01.kep.test', '{ali@hs01.kep.test}')).why, 'accepted', 'what was taken stays taken');
SELECT is((tap.submit('Q6', who, '{ali@hs01.kep.test}')).why, why, why) FROM (VALUES ('', 'sender-null'), ('x@ordinary.test', 'sender-ordinary'), ('x@hs01.kep.test', 'sender-unknown')) AS v (who, why);

-- Mail of another provider: by its registered certificate only.
SELECT tap.rcpt('P1', 'bob@hs02.kep.test', '{ali@hs01.kep.test}', tap.fingerprint());
SELECT is((tap.submit('P1', 'bob@hs02.kep.test', '{ali@hs01.kep.test}')).why, 'accepted', 'with its certificate');
SELECT is((SELECT provider FROM kep.message WHERE queue_id = 'P1'), 'Other', 'whose it is, is noted');
SELECT tap.rcpt('P2', 'bob@hs02.kep.test', '{ali@hs01.kep.test}', rtrim(repeat('CD:', 32), ':'));
SELECT is((tap.submit('P2', 'bob@hs02.kep.test', '{ali@hs01.kep.test}')).why, 'provider-not-authenticated', 'with another');
SELECT tap.rcpt('P3', 'bob@hs02.kep.test', '{ali@hs01.kep.test}', '');
SELECT is((tap.submit('P3', 'bob@hs02.kep.test', '{ali@hs01.kep.test}')).why, 'provider-not-authenticated', 'with none');
SELECT is((tap.submit('P4', 'bob@hs02.kep.test', '{ali@hs01.kep.test}')).why, 'attempt-missing', 'never seen by policy');
SELECT kep.provider_add('Bare', 'hs03', '{hs03.kep.test}', NULL, '{}');
SELECT tap.rcpt('P5', 'eve@hs03.kep.test', '{ali@hs01.kep.test}', '');
SELECT is((tap.submit('P5', 'eve@hs03.kep.test', '{ali@hs01.kep.test}')).why, 'provider-not-authenticated', 'a provider without registered certificates');

-- Refusals.
SELECT kep.refuse('mx1', 'R1', 'a', NULL, NULL, '{b,c}', NULL, NULL, NULL, 'not-signed') FROM generate_series(1, 2);
SELECT is((SELECT count(*) FROM kep.refusals), 1::bigint, 'a refusal is kept once');
SELECT kep.refuse('mx1', '', 'a', NULL, NULL, NULL, NULL, NULL, NULL, 'not-signed') FROM generate_series(1, 2);
SELECT is((SELECT count(*) FROM kep.refusals), 3::bigint, 'without a queue id each is kept');

-- Void.
SELECT is(kep.void_pending('1 hour'), 0, 'nothing is late');
SELECT is(kep.void_pending('0 s'), 4, 'all are late');
SELECT is(kep.void_pending('0 s'), 0, 'once');
SELECT is((SELECT count(*) FROM kep.messages WHERE state = 'void'), 4::bigint, 'and stay with a trace');
SELECT is((SELECT state FROM kep.hop_open((SELECT kep_id FROM kep.message WHERE queue_id = 'Q2'))), 'void', 'the hop sees it');
SELECT is((SELECT inserted FROM tap.accept((SELECT kep_id FROM kep.message WHERE queue_id = 'Q2'), tap.id(1))), true, 'one that arrives after all is accepted');
SELECT is((SELECT state FROM kep.messages WHERE queue_id = 'Q2'), 'accepted', 'and counts as accepted');
SELECT results_eq($$ SELECT what FROM kep.message_timeline AS t JOIN kep.message AS m USING (kep_id) WHERE m.queue_id = 'Q2' AND what IN ('void', 'accepted') ORDER BY 1 $$, $$ VALUES ('accepted'), ('void') $$, 'with both steps told');

-- Digests of another length are a mistake of the caller.
SELECT throws_ok($$ SELECT kep.submit(tap.id(98), 'mx1', 'Q9', 'ayse@hs01.kep.test', '', '', '{ali@hs01.kep.test}', '', '', 1, 1, sha512('a'), sha256('a'), NULL) $$, 'KE025', NULL, 'digests the wrong way round');
SELECT throws_ok($$ SELECT kep.submit(tap.id(98), 'mx1', 'Q9', 'ayse@hs01.kep.test', '', '', '{ali@hs01.kep.test}', '', '', 1, 1, NULL, NULL, NULL) $$, 'KE025', NULL, 'no digests');

-- A Message-ID or login of any length is no trouble.
SELECT tap.rcpt('L1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}');
SELECT is((SELECT why FROM kep.submit(tap.id(99), 'mx1', 'L1', 'ayse@hs01.kep.test', repeat('l', 20000), 'c', '{ali@hs01.kep.test}', 'f', repeat('m', 60000), 1, 1, sha256('a'), sha512('a'), '{"identity": "10000000146"}')), 'accepted', 'a long Message-ID');
SELECT * FROM finish();
ROLLBACK;
