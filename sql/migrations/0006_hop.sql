-- 0006 hop: what the LMTP hop asks and records.

SET ROLE kep_owner;

CREATE TABLE kep.relay (
	kep_id          uuid NOT NULL,
	recipient_index int NOT NULL,
	at              timestamptz NOT NULL DEFAULT clock_timestamp(),
	relay           text NOT NULL,
	queue_id        text NOT NULL,
	PRIMARY KEY (kep_id, recipient_index)
);
CALL kep.make_append_only('kep.relay');
COMMENT ON TABLE kep.relay IS 'messages handed to Postfix for relay to another provider';
COMMENT ON COLUMN kep.relay.kep_id IS 'the message';
COMMENT ON COLUMN kep.relay.recipient_index IS 'number of the recipient';
COMMENT ON COLUMN kep.relay.at IS 'when';
COMMENT ON COLUMN kep.relay.relay IS 'towards which host';
COMMENT ON COLUMN kep.relay.queue_id IS 'Postfix''s queue id of the relayed mail';

CREATE TABLE kep.relay_event (
	kep_id          uuid NOT NULL,
	recipient_index int NOT NULL,
	at              timestamptz NOT NULL DEFAULT clock_timestamp(),
	action          text NOT NULL,
	status          text NOT NULL,
	details         text NOT NULL
);
CREATE UNIQUE INDEX relay_event_once ON kep.relay_event (kep_id, recipient_index, action, status, hashtextextended(details, 0));
CALL kep.make_append_only('kep.relay_event');
COMMENT ON TABLE kep.relay_event IS 'what delivery reports said about relayed messages';
COMMENT ON COLUMN kep.relay_event.kep_id IS 'the message';
COMMENT ON COLUMN kep.relay_event.recipient_index IS 'number of the recipient';
COMMENT ON COLUMN kep.relay_event.at IS 'when the report came';
COMMENT ON COLUMN kep.relay_event.action IS 'delivered, relayed, delayed, expanded or failed (RFC 3464)';
COMMENT ON COLUMN kep.relay_event.status IS 'enhanced status code (RFC 3463)';
COMMENT ON COLUMN kep.relay_event.details IS 'further words of the report';

CREATE FUNCTION kep.hop_recipients(kep_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN (
		SELECT jsonb_agg(jsonb_build_object('index', r.recipient_index, 'address', r.address, 'kind', r.kind, 'relay', p.relay, 'state',
		         CASE WHEN EXISTS (SELECT FROM kep.evidence AS e WHERE e.kep_id = r.kep_id AND e.recipient_index = r.recipient_index AND e.outcome IN ('D.2', 'B.2', 'B.3')) THEN 'failed'
		              WHEN EXISTS (SELECT FROM kep.evidence AS e WHERE e.kep_id = r.kep_id AND e.recipient_index = r.recipient_index AND e.outcome = 'D.1') THEN 'delivered'
		              WHEN EXISTS (SELECT FROM kep.relay AS l WHERE l.kep_id = r.kep_id AND l.recipient_index = r.recipient_index) THEN 'relayed'
		              ELSE 'waiting' END) ORDER BY r.recipient_index)
		  FROM kep.recipient AS r
		  LEFT JOIN kep.domain AS d ON d.domain = kep.domain_of(r.address)
		  LEFT JOIN kep.provider AS p ON p.name = d.provider
		 WHERE r.kep_id = hop_recipients.kep_id);
END $$;
COMMENT ON FUNCTION kep.hop_recipients(uuid) IS 'the recipients of a message with what became of each';

CREATE FUNCTION kep.hop_open(kep_id uuid)
RETURNS TABLE (state text, host text, queue_id text, sender text, sender_ours boolean, login text, sent_at text, size bigint, canonical int,
	sha256 bytea, sha512 bytea, message_id text, signer jsonb, previous uuid, recipients jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT CASE WHEN EXISTS (SELECT FROM kep.evidence AS e WHERE e.kep_id = m.kep_id AND e.recipient_index = 0) THEN 'accepted'
	            WHEN EXISTS (SELECT FROM kep.void_trace AS v WHERE v.kep_id = m.kep_id) THEN 'void'
	            ELSE 'pending' END,
	       m.host, m.queue_id, CASE WHEN m.provider IS NULL THEN m.sender ELSE m.from_address END, m.provider IS NULL, m.login, kep.time_text(m.sent_at), m.size, m.canonical,
	       m.sha256, m.sha512, m.message_id, m.signer,
	       (SELECT e.id FROM kep.evidence AS e WHERE e.kep_id = m.kep_id ORDER BY e.recorded_at DESC, e.id DESC LIMIT 1),
	       kep.hop_recipients(m.kep_id)
	  FROM kep.message AS m WHERE m.kep_id = hop_open.kep_id;
END $$;
COMMENT ON FUNCTION kep.hop_open(uuid) IS 'all the hop needs to know of a message; no row: there is none';

-- A message that was given up and arrives after all was accepted after all.
CREATE FUNCTION kep.hop_accept(kep_id uuid, given_id uuid, outcome text, event_time timestamptz, body bytea, receipt_to text)
RETURNS TABLE (evidence_id uuid, inserted boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	wanted text;
BEGIN
	SELECT CASE WHEN m.provider IS NULL THEN 'A.1' ELSE 'B.1' END INTO wanted FROM kep.message AS m WHERE m.kep_id = hop_accept.kep_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no message %', hop_accept.kep_id
			USING ERRCODE = 'KE020', HINT = 'Only a recorded message can be accepted; look at X-KEP-ID.';
	END IF;
	IF hop_accept.outcome IS DISTINCT FROM wanted THEN
		RAISE EXCEPTION 'message % is accepted with % and not with %', hop_accept.kep_id, wanted, hop_accept.outcome
			USING ERRCODE = 'KE023', HINT = 'A.1 if the sender is ours, B.1 if the sender is another provider''s.';
	END IF;
	DELETE FROM kep.pending AS p WHERE p.kep_id = hop_accept.kep_id;
	SELECT added.* INTO evidence_id, inserted
	  FROM kep.evidence_add(hop_accept.kep_id, 0, given_id, hop_accept.outcome, hop_accept.event_time, hop_accept.body,
	                        NULL, NULL, hop_accept.receipt_to) AS added;
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION kep.hop_accept(uuid, uuid, text, timestamptz, bytea, text) IS 'the message came out of the queue: it is accepted; adds the evidence';

CREATE FUNCTION kep.hop_result(kep_id uuid, recipient int, outcome text, reason_code text, reply text, given_id uuid, event_time timestamptz,
	body bytea, receipt_to text) RETURNS TABLE (evidence_id uuid, inserted boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF NOT EXISTS (SELECT FROM kep.recipient AS r WHERE r.kep_id = hop_result.kep_id AND r.recipient_index = hop_result.recipient) THEN
		RAISE EXCEPTION 'message % has no recipient %', hop_result.kep_id, hop_result.recipient
			USING ERRCODE = 'KE021', HINT = 'Recipients are numbered from 1, as kep.hop_open() gives them.';
	END IF;
	IF hop_result.outcome NOT IN ('B.1', 'B.2', 'B.3', 'D.1', 'D.2') THEN
		RAISE EXCEPTION '% is not the outcome of a delivery', hop_result.outcome
			USING ERRCODE = 'KE023', HINT = 'D.1 delivered, D.2 not delivered; B.1, B.2 or B.3 for a relay.';
	END IF;
	IF NOT EXISTS (SELECT FROM kep.evidence AS e WHERE e.kep_id = hop_result.kep_id AND e.recipient_index = 0) THEN
		RAISE EXCEPTION 'message % was not accepted yet', hop_result.kep_id
			USING ERRCODE = 'KE024', HINT = 'Call kep.hop_accept() first.';
	END IF;
	SELECT added.* INTO evidence_id, inserted
	  FROM kep.evidence_add(hop_result.kep_id, hop_result.recipient, given_id, hop_result.outcome, hop_result.event_time, hop_result.body,
	                        hop_result.reason_code, hop_result.reply, hop_result.receipt_to) AS added;
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION kep.hop_result(uuid, int, text, text, text, uuid, timestamptz, bytea, text) IS 'what became of one recipient; adds the evidence';

CREATE FUNCTION kep.hop_relayed(kep_id uuid, recipient int, relay text, queue_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF NOT EXISTS (SELECT FROM kep.recipient AS r WHERE r.kep_id = hop_relayed.kep_id AND r.recipient_index = hop_relayed.recipient) THEN
		RAISE EXCEPTION 'message % has no recipient %', hop_relayed.kep_id, hop_relayed.recipient
			USING ERRCODE = 'KE021', HINT = 'Recipients are numbered from 1, as kep.hop_open() gives them.';
	END IF;
	INSERT INTO kep.relay (kep_id, recipient_index, relay, queue_id)
	VALUES (hop_relayed.kep_id, hop_relayed.recipient, coalesce(hop_relayed.relay, ''), coalesce(hop_relayed.queue_id, ''))
	    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION kep.hop_relayed(uuid, int, text, text) IS 'Postfix took the message for relay to this recipient''s provider';

CREATE FUNCTION kep.hop_alarm(kep_id uuid, host text, why text, details text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO kep.alarm (kep_id, host, why, details)
	VALUES (hop_alarm.kep_id, hop_alarm.host, hop_alarm.why, coalesce(hop_alarm.details, '')) ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION kep.hop_alarm(uuid, text, text, text) IS 'note what should not have happened';

-- Return addresses can be guessed: a report about nothing we relayed is dropped.
CREATE FUNCTION kep.relay_event(kep_id uuid, recipient int, action text, status text, details text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO kep.relay_event (kep_id, recipient_index, action, status, details)
	SELECT relay_event.kep_id, relay_event.recipient, coalesce(relay_event.action, ''), coalesce(relay_event.status, ''), coalesce(relay_event.details, '')
	 WHERE EXISTS (SELECT FROM kep.recipient AS r WHERE r.kep_id = relay_event.kep_id AND r.recipient_index = relay_event.recipient)
	    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION kep.relay_event(uuid, int, text, text, text) IS 'a delivery report came back about a relayed message';

GRANT EXECUTE ON FUNCTION kep.hop_open(uuid), kep.hop_accept(uuid, uuid, text, timestamptz, bytea, text),
	kep.hop_result(uuid, int, text, text, text, uuid, timestamptz, bytea, text), kep.hop_relayed(uuid, int, text, text),
	kep.hop_alarm(uuid, text, text, text), kep.relay_event(uuid, int, text, text, text) TO kep_policyd;

INSERT INTO kep.migration (number, name) VALUES (6, 'hop');
RESET ROLE;
