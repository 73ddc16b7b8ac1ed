-- Who may sign for whom: kep.may_sign() and what the operator sets.
BEGIN;
SELECT no_plan();
SELECT tap.house();
SELECT kep.provider_add('Third', 'hs03', '{hs03.kep.test}', NULL, ARRAY[repeat('ab', 32)]);

CREATE TEMP TABLE who (name text PRIMARY KEY, signer jsonb);
INSERT INTO who SELECT v.name, v.signer::jsonb FROM (VALUES
	('ayse', '{"identity": "10000000146", "certificate": "'|| repeat('aa', 32) || '", "mailboxes": ["ayse@hs01.kep.test"]}'),
	('ayse at home', '{"identity": "10000000146", "certificate": "'|| repeat('ab', 32) || '", "mailboxes": ["ayse@home.test"]}'),
	('another person', '{"identity": "12345678950", "certificate": "'|| repeat('ac', 32) || '", "mailboxes": ["ayse@hs01.kep.test"]}'),
	('no number', '{"certificate": "'|| repeat('aa', 32) || '", "mailboxes": ["x@hs01.kep.test", "ali@hs01.kep.test", "bob@hs02.kep.test"]}'),
	('capitals', '{"certificate": "'|| repeat('ad', 32) || '", "mailboxes": ["Ali@hs01.kep.test", " ali@hs01.kep.test", "ali@hs01.kep.test."]}'),
	('bad number', '{"identity": "10000000147", "certificate": "'|| repeat('ae', 32) || '"}'),
	('nobody', '{}'),
	('odd', '{"identity": ["10000000146"], "certificate": 7, "mailboxes": "ali@hs01.kep.test"}'),
	('nothing', NULL),
	('null', 'null'),
	('list', '["10000000146"]')) AS v (name, signer);

CREATE FUNCTION pg_temp.may(sender text) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(name, ', ' ORDER BY name), '') FROM who WHERE kep.signer_may_sign(sender, signer)
$$;

-- An account of a holder with an identity number: that person, by whatever certificate.
SELECT is(pg_temp.may('ayse@hs01.kep.test'), 'ayse, ayse at home', 'the holder alone; a mailbox is not enough');
SELECT kep.account_pin('ayse@hs01.kep.test', repeat('ac', 32));
SELECT is(pg_temp.may('ayse@hs01.kep.test'), 'ayse, ayse at home', 'nor is a pinned certificate');

-- Without: the address in the certificate, octet by octet, or a pinned certificate.
SELECT is(pg_temp.may('ali@hs01.kep.test'), 'no number', 'the address in the certificate');
SELECT is(pg_temp.may('veli@hs01.kep.test'), '', 'nobody yet');
SELECT kep.account_pin('Veli@hs01.kep.test', 'SHA256 Fingerprint=' || rtrim(repeat('AE:', 32), ':')) FROM generate_series(1, 2);
SELECT is(pg_temp.may('veli@hs01.kep.test'), 'bad number', 'a pinned certificate');
SELECT is(pg_temp.may('ali@hs01.kep.test'), 'no number', 'for that account only');
SELECT kep.account_unpin('veli@hs01.kep.test', repeat('ae', 32)) FROM generate_series(1, 2);
SELECT is(pg_temp.may('veli@hs01.kep.test'), '', 'and released');

-- Other providers.
SELECT is(pg_temp.may('bob@hs02.kep.test'), 'another person, ayse, ayse at home', 'identity: whoever has a number that can be one');
SELECT kep.provider_bind('Other', 'mailbox');
SELECT is(pg_temp.may('bob@hs02.kep.test'), 'no number', 'mailbox: whose certificate holds the address');
SELECT is(pg_temp.may('eve@hs03.kep.test'), 'another person, ayse, ayse at home', 'each provider has its own binding');
SELECT kep.provider_bind('Other', 'certificate');
SELECT is(pg_temp.may('bob@hs02.kep.test'), '', 'certificate: none is pinned');
SELECT kep.provider_pin('Other', repeat('ad', 32));
SELECT is(pg_temp.may('bob@hs02.kep.test'), 'capitals', 'the pinned one');
SELECT kep.provider_add('Other', 'hs02', '{hs02.kep.test}', NULL, ARRAY[repeat('ab', 32)]);
SELECT is(pg_temp.may('bob@hs02.kep.test'), 'capitals', 'registered anew: the binding stays');
SELECT kep.provider_unpin('Other', repeat('ad', 32));
SELECT is(pg_temp.may('bob@hs02.kep.test'), '', 'released');
SELECT kep.provider_bind('Other', 'identity');

-- Strangers and nothing at all.
SELECT is(pg_temp.may(s), '', 'nobody signs for ' || coalesce(nullif(s, ''), 'nothing')) FROM unnest('{x@ordinary.test,kim@hs01.kep.test,""}'::text[]) AS s;
SELECT is(pg_temp.may(NULL), '', 'nor for NULL');
SELECT is(kep.may_sign('ali@hs01.kep.test', NULL, NULL, NULL), false, 'never NULL: account');
SELECT is(kep.may_sign('ayse@hs01.kep.test', NULL, NULL, NULL), false, 'never NULL: holder');
SELECT is(kep.may_sign('bob@hs02.kep.test', NULL, NULL, NULL), false, 'never NULL: provider');
SELECT is(kep.may_sign('ali@hs01.kep.test', NULL, NULL, '{NULL}'), false, 'never NULL: mailbox');

-- Submission asks it, last of all, and only once.
CREATE FUNCTION pg_temp.submit(queue_id text, sender text, who text) RETURNS text LANGUAGE sql AS $$
	SELECT s.why FROM kep.submit(gen_random_uuid(), 'mx1', queue_id, sender, sender, 'c', '{ali@hs01.kep.test}', sender, '<1@test>', 1, 1, sha256('a'), sha512('a'),
		(SELECT signer FROM who WHERE name = submit.who)) AS s
$$;
SELECT tap.rcpt('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}');
SELECT is(pg_temp.submit('Q1', 'ayse@hs01.kep.test', w), 'signer-not-authorised', 'refused: ' || w) FROM unnest('{another person,no number,nobody,odd,nothing,null,list}'::text[]) AS w;
SELECT is((SELECT count(*) FROM kep.message), 0::bigint, 'nothing is recorded as sent');
SELECT is(pg_temp.submit('Q0', 'ayse@hs01.kep.test', 'another person'), 'attempt-missing', 'the signer is judged last');
SELECT is(pg_temp.submit('Q1', 'ayse@hs01.kep.test', 'ayse'), 'accepted', 'the holder');
SELECT tap.rcpt('Q2', 'veli@hs01.kep.test', '{ali@hs01.kep.test}');
SELECT kep.account_pin('veli@hs01.kep.test', repeat('ad', 32));
SELECT is(pg_temp.submit('Q2', 'veli@hs01.kep.test', 'capitals'), 'accepted', 'pinned');
SELECT kep.account_unpin('veli@hs01.kep.test', repeat('ad', 32));
SELECT is(pg_temp.submit('Q2', 'veli@hs01.kep.test', 'capitals'), 'accepted', 'what was taken stays taken');
SELECT tap.rcpt('P1', 'bob@hs02.kep.test', '{ali@hs01.kep.test}', tap.fingerprint());
SELECT is(pg_temp.submit('P1', 'bob@hs02.kep.test', 'no number'), 'signer-not-authorised', 'of another provider, too');
SELECT is(pg_temp.submit('P1', 'bob@hs02.kep.test', 'another person'), 'accepted', 'by its binding');

-- History, errors, rights.
SELECT results_eq($$ SELECT account, provider, left(certificate, 2), pinned FROM kep.pin_changes ORDER BY at $$,
	$$ VALUES ('ayse@hs01.kep.test', NULL, 'ac', true), ('veli@hs01.kep.test', NULL, 'ae', true), ('veli@hs01.kep.test', NULL, 'ae', false), (NULL, 'Other', 'ad', true),
	          (NULL, 'Other', 'ad', false), ('veli@hs01.kep.test', NULL, 'ad', true), ('veli@hs01.kep.test', NULL, 'ad', false) $$, 'each change once');
SELECT results_eq($$ SELECT account, certificate FROM kep.pins $$, $$ VALUES ('ayse@hs01.kep.test', repeat('ac', 32)) $$, 'what is pinned now');
SELECT is((SELECT array_agg(binding ORDER BY at) FROM kep.provider_history WHERE provider = 'Other' AND binding IS NOT NULL), '{mailbox,certificate,identity}', 'bindings are noted');
SELECT throws_ok($$ SELECT kep.account_pin('nobody@hs01.kep.test', repeat('ac', 32)) $$, 'KE012', NULL, 'no such account');
SELECT throws_ok($$ SELECT kep.account_pin('x', repeat('ac', 32)) $$, 'KE002', NULL, 'no address');
SELECT throws_ok($$ SELECT kep.account_pin('ali@hs01.kep.test', 'ac') $$, 'KE003', NULL, 'no fingerprint');
SELECT throws_ok($$ SELECT kep.provider_pin('Nobody', repeat('ac', 32)) $$, 'KE014', NULL, 'no such provider');
SELECT throws_ok($$ SELECT kep.provider_pin(NULL, repeat('ac', 32)) $$, 'KE014', NULL, 'no provider');
SELECT throws_ok($$ SELECT kep.provider_bind('Nobody', 'mailbox') $$, 'KE014', NULL, 'no such provider');
SELECT throws_ok($$ SELECT kep.provider_bind('Other', 'trust') $$, 'KE015', NULL, 'no such binding');
SELECT throws_ok($$ SELECT kep.provider_bind('Other', NULL) $$, 'KE015', NULL, 'no binding');
SELECT is(tap.try('kep_operator', $$ SELECT kep.account_pin('ali@hs01.kep.test', repeat('ac', 32)), kep.provider_bind('Other', 'mailbox') $$), 'ok', 'the operator may');
SELECT is(tap.try('kep_policyd', $$ SELECT kep.account_pin('ali@hs01.kep.test', repeat('ac', 32)) $$), '42501', 'policyd may not');
SELECT is(tap.try('kep_policyd', $$ SELECT kep.may_sign('ali@hs01.kep.test', NULL, NULL, NULL) $$), '42501', 'and asks by submitting only');
SELECT * FROM finish();
ROLLBACK;
