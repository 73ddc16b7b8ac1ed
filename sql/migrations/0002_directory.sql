-- 0002 directory: providers, domains, holders, accounts; what the operator does to them.
--
-- Minimal register: one address of one holder, its state and its login.

SET ROLE kep_owner;

-- Providers (KEPHS) and domains --------------------------------------------

CREATE TABLE kep.provider (
	name       text PRIMARY KEY CHECK (name <> ''),
	number     text NOT NULL,
	relay      text,
	tls        text[] NOT NULL,
	added_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE kep.provider IS 'other registered providers (KEP hizmet sağlayıcısı, KEPHS)';
COMMENT ON COLUMN kep.provider.name IS 'name of the provider';
COMMENT ON COLUMN kep.provider.number IS 'its licence number, such as hs02';
COMMENT ON COLUMN kep.provider.relay IS 'where mail for it goes, [host]:port; empty: by MX';
COMMENT ON COLUMN kep.provider.tls IS 'SHA-256 fingerprints of the TLS certificates it may connect with';
COMMENT ON COLUMN kep.provider.added_at IS 'when it was registered';

CREATE TABLE kep.domain (
	domain     text PRIMARY KEY CHECK (kep.domain_valid(domain)),
	provider   text REFERENCES kep.provider,
	added_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX domain_provider ON kep.domain (provider);
COMMENT ON TABLE kep.domain IS 'KEP domains: our own, and those of other providers';
COMMENT ON COLUMN kep.domain.domain IS 'the domain, in lower case';
COMMENT ON COLUMN kep.domain.provider IS 'whose it is; empty: ours';
COMMENT ON COLUMN kep.domain.added_at IS 'when it was registered';

CREATE TABLE kep.provider_history (
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor      text NOT NULL DEFAULT session_user,
	provider   text,
	number     text,
	relay      text,
	tls        text[],
	domains    text[] NOT NULL
);
CALL kep.make_append_only('kep.provider_history');
COMMENT ON TABLE kep.provider_history IS 'every registration of a provider or of one of our domains, as it was given';
COMMENT ON COLUMN kep.provider_history.at IS 'when';
COMMENT ON COLUMN kep.provider_history.actor IS 'by which database role';
COMMENT ON COLUMN kep.provider_history.provider IS 'the provider; empty: ourselves';
COMMENT ON COLUMN kep.provider_history.number IS 'its licence number';
COMMENT ON COLUMN kep.provider_history.relay IS 'where mail for it goes';
COMMENT ON COLUMN kep.provider_history.tls IS 'fingerprints of its TLS certificates';
COMMENT ON COLUMN kep.provider_history.domains IS 'its domains';

-- Holders (hesap sahibi) and accounts (KEP hesabı) ---------------------------

CREATE TABLE kep.holder (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name       text NOT NULL CHECK (name <> ''),
	identity   text UNIQUE CHECK (identity IS NULL OR kep.tckn_valid(identity)),
	added_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE kep.holder IS 'holders of accounts (hesap sahibi)';
COMMENT ON COLUMN kep.holder.id IS 'our number of the holder';
COMMENT ON COLUMN kep.holder.name IS 'name of the person or body';
COMMENT ON COLUMN kep.holder.identity IS 'Turkish identity number (T.C. kimlik numarası), where known';
COMMENT ON COLUMN kep.holder.added_at IS 'when the holder was registered';

-- An address is never given to anyone else: rows stay, address and holder are fixed.
CREATE TABLE kep.account (
	address    text PRIMARY KEY CHECK (kep.address_valid(address)),
	holder     bigint NOT NULL REFERENCES kep.holder,
	login      text NOT NULL CHECK (login <> ''),
	state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'closed')),
	added_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX account_holder ON kep.account (holder);
COMMENT ON TABLE kep.account IS 'KEP accounts (KEP hesabı) of this provider; an address is unique for ever';
COMMENT ON COLUMN kep.account.address IS 'the KEP address, in lower case';
COMMENT ON COLUMN kep.account.holder IS 'whose account it is (never changes)';
COMMENT ON COLUMN kep.account.login IS 'the login (SASL) that may send for it';
COMMENT ON COLUMN kep.account.state IS 'active (aktif), suspended (askıda) or closed (kapalı)';
COMMENT ON COLUMN kep.account.added_at IS 'when it was opened';

CREATE FUNCTION kep.account_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	IF TG_OP <> 'UPDATE' THEN
		RAISE EXCEPTION '% of kep.account refused: an account is never deleted', TG_OP
			USING ERRCODE = 'KE100', HINT = 'Suspend it instead: kepctl account suspend ADDRESS.';
	END IF;
	RAISE EXCEPTION 'the address and the holder of account % cannot be changed', OLD.address
		USING ERRCODE = 'KE100', HINT = 'An account cannot be transferred. Add another address.';
END $$;
COMMENT ON FUNCTION kep.account_kept() IS 'trigger: an account is never deleted and never given to another holder';
CREATE TRIGGER account_kept BEFORE DELETE OR TRUNCATE ON kep.account FOR EACH STATEMENT EXECUTE FUNCTION kep.account_kept();
CREATE TRIGGER account_fixed BEFORE UPDATE ON kep.account FOR EACH ROW
	WHEN (OLD.address IS DISTINCT FROM NEW.address OR OLD.holder IS DISTINCT FROM NEW.holder) EXECUTE FUNCTION kep.account_kept();
ALTER TABLE kep.account ENABLE ALWAYS TRIGGER account_kept;
ALTER TABLE kep.account ENABLE ALWAYS TRIGGER account_fixed;

CREATE TABLE kep.account_history (
	address    text NOT NULL,
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor      text NOT NULL DEFAULT session_user,
	state      text NOT NULL,
	reason     text NOT NULL
);
CREATE INDEX account_history_address ON kep.account_history (address, at);
CALL kep.make_append_only('kep.account_history');
COMMENT ON TABLE kep.account_history IS 'every change of an account';
COMMENT ON COLUMN kep.account_history.address IS 'the KEP address';
COMMENT ON COLUMN kep.account_history.at IS 'when';
COMMENT ON COLUMN kep.account_history.actor IS 'by which database role';
COMMENT ON COLUMN kep.account_history.state IS 'the state after the change';
COMMENT ON COLUMN kep.account_history.reason IS 'why';

-- What policyd asks -----------------------------------------------------------

CREATE FUNCTION kep.domains() RETURNS TABLE (domain text, provider text, tls text[], relay text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
	SELECT d.domain, d.provider, coalesce(p.tls, '{}'), p.relay
	  FROM kep.domain AS d LEFT JOIN kep.provider AS p ON p.name = d.provider
	 ORDER BY d.domain
$$;
COMMENT ON FUNCTION kep.domains() IS 'all KEP domains with their provider (empty: ours), the fingerprints of its TLS certificates and its relay host';

CREATE FUNCTION kep.account(wanted text) RETURNS TABLE (address text, state text, login text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT a.address, a.state, a.login FROM kep.account AS a WHERE a.address = kep.fold(wanted) $$;
COMMENT ON FUNCTION kep.account(text) IS 'one account, by address; no row: there is none';

-- What the operator does ------------------------------------------------------

CREATE FUNCTION kep.check_domain(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	IF given IS NULL OR NOT kep.domain_valid(kep.fold(given)) THEN
		RAISE EXCEPTION '"%" is not a domain name', given
			USING ERRCODE = 'KE001', HINT = 'Give it like hs01.kep.tr.';
	END IF;
	RETURN kep.fold(given);
END $$;
COMMENT ON FUNCTION kep.check_domain(text) IS 'the domain in lower case; KE001 if it is none';

CREATE FUNCTION kep.check_address(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	IF given IS NULL OR NOT kep.address_valid(kep.fold(given)) THEN
		RAISE EXCEPTION '"%" is not an e-mail address a KEP account may have', given
			USING ERRCODE = 'KE002', HINT = 'Give it like name@hs01.kep.tr, without quotes, blanks or comments.';
	END IF;
	RETURN kep.fold(given);
END $$;
COMMENT ON FUNCTION kep.check_address(text) IS 'the address in lower case; KE002 if it is none';

-- Postfix writes a fingerprint as AB:CD:...; openssl with a name before it.
CREATE FUNCTION kep.check_fingerprint(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
DECLARE
	digits text := upper(translate(regexp_replace(given, '^.*=', ''), ': ', '') COLLATE "C");
BEGIN
	IF digits IS NULL OR digits !~ '^[0-9A-F]{64}$' THEN
		RAISE EXCEPTION '"%" is not the SHA-256 fingerprint of a certificate', given
			USING ERRCODE = 'KE003', HINT = 'Take it from: openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE.pem';
	END IF;
	RETURN rtrim(regexp_replace(digits, '(..)', '\1:', 'g'), ':');
END $$;
COMMENT ON FUNCTION kep.check_fingerprint(text) IS 'the fingerprint as Postfix writes it; KE003 if it is none';

CREATE FUNCTION kep.domain_add(domain text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	folded text := kep.check_domain(domain_add.domain);
	owner  text;
BEGIN
	INSERT INTO kep.domain (domain) VALUES (folded) ON CONFLICT (domain) DO NOTHING;
	IF NOT FOUND THEN
		SELECT d.provider INTO owner FROM kep.domain AS d WHERE d.domain = folded;
		IF owner IS NOT NULL THEN
			RAISE EXCEPTION 'the domain % belongs to the provider %', folded, owner
				USING ERRCODE = 'KE004', HINT = 'Register that provider again without this domain first: kepctl provider add.';
		END IF;
		RETURN;
	END IF;
	INSERT INTO kep.provider_history (domains) VALUES (ARRAY[folded]);
	NOTIFY kep_directory;
END $$;
COMMENT ON FUNCTION kep.domain_add(text) IS 'a further KEP domain of our own';

CREATE FUNCTION kep.provider_domains(provider_name text, wanted text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
DECLARE
	taken record;
BEGIN
	DELETE FROM kep.domain AS d WHERE d.provider = provider_name AND d.domain <> ALL (wanted);
	INSERT INTO kep.domain (domain, provider) SELECT w, provider_name FROM unnest(wanted) AS w ON CONFLICT (domain) DO NOTHING;
	SELECT d.domain, d.provider INTO taken FROM kep.domain AS d
	 WHERE d.domain = ANY (wanted) AND d.provider IS DISTINCT FROM provider_name;
	IF FOUND THEN
		RAISE EXCEPTION 'the domain % already belongs to %', taken.domain, coalesce('the provider ' || taken.provider, 'this provider itself')
			USING ERRCODE = 'KE004', HINT = 'A domain has one provider. kepctl provider list shows them.';
	END IF;
END $$;
COMMENT ON FUNCTION kep.provider_domains(text, text[]) IS 'make these the domains of a provider; KE004 if one is taken';

CREATE FUNCTION kep.provider_add(name text, number text, domains text[], relay text, tls text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	names   text[] := ARRAY(SELECT DISTINCT kep.check_domain(d) FROM unnest(provider_add.domains) AS d ORDER BY 1);
	prints  text[] := ARRAY(SELECT DISTINCT kep.check_fingerprint(f) FROM unnest(provider_add.tls) AS f ORDER BY 1);
	towards text := nullif(provider_add.relay, '');
BEGIN
	IF coalesce(provider_add.name, '') = '' OR coalesce(provider_add.number, '') = '' THEN
		RAISE EXCEPTION 'a provider needs a name and a licence number'
			USING ERRCODE = 'KE005', HINT = 'Such as the name TNB and the number hs02.';
	END IF;
	IF cardinality(names) = 0 THEN
		RAISE EXCEPTION 'the provider % has no domain', provider_add.name
			USING ERRCODE = 'KE005', HINT = 'Give at least one KEP domain, such as hs02.kep.tr.';
	END IF;
	IF towards !~ '^(\[[A-Za-z0-9.:_-]+\]|[A-Za-z0-9._-]+)(:[A-Za-z0-9-]+)?$' THEN
		RAISE EXCEPTION '"%" is not a relay host', towards
			USING ERRCODE = 'KE006', HINT = 'Give it as Postfix does: [mx.hs02.kep.tr]:25.';
	END IF;
	INSERT INTO kep.provider AS p (name, number, relay, tls) VALUES (provider_add.name, provider_add.number, towards, prints)
	    ON CONFLICT (name) DO UPDATE SET number = excluded.number, relay = excluded.relay, tls = excluded.tls;
	PERFORM kep.provider_domains(provider_add.name, names);
	INSERT INTO kep.provider_history (provider, number, relay, tls, domains)
	VALUES (provider_add.name, provider_add.number, towards, prints, names);
	NOTIFY kep_directory;
END $$;
COMMENT ON FUNCTION kep.provider_add(text, text, text[], text, text[]) IS 'register another provider, or register it anew with other domains, relay host or TLS certificates';

CREATE FUNCTION kep.provider_list() RETURNS TABLE (name text, number text, domains text[], relay text, tls text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
	SELECT p.name, p.number, ARRAY(SELECT d.domain FROM kep.domain AS d WHERE d.provider = p.name ORDER BY 1), p.relay, p.tls
	  FROM kep.provider AS p ORDER BY p.name
$$;
COMMENT ON FUNCTION kep.provider_list() IS 'the registered providers';

CREATE FUNCTION kep.holder_of(identity text, holder text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	known kep.holder;
BEGIN
	IF holder_of.identity IS NULL THEN
		INSERT INTO kep.holder (name) VALUES (holder_of.holder) RETURNING * INTO known;
		RETURN known.id;
	END IF;
	IF NOT kep.tckn_valid(holder_of.identity) THEN
		RAISE EXCEPTION '"%" is not a Turkish identity number (T.C. kimlik numarası)', holder_of.identity
			USING ERRCODE = 'KE007', HINT = 'Eleven digits whose last two are check digits; look for a typing error.';
	END IF;
	INSERT INTO kep.holder (name, identity) VALUES (holder_of.holder, holder_of.identity) ON CONFLICT (identity) DO NOTHING;
	SELECT h.* INTO STRICT known FROM kep.holder AS h WHERE h.identity = holder_of.identity;
	IF known.name <> holder_of.holder THEN
		RAISE EXCEPTION 'the identity number % is registered for the holder "%", not for "%"', holder_of.identity, known.name, holder_of.holder
			USING ERRCODE = 'KE008', HINT = 'Give the name as it is registered, or the other person''s own number.';
	END IF;
	RETURN known.id;
END $$;
COMMENT ON FUNCTION kep.holder_of(text, text) IS 'the number of a holder, registered when new; KE007, KE008';

CREATE FUNCTION kep.account_add(address text, login text, identity text, holder text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	folded text := kep.check_address(account_add.address);
	known  record;
	wanted text := coalesce(nullif(account_add.login, ''), folded);
	who    text := nullif(account_add.identity, '');
	person text := coalesce(nullif(account_add.holder, ''), folded);
BEGIN
	IF NOT EXISTS (SELECT FROM kep.domain AS d WHERE d.domain = kep.domain_of(folded) AND d.provider IS NULL) THEN
		RAISE EXCEPTION '% is not one of our KEP domains', kep.domain_of(folded)
			USING ERRCODE = 'KE009', HINT = format('Register it first: SELECT kep.domain_add(%L), or take an address in one of ours.', kep.domain_of(folded));
	END IF;
	SELECT a.login, a.state, h.name, h.identity INTO known
	  FROM kep.account AS a JOIN kep.holder AS h ON h.id = a.holder WHERE a.address = folded;
	IF FOUND THEN
		IF known.login = wanted AND known.name = person AND known.identity IS NOT DISTINCT FROM who AND known.state <> 'closed' THEN
			RETURN;
		END IF;
		RAISE EXCEPTION 'there is already an account % (%)', folded, known.state
			USING ERRCODE = 'KE010', HINT = 'An address is given once and never to anyone else. Choose another one.';
	END IF;
	INSERT INTO kep.account (address, holder, login) VALUES (folded, kep.holder_of(who, person), wanted);
	INSERT INTO kep.account_history (address, state, reason) VALUES (folded, 'active', 'opened');
	NOTIFY kep_directory;
END $$;
COMMENT ON FUNCTION kep.account_add(text, text, text, text) IS 'open an account: address, login (empty: the address), identity number or empty, name of the holder';

CREATE FUNCTION kep.account_turn(address text, wanted text, reason text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	folded text := kep.check_address(account_turn.address);
	now_in text;
BEGIN
	IF coalesce(account_turn.reason, '') = '' THEN
		RAISE EXCEPTION 'no reason given for account %', folded
			USING ERRCODE = 'KE011', HINT = 'Say why in words; it is kept in the history of the account.';
	END IF;
	SELECT a.state INTO now_in FROM kep.account AS a WHERE a.address = folded FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no account %', folded
			USING ERRCODE = 'KE012', HINT = 'kepctl account list shows them.';
	END IF;
	IF now_in = 'closed' THEN
		RAISE EXCEPTION 'the account % is closed', folded
			USING ERRCODE = 'KE013', HINT = 'Only its holder can have it opened again, by a new application.';
	END IF;
	IF now_in = wanted THEN
		RETURN;
	END IF;
	UPDATE kep.account AS a SET state = wanted WHERE a.address = folded;
	INSERT INTO kep.account_history (address, state, reason) VALUES (folded, wanted, account_turn.reason);
	NOTIFY kep_directory;
END $$;
COMMENT ON FUNCTION kep.account_turn(text, text, text) IS 'bring an account into a state and note why';

CREATE FUNCTION kep.account_suspend(address text, reason text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.account_turn(address, 'suspended', reason) $$;
COMMENT ON FUNCTION kep.account_suspend(text, text) IS 'suspend an account (askıya alma): it neither sends nor receives';

CREATE FUNCTION kep.account_resume(address text, reason text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.account_turn(address, 'active', reason) $$;
COMMENT ON FUNCTION kep.account_resume(text, text) IS 'end the suspension of an account';

CREATE FUNCTION kep.account_list() RETURNS TABLE (address text, state text, login text, holder text, identity text, added_at text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
	SELECT a.address, a.state, a.login, h.name, h.identity, kep.time_text(a.added_at)
	  FROM kep.account AS a JOIN kep.holder AS h ON h.id = a.holder ORDER BY a.address
$$;
COMMENT ON FUNCTION kep.account_list() IS 'all accounts of this provider';

GRANT EXECUTE ON FUNCTION kep.domains(), kep.account(text) TO kep_policyd, kep_operator;
GRANT EXECUTE ON FUNCTION kep.domain_add(text), kep.provider_add(text, text, text[], text, text[]), kep.provider_list(),
	kep.account_add(text, text, text, text), kep.account_suspend(text, text), kep.account_resume(text, text), kep.account_list() TO kep_operator;

INSERT INTO kep.migration (number, name) VALUES (2, 'directory');
RESET ROLE;
