-- 0001 base: roles, the schema, the list of applied migrations, small words.
--
-- Run by a superuser, or by a role that may create roles and schemas in this
-- database.  Every file is one transaction and ends by writing down its number.

DO $$
BEGIN
	IF current_setting('server_version_num')::int < 150000 THEN
		RAISE EXCEPTION 'PostgreSQL % is too old', current_setting('server_version')
			USING ERRCODE = 'KE000', HINT = 'Install PostgreSQL 15 or later.';
	END IF;
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE EXCEPTION 'the database is encoded in %, not in UTF8', current_setting('server_encoding')
			USING ERRCODE = 'KE000', HINT = 'Create it anew: createdb -E UTF8 -T template0 kep';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kep_owner') THEN
		CREATE ROLE kep_owner NOLOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kep_policyd') THEN
		CREATE ROLE kep_policyd LOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kep_operator') THEN
		CREATE ROLE kep_operator LOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kep_auditor') THEN
		CREATE ROLE kep_auditor LOGIN;
	END IF;
	IF NOT pg_has_role(current_user, 'kep_owner', 'MEMBER') THEN
		EXECUTE format('GRANT kep_owner TO %I', current_user);
	END IF;
END $$;

COMMENT ON ROLE kep_owner IS 'owns the schema kep; nobody logs in as this role';
COMMENT ON ROLE kep_policyd IS 'kep-policyd: calls functions of the schema kep, reads no table';
COMMENT ON ROLE kep_operator IS 'the operator: accounts, domains and providers, through functions only';
COMMENT ON ROLE kep_auditor IS 'the auditor: reads the views of the schema kep, changes nothing';

CREATE SCHEMA kep AUTHORIZATION kep_owner;
COMMENT ON SCHEMA kep IS 'Registered e-mail (Kayıtlı Elektronik Posta): who sent what fingerprint to whom, when it was delivered and read, and the evidence (KEP delili) of it. Never any content, never a subject.';
REVOKE ALL ON SCHEMA kep FROM PUBLIC;
GRANT USAGE ON SCHEMA kep TO kep_policyd, kep_operator, kep_auditor;

SET ROLE kep_owner;

-- No function of ours is for everybody; each is granted by name.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE TABLE kep.migration (
	number     int PRIMARY KEY,
	name       text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	applied_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE kep.migration IS 'the numbered files of the schema that were applied here';
COMMENT ON COLUMN kep.migration.number IS 'number of the file';
COMMENT ON COLUMN kep.migration.name IS 'its name';
COMMENT ON COLUMN kep.migration.applied_at IS 'when it was applied';
COMMENT ON COLUMN kep.migration.applied_by IS 'the role that applied it';

CREATE FUNCTION kep.schema_version() RETURNS int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT max(number) FROM kep.migration $$;
COMMENT ON FUNCTION kep.schema_version() IS 'the highest number of the applied migrations; a program compares it with the number it was built for';

CREATE FUNCTION kep.time_text(at timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT
AS $$ SELECT pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
COMMENT ON FUNCTION kep.time_text(timestamptz) IS 'a time as it stands in evidence: RFC 3339, UTC, six digits of the second';

-- ASCII letters only, whatever the locale: a Turkish dotless i must stay one.
CREATE FUNCTION kep.fold(address text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT pg_catalog.lower(address COLLATE "C") $$;
COMMENT ON FUNCTION kep.fold(text) IS 'an address or a domain with its ASCII letters in lower case; two addresses are the same if these are';

CREATE FUNCTION kep.domain_of(address text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT pg_catalog.split_part(address, '@', -1) $$;
COMMENT ON FUNCTION kep.domain_of(text) IS 'what stands behind the @ of an address';

-- LDH or UTF-8 labels, at least two; folded.  The same rule as libkep/addr.h.
CREATE FUNCTION kep.domain_valid(domain text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
	SELECT pg_catalog.octet_length(domain) <= 255 AND domain = pg_catalog.lower(domain COLLATE "C")
	   AND domain ~ '^([a-z0-9\u0080-\U0010FFFF]([a-z0-9\u0080-\U0010FFFF-]{0,61}[a-z0-9\u0080-\U0010FFFF])?\.)+[a-z0-9\u0080-\U0010FFFF]([a-z0-9\u0080-\U0010FFFF-]{0,61}[a-z0-9\u0080-\U0010FFFF])?$'
$$;
COMMENT ON FUNCTION kep.domain_valid(text) IS 'is this a domain name, in lower case, of two labels or more?';

-- A dot-atom, an @, a domain.  The same rule as libkep/addr.h.
CREATE FUNCTION kep.address_valid(address text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
	SELECT address = pg_catalog.lower(address COLLATE "C")
	   AND pg_catalog.octet_length(pg_catalog.split_part(address, '@', 1)) <= 64
	   AND address ~ '^[a-z0-9!#$%&''*+/=?^_`{|}~\u0080-\U0010FFFF-]+(\.[a-z0-9!#$%&''*+/=?^_`{|}~\u0080-\U0010FFFF-]+)*@[^@]+$'
	   AND kep.domain_valid(pg_catalog.split_part(address, '@', 2))
$$;
COMMENT ON FUNCTION kep.address_valid(text) IS 'is this an e-mail address, in lower case, of the kind a KEP account may have?';

-- d10 = (7 * (d1+d3+d5+d7+d9) - (d2+d4+d6+d8)) mod 10, d11 = (d1+...+d10) mod 10; the first digit is not 0.
CREATE FUNCTION kep.tckn_valid(number text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE WHEN number ~ '^[1-9][0-9]{10}$' THEN
		(SELECT (7 * (d[1] + d[3] + d[5] + d[7] + d[9]) - (d[2] + d[4] + d[6] + d[8]) + 40) % 10 = d[10]
		    AND (d[1] + d[2] + d[3] + d[4] + d[5] + d[6] + d[7] + d[8] + d[9] + d[10]) % 10 = d[11]
		   FROM (SELECT pg_catalog.string_to_array(number, NULL)::int[] AS d) AS digits)
	ELSE false END
$$;
COMMENT ON FUNCTION kep.tckn_valid(text) IS 'do the check digits of this Turkish identity number (T.C. kimlik numarası) agree with the others?';

CREATE FUNCTION kep.append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION '% of %.% refused: its rows are written once and never changed', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
		USING ERRCODE = 'KE100', HINT = 'Evidence is append-only. What was recorded wrongly is mended by a further record.';
END $$;
COMMENT ON FUNCTION kep.append_only() IS 'trigger: refuses UPDATE, DELETE and TRUNCATE, whoever asks';

-- Three locks on one door: no grants, row security without a policy to change
-- rows, and a statement trigger that also fires for the owner, for superusers
-- and while session_replication_role = replica.
CREATE PROCEDURE kep.make_append_only(target regclass)
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM kep_owner', target);
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
	EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
	EXECUTE format('CREATE POLICY reading ON %s FOR SELECT TO kep_owner USING (true)', target);
	EXECUTE format('CREATE POLICY adding ON %s FOR INSERT TO kep_owner WITH CHECK (true)', target);
	EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION kep.append_only()', target);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only', target);
END $$;
COMMENT ON PROCEDURE kep.make_append_only(regclass) IS 'migrations: make a table append-only by grant, by row security and by trigger';

CALL kep.make_append_only('kep.migration');
GRANT EXECUTE ON FUNCTION kep.schema_version(), kep.time_text(timestamptz) TO kep_policyd, kep_operator, kep_auditor;
GRANT EXECUTE ON FUNCTION kep.tckn_valid(text) TO kep_policyd, kep_operator;

INSERT INTO kep.migration (number, name) VALUES (1, 'base');
RESET ROLE;
