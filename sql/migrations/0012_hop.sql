-- 0012 hop: what the hop records, as in 0006, with fewer statements, since to start
-- one costs more than what it looks up.

SET ROLE kep_owner;

CREATE OR REPLACE FUNCTION kep.hop_accept(kep_id uuid, given_id uuid, outcome text, event_time timestamptz, body bytea, receipt_to text)
RETURNS TABLE (evidence_id uuid, inserted boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	wanted text;
	added  record;
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
	added := kep.evidence_add(hop_accept.kep_id, 0, given_id, hop_accept.outcome, hop_accept.event_time, hop_accept.body,
	                          NULL, NULL, hop_accept.receipt_to);
	evidence_id := added.evidence_id;
	inserted := added.inserted;
	RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION kep.hop_result(kep_id uuid, recipient int, outcome text, reason_code text, reply text, given_id uuid, event_time timestamptz,
	body bytea, receipt_to text) RETURNS TABLE (evidence_id uuid, inserted boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	known    boolean;
	accepted boolean;
	added    record;
BEGIN
	SELECT EXISTS (SELECT FROM kep.recipient AS r WHERE r.kep_id = hop_result.kep_id AND r.recipient_index = hop_result.recipient),
	       EXISTS (SELECT FROM kep.evidence AS e WHERE e.kep_id = hop_result.kep_id AND e.recipient_index = 0)
	  INTO known, accepted;
	IF NOT known THEN
		RAISE EXCEPTION 'message % has no recipient %', hop_result.kep_id, hop_result.recipient
			USING ERRCODE = 'KE021', HINT = 'Recipients are numbered from 1, as kep.hop_open() gives them.';
	END IF;
	IF hop_result.outcome NOT IN ('B.1', 'B.2', 'B.3', 'D.1', 'D.2') THEN
		RAISE EXCEPTION '% is not the outcome of a delivery', hop_result.outcome
			USING ERRCODE = 'KE023', HINT = 'D.1 delivered, D.2 not delivered; B.1, B.2 or B.3 for a relay.';
	END IF;
	IF NOT accepted THEN
		RAISE EXCEPTION 'message % was not accepted yet', hop_result.kep_id
			USING ERRCODE = 'KE024', HINT = 'Call kep.hop_accept() first.';
	END IF;
	added := kep.evidence_add(hop_result.kep_id, hop_result.recipient, given_id, hop_result.outcome, hop_result.event_time, hop_result.body,
	                          hop_result.reason_code, hop_result.reply, hop_result.receipt_to);
	evidence_id := added.evidence_id;
	inserted := added.inserted;
	RETURN NEXT;
END $$;

INSERT INTO kep.migration (number, name) VALUES (12, 'hop');
RESET ROLE;
