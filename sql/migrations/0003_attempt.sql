-- 0003 attempt: what the policy service saw, one row a recipient and decision.
--
-- Rows are only added: the decision is part of the key, so a request that comes
-- twice finds its row and a decision that changed (451 first, then yes) adds one.
-- An SMTP transaction has one instance and, from DATA on, one queue id.

SET ROLE kep_owner;

CREATE TABLE kep.attempt (
	host        text NOT NULL,
	instance    text NOT NULL,
	recipient   text NOT NULL,
	why         text NOT NULL,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	sender      text NOT NULL,
	login       text NOT NULL,
	client      text NOT NULL,
	tls         text NOT NULL,
	form        int NOT NULL,
	fingerprint bytea NOT NULL,
	PRIMARY KEY (host, instance, recipient, why)
);
CALL kep.make_append_only('kep.attempt');
COMMENT ON TABLE kep.attempt IS 'requests of Postfix to the policy service: who wanted to send to whom, and the decision';
COMMENT ON COLUMN kep.attempt.host IS 'the mail host';
COMMENT ON COLUMN kep.attempt.instance IS 'Postfix''s name of the SMTP transaction, unique on its host';
COMMENT ON COLUMN kep.attempt.recipient IS 'recipient address';
COMMENT ON COLUMN kep.attempt.why IS 'the decision: accepted, or the reason of the refusal';
COMMENT ON COLUMN kep.attempt.at IS 'when';
COMMENT ON COLUMN kep.attempt.sender IS 'sender address; empty: the null sender';
COMMENT ON COLUMN kep.attempt.login IS 'the login (SASL) of the client; empty: none';
COMMENT ON COLUMN kep.attempt.client IS 'the client''s IP address';
COMMENT ON COLUMN kep.attempt.tls IS 'SHA-256 fingerprint of the client''s TLS certificate; empty: none';
COMMENT ON COLUMN kep.attempt.form IS 'version of the envelope fingerprint''s form';
COMMENT ON COLUMN kep.attempt.fingerprint IS 'envelope fingerprint (zarf parmak izi): SHA-256 of host, instance, client, certificate, login, sender and recipient';

CREATE TABLE kep.envelope (
	host            text NOT NULL,
	queue_id        text NOT NULL,
	instance        text NOT NULL,
	recipient_count int,
	size            bigint,
	data_at         timestamptz,
	end_at          timestamptz,
	PRIMARY KEY (queue_id, host)
) WITH (fillfactor = 70);
COMMENT ON TABLE kep.envelope IS 'ties the requests of one SMTP transaction to the queue id';
COMMENT ON COLUMN kep.envelope.host IS 'the mail host';
COMMENT ON COLUMN kep.envelope.queue_id IS 'Postfix''s queue id of the message';
COMMENT ON COLUMN kep.envelope.instance IS 'Postfix''s name of the SMTP transaction';
COMMENT ON COLUMN kep.envelope.recipient_count IS 'recipients accepted at DATA';
COMMENT ON COLUMN kep.envelope.size IS 'octets received at the end of the message';
COMMENT ON COLUMN kep.envelope.data_at IS 'when DATA came';
COMMENT ON COLUMN kep.envelope.end_at IS 'when the end of the message came';

-- queue_id is empty for the first recipient and known later; the tie is made at DATA.
CREATE FUNCTION kep.attempt(host text, instance text, recipient text, client text, tls text, login text, sender text,
	queue_id text, form int, fingerprint bytea, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO kep.attempt (host, instance, recipient, why, sender, login, client, tls, form, fingerprint)
	VALUES (attempt.host, attempt.instance, attempt.recipient, attempt.why, coalesce(attempt.sender, ''), coalesce(attempt.login, ''),
	        coalesce(attempt.client, ''), coalesce(attempt.tls, ''), attempt.form, attempt.fingerprint)
	    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION kep.attempt(text, text, text, text, text, text, text, text, int, bytea, text) IS 'RCPT: note one recipient and the decision';

-- A queue id may come back (short queue ids); the newest transaction has it.
CREATE FUNCTION kep.attempt_data(host text, instance text, queue_id text, recipient_count int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO kep.envelope AS e (host, queue_id, instance, recipient_count, data_at)
	VALUES (attempt_data.host, attempt_data.queue_id, attempt_data.instance, attempt_data.recipient_count, clock_timestamp())
	    ON CONFLICT (queue_id, host) DO UPDATE
	   SET instance = excluded.instance, recipient_count = excluded.recipient_count, data_at = excluded.data_at, size = NULL, end_at = NULL
	 WHERE e.instance <> excluded.instance;
END $$;
COMMENT ON FUNCTION kep.attempt_data(text, text, text, int) IS 'DATA: tie the recipients of the transaction to the queue id';

-- The gate.  It also says what DATA had to say, so that one row is written once.
CREATE FUNCTION kep.attempt_end(host text, instance text, queue_id text, size bigint, recipient_count int DEFAULT NULL,
	data_at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO kep.envelope AS e (host, queue_id, instance, recipient_count, size, data_at, end_at)
	VALUES (attempt_end.host, attempt_end.queue_id, attempt_end.instance, attempt_end.recipient_count, attempt_end.size, attempt_end.data_at,
	        clock_timestamp())
	    ON CONFLICT (queue_id, host) DO UPDATE
	   SET instance = excluded.instance, recipient_count = coalesce(excluded.recipient_count, e.recipient_count), size = excluded.size,
	       data_at = coalesce(excluded.data_at, e.data_at), end_at = excluded.end_at;
END $$;
COMMENT ON FUNCTION kep.attempt_end(text, text, text, bigint, int, timestamptz) IS 'END-OF-MESSAGE: tie the recipients of the transaction to the queue id, note the size; proves that the store can be written';

GRANT EXECUTE ON FUNCTION kep.attempt(text, text, text, text, text, text, text, text, int, bytea, text),
	kep.attempt_data(text, text, text, int), kep.attempt_end(text, text, text, bigint, int, timestamptz) TO kep_policyd;

INSERT INTO kep.migration (number, name) VALUES (3, 'attempt');
RESET ROLE;
