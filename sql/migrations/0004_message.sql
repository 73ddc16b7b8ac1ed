-- 0004 message: what was submitted, to whom; what was refused; what never arrived.
--
-- A message row is written once and never changed.  Its state follows from what
-- else is there: evidence of its acceptance (accepted), a trace of its voiding
-- (void), neither (pending).  kep.pending is only the waiting room, so that the
-- few that wait are found without an index on the many that do not.

SET ROLE kep_owner;

CREATE TABLE kep.message (
	kep_id       uuid PRIMARY KEY,
	host         text NOT NULL,
	queue_id     text NOT NULL,
	sent_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	sender       text NOT NULL,
	provider     text,
	login        text NOT NULL,
	client       text NOT NULL,
	from_address text NOT NULL,
	message_id   text NOT NULL,
	size         bigint NOT NULL,
	canonical    int NOT NULL,
	sha256       bytea NOT NULL,
	sha512       bytea NOT NULL,
	signer       jsonb NOT NULL,
	UNIQUE (queue_id, host)
);
CREATE INDEX message_by_message_id ON kep.message USING hash (message_id);
CALL kep.make_append_only('kep.message');
COMMENT ON TABLE kep.message IS 'submitted messages (gönderi): fingerprints and parties, never content';
COMMENT ON COLUMN kep.message.kep_id IS 'our id of the message, also in its X-KEP-ID field';
COMMENT ON COLUMN kep.message.host IS 'the mail host that took it';
COMMENT ON COLUMN kep.message.queue_id IS 'Postfix''s queue id there';
COMMENT ON COLUMN kep.message.sent_at IS 'time of sending (gönderi zamanı): when it was recorded, before the sender was answered';
COMMENT ON COLUMN kep.message.sender IS 'sender address (gönderici)';
COMMENT ON COLUMN kep.message.provider IS 'the sender''s provider; empty: ourselves';
COMMENT ON COLUMN kep.message.login IS 'the login (SASL) it was sent with; empty: from another provider';
COMMENT ON COLUMN kep.message.client IS 'IP address it was sent from';
COMMENT ON COLUMN kep.message.from_address IS 'address in the From field';
COMMENT ON COLUMN kep.message.message_id IS 'its Message-ID field';
COMMENT ON COLUMN kep.message.size IS 'octets digested';
COMMENT ON COLUMN kep.message.canonical IS 'version of the canonical form that was digested';
COMMENT ON COLUMN kep.message.sha256 IS 'fingerprint of the content (parmak izi), SHA-256';
COMMENT ON COLUMN kep.message.sha512 IS 'fingerprint of the content (parmak izi), SHA-512';
COMMENT ON COLUMN kep.message.signer IS 'who signed (e-imza): certificate (SHA-256), subject, serial, issuer, identity number, digest algorithm';

CREATE TABLE kep.recipient (
	kep_id          uuid NOT NULL,
	recipient_index int NOT NULL,
	address         text NOT NULL,
	kind            text NOT NULL,
	PRIMARY KEY (kep_id, recipient_index)
);
CALL kep.make_append_only('kep.recipient');
COMMENT ON TABLE kep.recipient IS 'recipients (alıcı) of the messages';
COMMENT ON COLUMN kep.recipient.kep_id IS 'the message';
COMMENT ON COLUMN kep.recipient.recipient_index IS 'number of the recipient in the message, from 1';
COMMENT ON COLUMN kep.recipient.address IS 'recipient address';
COMMENT ON COLUMN kep.recipient.kind IS 'account: of ours; provider: of another provider';

CREATE TABLE kep.pending (
	kep_id uuid PRIMARY KEY,
	since  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE kep.pending IS 'messages recorded but not yet seen leaving the queue; nothing of proof, rows come and go';
COMMENT ON COLUMN kep.pending.kep_id IS 'the message';
COMMENT ON COLUMN kep.pending.since IS 'when it was recorded';

CREATE TABLE kep.void_trace (
	kep_id uuid PRIMARY KEY,
	at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CALL kep.make_append_only('kep.void_trace');
COMMENT ON TABLE kep.void_trace IS 'messages that were recorded but did not reach the queue in time (geçersiz)';
COMMENT ON COLUMN kep.void_trace.kep_id IS 'the message';
COMMENT ON COLUMN kep.void_trace.at IS 'when it was given up; should it arrive later, evidence of acceptance follows';

CREATE TABLE kep.refusal (
	id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at           timestamptz NOT NULL DEFAULT clock_timestamp(),
	host         text NOT NULL,
	queue_id     text NOT NULL,
	why          text NOT NULL,
	sender       text NOT NULL,
	login        text NOT NULL,
	client       text NOT NULL,
	recipients   text[] NOT NULL,
	from_address text NOT NULL,
	message_id   text NOT NULL,
	size         bigint NOT NULL
);
CREATE UNIQUE INDEX refusal_once ON kep.refusal (queue_id, host, why) WHERE queue_id <> '';
CALL kep.make_append_only('kep.refusal');
COMMENT ON TABLE kep.refusal IS 'messages refused at submission (Sistem Red)';
COMMENT ON COLUMN kep.refusal.id IS 'number of the row';
COMMENT ON COLUMN kep.refusal.at IS 'when';
COMMENT ON COLUMN kep.refusal.host IS 'the mail host';
COMMENT ON COLUMN kep.refusal.queue_id IS 'Postfix''s queue id; empty: none was given yet';
COMMENT ON COLUMN kep.refusal.why IS 'the reason, such as not-signed';
COMMENT ON COLUMN kep.refusal.sender IS 'sender address';
COMMENT ON COLUMN kep.refusal.login IS 'the login (SASL); empty: none';
COMMENT ON COLUMN kep.refusal.client IS 'the client''s IP address';
COMMENT ON COLUMN kep.refusal.recipients IS 'recipient addresses';
COMMENT ON COLUMN kep.refusal.from_address IS 'address in the From field';
COMMENT ON COLUMN kep.refusal.message_id IS 'its Message-ID field';
COMMENT ON COLUMN kep.refusal.size IS 'octets read until it was refused';

CREATE TABLE kep.alarm (
	at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	kep_id  uuid,
	host    text NOT NULL,
	why     text NOT NULL,
	details text NOT NULL
);
CREATE UNIQUE INDEX alarm_once ON kep.alarm (kep_id, host, why, hashtextextended(details, 0)) NULLS NOT DISTINCT;
CALL kep.make_append_only('kep.alarm');
COMMENT ON TABLE kep.alarm IS 'what should not happen and did: somebody has to look';
COMMENT ON COLUMN kep.alarm.at IS 'when it was first seen';
COMMENT ON COLUMN kep.alarm.kep_id IS 'the message it is about; empty: none is known';
COMMENT ON COLUMN kep.alarm.host IS 'the mail host that saw it';
COMMENT ON COLUMN kep.alarm.why IS 'the reason, such as digest-differs';
COMMENT ON COLUMN kep.alarm.details IS 'in words';

-- Submission ---------------------------------------------------------------------

-- The decisions of RCPT are not taken again here, they are looked up.  What may
-- have changed since, or what the milter cannot know, is asked once more.
CREATE FUNCTION kep.submit_why(host text, queue_id text, sender text, rcpts text[]) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	tied    text;
	owner   text;
	prints  text[];
	account text;
BEGIN
	SELECT d.provider, p.tls INTO owner, prints
	  FROM kep.domain AS d LEFT JOIN kep.provider AS p ON p.name = d.provider WHERE d.domain = kep.domain_of(submit_why.sender);
	IF NOT FOUND THEN
		RETURN CASE WHEN submit_why.sender = '' THEN 'sender-null' ELSE 'sender-ordinary' END;
	END IF;
	IF owner IS NULL THEN
		SELECT a.state INTO account FROM kep.account AS a WHERE a.address = submit_why.sender;
		IF account IS DISTINCT FROM 'active' THEN
			RETURN CASE WHEN account IS NULL THEN 'sender-unknown' ELSE 'sender-inactive' END;
		END IF;
	END IF;
	SELECT e.instance INTO tied FROM kep.envelope AS e WHERE e.host = submit_why.host AND e.queue_id = submit_why.queue_id;
	IF owner IS NOT NULL AND EXISTS (SELECT FROM kep.attempt AS a
	    WHERE a.host = submit_why.host AND a.instance = tied AND a.tls <> ALL (prints)) THEN
		RETURN 'provider-not-authenticated';
	END IF;
	IF cardinality(submit_why.rcpts) = 0 OR EXISTS (SELECT unnest(submit_why.rcpts) EXCEPT SELECT a.recipient FROM kep.attempt AS a
	    WHERE a.host = submit_why.host AND a.instance = tied AND a.why = 'accepted' AND a.sender = submit_why.sender) THEN
		RETURN 'attempt-missing';
	END IF;
	RETURN 'accepted';
END $$;
COMMENT ON FUNCTION kep.submit_why(text, text, text, text[]) IS 'may this message be taken? accepted, or the reason why not';

CREATE FUNCTION kep.submit(new_id uuid, host text, queue_id text, sender text, login text, client text, rcpts text[], from_address text,
	message_id text, size bigint, canonical int, sha256 bytea, sha512 bytea, signer jsonb)
RETURNS TABLE (why text, kep_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
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
COMMENT ON FUNCTION kep.submit(uuid, text, text, text, text, text, text[], text, text, bigint, int, bytea, bytea, jsonb) IS 'record a judged message as pending; asked again it gives the same id';

CREATE FUNCTION kep.refuse(host text, queue_id text, sender text, login text, client text, rcpts text[], from_address text,
	message_id text, size bigint, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO kep.refusal (host, queue_id, why, sender, login, client, recipients, from_address, message_id, size)
	VALUES (refuse.host, coalesce(refuse.queue_id, ''), refuse.why, coalesce(refuse.sender, ''), coalesce(refuse.login, ''),
	        coalesce(refuse.client, ''), coalesce(refuse.rcpts, '{}'), coalesce(refuse.from_address, ''),
	        coalesce(refuse.message_id, ''), coalesce(refuse.size, 0))
	    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION kep.refuse(text, text, text, text, text, text[], text, text, bigint, text) IS 'record a refused message';

CREATE FUNCTION kep.void_pending(older interval) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
DECLARE
	given_up int;
BEGIN
	WITH late AS (
		SELECT p.kep_id FROM kep.pending AS p WHERE p.since < clock_timestamp() - older FOR UPDATE SKIP LOCKED
	), gone AS (
		DELETE FROM kep.pending AS p USING late WHERE p.kep_id = late.kep_id RETURNING p.kep_id
	)
	INSERT INTO kep.void_trace (kep_id) SELECT gone.kep_id FROM gone ON CONFLICT DO NOTHING;
	GET DIAGNOSTICS given_up = ROW_COUNT;
	RETURN given_up;
END $$;
COMMENT ON FUNCTION kep.void_pending(interval) IS 'give up messages that did not reach the queue in time; how many';

GRANT EXECUTE ON FUNCTION kep.submit(uuid, text, text, text, text, text, text[], text, text, bigint, int, bytea, bytea, jsonb),
	kep.refuse(text, text, text, text, text, text[], text, text, bigint, text), kep.void_pending(interval) TO kep_policyd;

INSERT INTO kep.migration (number, name) VALUES (4, 'message');
RESET ROLE;
