-- 0005 evidence: the immutable records, and the outbox of the receipts that carry them.
--
-- No foreign key leads from evidence to message: messages are never deleted, the
-- functions look before they write, and a key-share lock would write every
-- message row once more for each evidence.  CHECKs are few and short, because each
-- is read anew by every INSERT; what a function sets itself needs none.

SET ROLE kep_owner;

CREATE TABLE kep.evidence (
	id              uuid PRIMARY KEY,
	kep_id          uuid NOT NULL,
	recipient_index int NOT NULL,
	outcome         text NOT NULL,
	event_time      timestamptz NOT NULL,
	reason_code     text,
	reply           text,
	previous        uuid,
	body            bytea NOT NULL,
	digest          bytea NOT NULL,
	txid            xid8 NOT NULL DEFAULT pg_current_xact_id(),
	recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	retain_until    timestamptz NOT NULL,
	CHECK (digest = sha256(body)),
	CHECK (outcome ~ '^([AE]\.[12]|B\.[123]|D\.[12])$')
);
-- Accepted or refused, delivered or not, read or deemed read: one of each, once.
CREATE UNIQUE INDEX evidence_once ON kep.evidence (kep_id, recipient_index, left(outcome, 1));
CALL kep.make_append_only('kep.evidence');
COMMENT ON TABLE kep.evidence IS 'evidence (KEP delili): one immutable record of one event of one message';
COMMENT ON COLUMN kep.evidence.id IS 'id of the evidence';
COMMENT ON COLUMN kep.evidence.kep_id IS 'the message';
COMMENT ON COLUMN kep.evidence.recipient_index IS 'number of the recipient it concerns; 0: all of them';
COMMENT ON COLUMN kep.evidence.outcome IS 'what happened, as a code of EN 319 522-1: A.1 accepted, A.2 refused, B.1-B.3 relay, D.1 delivered, D.2 not delivered, E.1 read, E.2 deemed read';
COMMENT ON COLUMN kep.evidence.event_time IS 'when it happened';
COMMENT ON COLUMN kep.evidence.reason_code IS 'why, as a code of EN 319 522-2, such as RD01';
COMMENT ON COLUMN kep.evidence.reply IS 'the answer of the other server, word for word';
COMMENT ON COLUMN kep.evidence.previous IS 'the evidence of this message before this one';
COMMENT ON COLUMN kep.evidence.body IS 'the record itself: canonical JSON (RFC 8785), the octets that are sealed and sent';
COMMENT ON COLUMN kep.evidence.digest IS 'SHA-256 of the body';
COMMENT ON COLUMN kep.evidence.txid IS 'the database transaction that wrote it';
COMMENT ON COLUMN kep.evidence.recorded_at IS 'when it was written, by the database''s clock';
COMMENT ON COLUMN kep.evidence.retain_until IS 'kept at least until then: 20 years after the event';

-- A row is due when due_at is past; a lease is nothing but a due_at in the future.
CREATE TABLE kep.outbox (
	evidence_id uuid NOT NULL,
	recipient   text NOT NULL,
	created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	owner       text,
	attempts    int NOT NULL DEFAULT 0,
	mail        bytea,
	stored_at   timestamptz,
	sent_at     timestamptz,
	queue_id    text,
	error       text,
	PRIMARY KEY (evidence_id, recipient)
) WITH (fillfactor = 70);
ALTER TABLE kep.outbox ALTER COLUMN mail SET STORAGE EXTERNAL;
CREATE INDEX outbox_due ON kep.outbox (due_at) WHERE sent_at IS NULL;
COMMENT ON TABLE kep.outbox IS 'receipts (delil iletisi): mails that carry evidence to a party';
COMMENT ON COLUMN kep.outbox.evidence_id IS 'the evidence it carries';
COMMENT ON COLUMN kep.outbox.recipient IS 'to whom';
COMMENT ON COLUMN kep.outbox.created_at IS 'when it was ordered, together with its evidence';
COMMENT ON COLUMN kep.outbox.due_at IS 'not to be tried before';
COMMENT ON COLUMN kep.outbox.owner IS 'the host that tried last';
COMMENT ON COLUMN kep.outbox.attempts IS 'how often it was tried';
COMMENT ON COLUMN kep.outbox.mail IS 'the mail, octet for octet; empty: not composed yet';
COMMENT ON COLUMN kep.outbox.stored_at IS 'when the mail was composed and stored';
COMMENT ON COLUMN kep.outbox.sent_at IS 'when Postfix took it';
COMMENT ON COLUMN kep.outbox.queue_id IS 'Postfix''s queue id of the mail';
COMMENT ON COLUMN kep.outbox.error IS 'why the last attempt failed';

CREATE FUNCTION kep.outbox_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION '% of kep.outbox refused: an ordered receipt stays, and its mail is never changed', TG_OP
		USING ERRCODE = 'KE100', HINT = 'Receipts are evidence of what the parties were told.';
END $$;
COMMENT ON FUNCTION kep.outbox_kept() IS 'trigger: a receipt is never deleted and its mail never changed';
CREATE TRIGGER outbox_kept BEFORE DELETE OR TRUNCATE ON kep.outbox FOR EACH STATEMENT EXECUTE FUNCTION kep.outbox_kept();
CREATE TRIGGER outbox_fixed BEFORE UPDATE OF evidence_id, recipient, created_at, mail ON kep.outbox FOR EACH ROW
	WHEN (OLD.stored_at IS NOT NULL OR OLD.evidence_id IS DISTINCT FROM NEW.evidence_id
	   OR OLD.recipient IS DISTINCT FROM NEW.recipient OR OLD.created_at IS DISTINCT FROM NEW.created_at)
	EXECUTE FUNCTION kep.outbox_kept();
ALTER TABLE kep.outbox ENABLE ALWAYS TRIGGER outbox_kept;
ALTER TABLE kep.outbox ENABLE ALWAYS TRIGGER outbox_fixed;

-- The columns must say what the sealed octets say.
CREATE FUNCTION kep.evidence_add(kep_id uuid, recipient_index int, id uuid, outcome text, event_time timestamptz, body bytea,
	reason_code text, reply text, receipt_to text, OUT evidence_id uuid, OUT inserted boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	said jsonb := convert_from(evidence_add.body, 'UTF8')::jsonb;
BEGIN
	IF (said ->> 'id', said ->> 'outcome', said #>> '{message,kep_id}', coalesce((said ->> 'recipient')::int, 0), (said ->> 'event_time')::timestamptz)
	   IS DISTINCT FROM (evidence_add.id::text, evidence_add.outcome, evidence_add.kep_id::text, evidence_add.recipient_index, evidence_add.event_time) THEN
		RAISE EXCEPTION 'the body of evidence % does not say what its columns say', evidence_add.id
			USING ERRCODE = 'KE022', HINT = 'id, outcome, message.kep_id, recipient and event_time must be the same in both.';
	END IF;
	INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, reason_code, reply, previous, body, digest, retain_until)
	VALUES (evidence_add.id, evidence_add.kep_id, evidence_add.recipient_index, evidence_add.outcome, evidence_add.event_time,
	        nullif(evidence_add.reason_code, ''), nullif(evidence_add.reply, ''), (said ->> 'previous')::uuid,
	        evidence_add.body, sha256(evidence_add.body), evidence_add.event_time + interval '20 years')
	    ON CONFLICT (kep_id, recipient_index, left(outcome, 1)) DO NOTHING;
	inserted := FOUND;
	evidence_id := evidence_add.id;
	IF NOT inserted THEN
		SELECT e.id INTO STRICT evidence_id FROM kep.evidence AS e WHERE e.kep_id = evidence_add.kep_id
		   AND e.recipient_index = evidence_add.recipient_index AND left(e.outcome, 1) = left(evidence_add.outcome, 1);
	ELSIF evidence_add.receipt_to <> '' THEN
		INSERT INTO kep.outbox (evidence_id, recipient) VALUES (evidence_add.id, evidence_add.receipt_to) ON CONFLICT DO NOTHING;
		NOTIFY kep_outbox;
	END IF;
END $$;
COMMENT ON FUNCTION kep.evidence_add(uuid, int, uuid, text, timestamptz, bytea, text, text, text) IS 'add one evidence and order its receipt; if there is one of its kind already, that one''s id';

-- The outbox -----------------------------------------------------------------------

CREATE FUNCTION kep.outbox_take(owner text, n int, lease interval)
RETURNS TABLE (evidence_id uuid, recipient text, body bytea, mail bytea, attempts int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH due AS MATERIALIZED (
		SELECT o.evidence_id, o.recipient FROM kep.outbox AS o
		 WHERE o.sent_at IS NULL AND o.due_at <= clock_timestamp()
		 ORDER BY o.due_at LIMIT outbox_take.n FOR UPDATE SKIP LOCKED
	), taken AS (
		UPDATE kep.outbox AS o
		   SET due_at = clock_timestamp() + outbox_take.lease, owner = outbox_take.owner, attempts = o.attempts + 1
		  FROM due WHERE o.evidence_id = due.evidence_id AND o.recipient = due.recipient
		RETURNING o.evidence_id, o.recipient, o.mail, o.attempts
	)
	SELECT t.evidence_id, t.recipient, e.body, t.mail, t.attempts
	  FROM taken AS t JOIN kep.evidence AS e ON e.id = t.evidence_id;
END $$;
COMMENT ON FUNCTION kep.outbox_take(text, int, interval) IS 'take up to n due receipts for a time; nobody else gets them until then';

CREATE FUNCTION kep.outbox_release(owner text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	n int;
BEGIN
	UPDATE kep.outbox AS o SET due_at = clock_timestamp()
	 WHERE o.sent_at IS NULL AND o.owner = outbox_release.owner AND o.due_at > clock_timestamp();
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;
COMMENT ON FUNCTION kep.outbox_release(text) IS 'a host starts: what it had taken or put off before is due again';

CREATE FUNCTION kep.outbox_store(evidence_id uuid, recipient text, mail bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	UPDATE kep.outbox AS o SET mail = outbox_store.mail, stored_at = clock_timestamp()
	 WHERE o.evidence_id = outbox_store.evidence_id AND o.recipient = outbox_store.recipient AND o.stored_at IS NULL;
END $$;
COMMENT ON FUNCTION kep.outbox_store(uuid, text, bytea) IS 'fix the octets of a receipt before it is first sent; never overwrites';

CREATE FUNCTION kep.outbox_sent(evidence_id uuid, recipient text, queue_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	UPDATE kep.outbox AS o SET sent_at = clock_timestamp(), queue_id = outbox_sent.queue_id, error = NULL
	 WHERE o.evidence_id = outbox_sent.evidence_id AND o.recipient = outbox_sent.recipient AND o.sent_at IS NULL;
END $$;
COMMENT ON FUNCTION kep.outbox_sent(uuid, text, text) IS 'Postfix took this receipt';

CREATE FUNCTION kep.outbox_failed(evidence_id uuid, recipient text, error text, retry interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	UPDATE kep.outbox AS o SET due_at = clock_timestamp() + outbox_failed.retry, error = outbox_failed.error
	 WHERE o.evidence_id = outbox_failed.evidence_id AND o.recipient = outbox_failed.recipient AND o.sent_at IS NULL;
END $$;
COMMENT ON FUNCTION kep.outbox_failed(uuid, text, text, interval) IS 'this receipt could not be sent now; try again after a time';

CREATE FUNCTION kep.receipt_for(evidence_id uuid, recipient text) RETURNS TABLE (known boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	known := EXISTS (SELECT FROM kep.outbox AS o
	                  WHERE o.evidence_id = receipt_for.evidence_id AND o.recipient = kep.fold(receipt_for.recipient) AND o.stored_at IS NOT NULL);
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION kep.receipt_for(uuid, text) IS 'is this a receipt of ours for this recipient?';

GRANT EXECUTE ON FUNCTION kep.outbox_take(text, int, interval), kep.outbox_release(text), kep.outbox_store(uuid, text, bytea), kep.outbox_sent(uuid, text, text),
	kep.outbox_failed(uuid, text, text, interval), kep.receipt_for(uuid, text) TO kep_policyd;

INSERT INTO kep.migration (number, name) VALUES (5, 'evidence');
RESET ROLE;
