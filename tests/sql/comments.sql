-- Whatever an auditor sees says what it is.
BEGIN;
SELECT no_plan();
SELECT isnt(obj_description('kep'::regnamespace, 'pg_namespace'), NULL, 'the schema');
SELECT is_empty($$ SELECT oid::regclass FROM pg_class WHERE relnamespace = 'kep'::regnamespace AND relkind IN ('r', 'v', 'p') AND obj_description(oid, 'pg_class') IS NULL $$, 'every table and view');
SELECT is_empty($$ SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
	WHERE c.relnamespace = 'kep'::regnamespace AND c.relkind IN ('r', 'v', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL $$, 'every column');
SELECT is_empty($$ SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'kep'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL $$, 'every function');
SELECT is_empty($$ SELECT rolname FROM pg_roles WHERE rolname LIKE 'kep\_%' AND shobj_description(oid, 'pg_authid') IS NULL $$, 'every role');
-- No content, ever.
SELECT is_empty($$ SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid WHERE c.relnamespace = 'kep'::regnamespace
	AND attname ~ '(subject|content|filename|attachment)' $$, 'no column for content or subject');
SELECT * FROM finish();
ROLLBACK;
