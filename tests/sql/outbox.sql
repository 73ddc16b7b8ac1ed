-- The outbox: leases, fixed octets, retries.  Only what is committed becomes a leaf, so this file is no transaction.
SELECT no_plan();
SELECT tap.house();
SELECT tap.accept(tap.message('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}'), tap.id(1));
SELECT is_empty($$ SELECT * FROM kep.outbox_take('mx1', 10, '2 minutes') $$, 'nothing is due that no checkpoint covers');
SELECT is((SELECT added FROM kep.ledger_extend('mx1', '1 minute', 1000)), 1, 'nor what is a leaf');
SELECT is_empty($$ SELECT * FROM kep.outbox_take('mx1', 10, '2 minutes') $$, 'and no checkpoint covers');
SELECT is(tap.publish(), 1::bigint, 'one does now');

CREATE TEMP TABLE taken AS SELECT * FROM kep.outbox_take('mx1', 10, '2 minutes');
SELECT is((SELECT (evidence_id, recipient, mail, attempts)::text FROM taken), (tap.id(1), 'ayse@hs01.kep.test', NULL::bytea, 1)::text, 'a due receipt, not composed yet');
SELECT is((SELECT (index, checkpoint_size, split_part(convert_from(note, 'UTF8'), E'\n', 2), convert_from(cms, 'UTF8'), token)::text FROM taken), '(0,1,1,cms,)', 'with its leaf and the checkpoint');
SELECT is((SELECT t.body = e.body FROM taken AS t JOIN kep.evidence AS e ON e.id = t.evidence_id), true, 'with the evidence');
SELECT is_empty($$ SELECT * FROM kep.outbox_take('mx2', 10, '2 minutes') $$, 'it belongs to the one who took it');
SELECT is((SELECT known FROM kep.receipt_for(tap.id(1), 'ayse@hs01.kep.test')), false, 'not a receipt of ours before it is composed');
SELECT kep.outbox_store(tap.id(1), 'ayse@hs01.kep.test', 'first'), kep.outbox_store(tap.id(1), 'ayse@hs01.kep.test', 'second');
SELECT is((SELECT convert_from(mail, 'UTF8') FROM kep.outbox), 'first', 'never overwritten');
SELECT is((SELECT known FROM kep.receipt_for(tap.id(1), 'AYSE@hs01.kep.test')), true, 'a receipt of ours');
SELECT is((SELECT known FROM kep.receipt_for(tap.id(1), 'ali@hs01.kep.test')), false, 'not for somebody else');
SELECT is((SELECT known FROM kep.receipt_for(tap.id(66), 'ayse@hs01.kep.test')), false, 'not of any evidence');

SELECT kep.outbox_failed(tap.id(1), 'ayse@hs01.kep.test', 'no route', '1 hour');
SELECT is((SELECT (error, due_at > clock_timestamp() + interval '59 minutes')::text FROM kep.receipts), '("no route",t)', 'a failure says why and waits');
SELECT is_empty($$ SELECT * FROM kep.outbox_take('mx1', 10, '2 minutes') $$, 'until its time');
SELECT kep.outbox_failed(tap.id(1), 'ayse@hs01.kep.test', 'no route', '-1 s');
SELECT is((SELECT (convert_from(mail, 'UTF8'), attempts)::text FROM kep.outbox_take('mx1', 10, '-1 s')), '(first,2)', 'then it comes again, octet for octet');
SELECT results_eq($$ SELECT attempts FROM kep.outbox_take('mx2', 10, '2 minutes') $$, $$ VALUES (3) $$, 'and when a lease ran out, to anyone');
SELECT is(kep.outbox_release('mx1'), 0, 'a host gives back what is its own, and nothing else');
SELECT is(kep.outbox_release('mx2'), 1, 'what a host held when it died');
SELECT results_eq($$ SELECT attempts FROM kep.outbox_take('mx2', 10, '2 minutes') $$, $$ VALUES (4) $$, 'is due when it starts again');

SELECT kep.outbox_sent(tap.id(1), 'ayse@hs01.kep.test', 'S1'), kep.outbox_sent(tap.id(1), 'ayse@hs01.kep.test', 'S2');
SELECT is((SELECT (queue_id, error, due_at, size)::text FROM kep.receipts), '(S1,,,5)', 'sent, once');
SELECT kep.outbox_failed(tap.id(1), 'ayse@hs01.kep.test', 'late', '-1 s');
SELECT is_empty($$ SELECT * FROM kep.outbox_take('mx1', 10, '2 minutes') $$, 'what was sent is not taken again');
SELECT is((SELECT error FROM kep.receipts), NULL, 'nor failed afterwards');
-- Whoever waits for a time-stamp takes what has one, and what waited long enough.
SELECT tap.accept(tap.message('Q2', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}'), tap.id(2));
SELECT is(tap.publish(), 2::bigint, 'a second one, and its checkpoint');
SELECT is_empty($$ SELECT * FROM kep.outbox_take('mx1', 10, '2 minutes', '1 hour') $$, 'it waits for a time-stamp');
SELECT kep.stamp_add(2, 'http://a', 'token', now(), '1.2.3', '0a', '{}', '{}');
SELECT is((SELECT (evidence_id, checkpoint_size, convert_from(token, 'UTF8'))::text FROM kep.outbox_take('mx1', 10, '2 minutes', '1 hour')), format('(%s,2,token)', tap.id(2)), 'and goes with it');
SELECT tap.accept(tap.message('Q3', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}'), tap.id(3));
SELECT is(tap.publish(), 3::bigint, 'a third one');
SELECT is_empty($$ SELECT * FROM kep.outbox_take('mx1', 10, '2 minutes', '1 hour') $$, 'the stamp of an older checkpoint does not cover it');
SELECT is((SELECT (evidence_id, checkpoint_size, token)::text FROM kep.outbox_take('mx1', 10, '2 minutes', '0')), format('(%s,3,)', tap.id(3)), 'when it has waited enough it goes without');
SELECT is_empty($$ SELECT * FROM kep.stamp_wanted('http://a', 1, '1 hour') $$, 'no stamp is wanted so soon after the last');
SELECT results_eq($$ SELECT size FROM kep.stamp_wanted('http://a', 1, '-1 s') $$, 'VALUES (3::bigint)', 'but later');
SELECT is((SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = 'kep.outbox_due'::regclass), '(sent_at IS NULL)', 'the index holds only what is due');
SELECT * FROM finish();
