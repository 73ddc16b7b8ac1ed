-- 0008 signer: whose signature stands for an account.
--
-- The milter says who signed; here, and nowhere else, it is decided whether that
-- person may sign for the sender.  kep.may_sign() is the one place.

SET ROLE kep_owner;

-- How the signature on mail of another provider is bound to its sender.
ALTER TABLE kep.provider ADD COLUMN binding text NOT NULL DEFAULT 'identity' CHECK (binding IN ('identity', 'mailbox', 'certificate'));
COMMENT ON COLUMN kep.provider.binding IS 'what its users'' signatures must show: identity (an identity number; whose it is, that provider answers for), mailbox (the sender''s address in the certificate) or certificate (one that is pinned here)';
ALTER TABLE kep.provider_history ADD COLUMN binding text;
COMMENT ON COLUMN kep.provider_history.binding IS 'the binding of its users'' signatures, where that was changed';

-- Pinned certificates: rows come and go, their history stays.  An account is never
-- deleted, so that no foreign key is needed towards it.
CREATE TABLE kep.pin (
	account     text,
	provider    text REFERENCES kep.provider,
	certificate bytea NOT NULL CHECK (octet_length(certificate) = 32),
	added_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	CHECK (num_nonnulls(account, provider) = 1),
	UNIQUE NULLS NOT DISTINCT (certificate, account, provider)
);
CREATE INDEX pin_account ON kep.pin (account) WHERE account IS NOT NULL;
CREATE INDEX pin_provider ON kep.pin (provider) WHERE provider IS NOT NULL;
COMMENT ON TABLE kep.pin IS 'certificates whose signatures stand for an account without identity number, or for mail of a provider of binding certificate';
COMMENT ON COLUMN kep.pin.account IS 'the account; empty: a provider';
COMMENT ON COLUMN kep.pin.provider IS 'the provider; empty: an account';
COMMENT ON COLUMN kep.pin.certificate IS 'SHA-256 of the certificate in DER';
COMMENT ON COLUMN kep.pin.added_at IS 'when it was pinned';

CREATE TABLE kep.pin_history (
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor       text NOT NULL DEFAULT session_user,
	account     text,
	provider    text,
	certificate bytea NOT NULL,
	pinned      boolean NOT NULL
);
CALL kep.make_append_only('kep.pin_history');
COMMENT ON TABLE kep.pin_history IS 'every certificate that was pinned or released';
COMMENT ON COLUMN kep.pin_history.at IS 'when';
COMMENT ON COLUMN kep.pin_history.actor IS 'by which database role';
COMMENT ON COLUMN kep.pin_history.account IS 'the account; empty: a provider';
COMMENT ON COLUMN kep.pin_history.provider IS 'the provider; empty: an account';
COMMENT ON COLUMN kep.pin_history.certificate IS 'SHA-256 of the certificate in DER';
COMMENT ON COLUMN kep.pin_history.pinned IS 'true: pinned; false: released';

-- The decision -------------------------------------------------------------------

-- Mailboxes are compared octet by octet: an account's address is in lower case,
-- so is the one in a certificate that stands for it.
CREATE FUNCTION kep.may_sign(sender text, identity text, certificate bytea, mailboxes text[]) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
DECLARE
	holder  record;
	theirs  record;
	named   boolean := coalesce(may_sign.sender = ANY (may_sign.mailboxes), false);
BEGIN
	SELECT h.identity INTO holder FROM kep.account AS a JOIN kep.holder AS h ON h.id = a.holder WHERE a.address = may_sign.sender;
	IF FOUND THEN
		IF holder.identity IS NOT NULL THEN
			RETURN coalesce(holder.identity = may_sign.identity, false);
		END IF;
		RETURN named OR EXISTS (SELECT FROM kep.pin AS p WHERE p.account = may_sign.sender AND p.certificate = may_sign.certificate);
	END IF;
	SELECT p.name, p.binding INTO theirs FROM kep.domain AS d JOIN kep.provider AS p ON p.name = d.provider
	 WHERE d.domain = kep.domain_of(may_sign.sender);
	RETURN CASE theirs.binding
		WHEN 'identity' THEN coalesce(kep.tckn_valid(may_sign.identity), false)
		WHEN 'mailbox' THEN named
		WHEN 'certificate' THEN EXISTS (SELECT FROM kep.pin AS p WHERE p.provider = theirs.name AND p.certificate = may_sign.certificate)
		ELSE false END;
END $$;
COMMENT ON FUNCTION kep.may_sign(text, text, bytea, text[]) IS 'may the person of this identity number, certificate (SHA-256) and mailboxes sign for this sender? An account whose holder has an identity number: that person alone; without one: the address in the certificate, or a pinned certificate; another provider''s: by its binding';

-- The signer as the milter tells of it.  What has not the form is as if it were not
-- there.  In PL/pgSQL, which keeps its plans; as SQL it was parsed for each message.
CREATE FUNCTION kep.signer_may_sign(sender text, signer jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	RETURN kep.may_sign(sender, signer ->> 'identity',
		CASE WHEN signer ->> 'certificate' ~ '^[0-9a-fA-F]{64}$' THEN decode(signer ->> 'certificate', 'hex') END,
		CASE WHEN jsonb_typeof(signer -> 'mailboxes') = 'array'
		     THEN ARRAY(SELECT jsonb_array_elements_text(signer -> 'mailboxes')) END);
END $$;
COMMENT ON FUNCTION kep.signer_may_sign(text, jsonb) IS 'kep.may_sign() of a signer as kep.message keeps it';

-- As in 0004, and the signer is judged last: of those who may not send at all it
-- is not asked who signed.  Everything is looked up by key, so one plan is good for
-- all; left to choose, PostgreSQL plans the lists of recipients anew each time.
CREATE OR REPLACE FUNCTION kep.submit(new_id uuid, host text, queue_id text, sender text, login text, client text, rcpts text[], from_address text,
	message_id text, size bigint, canonical int, sha256 bytea, sha512 bytea, signer jsonb)
RETURNS TABLE (why text, kep_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
	stored record;
	wanted text[] := submit.rcpts;
BEGIN
	IF (octet_length(submit.sha256), octet_length(submit.sha512)) IS DISTINCT FROM (32, 64) THEN
		RAISE EXCEPTION 'the digests of % are not of 32 and 64 octets', submit.queue_id
			USING ERRCODE = 'KE025', HINT = 'SHA-256 and SHA-512 of the canonical message are needed, in this order.';
	END IF;
	IF cardinality(wanted) > 1 THEN         -- each address once, in the order they came
		wanted := ARRAY(SELECT u.address FROM unnest(wanted) WITH ORDINALITY AS u (address, no) GROUP BY u.address ORDER BY min(u.no));
	END IF;
	SELECT m.kep_id, m.sha256, m.sha512 INTO stored FROM kep.message AS m WHERE m.host = submit.host AND m.queue_id = submit.queue_id;
	IF NOT FOUND THEN
		why := kep.submit_why(submit.host, submit.queue_id, submit.sender, wanted);
		IF why = 'accepted' AND NOT kep.signer_may_sign(submit.sender, submit.signer) THEN
			why := 'signer-not-authorised';
		END IF;
		IF why <> 'accepted' THEN
			RETURN NEXT;
			RETURN;
		END IF;
		INSERT INTO kep.message (kep_id, host, queue_id, sender, provider, login, client, from_address, message_id, size, canonical, sha256, sha512, signer)
		VALUES (new_id, submit.host, submit.queue_id, submit.sender,
		        (SELECT d.provider FROM kep.domain AS d WHERE d.domain = kep.domain_of(submit.sender)),
		        coalesce(submit.login, ''), coalesce(submit.client, ''), coalesce(submit.from_address, ''), coalesce(submit.message_id, ''),
		        submit.size, submit.canonical, submit.sha256, submit.sha512, coalesce(submit.signer, '{}'))
		    ON CONFLICT (queue_id, host) DO NOTHING;
		IF FOUND THEN
			INSERT INTO kep.recipient (kep_id, recipient_index, address, kind)
			SELECT new_id, u.no, u.address, CASE WHEN d.provider IS NULL THEN 'account' ELSE 'provider' END
			  FROM unnest(wanted) WITH ORDINALITY AS u (address, no)
			  LEFT JOIN kep.domain AS d ON d.domain = kep.domain_of(u.address);
			INSERT INTO kep.pending (kep_id) VALUES (new_id);
			kep_id := new_id;
			RETURN NEXT;
			RETURN;
		END IF;
		-- The same question, asked over another connection, came first.
		SELECT m.kep_id, m.sha256, m.sha512 INTO STRICT stored FROM kep.message AS m WHERE m.host = submit.host AND m.queue_id = submit.queue_id;
	END IF;
	IF stored.sha256 = submit.sha256 AND stored.sha512 = submit.sha512 THEN
		why := 'accepted';
		kep_id := stored.kep_id;
	ELSE
		why := 'unavailable';
	END IF;
	RETURN NEXT;
END $$;

-- What the operator does -----------------------------------------------------------

CREATE FUNCTION kep.pin_turn(account text, provider text, certificate text, wanted boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	print bytea := decode(translate(kep.check_fingerprint(pin_turn.certificate), ':', ''), 'hex');
BEGIN
	IF pin_turn.account IS NOT NULL AND NOT EXISTS (SELECT FROM kep.account AS a WHERE a.address = pin_turn.account) THEN
		RAISE EXCEPTION 'there is no account %', pin_turn.account
			USING ERRCODE = 'KE012', HINT = 'kepctl account list shows them.';
	END IF;
	IF pin_turn.provider IS NOT NULL AND NOT EXISTS (SELECT FROM kep.provider AS p WHERE p.name = pin_turn.provider) THEN
		RAISE EXCEPTION 'there is no provider %', pin_turn.provider
			USING ERRCODE = 'KE014', HINT = 'kepctl provider list shows them.';
	END IF;
	IF pin_turn.wanted THEN
		INSERT INTO kep.pin (account, provider, certificate) VALUES (pin_turn.account, pin_turn.provider, print) ON CONFLICT DO NOTHING;
	ELSE
		DELETE FROM kep.pin AS p WHERE p.account IS NOT DISTINCT FROM pin_turn.account
		   AND p.provider IS NOT DISTINCT FROM pin_turn.provider AND p.certificate = print;
	END IF;
	IF FOUND THEN
		INSERT INTO kep.pin_history (account, provider, certificate, pinned) VALUES (pin_turn.account, pin_turn.provider, print, pin_turn.wanted);
	END IF;
END $$;
COMMENT ON FUNCTION kep.pin_turn(text, text, text, boolean) IS 'pin or release a certificate and note it; KE003, KE012, KE014';

CREATE FUNCTION kep.account_pin(address text, certificate text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.pin_turn(kep.check_address(address), NULL, certificate, true) $$;
COMMENT ON FUNCTION kep.account_pin(text, text) IS 'signatures made with the certificate of this SHA-256 fingerprint stand for this account, while its holder has no identity number';

CREATE FUNCTION kep.account_unpin(address text, certificate text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.pin_turn(kep.check_address(address), NULL, certificate, false) $$;
COMMENT ON FUNCTION kep.account_unpin(text, text) IS 'and do so no longer';

CREATE FUNCTION kep.provider_pin(name text, certificate text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.pin_turn(NULL, coalesce(name, ''), certificate, true) $$;
COMMENT ON FUNCTION kep.provider_pin(text, text) IS 'signatures made with the certificate of this SHA-256 fingerprint stand for mail of this provider, where its binding is certificate';

CREATE FUNCTION kep.provider_unpin(name text, certificate text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.pin_turn(NULL, coalesce(name, ''), certificate, false) $$;
COMMENT ON FUNCTION kep.provider_unpin(text, text) IS 'and do so no longer';

CREATE FUNCTION kep.provider_bind(name text, binding text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF provider_bind.binding IS NULL OR provider_bind.binding NOT IN ('identity', 'mailbox', 'certificate') THEN
		RAISE EXCEPTION '"%" is not a binding', provider_bind.binding
			USING ERRCODE = 'KE015', HINT = 'Give identity, mailbox or certificate.';
	END IF;
	UPDATE kep.provider AS p SET binding = provider_bind.binding WHERE p.name = provider_bind.name;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no provider %', provider_bind.name
			USING ERRCODE = 'KE014', HINT = 'kepctl provider list shows them.';
	END IF;
	INSERT INTO kep.provider_history (provider, number, relay, tls, domains, binding)
	SELECT p.name, p.number, p.relay, p.tls, ARRAY(SELECT d.domain FROM kep.domain AS d WHERE d.provider = p.name ORDER BY 1), p.binding
	  FROM kep.provider AS p WHERE p.name = provider_bind.name;
END $$;
COMMENT ON FUNCTION kep.provider_bind(text, text) IS 'what signatures on mail of this provider must show: identity, mailbox or certificate; KE014, KE015';

GRANT EXECUTE ON FUNCTION kep.account_pin(text, text), kep.account_unpin(text, text), kep.provider_pin(text, text),
	kep.provider_unpin(text, text), kep.provider_bind(text, text) TO kep_operator;

-- What the auditor reads -------------------------------------------------------------

CREATE VIEW kep.pins AS SELECT p.account, p.provider, encode(p.certificate, 'hex') AS certificate, p.added_at FROM kep.pin AS p;
COMMENT ON VIEW kep.pins IS 'certificates whose signatures stand for an account or a provider';
COMMENT ON COLUMN kep.pins.account IS 'the account; empty: a provider';
COMMENT ON COLUMN kep.pins.provider IS 'the provider; empty: an account';
COMMENT ON COLUMN kep.pins.certificate IS 'SHA-256 of the certificate in DER';
COMMENT ON COLUMN kep.pins.added_at IS 'when it was pinned';

CREATE VIEW kep.pin_changes AS
SELECT h.at, h.actor, h.account, h.provider, encode(h.certificate, 'hex') AS certificate, h.pinned FROM kep.pin_history AS h;
COMMENT ON VIEW kep.pin_changes IS 'every certificate that was pinned or released';
COMMENT ON COLUMN kep.pin_changes.at IS 'when';
COMMENT ON COLUMN kep.pin_changes.actor IS 'by which database role';
COMMENT ON COLUMN kep.pin_changes.account IS 'the account; empty: a provider';
COMMENT ON COLUMN kep.pin_changes.provider IS 'the provider; empty: an account';
COMMENT ON COLUMN kep.pin_changes.certificate IS 'SHA-256 of the certificate in DER';
COMMENT ON COLUMN kep.pin_changes.pinned IS 'true: pinned; false: released';

GRANT SELECT ON kep.pins, kep.pin_changes TO kep_auditor;

INSERT INTO kep.migration (number, name) VALUES (8, 'signer');
RESET ROLE;
