-- Domains, providers, accounts: what the operator's functions do, refuse, and say.
BEGIN;
SELECT no_plan();

-- Identity numbers: check digits.
SELECT is(kep.tckn_valid(n), good, 'identity number ' || coalesce(quote_nullable(replace(n, E'\n', '\n')), 'NULL')) FROM (VALUES ('10000000146', true), ('12345678950', true), ('19191919190', true),
	('10000000147', false), ('10000000156', false), ('01000000014', false), ('1000000014', false), ('100000001460', false),
	('1000000014a', false), ('', false), (NULL, false), (' 10000000146', false), (E'10000000146\n', false), ('١0000000146', false)) AS v (n, good);

-- Folding is of ASCII only, whatever the locale.
SELECT is(kep.fold('AYŞE.IĞDIR@HS01.KEP.TR'), 'ayŞe.iĞdir@hs01.kep.tr', 'ASCII folds, the rest stays');
SELECT is(kep.fold('ısparta'), 'ısparta', 'dotless i stays');

SELECT is(kep.domain_valid(d), good, 'domain ' || quote_literal(replace(d, E'\n', '\n'))) FROM (VALUES ('hs01.kep.tr', true), ('a.b', true), ('çay.kep.tr', true), ('xn--ay-xja.kep.tr', true), ('1.2', true),
	('kep', false), ('', false), ('.kep.tr', false), ('kep.tr.', false), ('a..b', false), ('-a.kep.tr', false), ('a-.kep.tr', false), ('Hs01.kep.tr', false),
	('a b.kep.tr', false), (E'a.kep.tr\n', false), ('a_b.kep.tr', false), ('[1.2.3.4]', false), (repeat('a', 64) || '.tr', false), (repeat('a', 63) || '.tr', true),
	(repeat('abcdefg.', 32) || 'tr', false)) AS v (d, good);
SELECT is(kep.address_valid(a), good, 'address ' || quote_literal(replace(a, E'\n', '\n'))) FROM (VALUES ('a@hs01.kep.tr', true), ('ayşe.yılmaz@hs01.kep.tr', true), ('a+b=c@hs01.kep.tr', true), ('o''neil@hs01.kep.tr', true),
	('a@kep', false), ('@hs01.kep.tr', false), ('a@', false), ('a', false), ('a@b@hs01.kep.tr', false), ('.a@hs01.kep.tr', false), ('a.@hs01.kep.tr', false), ('a..b@hs01.kep.tr', false),
	('"a b"@hs01.kep.tr', false), ('A@hs01.kep.tr', false), ('a b@hs01.kep.tr', false), (E'a\n@hs01.kep.tr', false), ('<a@hs01.kep.tr>', false),
	(repeat('a', 64) || '@hs01.kep.tr', true), (repeat('a', 65) || '@hs01.kep.tr', false)) AS v (a, good);

-- Domains.
SELECT is(tap.try('kep_operator', 'SELECT kep.domain_add(''HS01.kep.test'')'), 'ok', 'a domain of ours');
SELECT is(tap.try('kep_operator', 'SELECT kep.domain_add(''hs01.kep.test'')'), 'ok', 'twice');
SELECT is((SELECT count(*) FROM kep.provider_changes), 1::bigint, 'noted once');
SELECT is(tap.words('kep_operator', 'SELECT kep.domain_add(''kep'')'), '"kep" is not a domain name | Give it like hs01.kep.tr.', 'KE001 in words');
SELECT is(tap.try('kep_operator', 'SELECT kep.domain_add(NULL)'), 'KE001', 'KE001 NULL');

-- Providers.
SELECT is(tap.try('kep_operator', $$ SELECT kep.provider_add('Other', 'hs02', '{HS02.kep.test,hs02b.kep.test}', '[127.0.0.1]:25', ARRAY['sha256 Fingerprint=' || rtrim(repeat('ab:', 32), ':')]) $$), 'ok', 'a provider');
SELECT is(tap.try('kep_operator', $$ SELECT kep.provider_add('Other', 'hs02', '{HS02.kep.test,hs02b.kep.test}', '[127.0.0.1]:25', ARRAY[repeat('ab', 32)]) $$), 'ok', 'twice');
SELECT results_eq('SELECT name, number, domains, relay, tls FROM kep.provider_list()', $$ VALUES ('Other', 'hs02', '{hs02.kep.test,hs02b.kep.test}'::text[], '[127.0.0.1]:25', ARRAY[tap.fingerprint()]) $$, 'as it was given, in one form');
SELECT results_eq('SELECT * FROM kep.domains()', $$ VALUES ('hs01.kep.test', NULL, '{}'::text[], NULL), ('hs02.kep.test', 'Other', ARRAY[tap.fingerprint()], '[127.0.0.1]:25'),
	('hs02b.kep.test', 'Other', ARRAY[tap.fingerprint()], '[127.0.0.1]:25') $$, 'policyd sees all domains');
SELECT is(tap.try('kep_operator', $$ SELECT kep.provider_add('Other', 'hs02', '{hs02.kep.test}', '', '{}') $$), 'ok', 'registered anew');
SELECT is((SELECT (domains, relay, tls)::text FROM kep.provider_list()), '({hs02.kep.test},,{})', 'the new registration counts');
SELECT is((SELECT count(*) FROM kep.provider_changes WHERE provider = 'Other'), 3::bigint, 'every registration is kept');
SELECT is(tap.try('kep_operator', statement), state, state || ': ' || statement) FROM (VALUES
	('KE001', $$ SELECT kep.provider_add('X', 'hs03', '{nodomain}', NULL, '{}') $$),
	('KE003', $$ SELECT kep.provider_add('X', 'hs03', '{hs03.kep.test}', NULL, '{ab:cd}') $$),
	('KE003', $$ SELECT kep.provider_add('X', 'hs03', '{hs03.kep.test}', NULL, '{NULL}') $$),
	('KE004', $$ SELECT kep.provider_add('X', 'hs03', '{hs02.kep.test}', NULL, '{}') $$),
	('KE004', $$ SELECT kep.provider_add('X', 'hs03', '{hs01.kep.test}', NULL, '{}') $$),
	('KE004', $$ SELECT kep.domain_add('hs02.kep.test') $$),
	('KE005', $$ SELECT kep.provider_add('', 'hs03', '{hs03.kep.test}', NULL, '{}') $$),
	('KE005', $$ SELECT kep.provider_add('X', NULL, '{hs03.kep.test}', NULL, '{}') $$),
	('KE005', $$ SELECT kep.provider_add('X', 'hs03', '{}', NULL, NULL) $$),
	('KE006', $$ SELECT kep.provider_add('X', 'hs03', '{hs03.kep.test}', 'a b', '{}') $$),
	('KE006', $$ SELECT kep.provider_add('X', 'hs03', '{hs03.kep.test}', E'[a]:25\nx', '{}') $$),
	('ok', $$ SELECT kep.provider_add('X', 'hs03', '{hs03.kep.test}', '[::1]:10025', NULL) $$),
	('ok', $$ SELECT kep.provider_add('X', 'hs03', '{hs03.kep.test}', 'mx.hs03.kep.test', NULL) $$)) AS v (state, statement);

-- Accounts.
SELECT is(tap.try('kep_operator', $$ SELECT kep.account_add('Ayse@HS01.kep.test', NULL, '10000000146', 'Ayşe Yılmaz') $$), 'ok', 'an account');
SELECT is(tap.try('kep_operator', $$ SELECT kep.account_add('ayse@hs01.kep.test', '', '10000000146', 'Ayşe Yılmaz') $$), 'ok', 'twice');
SELECT is(tap.try('kep_operator', $$ SELECT kep.account_add('ayse2@hs01.kep.test', 'ayse', '10000000146', 'Ayşe Yılmaz') $$), 'ok', 'a second one of the same holder');
SELECT is((SELECT count(*) FROM kep.holder), 1::bigint, 'one holder');
SELECT is((SELECT a::text FROM kep.account('AYSE@hs01.kep.test') AS a), '(ayse@hs01.kep.test,active,ayse@hs01.kep.test)', 'policyd sees it');
SELECT is_empty($$ SELECT * FROM kep.account('nobody@hs01.kep.test') $$, 'and sees none where there is none');
SELECT is(tap.try('kep_operator', statement), state, state || ': ' || statement) FROM (VALUES
	('KE002', $$ SELECT kep.account_add('nobody', NULL, NULL, 'N') $$),
	('KE002', $$ SELECT kep.account_add(NULL, NULL, NULL, 'N') $$),
	('KE007', $$ SELECT kep.account_add('n@hs01.kep.test', NULL, '10000000147', 'N') $$),
	('KE008', $$ SELECT kep.account_add('n@hs01.kep.test', NULL, '10000000146', 'Somebody Else') $$),
	('KE009', $$ SELECT kep.account_add('n@hs02.kep.test', NULL, NULL, 'N') $$),
	('KE009', $$ SELECT kep.account_add('n@ordinary.test', NULL, NULL, 'N') $$),
	('KE010', $$ SELECT kep.account_add('ayse@hs01.kep.test', NULL, NULL, 'Somebody Else') $$),
	('KE010', $$ SELECT kep.account_add('ayse@hs01.kep.test', 'other', '10000000146', 'Ayşe Yılmaz') $$),
	('KE011', $$ SELECT kep.account_suspend('ayse@hs01.kep.test', '') $$),
	('KE011', $$ SELECT kep.account_resume('ayse@hs01.kep.test', NULL) $$),
	('KE012', $$ SELECT kep.account_suspend('nobody@hs01.kep.test', 'x') $$),
	('ok', $$ SELECT kep.account_suspend('AYSE@hs01.kep.test', 'lost password') $$),
	('ok', $$ SELECT kep.account_suspend('ayse@hs01.kep.test', 'again') $$)) AS v (state, statement);
SELECT is(tap.words('kep_operator', $$ SELECT kep.account_add('n@hs09.kep.test', NULL, NULL, 'N') $$) LIKE 'hs09.kep.test is not one of our KEP domains | Register it first:%', true, 'KE009 in words');
SELECT is((SELECT state FROM kep.account('ayse@hs01.kep.test')), 'suspended', 'suspended');
SELECT is(tap.try('kep_operator', $$ SELECT kep.account_resume('ayse@hs01.kep.test', 'found') $$), 'ok', 'resumed');
SELECT is((SELECT string_agg(concat_ws(' ', state, reason, actor = session_user), ', ' ORDER BY at) FROM kep.account_changes WHERE address = 'ayse@hs01.kep.test'),
	'active opened t, suspended lost password t, active found t', 'the history tells who and why');
UPDATE kep.account SET state = 'closed' WHERE address = 'ayse@hs01.kep.test';
SELECT is(tap.try('kep_operator', $$ SELECT kep.account_resume('ayse@hs01.kep.test', 'x') $$), 'KE013', 'a closed one is not resumed');
SELECT is(tap.try('kep_operator', $$ SELECT kep.account_add('ayse@hs01.kep.test', NULL, '10000000146', 'Ayşe Yılmaz') $$), 'KE010', 'and not given again, not even to its holder');
SELECT results_eq('SELECT address, state, login, holder, identity FROM kep.account_list()',
	$$ VALUES ('ayse2@hs01.kep.test', 'active', 'ayse', 'Ayşe Yılmaz', '10000000146'), ('ayse@hs01.kep.test', 'closed', 'ayse@hs01.kep.test', 'Ayşe Yılmaz', '10000000146') $$, 'the list');
SELECT throws_ok($$ INSERT INTO kep.account (address, holder, login) VALUES ('X@hs01.kep.test', 1, 'x') $$, '23514', NULL, 'an unfolded address cannot be stored');
SELECT * FROM finish();
ROLLBACK;
