-- Who may do what: nobody changes evidence, policyd reads no table, the auditor reads views.
BEGIN;
SELECT no_plan();
SELECT tap.house();
SELECT tap.accept(tap.message('Q1', 'ayse@hs01.kep.test', '{ali@hs01.kep.test}'), tap.id(1));
SELECT kep.ledger_partitions(0);

CREATE TEMP VIEW tables AS SELECT c.oid, 'kep.' || c.relname AS name FROM pg_class AS c WHERE c.relnamespace = 'kep'::regnamespace AND c.relkind IN ('r', 'p');
CREATE TEMP VIEW views AS SELECT c.oid, 'kep.' || c.relname AS name FROM pg_class AS c WHERE c.relnamespace = 'kep'::regnamespace AND c.relkind = 'v';
CREATE TEMP TABLE append_only AS SELECT unnest('{kep.evidence,kep.message,kep.recipient,kep.attempt,kep.refusal,kep.void_trace,kep.alarm,kep.relay,kep.relay_event,kep.account_history,kep.provider_history,kep.pin_history,kep.leaf,kep.leaf_0,kep.checkpoint,kep.stamp,kep.cosignature,kep.hold_history,kep.migration}'::text[]) AS name;
CREATE TEMP TABLE ours AS SELECT unnest('{kep_policyd,kep_operator,kep_auditor}'::text[]) AS role;

-- Roles.
SELECT is((SELECT rolcanlogin OR rolsuper OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = 'kep_owner'), false, 'kep_owner cannot log in and is nothing special');
SELECT is((SELECT bool_and(rolcanlogin AND NOT rolsuper AND NOT rolcreaterole AND NOT rolcreatedb AND NOT rolbypassrls) FROM pg_roles WHERE rolname IN (SELECT role FROM ours)), true, 'the others log in and are nothing special');
SELECT is((SELECT count(*) FROM pg_auth_members WHERE roleid = 'kep_owner'::regrole AND member::regrole::text IN (SELECT role FROM ours)), 0::bigint, 'none of them is a member of kep_owner');
SELECT is_empty($$ SELECT oid::regclass FROM pg_class WHERE relnamespace = 'kep'::regnamespace AND relowner <> 'kep_owner'::regrole $$, 'kep_owner owns every relation');
SELECT is_empty($$ SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'kep'::regnamespace AND proowner <> 'kep_owner'::regrole $$, 'and every function');
SELECT is((SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'kep'), 'kep_owner', 'and the schema');
SELECT is(has_schema_privilege('public', 'kep', 'USAGE'), false, 'the schema is not for everybody');

-- Tables and views.
SELECT is_empty($$ SELECT role, name, p FROM ours, tables, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p
	WHERE has_table_privilege(role, oid, p) OR (p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(role, oid, p)) $$, 'no role of ours has any right on a table');
SELECT is_empty($$ SELECT role, name FROM ours, views WHERE has_table_privilege(role, oid, 'SELECT') <> (role = 'kep_auditor') $$, 'the auditor reads every view, nobody else any');
SELECT is_empty($$ SELECT role, name, p FROM ours, views, unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS p WHERE has_table_privilege(role, oid, p) $$, 'nobody writes through a view');
SELECT is_empty($$ SELECT name FROM (SELECT * FROM tables UNION SELECT * FROM views) AS r WHERE has_table_privilege('public', oid, 'SELECT') $$, 'nothing is for everybody');
SELECT is(tap.try('kep_auditor', 'SELECT * FROM kep.message_facts, kep.message_timeline, kep.messages, kep.evidences, kep.receipts, kep.attempts'), 'ok', 'the auditor reads');
SELECT is(tap.try('kep_auditor', 'SELECT * FROM kep.refusals, kep.accounts, kep.account_changes, kep.providers, kep.provider_changes, kep.relay_events, kep.alarms, kep.pins, kep.pin_changes, kep.holds, kep.hold_changes, kep.migrations'), 'ok', 'the auditor reads the rest');
SELECT is(tap.try('kep_auditor', 'SELECT * FROM kep.ledger, kep.ledger_leaves, kep.tiles, kep.checkpoints, kep.stamps, kep.cosignatures, kep.prunings'), 'ok', 'and the ledger');
SELECT is(tap.try('kep_auditor', 'SELECT * FROM kep.evidence'), '42501', 'but no table');
SELECT is(tap.try('kep_policyd', 'SELECT * FROM kep.evidence'), '42501', 'policyd reads no table');
SELECT is(tap.try('kep_policyd', 'SELECT * FROM kep.messages'), '42501', 'and no view');
SELECT is(tap.try('kep_policyd', 'INSERT INTO kep.evidence DEFAULT VALUES'), '42501', 'and writes none');

-- Functions.
SELECT is_empty($$ SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'kep'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE') $$, 'no function is for everybody');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc AS p, ours WHERE p.pronamespace = 'kep'::regnamespace AND has_function_privilege(role, p.oid, 'EXECUTE')
	AND NOT p.prosecdef AND p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'sql') $$, 'what a role may call runs as the owner, but for plain expressions');
SELECT is_empty($$ SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'kep'::regnamespace
	AND (prosecdef OR prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql'))
	AND 'search_path=pg_catalog, kep, pg_temp' <> ALL (coalesce(proconfig, '{""}')) $$, 'and has a fixed search path');
SELECT is(has_function_privilege('kep_auditor', 'kep.account_suspend(text,text)', 'EXECUTE'), false, 'the auditor suspends no account');
SELECT is(has_function_privilege('kep_policyd', 'kep.account_add(text,text,text,text)', 'EXECUTE'), false, 'policyd opens no account');
SELECT is(has_function_privilege('kep_operator', 'kep.hop_accept(uuid,uuid,text,timestamptz,bytea,text)', 'EXECUTE'), false, 'the operator makes no evidence');
SELECT is(has_function_privilege('kep_policyd', 'kep.evidence_add(uuid,int,uuid,text,timestamptz,bytea,text,text,text)', 'EXECUTE'), false, 'policyd adds evidence only by way of the hop');
SELECT is_empty($$ SELECT role, f FROM ours, unnest('{"kep.prune(bigint,int)","kep.hold_add(text,text)"}'::text[]) AS f WHERE has_function_privilege(role, f, 'EXECUTE') <> (role = 'kep_operator') $$, 'the operator prunes and holds, nobody else');
SELECT is_empty($$ SELECT role, p.oid::regprocedure FROM ours, pg_proc AS p WHERE pronamespace = 'kep'::regnamespace AND proname ~ '^(ledger|tile|tree|checkpoint|stamp|witness|cosignature)_' AND has_function_privilege(role, p.oid, 'EXECUTE') AND role <> 'kep_policyd' $$, 'nobody but policyd extends and signs the ledger');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc AS p WHERE pronamespace = 'kep'::regnamespace AND proname IN ('ledger_append', 'ledger_next', 'tile_append', 'hold_turn', 'held', 'prune_body') AND has_function_privilege('kep_policyd', p.oid, 'EXECUTE') $$, 'and it cannot give a leaf a place of its choice');
SELECT is_empty($$ SELECT role, f FROM ours, unnest('{kep.schema_version(),kep.time_text(timestamptz)}'::text[]) AS f WHERE NOT has_function_privilege(role, f, 'EXECUTE') $$, 'all may ask the version');

-- Append-only: for the owner, for a superuser, in replica mode.
SELECT is_empty($$ SELECT name FROM append_only WHERE NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = name::regclass AND t.tgname = 'append_only' AND t.tgenabled = 'A'
	AND t.tgtype & 1 = 0 AND t.tgtype & (8 | 16 | 32) = (8 | 16 | 32)) $$, 'an always-on statement trigger for UPDATE, DELETE and TRUNCATE');
SELECT is_empty($$ SELECT name FROM append_only WHERE NOT (SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = name::regclass) $$, 'row security, forced on the owner');
SELECT is_empty($$ SELECT name, polcmd FROM append_only JOIN pg_policy ON polrelid = name::regclass WHERE polcmd NOT IN ('r', 'a') AND (name, polname) <> ('kep.evidence', 'pruning') $$, 'no policy to change rows, but to prune');
SELECT is_empty($$ SELECT name, p FROM append_only, unnest('{UPDATE,DELETE,TRUNCATE}'::text[]) AS p WHERE has_table_privilege('kep_owner', name, p) OR (p = 'UPDATE' AND has_any_column_privilege('kep_owner', name, p) AND name <> 'kep.evidence') $$, 'no grant to the owner');
SELECT is((SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'kep.evidence'::regclass AND attnum > 0 AND has_column_privilege('kep_owner', attrelid, attnum, 'UPDATE')), 'body,pruned_by', 'but what kep.prune() sets');
SELECT is_empty($$ SELECT conrelid::regclass, conname FROM pg_constraint WHERE connamespace = 'kep'::regnamespace AND contype = 'f' AND (confdeltype <> 'a' OR confupdtype <> 'a') $$, 'nothing cascades');
SELECT is(tap.try('kep_owner', 'UPDATE kep.' || t || ' SET ' || c || ' = ' || c), '42501', 'owner: UPDATE ' || t) FROM (VALUES ('evidence', 'outcome'), ('message', 'sent_at'), ('recipient', 'address')) AS v (t, c);
SELECT is(tap.try('postgres', 'UPDATE kep.' || t || ' SET ' || c || ' = ' || c), 'KE100', 'superuser: UPDATE ' || t) FROM (VALUES ('evidence', 'outcome'), ('message', 'sent_at'), ('recipient', 'address')) AS v (t, c);
SELECT is(tap.try('postgres', 'DELETE FROM ' || name), 'KE100', 'superuser: DELETE FROM ' || name) FROM append_only;
SELECT is(tap.try('postgres', 'DELETE FROM ' || name || ' WHERE false'), 'KE100', 'even of no row: ' || name) FROM append_only;
SELECT is(tap.try('postgres', 'TRUNCATE ' || name || ' CASCADE'), 'KE100', 'superuser: TRUNCATE ' || name) FROM append_only;
SELECT is(tap.try('postgres', 'INSERT INTO kep.evidence SELECT * FROM kep.evidence ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome'), 'KE100', 'superuser: ON CONFLICT DO UPDATE');
SET session_replication_role = replica;
SELECT is(tap.try('postgres', 'DELETE FROM ' || name), 'KE100', 'replica mode: DELETE FROM ' || name) FROM append_only;
SELECT is(tap.try('postgres', 'UPDATE kep.evidence SET outcome = outcome'), 'KE100', 'replica mode: UPDATE');
SELECT is(tap.try('postgres', 'TRUNCATE ' || name || ' CASCADE'), 'KE100', 'replica mode: TRUNCATE ' || name) FROM append_only;
SELECT is(tap.try('postgres', format('UPDATE kep.%I SET %I = %2$I', t, c)), 'KE100', 'replica mode: UPDATE ' || t) FROM (VALUES ('leaf', 'hash'), ('leaf_0', 'evidence_id'), ('checkpoint', 'note'), ('stamp', 'token'), ('cosignature', 'line')) AS v (t, c);
SELECT is(tap.try('postgres', format('%s kep.%s', w, t)), 'KE100', format('replica mode: %s %s', w, t)) FROM unnest('{tile,ledger_state}'::text[]) AS t, unnest('{DELETE FROM,TRUNCATE}'::text[]) AS w;
INSERT INTO kep.tile VALUES (0, 0, sha256('a') || sha256('b'));
SELECT is(tap.try('postgres', 'UPDATE kep.tile SET ' || c), 'KE100', 'replica mode: UPDATE tile SET ' || c) FROM unnest(ARRAY['hashes = hashes', 'hashes = sha256(''a'')',
	'hashes = sha256(''x'') || sha256(''b'') || sha256(''c'')', 'number = 1', 'level = 1, hashes = hashes || sha256(''c'')']) AS c;
SELECT is(tap.try('postgres', 'UPDATE kep.tile SET hashes = hashes || sha256(''c'')'), 'ok', 'but it may grow');
SELECT is(tap.try('postgres', 'UPDATE kep.tile SET hashes = hashes || ''c'''), '23514', 'by whole hashes');
SELECT is(tap.try('postgres', 'UPDATE kep.ledger_state SET ' || c), 'KE100', 'replica mode: UPDATE ledger_state SET ' || c) FROM unnest(ARRAY['size = size - 1', 'root = sha256(''a'')', 'partitioned = 0']) AS c;
SELECT is(tap.try('postgres', 'UPDATE kep.evidence SET ' || c), 'KE100', 'replica mode: UPDATE evidence SET ' || c) FROM unnest(ARRAY['body = body', 'body = NULL, pruned_by = id', 'retain_until = retain_until - interval ''1 day''',
	'digest = digest', 'recorded_at = ''2000-01-01'', event_time = ''2000-01-01'', body = NULL, pruned_by = id']) AS c;
SELECT is(tap.try('postgres', 'UPDATE kep.evidence SET retain_until = retain_until + interval ''1 day'''), 'ok', 'only the retention grows');
RESET session_replication_role;
-- The grants given back by the owner to himself do not help either.
GRANT UPDATE, DELETE, TRUNCATE ON kep.evidence TO kep_owner;
SELECT is(tap.try('kep_owner', 'UPDATE kep.evidence SET body = NULL, pruned_by = id'), 'KE100', 'owner: a young body stays');
SELECT is(tap.try('kep_owner', 'UPDATE kep.evidence SET outcome = outcome'), 'KE100', 'owner with grants: UPDATE raises');
SELECT is(tap.try('kep_owner', 'DELETE FROM kep.evidence'), 'KE100', 'owner with grants: DELETE raises');
SELECT is(tap.try('kep_owner', 'TRUNCATE kep.evidence'), 'KE100', 'owner with grants: TRUNCATE raises');

-- Accounts and receipts stay.
SELECT is(tap.try('postgres', 'DELETE FROM kep.account'), 'KE100', 'no account is deleted');
SELECT is(tap.try('postgres', 'TRUNCATE kep.account'), 'KE100', 'nor are all of them');
SELECT is(tap.try('postgres', 'UPDATE kep.account SET holder = 1 WHERE address = ''ali@hs01.kep.test'''), 'KE100', 'no account gets another holder');
SELECT is(tap.try('postgres', 'UPDATE kep.account SET address = ''x'' || address'), 'KE100', 'or another address');
SELECT is(tap.try('postgres', 'DELETE FROM kep.outbox'), 'KE100', 'no receipt is deleted');
SELECT is(tap.try('postgres', 'TRUNCATE kep.outbox'), 'KE100', 'nor are all of them');
SELECT kep.outbox_store(tap.id(1), 'ayse@hs01.kep.test', 'mail');
SELECT is(tap.try('postgres', 'UPDATE kep.outbox SET mail = ''other'''), 'KE100', 'a stored receipt is not rewritten');
SELECT is(tap.try('postgres', 'UPDATE kep.outbox SET recipient = ''x'''), 'KE100', 'nor addressed anew');

-- What the row itself must hold.
SELECT is(tap.try('postgres', format('INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) VALUES (%L, %L, 0, ''A.1'', now(), ''a'', sha256(''b''), now() + interval ''21 years'')', tap.id(7), tap.id(8))), '23514', 'the digest is the body''s');
SELECT is(tap.try('postgres', format('INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until) VALUES (%L, %L, 0, ''C.1'', now(), ''a'', sha256(''a''), now() + interval ''21 years'')', tap.id(7), tap.id(8))), '23514', 'the outcome is one of the nine');
SELECT is((SELECT retain_until - event_time >= interval '7304 days' AND txid = pg_current_xact_id() FROM kep.evidence), true, 'retention and transaction are noted');

SELECT * FROM finish();
ROLLBACK;
